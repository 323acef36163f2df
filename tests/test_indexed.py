"""The indexed image keeps palette rows and indices where they are."""

import numpy as np
import pytest
from PIL import Image

from smalti import BadImage, BadOption, IndexedImage, OutputExists, SmaltiError


def make(k=5, channels=3, shape=(6, 7), seed=0):
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (k, channels)).astype(np.uint8)
    kind = np.uint8 if k <= 256 else np.uint16
    return IndexedImage(palette, rng.integers(0, k, shape).astype(kind))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("k", [1, 2, 5, 16, 17, 256, 300])
@pytest.mark.parametrize("suffix", [".png", ".npz"])
def test_saved_images_come_back_exactly(tmp_path, k, channels, suffix):
    if suffix == ".png" and k > 256:
        pytest.skip("no indices in a truecolor PNG")
    image = make(k, channels)

    image.save(tmp_path / f"x{suffix}")
    back = IndexedImage.load(tmp_path / f"x{suffix}")

    np.testing.assert_array_equal(back.to_array()[..., :3], image.to_array()[..., :3])
    np.testing.assert_array_equal(back.indices, image.indices)
    assert back.indices.dtype == image.indices.dtype
    if back.palette.shape == image.palette.shape:
        np.testing.assert_array_equal(back.palette, image.palette)
    else:  # a palette that is opaque throughout comes back without alpha
        assert (image.palette[:, 3] == 255).all()


def test_array_is_the_palette_looked_up():
    image = make(9, 4)

    np.testing.assert_array_equal(image.to_array(), image.palette[image.indices])


@pytest.mark.parametrize(("k", "channels", "mode"), [(5, 3, "P"), (5, 4, "P"), (300, 3, "RGB")])
def test_pillow_image_shows_the_same_pixels(k, channels, mode):
    image = make(k, channels)

    pillow = image.to_image()

    assert pillow.mode == mode
    shown = np.asarray(pillow.convert("RGBA" if channels == 4 else "RGB"))
    np.testing.assert_array_equal(shown, image.to_array())


def test_truecolor_results_load_with_their_distinct_colors(tmp_path):
    image = make(300, 3, (40, 40))
    image.save(tmp_path / "x.png")

    back = IndexedImage.load(tmp_path / "x.png")

    np.testing.assert_array_equal(back.to_array(), image.to_array())
    assert len(np.unique(back.palette, axis=0)) == len(back.palette) <= 300


def test_save_refuses_what_it_cannot_do(tmp_path):
    image = make()
    image.save(tmp_path / "x.png")

    with pytest.raises(OutputExists):
        image.save(tmp_path / "x.png", overwrite=False)
    with pytest.raises(BadOption, match=r"\.npz"):
        image.save(tmp_path / "x.tiff")
    with pytest.raises(BadOption, match="at most 256"):
        make(300).save(tmp_path / "x.gif")


def test_archives_that_do_not_fit_together_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", palette=np.zeros((2, 3), np.uint8), indices=np.uint8([[2]]))
    with pytest.raises(BadImage, match="do not belong together"):
        IndexedImage.load(tmp_path / "x.npz")
    (tmp_path / "y.npz").write_bytes(b"PK")
    with pytest.raises(BadImage, match=r"y\.npz"):
        IndexedImage.load(tmp_path / "y.npz")
    np.save(tmp_path / "z.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "z.npy").rename(tmp_path / "z.npz")
    with pytest.raises(BadImage, match=r"z\.npz"):
        IndexedImage.load(tmp_path / "z.npz")


def test_original_stands_left_of_the_result():
    image = make(shape=(6, 7))
    original = np.full((6, 7, 3), 9, np.uint8)

    pair = np.asarray(image.beside(original).convert("RGB"))

    np.testing.assert_array_equal(pair[:, :7], original)
    np.testing.assert_array_equal(pair[:, -7:], image.to_array())


def test_show_says_when_there_is_no_viewer(monkeypatch):
    from PIL import ImageShow

    shown = []
    monkeypatch.setattr(ImageShow, "show", lambda image: shown.append(image) or len(shown) == 1)
    image = make()

    image.show(Image.new("RGB", (7, 6)))

    assert shown[0].width > 14
    with pytest.raises(SmaltiError, match="no image viewer"):
        image.show()
