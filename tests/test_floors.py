"""The house: a module imports only from lower floors, and siblings never import each other."""

import ast
import re
import sys
from pathlib import Path

import pytest

import smalti

PACKAGE = Path(smalti.__file__).parent
NATIVE = Path(__file__).parent.parent / "native"

# From the ground up. Rows between numbered floors are the back rooms of the row above them.
FLOORS = (
    ("errors", "_core", "version"),
    ("options", "bands", "labels", "sources"),
    ("animation", "exif", "floods", "headers", "libtiff", "marks", "palette_binary", "palette_text",
     "png", "profiles", "bins", "lock_text"),  # of decode, encode, files, palette_files
    ("cels", "gif", "packing", "pixels", "ordering", "folders", "histogram_file",
     "outputs", "webp"),
    ("apng", "blue_noise", "color", "image", "layouts", "metadata", "stored"),
    ("png_packing", "scorer"),  # of encode and metrics
    ("seeds", "kmeans", "remap", "dither", "metrics", "anatomy", "palette_files", "decode",
     "encode", "files", "colornames", "swatches", "transport"),
    ("load", "movies", "painting", "plots", "keep", "quality", "steady", "tables"),
    ("targets",),
    ("histogram", "search", "palette", "settings"),
    ("fit", "grid", "rows", "size", "snap", "weights"),
    ("ladder", "mapping", "guard", "fixed", "lock"),
    ("choose",),
    ("indexed", "report", "converge_figure", "sklearn"),
    ("quantize", "masks", "comparison", "export", "verification"),
    ("formats",),
    ("attempts",),
    ("animated", "estimate", "recognition", "recipe"),
    ("compress", "sweeps", "convergence", "pillow", "preview"),
    ("selftest", "reproduction"),
)  # fmt: skip
FLOOR = {module: height for height, floor in enumerate(FLOORS) for module in floor}
ASIDE = {"reference"}  # never imported at run time
FACES = {"cli", "web"}
ENGINE = "batch"  # a package above all these modules, and below the faces
PILLOW_USERS = {"decode", "encode", "gif", "metadata", "png_packing", "indexed", "palette",
                "pixels", "plots", "png", "profiles", "libtiff", "stored", "swatches",
                "comparison", "preview", "versions"}  # fmt: skip

EXTRAS = {
    "plots": {"matplotlib"},
    "converge_figure": {"matplotlib"},
    "metrics": {"scipy"},
    "transport": {"scipy"},
    "tables": {"pyarrow"},
    "sklearn": {"sklearn"},
    "places": {"fsspec"},
    "dask": {"dask", "distributed"},
}
FACE_EXTRAS = {"web": {"starlette", "uvicorn"}}  # imported at the top: the command loads them late
# Modules that use an optional package: never at the top. That of smalti.sklearn's base classes is
# imported with the module, inside the `try` that says what is missing; no other module imports it.

MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))
SOURCES = sorted(PACKAGE.rglob("*.py"))


def typing_only(tree):
    """The nodes inside `if TYPE_CHECKING:`: they import nothing."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If)
              and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"]  # fmt: skip
    return {id(inner) for block in blocks for inner in ast.walk(block)}


def imports(path):
    """Return (dotted name, whether at module level) of everything that a file imports."""
    tree = ast.parse(path.read_text())
    ignored, top = typing_only(tree), {id(node) for node in tree.body}
    package = ["smalti", *path.relative_to(PACKAGE).parts[:-1]]
    found = []
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] + (node.module or "").split(".")
            base = [part for part in base if part]
            names = [".".join(base)] if node.module else [
                ".".join([*base, alias.name]) for alias in node.names]  # fmt: skip
        else:
            continue
        found += [(name, id(node) in top) for name in names]
    return found


def own(path):
    """Return the modules of the package that a file imports, by the name below `smalti`."""
    return {name.split(".")[1] for name, _ in imports(path) if name.startswith("smalti.")}


def test_every_module_has_its_floor():
    assert [module for module in MODULES if module not in FLOOR and module not in ASIDE] == []
    assert [module for module in FLOOR if module not in [*MODULES, "_core"]] == []


@pytest.mark.parametrize("module", [module for module in MODULES if module not in ASIDE])
def test_module_imports_only_from_lower_floors(module):
    for imported in own(PACKAGE / f"{module}.py"):
        assert imported in FLOOR, f"{module} imports {imported}"
        assert FLOOR[imported] < FLOOR[module], f"{module} imports {imported}"


def test_the_check_sees_imports_of_every_kind():
    assert own(PACKAGE / "quantize.py") >= {"mapping", "histogram", "palette", "load"}
    assert ("PIL", False) in [(name.split(".")[0], top) for name, top in imports(
        PACKAGE / "indexed.py")]  # fmt: skip


def test_reference_is_independent_and_nobody_imports_it():
    assert own(PACKAGE / "reference.py") == set()
    for path in SOURCES:
        assert "reference" not in own(path), path.name


def test_only_faces_import_click():
    users = {path for path in SOURCES for name, _ in imports(path) if name.split(".")[0] == "click"}

    assert users
    assert {path.relative_to(PACKAGE).parts[0] for path in users} <= FACES


def test_pillow_is_imported_late_and_only_where_pictures_are_files():
    users = set()
    for path in SOURCES:
        for name, top in imports(path):
            if name.split(".")[0] == "PIL":
                users.add(path.stem)
                assert not top, f"{path.name} imports Pillow for everybody"

    assert "encode" in users
    assert users <= PILLOW_USERS


def test_nothing_below_the_faces_imports_a_face():
    for path in PACKAGE.glob("*.py"):
        assert not own(path) & FACES, path.name
    for path in (PACKAGE / ENGINE).glob("*.py"):
        assert not own(path) & FACES, path.name


def test_only_the_command_knows_the_engine_for_collections():
    for path in SOURCES:
        if ENGINE in own(path):
            assert path.relative_to(PACKAGE).parts[0] in (ENGINE, "cli"), path


def test_faces_never_import_one_another():
    for path in SOURCES:
        face = path.relative_to(PACKAGE).parts[0]
        if face in FACES:
            assert not own(path) & (FACES - {face}), path


def test_only_declared_dependencies_are_imported():
    allowed = {"smalti", "smalti_command", "numpy", "PIL", "click", "oxipng"}
    for path in SOURCES:
        for name, top in imports(path):
            root = name.split(".")[0]
            if root in FACE_EXTRAS.get(path.parent.name, set()):
                assert path.stem in ("app", "server"), f"{path.name} imports {name}"
            elif root in EXTRAS.get(path.stem, set()):
                assert not top, f"{path.name} imports {name} for everybody"
            else:
                assert root in allowed or root in sys.stdlib_module_names, f"{path.name}: {name}"


@pytest.mark.parametrize("path", sorted(NATIVE.rglob("*.?pp")), ids=lambda path: path.name)
def test_only_the_bindings_know_python(path):
    headers = re.findall(r'#\s*include\s*[<"]([^>"]+)', path.read_text())
    python = [header for header in headers if "nanobind" in header or header == "Python.h"]

    assert bool(python) == (path.name == "bindings.cpp")
