"""The error tree: one class per way a run can end badly.

    SmaltiError                      everything smalti raises on purpose
     ├─ BadOption      ValueError    a knob outside its range, a wrong name        exit 2
     ├─ BadImage       ValueError    input that cannot be read as one picture      exit 2
     │   ├─ MissingFile     FileNotFoundError, too: there is no such file          exit 2
     │   └─ MissingRecipe   BadImage, too: the file does not say how it was made   exit 2
     ├─ MissingExtra   ImportError   an optional package is not installed          exit 2
     ├─ LimitExceeded  ValueError    larger than a limit, seen before decoding     exit 4
     ├─ OutputExists   OSError       something is there and may not be replaced    exit 15
     ├─ CannotWrite    OSError       folder missing, read-only, disk full          exit 16
     ├─ NotSmaller     ValueError    the result would be larger than the input     exit 98
     │   └─ AlreadyCompressed  NotSmaller, too: the input is that result already exit 98
     ├─ OutsidePalette ValueError    pixels have colors that a strict palette lacks  exit 99
     └─ TargetMissed   ValueError    a quality or size asked for cannot be had     exit 99

Messages are one sentence: what was expected, what came, and the way out. The
exit codes are those of pngquant where it has one.
"""

__all__ = [
    "AlreadyCompressed",
    "BadImage",
    "BadOption",
    "CannotWrite",
    "LimitExceeded",
    "MissingExtra",
    "MissingFile",
    "MissingRecipe",
    "NotSmaller",
    "OutputExists",
    "OutsidePalette",
    "SmaltiError",
    "TargetMissed",
]


class SmaltiError(Exception):
    """Base of all errors that smalti raises on purpose."""

    exit_code = 2


class BadOption(SmaltiError, ValueError):
    """An option is outside its range, or of the wrong kind."""


class BadImage(SmaltiError, ValueError):
    """The input cannot be read as one picture."""


class MissingFile(BadImage, FileNotFoundError):
    """There is no file of that name."""


class MissingRecipe(BadImage):
    """The file holds no recipe, so there is nothing to check it by."""


class MissingExtra(SmaltiError, ImportError):
    """A feature needs an optional package that is not installed."""


class LimitExceeded(SmaltiError, ValueError):
    """The input is larger than a limit; limits are checked before decoding."""

    exit_code = 4


class OutputExists(SmaltiError, OSError):
    """The output exists, and replacing it was not asked for."""

    exit_code = 15


class CannotWrite(SmaltiError, OSError):
    """The output cannot be written; whatever was there before is untouched."""

    exit_code = 16


class NotSmaller(SmaltiError, ValueError):
    """The result would not be smaller than the input; nothing was written."""

    exit_code = 98


class AlreadyCompressed(NotSmaller):
    """The input is what would be written: the same format and pixels, and no more bytes."""


class OutsidePalette(SmaltiError, ValueError):
    """Pixels have colors that a strict palette lacks; nothing was written.

    99 is pngquant's code for a result below the quality that was asked for: here, no error at all.
    """

    exit_code = 99


class TargetMissed(SmaltiError, ValueError):
    """A quality, score or size that was asked for cannot be had; nothing was written."""

    exit_code = 99
