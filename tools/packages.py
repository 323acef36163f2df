"""Packages: what requirements/ locks, and the licenses that their installed metadata tell.

    requirements/*.txt -> [locked] -> Locked: name, version, marker, hashes
    a name -> [needs] -> names, by the metadata of what is installed; [closure]: and what those need
    a name -> [license_of] -> an SPDX expression, and where it stands
    a name -> [bundled] -> shared libraries inside its wheel, with an SPDX expression each

Metadata are read in the order of trust: the SPDX expression of PEP 639, then the license field and
the classifiers where they mean one thing. `REVIEWED` stands above them, for packages whose metadata
say nothing, too little or less than the truth: it tells where the license itself was read.
`licenses.py` makes a page of this, `bom.py` a bill of materials, `tests/test_supply.py` judges it.
"""

import re
from fnmatch import fnmatch
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from license_expression import ExpressionError, get_spdx_licensing
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

__all__ = [
    "ALLOWED",
    "COMPILED_IN",
    "DEVELOPMENT",
    "EXTRAS",
    "JUDGED",
    "REQUIREMENTS",
    "REVIEWED",
    "RUN",
    "License",
    "Locked",
    "allowed",
    "bundled",
    "closure",
    "license_of",
    "locked",
    "needs",
]  # fmt: skip

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
SPDX = get_spdx_licensing()

# What the locks are for.
RUN, EXTRAS, DEVELOPMENT = (
    "run",
    ("web", "dask", "extras"),
    ("build", "test", "lint", "bench", "lock", "fuzz"),
)
COMPILED_IN = (
    "nanobind"  # linked into the core: of others' code, the wheel of smalti holds only this
)

# Permissive: they ask for a notice at most. All that is needed at run time or by an extra is so.
ALLOWED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Open-MPI", "CC0-1.0", "FTL",
    "IJG", "ISC", "MIT", "MIT-0", "MIT-CMU", "MIT-Modern-Variant", "MIT-open-group", "PSF-2.0",
    "X11", "Zlib", "libpng-2.0", "libtiff",
    "Apache-2.0 WITH LLVM-exception",
    "GPL-3.0-or-later WITH GCC-exception-3.1",  # the exception: any program may come with it
}  # fmt: skip

# What the license field and the classifiers say, where that is not SPDX but means one thing.
FIELDS = {
    "Apache 2.0": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
}
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}

# Where metadata say nothing, or too little: the expression, and where it was read.
REVIEWED = {
    "atheris": ("Apache-2.0", "LICENSE"),
    "axe-playwright-python": ("MIT AND MPL-2.0", "LICENSE; axe.min.js inside is under MPL-2.0"),
    "cmake": ("BSD-3-Clause", "CMake's own LICENSE; the wrapper is under Apache-2.0"),
    "colorama": ("BSD-3-Clause", "LICENSE.txt; only on Windows"),
    "cycler": ("BSD-3-Clause", "LICENSE"),
    "imagequant": ("GPL-3.0-or-later", "libimagequant inside; only the binding is BSD-3-Clause"),
    "jinja2": ("BSD-3-Clause", "licenses/LICENSE.txt"),
    "kiwisolver": ("BSD-3-Clause", "licenses/LICENSE"),
    "nanobind": ("BSD-3-Clause AND MIT", "licenses/LICENSE, and the headers of robin_map inside"),
    "opencv-python-headless": ("Apache-2.0 AND LGPL-2.1-or-later",
                               "LICENSE-3RD-PARTY: FFmpeg inside"),
    "partd": ("BSD-3-Clause", "LICENSE.txt"),
    "scikit-image": ("BSD-3-Clause", "LICENSE.txt"),
    "scipy": ("BSD-3-Clause", "LICENSE.txt"),
    "text-unidecode": ("Artistic-1.0-Perl OR GPL-2.0-or-later", "LICENSE.txt"),
    "zict": ("BSD-3-Clause", "LICENSE.txt"),
}  # fmt: skip

# Shared libraries inside wheels, by the beginning of their names: read in these wheels' licenses.
LIBRARIES = {
    "libXau": "MIT-open-group", "libxcb": "X11",
    "libavif": "BSD-2-Clause AND BSD-3-Clause",  # with AOM, dav1d and libyuv inside
    "libbrotli": "MIT", "libfreetype": "FTL OR GPL-2.0-or-later",
    "libharfbuzz": "MIT-Modern-Variant", "libjpeg": "IJG AND BSD-3-Clause AND Zlib",
    "liblcms2": "MIT", "liblzma": "0BSD",
    "libopenjp2": "BSD-2-Clause", "libpng": "libpng-2.0", "libsharpyuv": "BSD-3-Clause",
    "libtiff": "libtiff", "libwebp": "BSD-3-Clause", "libzstd": "BSD-3-Clause",
    "libscipy_openblas": "BSD-3-Clause AND BSD-3-Clause-Open-MPI",  # OpenBLAS and LAPACK
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libgomp": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libquadmath": "LGPL-2.1-or-later",
}  # fmt: skip


