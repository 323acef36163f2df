"""Versions of whatever decides on bytes: machines that share a collection must agree on them.

[installed] -> names and versions -> [difference] -> a sentence, or nothing
"""

import platform
import zlib
from importlib import metadata

__all__ = ["difference", "installed"]

PACKAGES = ("numpy", "Pillow", "pyoxipng")
CODECS = ("jpg", "libjpeg_turbo", "zlib_ng", "libtiff", "webp", "avif")
"""Libraries inside Pillow. A system's own build of the same Pillow may have others."""


def installed() -> dict[str, str]:
    """Return the versions of this process; of what is not there, an empty string."""
    from PIL import features

    from .. import __version__

    found = {"smalti": __version__, "Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = ""
    found["zlib"] = zlib.ZLIB_RUNTIME_VERSION
    return found | {codec: features.version(codec) or "" for codec in CODECS}


def difference(mine: dict[str, str], theirs: dict[str, str]) -> str:
    """Say how another machine differs from this one; nothing if it does not.

    >>> difference({"smalti": "1", "numpy": "2.4"}, {"smalti": "1", "numpy": "1.26"})
    'numpy 1.26 instead of 2.4'
    >>> difference({"pyoxipng": "9.1"}, {"pyoxipng": ""})
    'no pyoxipng instead of 9.1'
    """
    names = {**mine, **theirs}
    unlike = [name for name in names if mine.get(name, "") != theirs.get(name, "")]
    return ", ".join(
        f"{_named(name, theirs.get(name))} instead of {mine.get(name) or 'none'}" for name in unlike
    )


def _named(name: str, version: str | None) -> str:
    return f"{name} {version}" if version else f"no {name}"
