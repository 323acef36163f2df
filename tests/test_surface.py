"""The public names: these, no others, each documented."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import smalti

NAMES = [
    "AlreadyCompressed", "BadImage", "BadOption", "CannotWrite", "Choice", "Comparison",
    "Convergence", "Fit", "Histogram", "IndexedImage", "LimitExceeded", "Limits", "Lock",
    "MissingExtra", "MissingFile", "MissingRecipe", "NotSmaller", "OutputExists", "OutsidePalette",
    "Palette", "Report", "SmaltiError", "Step", "Summary", "Survey", "Sweep", "TargetMissed",
    "apply_palette", "build_palette", "choose_k", "compare", "compress", "compress_many",
    "converge", "elbow", "extend_lock", "fit_many", "frames", "from_float", "from_uint16",
    "pil_quantize", "quantize", "self_test", "steps", "survey", "sweep", "verify",
    "verify_recipe",
]  # fmt: skip
ERRORS = [name for name in NAMES if isinstance(getattr(smalti, name), type)
          and issubclass(getattr(smalti, name), Exception)]  # fmt: skip


def test_all_lists_the_public_names():
    assert smalti.__all__ == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_exists_and_is_documented(name):
    assert inspect.getdoc(getattr(smalti, name))


def test_quantize_has_the_agreed_parameters():
    parameters = inspect.signature(smalti.quantize).parameters

    assert list(parameters)[:2] == ["image", "k"]
    defaults = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
    agreed = {"space": "oklab", "dither": "auto", "init": "splitting", "n_init": None, "seed": 0}
    agreed |= {"max_iter": None, "tol": None, "threads": None, "channels": "rgb"}
    assert {name: defaults[name] for name in agreed} == agreed


def test_palette_options_have_the_same_defaults_everywhere():
    from smalti.options import OPTIONS

    for call in (smalti.quantize, smalti.apply_palette):
        for name, parameter in inspect.signature(call).parameters.items():
            if name in OPTIONS and name not in ("k", "max_iter"):
                assert parameter.default == OPTIONS[name].default, name


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_a_smalti_error_with_an_exit_code(name):
    error = getattr(smalti, name)

    assert issubclass(error, smalti.SmaltiError)
    assert isinstance(error.exit_code, int)


def test_exit_codes_are_the_documented_ones():
    codes = {name: getattr(smalti, name).exit_code for name in ERRORS if name != "SmaltiError"}

    assert codes == {"BadImage": 2, "BadOption": 2, "MissingExtra": 2, "MissingFile": 2,
                     "MissingRecipe": 2,
                     "LimitExceeded": 4, "OutputExists": 15, "CannotWrite": 16,
                     "NotSmaller": 98, "AlreadyCompressed": 98, "OutsidePalette": 99,
                     "TargetMissed": 99}  # fmt: skip


def test_bad_values_are_also_value_errors():
    assert issubclass(smalti.BadOption, ValueError)
    with pytest.raises(ValueError, match="k must be"):
        smalti.quantize(np.zeros((1, 1, 3), np.uint8), 0)


def test_a_missing_file_is_also_a_file_not_found_error(tmp_path):
    missing = tmp_path / "none.png"
    calls = [
        lambda: smalti.quantize(missing, 4),
        lambda: smalti.Histogram.of(str(missing)),
        lambda: smalti.compress(missing),
        lambda: smalti.IndexedImage.load(missing),
        lambda: smalti.IndexedImage.load(tmp_path / "none.npz"),
    ]
    for call in calls:
        with pytest.raises(FileNotFoundError, match=r"none\.\w+ does not exist") as missed:
            call()
        assert isinstance(missed.value, smalti.MissingFile)
        assert isinstance(missed.value, smalti.BadImage)


@pytest.mark.parametrize("name", ERRORS)
def test_the_drawn_tree_of_errors_shows_every_class_and_its_exit_code(name):
    from smalti import errors

    error = getattr(smalti, name)
    line = next(line for line in errors.__doc__.splitlines() if f" {name} " in line)
    if name != "SmaltiError":
        assert f"exit {error.exit_code}" in line
        assert error.__bases__[-1].__name__ in line


@pytest.mark.parametrize("call", [
    smalti.quantize, smalti.build_palette, smalti.steps, smalti.apply_palette, smalti.compress,
    smalti.compare, smalti.converge, smalti.choose_k, smalti.sweep, smalti.Histogram.of,
    smalti.IndexedImage.to_array,
], ids=lambda call: call.__qualname__)  # fmt: skip
def test_whatever_takes_or_gives_arrays_knows_the_order_of_opencv(call):
    assert inspect.signature(call).parameters["channels"].default == "rgb"
    assert '"bgr"' in inspect.getdoc(call)


def test_package_is_typed():
    assert (Path(smalti.__file__).parent / "py.typed").exists()


def test_version_is_that_of_the_project():
    project = Path(__file__).parent.parent / "pyproject.toml"

    assert f'version = "{smalti.__version__}"' in project.read_text()


def test_import_loads_no_face_no_extra_no_pillow_and_not_the_reference():
    code = "import sys, smalti; print(*sys.modules, sep='\\n')"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(smalti.__file__).parent.parent)},
    )  # fmt: skip

    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "smalti" in loaded
    assert not loaded & {"PIL", "click", "oxipng", "matplotlib", "sklearn", "hypothesis"}
    assert not {"smalti.reference", "smalti.cli"} & set(done.stdout.split())


@pytest.mark.parametrize("name", sorted(smalti._LATER))
def test_names_that_are_loaded_late_stay_what_they_are(name):
    code = (
        f"import smalti, importlib; first = smalti.{name}\n"
        f"importlib.import_module('smalti.' + smalti._LATER[{name!r}])\n"
        f"assert smalti.{name} is first and callable(first)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(smalti.__file__).parent.parent)}

    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_names_that_are_not_there_are_no_attributes():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        smalti.nothing  # noqa: B018
