"""smalti: pictures of few colors, by k-means in color space.

    import smalti

    small = smalti.quantize("photo.png", 64)        # path, bytes, Pillow image or array
    small.palette, small.indices                    # (64, 3) uint8, (H, W) uint8
    small.save("photo-64.png")                      # an indexed PNG

    report = smalti.compress("photo.png", "photo-small.png", k=256)   # never larger than the input
    smalti.compress_many("pictures", "small", k=64)  # a folder or bucket, on all cores, resumable
    palette = smalti.build_palette(smalti.Histogram.of(a) + smalti.Histogram.of(b), 32)
    smalti.apply_palette(a, palette).save("a.png")  # two pictures, one palette
    for step in smalti.steps("photo.png", 8):       # watch k-means
        print(step.iteration, step.distortion, step.shift)

Same input, options and version: same palette and indices, bit for bit, on every CPU.
"""

import sys
from typing import TYPE_CHECKING, Any

if sys.argv[:1] == ["-m"]:  # Python looks for the module that it shall run: is it the command?
    import smalti_command

    smalti_command.prepare()

from .choose import Choice, choose_k, elbow
from .compress import Report, compress
from .decode import Limits
from .errors import (
    AlreadyCompressed,
    BadImage,
    BadOption,
    CannotWrite,
    LimitExceeded,
    MissingExtra,
    MissingFile,
    MissingRecipe,
    NotSmaller,
    OutputExists,
    OutsidePalette,
    SmaltiError,
    TargetMissed,
)
from .fit import Fit
from .histogram import Histogram
from .image import from_float, from_uint16
from .indexed import IndexedImage
from .kmeans import Step
from .palette import Palette
from .quantize import apply_palette, build_palette, quantize, steps
from .version import __version__ as __version__

if TYPE_CHECKING:
    from .batch.fitting import extend_lock, fit_many
    from .batch.many import compress_many
    from .batch.summary import Summary
    from .batch.survey import Survey, survey
    from .comparison import Comparison, compare
    from .convergence import Convergence, converge
    from .lock import Lock
    from .movies import frames
    from .pillow import pil_quantize
    from .reproduction import verify_recipe
    from .selftest import self_test
    from .sweeps import Sweep, sweep
    from .verification import verify

_LATER = {
    "Comparison": "comparison",
    "Convergence": "convergence",
    "Lock": "lock",
    "Summary": "batch.summary",
    "Survey": "batch.survey",
    "Sweep": "sweeps",
    "compare": "comparison",
    "compress_many": "batch.many",
    "converge": "convergence",
    "extend_lock": "batch.fitting",
    "fit_many": "batch.fitting",
    "frames": "movies",
    "pil_quantize": "pillow",
    "self_test": "selftest",
    "survey": "batch.survey",
    "sweep": "sweeps",
    "verify": "verification",
    "verify_recipe": "reproduction",
}
"""Names whose modules are loaded when they are first asked for: most programs never do, and every
run of the command would pay. None of the modules has the name of one of its functions, as
importing it would put the module in the function's place."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = value
    return value


__all__ = [
    "AlreadyCompressed",
    "BadImage",
    "BadOption",
    "CannotWrite",
    "Choice",
    "Comparison",
    "Convergence",
    "Fit",
    "Histogram",
    "IndexedImage",
    "LimitExceeded",
    "Limits",
    "Lock",
    "MissingExtra",
    "MissingFile",
    "MissingRecipe",
    "NotSmaller",
    "OutputExists",
    "OutsidePalette",
    "Palette",
    "Report",
    "SmaltiError",
    "Step",
    "Summary",
    "Survey",
    "Sweep",
    "TargetMissed",
    "apply_palette",
    "build_palette",
    "choose_k",
    "compare",
    "compress",
    "compress_many",
    "converge",
    "elbow",
    "extend_lock",
    "fit_many",
    "frames",
    "from_float",
    "from_uint16",
    "pil_quantize",
    "quantize",
    "self_test",
    "steps",
    "survey",
    "sweep",
    "verify",
    "verify_recipe",
]
