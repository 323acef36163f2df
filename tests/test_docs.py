"""The documents are true: their code runs, and the help knows every option.

Python blocks of one document run one after the other in one namespace, in a folder that holds
`photo.png`, `a.png` and `b.png`. Blocks marked `pycon` run as doctests.
"""

import doctest
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import smalti
from smalti.cli.app import smalti as command
from smalti.options import OPTIONS

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = {"k": "--colors"}  # the others are called what they are called


def blocks(document, language):
    text = document.read_text()
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(body) for _, body in found]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with pictures in it."""
    for name in ("photo.png", "a.png", "b.png"):
        shutil.copy(ROOT / "examples" / "demo.png", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_python_blocks_run_and_sessions_show_what_happens(document, folder):
    namespace = {"__name__": "document"}
    for number, block in enumerate(blocks(document, "python"), 1):
        exec(compile(block, f"{document.name}, block {number}", "exec"), namespace)

    session = "\n".join(blocks(document, "pycon"))
    test = doctest.DocTestParser().get_doctest(session, {}, document.name, str(document), 0)
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0


@pytest.mark.parametrize("document", ["README.md", "CHANGELOG.md"])
def test_lines_fit_a_window(document):
    lines = (ROOT / document).read_text().splitlines()

    assert [line for line in lines if len(line) > 130] == []


def test_readme_has_a_python_example():
    assert blocks(ROOT / "README.md", "python")


def test_the_tour_of_the_package_runs(folder):
    tour = re.search(r"\n\n((?:    .*\n|\n)+)", smalti.__doc__)[1]
    pictures = [np.random.default_rng(i).integers(0, 256, (40, 50, 3), np.uint8) for i in (0, 1)]

    (folder / "pictures").mkdir()
    shutil.copy(folder / "photo.png", folder / "pictures")

    namespace = dict(zip("ab", pictures, strict=True))
    exec(compile(textwrap.dedent(tour), "tour", "exec"), namespace)

    assert (folder / "photo-64.png").exists()
    assert (folder / "small" / "photo.png").exists()
    assert (folder / "photo-small.png").stat().st_size < (folder / "photo.png").stat().st_size


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_to_files_of_the_repository_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (document.parent / target).exists(), target


def test_commands_of_the_readme_are_known():
    text = "\n".join(blocks(ROOT / "README.md", "sh"))
    runner = CliRunner()
    subcommands = set(re.findall(r"^smalti ([a-z]+)", text, re.MULTILINE))

    assert "compress" in subcommands
    for name in subcommands:
        assert runner.invoke(command, [name, "--help"]).exit_code == 0
    makefile = (ROOT / "Makefile").read_text()
    for goal in set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE)):
        assert re.search(rf"^{goal}:", makefile, re.MULTILINE), goal


@pytest.mark.parametrize("name", OPTIONS)
def test_help_shows_every_option_with_its_help_choices_and_default(name):
    option = OPTIONS[name]
    done = CliRunner().invoke(command, ["compress", "--help"], terminal_width=10_000)
    flag = FLAGS.get(name, f"--{name.replace('_', '-')}")

    assert done.exit_code == 0
    shown = re.search(rf"^ *(?:-\w, )?{flag}\b(?: .*)?(?:\n {{20,}}.*)*", done.output, re.MULTILINE)
    assert shown, flag
    words = " ".join(shown[0].split())
    assert option.help.split("(")[0].split(";")[0].rstrip(".")[:40] in words
    for choice in option.choices:
        assert choice in words
    if option.default is not None:
        assert str(option.default) in words


def test_help_is_printed_by_the_command_itself():
    done = subprocess.run(
        [sys.executable, "-c", "from smalti.cli import main; main()", "compress", "--help"],
        env={**os.environ, "PYTHONPATH": str(Path(smalti.__file__).parent.parent)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    for name in OPTIONS:
        assert FLAGS.get(name, f"--{name.replace('_', '-')}") in done.stdout


def test_the_sizes_in_the_readme_are_those_of_its_pictures():
    text = (ROOT / "README.md").read_text()

    for picture in ("examples/demo.png", "docs/images/demo-64-colors.png"):
        assert f"{(ROOT / picture).stat().st_size:,} bytes" in text, picture
