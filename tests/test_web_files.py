"""Many files in the web app: a drop of twenty, one of them damaged; own settings; the archive."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from web_kit import App, photo, png


@pytest.fixture
def twenty() -> list[tuple[str, bytes]]:
    """Nineteen pictures and one that is cut off."""
    files = [(f"picture {n:02}.png", png(photo(40, 50, seed=n))) for n in range(20)]
    files[7] = ("picture 07.png", files[7][1][:300])
    return files


def compress_all(app: App) -> zipfile.ZipFile:
    app.page.get_by_role("button", name="Compress all").click()
    with app.page.expect_download() as found:
        app.page.get_by_role("button", name="Download zip").click()  # once it is enabled
    return zipfile.ZipFile(io.BytesIO(Path(found.value.path()).read_bytes()))


def test_twenty_files_of_which_one_is_damaged(app, twenty):
    app.open(*twenty).wait("settled")
    app.page.locator(".batch-row", has_text="truncated").wait_for()

    archive = compress_all(app)

    names = archive.namelist()
    pictures = [name for name in names if name.endswith(".png")]
    assert len(pictures) == 19
    report = json.loads(archive.read("report.json"))
    assert "report.csv" in names
    stored = sum(archive.getinfo(name).file_size for name in pictures)
    text = app.text("#batch-root")
    assert "19 of 20" in text
    assert json.dumps(report).count("picture") >= 19
    assert stored > 0
    for name in pictures:
        colors = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")).reshape(
            -1, 3
        )
        assert len(np.unique(colors, axis=0)) <= 64
    app.errors.clear()  # the browser itself notes the refusal


def test_one_palette_for_all_files(app):
    app.open(*[(f"{n}.png", png(photo(40, 50, seed=n))) for n in range(3)]).wait("settled")
    app.set_k(16)
    app.page.get_by_label("One palette for all files").check()

    archive = compress_all(app)

    palettes = set()
    for name in archive.namelist():
        if name.endswith(".png"):
            picture = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
            palettes |= set(map(tuple, picture.reshape(-1, 3).tolist()))
    assert len(palettes) <= 16


def counts_of(archive: zipfile.ZipFile) -> list[int]:
    """How many colors each picture in the archive has, in the order of their names."""
    counts = []
    for name in sorted(each for each in archive.namelist() if each.endswith(".png")):
        picture = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
        counts.append(len(np.unique(picture.reshape(-1, 3), axis=0)))
    return counts


def press(app: App, button: str, name: str) -> None:
    """Press a button in the row of a file."""
    app.page.locator(".batch-row", has_text=name).get_by_role("button", name=button).click()


def three(app: App) -> None:
    """Open three files; the first of them is on the stage."""
    files = [(f"{n}.png", png(photo(40, 50, seed=n))) for n in range(3)]
    app.open(*files).wait("settled")
    app.until("document.querySelectorAll('#batch-root .batch-row button:enabled').length >= 9")


def test_a_file_may_have_settings_of_its_own(app):
    three(app)
    app.set_k(5)
    press(app, "Use own settings", "1.png")
    app.until("document.querySelector('#file-name').textContent === '1.png'")  # to change them
    press(app, "Open 0.png", "0.png")
    app.until("document.querySelector('#file-name').textContent === '0.png'")
    app.set_k(40)

    counts = counts_of(compress_all(app))

    assert counts[1] <= 5
    assert all(5 < count <= 40 for count in (counts[0], counts[2]))


def test_settings_changed_while_a_file_of_its_own_is_open_are_that_files_alone(app):
    three(app)
    app.set_k(40)
    press(app, "Use own settings", "1.png")
    press(app, "Open 1.png", "1.png")
    app.set_k(5)

    press(app, "Open 2.png", "2.png")
    app.until("document.querySelector('#k-number').value === '40'")
    press(app, "Open 1.png", "1.png")
    app.until("document.querySelector('#k-number').value === '5'")
    counts = counts_of(compress_all(app))
    press(app, "Same as all", "1.png")

    app.until("document.querySelector('#k-number').value === '40'")
    assert counts[1] <= 5
    assert all(5 < count <= 40 for count in (counts[0], counts[2]))


def test_the_open_file_may_have_settings_of_its_own(app):
    three(app)
    app.set_k(40)
    press(app, "Use own settings", "0.png")
    app.set_k(5)

    counts = counts_of(compress_all(app))

    assert counts[0] <= 5
    assert all(5 < count <= 40 for count in counts[1:])


def test_a_picture_of_few_colors_leaves_the_next_one_its_number(app):
    icon = np.zeros((20, 30, 3), np.uint8)
    icon[:, 10:] = [200, 30, 40]
    icon[:, 20:] = [20, 230, 140]
    app.open(("icon.png", png(icon))).wait("settled")
    assert app.k == 3
    app.page.keyboard.press("ArrowRight")
    assert app.k == 3

    app.open(("photo.png", png(photo(40, 50))))
    app.until("document.querySelector('#file-name').textContent === 'photo.png'")
    app.wait("settled")

    assert app.k == 64
    assert "64 colors" in app.text("#palette-root")
