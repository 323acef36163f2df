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
    button = app.page.get_by_role("button", name="Download zip")
    app.until(
        "[...document.querySelectorAll('#batch-root button')].some(b => /zip/i.test(b.textContent) && !b.disabled)"
    )
    with app.page.expect_download() as found:
        button.click()
    return zipfile.ZipFile(io.BytesIO(Path(found.value.path()).read_bytes()))


def test_twenty_files_of_which_one_is_damaged(app, twenty):
    app.open(*twenty).wait("settled")
    app.until(
        "document.querySelector('#batch-root').innerText.includes('truncated') || document.querySelector('#batch-root').innerText.includes('damaged')"
    )

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


def test_a_file_may_have_settings_of_its_own(app):
    app.open(*[(f"{n}.png", png(photo(40, 50, seed=n))) for n in range(2)]).wait("settled")
    app.set_k(5)
    app.page.get_by_role("button", name="Use the current settings for this file").first.click()
    app.set_k(40)

    archive = compress_all(app)

    counts = []
    for name in sorted(each for each in archive.namelist() if each.endswith(".png")):
        picture = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
        counts.append(len(np.unique(picture.reshape(-1, 3), axis=0)))
    assert counts[0] <= 5 < counts[1] <= 40
