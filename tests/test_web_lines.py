"""The lines that the web app shows, run: the same bytes as the file it made."""

import shlex
import subprocess

import pytest
from pictures import photo
from PIL import Image
from process import COMMAND, file_of, picture
from serving import served

PICTURES = {
    "photo.jpg": file_of(Image.fromarray(photo(3)), "JPEG", quality=30),
    'my photo\'s "best".png': file_of(picture(1)),
    "-k.png": file_of(picture(2)),
    "16": file_of(picture(3)),
    "$(touch hacked)é.png": file_of(picture(4)),
}
SETTINGS = [
    {},
    {"k": 16},
    {"k": "auto", "space": "srgb"},
    {"k": 300},
    {"dither": "floyd-steinberg", "dither_strength": 0.5, "dither_adaptive": False},
    {"dither": "none", "size": 0.5, "guard": False},
    {"effort": "lloyd", "init": "random", "n_init": 3, "seed": 7, "k": 5},
    {"keep": ["#c00000", "#80808080"], "k": 9, "pack": "fast"},
    {"palette": ["#000", "#ffffff", "#c0c0c0"], "dither": "bayer"},
    {"quality": "10-50", "max_bytes": "8k"},
    {"min_score": 20, "format": "webp", "icc": "strip"},
    {"k": 7, "format": "gif"},
]


@pytest.fixture(scope="module")
def client():
    with served() as client:
        yield client


@pytest.fixture
def made(client, tmp_path, monkeypatch):
    """Make a file, put the original into the current folder, and return what was said."""
    monkeypatch.chdir(tmp_path)

    def make(name, settings):
        (tmp_path / name).write_bytes(PICTURES[name])
        image = client.open(PICTURES[name], name)
        done, data = client.made(image["id"], **settings)
        assert done["state"] == "done", done
        return done, data

    return make


CASES = [("photo.jpg", settings) for settings in SETTINGS]
CASES += [(name, {"k": 12}) for name in PICTURES if name != "photo.jpg"]


@pytest.mark.parametrize(("name", "settings"), CASES, ids=str)
def test_command_line_makes_the_same_bytes(made, tmp_path, name, settings):
    done, data = made(name, settings)

    words = shlex.split(done["cli"])
    assert words[:2] == ["smalti", "compress"]
    subprocess.run([*COMMAND, *words[1:]], cwd=tmp_path, check=True, capture_output=True)

    assert (tmp_path / done["name"]).read_bytes() == data


@pytest.mark.parametrize(("name", "settings"), CASES, ids=str)
def test_snippet_makes_the_same_bytes(made, tmp_path, name, settings):
    done, data = made(name, settings)

    exec(done["python"], {})

    assert (tmp_path / done["name"]).read_bytes() == data


def test_shell_runs_nothing_but_the_command(made, tmp_path):
    done, _ = made("$(touch hacked)é.png", {"k": 2})

    subprocess.run(["sh", "-c", f"echo {done['cli']}"], cwd=tmp_path, check=True)

    assert not (tmp_path / "hacked").exists()


def test_lines_say_only_what_differs(made):
    done, _ = made("photo.jpg", {"k": 256, "space": "oklab", "dither": "auto", "size": None})

    assert shlex.split(done["cli"])[2:] == ["--allow-larger"] * done["larger"] + [
        "-o", done["name"], "photo.jpg"
    ]  # fmt: skip
    assert "k=" not in done["python"]
