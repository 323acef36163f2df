"""The indexed image keeps palette rows and indices where they are."""

import io
import itertools

import numpy as np
import pytest
from pictures import photo
from PIL import Image

from smalti import (
    BadImage,
    BadOption,
    CannotWrite,
    IndexedImage,
    MissingFile,
    OutputExists,
    Palette,
    SmaltiError,
    quantize,
)


def make(k=5, channels=3, shape=(6, 7), seed=0):
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (k, channels)).astype(np.uint8)
    kind = np.uint8 if k <= 256 else np.uint16
    return IndexedImage(palette, rng.integers(0, k, shape).astype(kind))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(
    ("suffix", "k"),
    [(".npz", 300), *itertools.product([".png", ".npz"], [1, 2, 5, 16, 17, 256])],
)
def test_saved_images_come_back_exactly(tmp_path, k, channels, suffix):
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


@pytest.mark.parametrize("channels", [3, 4])
def test_numpy_sees_the_pixels(channels):
    image = make(9, channels)

    np.testing.assert_array_equal(np.asarray(image), image.to_array())
    assert np.asarray(image).dtype == np.uint8
    assert np.asarray(image, np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="always a copy"):
        image.__array__(copy=False)


@pytest.mark.parametrize("channels", [3, 4])
def test_bgr_pixels_are_the_rgb_ones_in_the_order_of_opencv(channels):
    image = make(9, channels)

    bgr = image.to_array("bgr")

    np.testing.assert_array_equal(bgr[..., [2, 1, 0, 3][:channels]], image.to_array())
    assert bgr.flags.c_contiguous
    with pytest.raises(BadOption, match="channels must be"):
        image.to_array("rbg")


def test_an_indexed_image_shows_its_size_and_not_its_pixels():
    assert repr(make(300, 4, (40, 1000))) == "IndexedImage(1,000 × 40 pixels, 300 RGBA colors)"


@pytest.mark.parametrize("kind", ["png", "webp", "gif", "npz"])
def test_a_binary_file_gets_the_bytes_that_a_path_gets(tmp_path, kind):
    image, buffer = make(), io.BytesIO()
    path = tmp_path / f"x.{kind}"
    image.save(path)

    image.save(buffer, format=kind)
    with (tmp_path / f"y.{kind}").open("wb") as file:
        image.save(file)  # its name says the format

    if kind != "npz":  # which records the time
        assert buffer.getvalue() == path.read_bytes() == (tmp_path / f"y.{kind}").read_bytes()
    (tmp_path / f"z.{kind}").write_bytes(buffer.getvalue())
    for name in ("x", "y", "z"):
        back = IndexedImage.load(tmp_path / f"{name}.{kind}")
        np.testing.assert_array_equal(back.to_array(), image.to_array())


def test_a_file_without_a_name_gets_png_and_a_path_without_a_suffix_what_is_asked(tmp_path):
    buffer = io.BytesIO()

    make().save(buffer)
    make().save(tmp_path / "picture", format="gif")

    assert buffer.getvalue().startswith(b"\x89PNG")
    assert (tmp_path / "picture").read_bytes().startswith(b"GIF8")


def test_targets_that_cannot_be_written_are_refused_in_words(tmp_path):
    closed, image = io.BytesIO(), make()
    closed.close()

    with pytest.raises(BadOption, match="binary mode"):
        image.save(io.StringIO())
    with pytest.raises(CannotWrite, match="closed"):
        image.save(closed)
    with pytest.raises(BadOption, match="a path or a binary file, got NoneType"):
        image.save(None)
    for target, kind in (("x.png", "gif"), ("x", None), ("x", "tiff"), ("x.png", "tiff")):
        with pytest.raises(BadOption, match=r"images are \.png, \.webp, \.gif, \.npz"):
            image.save(tmp_path / target, format=kind)
    with pytest.raises(BadOption, match="cannot be saved as tiff"):
        image.save(io.BytesIO(), format="tiff")
    assert list(tmp_path.iterdir()) == []


def test_gif_of_a_palette_with_partial_alpha_is_refused(tmp_path):
    image = IndexedImage(np.uint8([[1, 2, 3, 128]]), np.uint8([[0]]))

    with pytest.raises(BadImage, match="GIF"):
        image.save(tmp_path / "x.gif")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_image_is_said_to_be_missing(tmp_path):
    for name in ("x.png", "x.npz"):
        with pytest.raises(MissingFile, match="does not exist"):
            IndexedImage.load(tmp_path / name)


def test_palette_rows_may_be_taken_one_by_one_and_looked_up():
    image = make(5)
    palette = Palette(image.palette)

    assert palette[0] == tuple(image.palette[0].tolist())
    assert palette[-1] == list(palette)[-1]
    np.testing.assert_array_equal(palette[1:3], image.palette[1:3])
    np.testing.assert_array_equal(palette[image.indices], image.to_array())
    with pytest.raises(IndexError):
        palette[5]


def test_masks_are_a_partition_of_the_picture():
    image = IndexedImage(np.uint8([[0] * 3, [5] * 3, [9] * 3]), np.uint8([[0, 1, 1], [1, 0, 0]]))

    masks = [image.mask(i) for i in range(3)]

    assert all(mask.dtype == bool and mask.shape == (2, 3) for mask in masks)
    assert (np.sum(masks, axis=0) == 1).all()
    assert [int(mask.sum()) for mask in masks] == [3, 3, 0]


@pytest.mark.parametrize("i", [-1, 3, 1.5, "1", None, True])
def test_a_mask_of_no_palette_row_is_refused(i):
    image = IndexedImage(np.zeros((3, 3), np.uint8), np.zeros((2, 2), np.uint8))

    with pytest.raises(BadOption, match="i must be an integer from 0 to 2"):
        image.mask(i)


@pytest.mark.parametrize("k", [3, 300])
def test_jupyter_shows_the_png_of_the_image(k):
    image = quantize(photo(1, side=40), k)

    shown = image._repr_png_()

    assert len(image.palette) == k
    with Image.open(io.BytesIO(shown)) as picture:
        assert picture.format == "PNG"
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), image.to_array())
