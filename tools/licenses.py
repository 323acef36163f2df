"""Licenses: the page docs/licenses.md, of all that requirements/ locks. `make licenses` writes it.

It is read from the metadata of what is installed, so everything has to be; `tests/test_supply.py`
holds the page to the locks and to the metadata, and the licenses to those that are allowed.
"""

import argparse
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from packages import (
    COMPILED_IN,
    DEVELOPMENT,
    EXTRAS,
    JUDGED,
    RUN,
    allowed,
    bundled,
    license_of,
    locked,
)

PAGE = """# Licenses

smalti is under the MIT license. `make licenses` has written this from the metadata of the packages
that [requirements/](../requirements) locks, on {system}; `tests/test_supply.py` holds the page to
the locks, and the licenses to a list of permissive ones. Of `AND` every part has to be permissive,
of `OR` one.

## At run time

{run}
| {compiled_in} | {compiled_in_version} | {compiled_in_license} | compiled into `smalti._core` |

The wheels of NumPy, Pillow, SciPy and scikit-learn hold shared libraries of others. smalti neither
holds nor links them; they come with these wheels, under their own licenses.

{libraries}

libgfortran and libgomp are parts of GCC, whose runtime exception lets any program use them.
libquadmath is **not permissive**: it is under the LGPL, a library of its own beside OpenBLAS, and
smalti calls nothing of it. Where that matters, build NumPy and SciPy from their sources. Pillow's
wheel holds neither libimagequant nor FriBiDi, which it could be built with, and which are under the
GPL and the LGPL.

## Extras

None of these is installed or imported unless asked for.

{extras}

## Development only

These build, test and measure smalti. They are groups of `pyproject.toml`, not extras: the metadata
of the package name none of them, and nothing in `src/` imports them. Licenses in bold are not
permissive. They bind whoever passes these packages on, which smalti does not:

{judged}

{development}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, required=True)
    parser.parse_args().page.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page; every package of the locks has one row."""
    run, extras, development = map(_names, ((RUN,), EXTRAS, DEVELOPMENT))
    return PAGE.format(
        system=f"{platform.system()} with Python {platform.python_version()}",
        run=_table("read in", run, lambda name: license_of(name).source),
        compiled_in=COMPILED_IN,
        compiled_in_version=_version(COMPILED_IN),
        compiled_in_license=license_of(COMPILED_IN).expression,
        libraries=_libraries(run | extras),
        judged="\n".join(f"- {name}: {why}" for name, why in JUDGED.items() if name in development),
        extras=_table("read in", extras - run, lambda name: license_of(name).source),
        development=_table("for", development - extras - run - {COMPILED_IN}, _purposes),
    )


def _names(purposes: tuple[str, ...]) -> set[str]:
    return {each.name for purpose in purposes for each in locked(purpose)}


def _table(last: str, names: set[str], tell: Callable[[str], str]) -> str:
    rows = [f"| package | version | license | {last} |", "| --- | --- | --- | --- |"]
    for name in sorted(names):
        expression = license_of(name).expression
        shown = expression if allowed(expression) else f"**{expression or 'unknown'}**"
        rows.append(f"| {name} | {_version(name)} | {shown} | {tell(name)} |")
    return "\n".join(rows)


def _version(name: str) -> str:
    """Return the version that is installed, or of what this system does not need the locked one."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        everywhere = (each for purpose in (RUN, *EXTRAS, *DEVELOPMENT) for each in locked(purpose))
        return next(each.version for each in everywhere if each.name == name)


def _purposes(name: str) -> str:
    return ", ".join(purpose for purpose in DEVELOPMENT if name in _names((purpose,)))


def _libraries(names: set[str]) -> str:
    rows = ["| library | license | in the wheel of |", "| --- | --- | --- |"]
    found = {name: bundled(name) for name in sorted(names)}
    licenses = {library: each for inside in found.values() for library, each in inside.items()}
    for library, expression in sorted(licenses.items(), key=lambda row: row[0].lower()):
        holders = ", ".join(name for name in found if library in found[name])
        shown = expression if allowed(expression) else f"**{expression or 'unknown'}**"
        rows.append(f"| {library} | {shown} | {holders} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