# Not permissive, and what they are for. None is passed on; all but one only help development.
JUDGED = {
    "axe-playwright-python": "looks at the web app in tests",
    "certifi": "a list of certificates, for tests that ask the web app",
    "fqdn": "checks host names for the schema of the bill of materials",
    "hypothesis": "runs tests",
    "imagequant": "a rival that `make bench` measures",
    "libquadmath": "inside the wheels of NumPy and SciPy, beside OpenBLAS",
    "opencv-python-headless": "a judge of TIFF and k-means in tests; FFmpeg inside is not called",
    "pathspec": "helps to build and to check types",
    "text-unidecode": "names files for pytest-playwright",
}


class Locked(NamedTuple):
    name: str
    version: str
    marker: Marker | None  # on which Pythons and systems
    hashes: tuple[str, ...]  # SHA-256 of its wheels and source archives


class License(NamedTuple):
    expression: str  # SPDX; "" if it could not be found out
    source: str  # where that stands


@cache
def locked(purpose: str) -> tuple[Locked, ...]:
    """Return what `requirements/PURPOSE.txt` locks, of some names a version for each Python."""
    text = (REQUIREMENTS / f"{purpose}.txt").read_text(encoding="utf-8")
    entries = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return tuple(_entry(entry) for entry in entries if entry.strip())


def _entry(line: str) -> Locked:
    wanted, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
    requirement = Requirement(wanted)
    (pin,) = requirement.specifier
    if pin.operator != "==" or not hashes:
        raise ValueError(f"expected a pinned version with hashes, got {wanted!r}")
    name = canonicalize_name(requirement.name)
    return Locked(name, pin.version, requirement.marker, tuple(hashes))


def needs(
    name: str, extra: str = "", environment: dict[str, str] | None = None
) -> set[Requirement]:
    """Return what a package asks for, or one of its extras; of one that is not installed, nothing.

    `environment` stands for another Python or system, as in `packaging.markers`.
    """
    here = {**default_environment(), **(environment or {}), "extra": extra}
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return set()
    asked = map(Requirement, lines)
    return {each for each in asked if each.marker is None or each.marker.evaluate(here)}


def closure(name: str, extra: str = "", environment: dict[str, str] | None = None) -> set[str]:
    """Return the names of all that a package or one of its extras needs, and what those need."""
    found: set[tuple[str, str]] = {(canonicalize_name(name), extra)}
    open_ends = list(found)
    while open_ends:
        asked = needs(*open_ends.pop(), environment)
        new = {
            (canonicalize_name(each.name), more) for each in asked for more in ("", *each.extras)
        }
        open_ends += new - found
        found |= new
    return {each for each, _ in found} - {canonicalize_name(name)}


def license_of(name: str) -> License:
    """Return the license of an installed package, or of one that is in `REVIEWED`."""
    if name in REVIEWED:
        return License(REVIEWED[name][0], f"read: {REVIEWED[name][1]}")
    try:
        fields = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return License("", "not installed")
    if expression := fields.get("License-Expression"):
        return License(expression, "expression")
    said = (fields.get("License") or "").partition("\n")[0].strip()
    if _parsed(said := FIELDS.get(said, said)):
        return License(said, "license field")
    classified = [each.split(" :: ")[-1] for each in fields.get_all("Classifier", [])
                  if each.startswith("License :: OSI Approved :: ")]  # fmt: skip
    if len(classified) == 1 and classified[0] in CLASSIFIERS:
        return License(CLASSIFIERS[classified[0]], "classifier")
    return License("", "unclear: read its license, and add it to REVIEWED")


def _parsed(expression: str) -> object:
    """Return the tree of an SPDX expression, or None if it is none."""
    try:
        return SPDX.parse(expression, validate=True)
    except ExpressionError:
        return None


def bundled(name: str) -> dict[str, str]:
    """Return {shared library inside an installed wheel: SPDX expression, "" if unknown}."""
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        return {}
    patterns = ("*.libs/*.so*", "*/.dylibs/*.dylib")  # of auditwheel and delocate
    inside = [file.name for file in files if any(fnmatch(str(file), each) for each in patterns)]
    names = {re.split(r"[-.]", file)[0] for file in inside}
    return {name: _library(name) for name in sorted(names)}


def _library(name: str) -> str:
    return next((each for start, each in LIBRARIES.items() if name.startswith(start)), "")


def allowed(expression: str) -> bool:
    """Whether a license is permissive: of AND all parts, of OR at least one is in `ALLOWED`."""
    return _judged(_parsed(expression))


def _judged(node: object) -> bool:
    if isinstance(node, SPDX.AND):
        return all(map(_judged, node.args))
    if isinstance(node, SPDX.OR):
        return any(map(_judged, node.args))
    return str(node) in ALLOWED
