"""The browser's remapping is the library's: the same points, the same indices, ties included."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from pictures import SPACES, draw, photo
from PIL import Image
from static_site import served

import smalti
from smalti import color

DEMO = Path(__file__).parent.parent / "examples" / "demo.png"
CHUNK = 1 << 20  # colors of the big cube that the page converts at a time
PAGE = "<!doctype html><title>remapping</title>"
RAW = "application/octet-stream"


@pytest.fixture(scope="module")
def site():
    files = {"/": ("text/html", PAGE)}
    with served(files) as site:
        site.files = files
        yield site


@pytest.fixture
def blank(page, site):
    """A blank page of the site, on which modules can be imported; errors on it fail the test."""
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto(site.address)
    yield page
    assert errors == []


def rgba_of(image):
    """Bytes that the page gets: always four channels."""
    if image.shape[2] == 3:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    return np.ascontiguousarray(image)


def page_digest(page, *arguments):
    return page.evaluate(
        """async ([space, channels, source, n]) => {
          const { toPoints } = await import("/points.js");
          const rgba = source ? new Uint8Array(await (await fetch(source)).arrayBuffer())
                              : new Uint8Array(4 * n).fill(255);
          const hex = (digest) => Array.from(new Uint8Array(digest),
            (byte) => byte.toString(16).padStart(2, "0")).join("");
          const digests = [];
          for (let first = 0; first < (source ? 1 : 2 ** 24); first += n) {
            if (!source) for (let i = 0; i < n; ++i)
              for (let d = 0; d < 3; ++d) rgba[4 * i + d] = ((first + i) >> (8 * d)) & 255;
            const points = toPoints(rgba, rgba.length / 4, space, channels);
            digests.push(hex(await crypto.subtle.digest("SHA-256", points)));
          }
          return digests;
        }""",
        arguments,
    )


def digest_of(colors, space):
    return hashlib.sha256(color.to_points(np.ascontiguousarray(colors), space)).hexdigest()


@pytest.mark.parametrize("space", SPACES)
def test_points_of_all_rgb_colors_are_the_librarys(blank, space):
    expected = []
    for first in range(0, 1 << 24, CHUNK):
        packed = np.arange(first, first + CHUNK, dtype="<u4")
        expected.append(digest_of(packed.view(np.uint8).reshape(-1, 4)[:, :3], space))

    assert page_digest(blank, space, 3, None, CHUNK) == expected


@pytest.mark.parametrize("space", SPACES)
def test_points_of_colors_with_alpha_are_the_librarys(blank, site, space):
    colors = np.random.default_rng(4).integers(0, 256, (CHUNK, 4)).astype(np.uint8)
    site.files["/colors"] = RAW, colors.tobytes()

    assert page_digest(blank, space, 4, "/colors", CHUNK) == [digest_of(colors, space)]


def tied_picture():
    """Colors on a lattice, many of them in the middle between entries on a coarser one."""
    r, g, b = np.meshgrid(*[np.arange(0, 256, 8)] * 3, indexing="ij")
    return np.stack([r, g, b], axis=-1).reshape(128, 256, 3).astype(np.uint8)


def demo(width, height):
    with Image.open(DEMO) as image:
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BOX))


PICTURES = {
    "demo": lambda: demo(320, 213),
    "photo": lambda: photo(7, 256),
    "alpha": lambda: draw("noise", 4, 3, 150, 200),
    "soft alpha": lambda: np.dstack([photo(2, 128), photo(9, 128)[:, :, 0]]),
    "ties": tied_picture,
    "gray": lambda: np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2),
}


def palettes(image, k, rng):
    """Palettes of k colors: of the picture, on a lattice with repeats, and with alpha."""
    pixels = image.reshape(-1, image.shape[2])
    yield smalti.quantize(image, k, dither="none").palette
    yield pixels[rng.integers(0, len(pixels), k)]
    yield (rng.integers(0, 9, (k, 3)) * 32).clip(0, 255).astype(np.uint8)
    some = rng.integers(0, 256, (k, 4)).astype(np.uint8)
    some[:, 3] = rng.choice([0, 90, 255], k)
    yield some


REMAP = """async ([width, height, palettes, space]) => {
  const { createRemapper } = await import("/remap.js");
  const remapper = createRemapper();
  const pixels = await (await fetch("/pixels")).arrayBuffer();
  await remapper.setImage({ width, height, pixels, space });
  const parts = [];
  for (const colors of palettes) {
    const want = { indices: true, counts: true };
    const done = await remapper.remap({ colors: Uint8Array.from(colors), want });
    parts.push(done.indices, new Uint8Array(done.rgba), new Uint8Array(done.counts.buffer));
  }
  await fetch("/remapped", { method: "POST", body: new Blob(parts) });
}"""


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", PICTURES)
def test_indices_are_the_librarys_in_every_pixel(blank, site, name, space):
    image = PICTURES[name]()
    height, width, pixels = *image.shape[:2], image.shape[0] * image.shape[1]
    rng = np.random.default_rng(5)
    tried = [p for k in (2, 8, 25, 100, 256) for p in palettes(image, k, rng)]
    site.files["/pixels"] = RAW, rgba_of(image).tobytes()
    colors = [rgba_of(palette[None]).ravel().tolist() for palette in tried]

    blank.evaluate(REMAP, [width, height, colors, space])

    answer = np.frombuffer(site.received["/remapped"], np.uint8)
    for palette in tried:
        indices, answer = np.split(answer, [pixels])
        painted, answer = np.split(answer, [pixels * 4])
        counts, answer = np.split(answer, [len(palette) * 4])
        expected = smalti.apply_palette(image, palette, space=space, dither="none").indices
        np.testing.assert_array_equal(indices.reshape(height, width), expected)
        np.testing.assert_array_equal(
            painted.reshape(height, width, 4), rgba_of(palette[None])[0][expected]
        )
        np.testing.assert_array_equal(
            counts.view("<u4"), np.bincount(expected.ravel(), minlength=len(palette))
        )
    assert answer.size == 0


def start(page, image, body, *arguments):
    """Run JavaScript with a remapper and a picture for it."""
    return page.evaluate(
        """async ([source, width, height, given]) => {
          const { createRemapper } = await import("/remap.js");
          const remapper = createRemapper();
          const pixels = await (await fetch(source)).arrayBuffer();
          const image = { width, height, pixels, space: "oklab" };
          const sent = (...parts) => fetch("/sent", { method: "POST", body: new Blob(parts) });
          return (BODY)({ remapper, image, sent, given });
        }""".replace("BODY", body),
        ["/pixels", image.shape[1], image.shape[0], list(arguments)],
    )


@pytest.fixture
def run(blank, site):
    """Run JavaScript on the page with a remapper; returns what it returns and what it sends."""

    def run(image, body, *given):
        site.files["/pixels"] = RAW, rgba_of(image).tobytes()
        site.received.pop("/sent", None)
        returned = start(blank, image, body, *given)
        return returned, np.frombuffer(site.received.get("/sent", b""), np.uint8)

    return run


BLACK_AND_WHITE = [0, 0, 0, 255, 255, 255, 255, 255]


def test_of_waiting_requests_only_the_newest_of_each_layer_is_painted(run):
    done, _ = run(
        photo(1),
        """async ({ remapper, image, given }) => {
          remapper.setImage(image); // not awaited: the requests wait until it is prepared
          const ask = async (layer) =>
            (await remapper.remap({ colors: Uint8Array.from(given), layer })) && layer;
          return Promise.all(["main", "main", "four0", "main", "four1", "four0"].map(ask));
        }""",
        *BLACK_AND_WHITE,
    )

    assert done == [None, None, None, "main", "four1", "four0"]


def test_another_picture_overtakes_what_was_asked_of_the_first(run):
    image = photo(1, 64)[:48]
    done, _ = run(
        image,
        """async ({ remapper, image, given }) => {
          const colors = Uint8Array.from(given), { width, height } = image;
          const first = remapper.setImage(image), old = remapper.remap({ colors });
          const second = remapper.setImage({ ...image, width: height, height: width });
          const fresh = remapper.remap({ colors });
          return [await first, await old, await second, (await fresh).height];
        }""",
        *BLACK_AND_WHITE,
    )

    assert done == [None, None, {}, image.shape[1]]


def test_region_is_remapped_beside_the_overview_and_goes_with_it(run):
    image = photo(3)
    done, _ = run(
        image,
        """async ({ remapper, image, given }) => {
          const colors = Uint8Array.from(given), sizes = [];
          const note = async (layer) =>
            sizes.push((await remapper.remap({ colors, layer }))?.rgba.byteLength ?? null);
          await remapper.setImage(image);
          await note("region");
          const piece = { width: 5, height: 3, pixels: image.pixels.slice(0, 60) };
          await remapper.setRegion(piece);
          await note("region");
          await note("main");
          await remapper.setImage(image);
          await note("region");
          return sizes;
        }""",
        *BLACK_AND_WHITE,
    )

    assert done == [None, 60, image.shape[0] * image.shape[1] * 4, None]


def test_space_changes_with_the_next_request(run):
    image = photo(4)
    palette = smalti.quantize(image, 16, dither="none").palette
    _, sent = run(
        image,
        """async ({ remapper, image, sent, given }) => {
          const colors = Uint8Array.from(given), want = { indices: true };
          await remapper.setImage(image);
          const parts = [(await remapper.remap({ colors, want })).indices];
          for (const space of ["srgb", "oklab", "srgb"]) {
            remapper.setSpace(space);
            parts.push((await remapper.remap({ colors, want })).indices);
          }
          await sent(...parts);
        }""",
        *rgba_of(palette[None]).ravel().tolist(),
    )

    expected = [
        smalti.apply_palette(image, palette, space=space, dither="none").indices
        for space in ("oklab", "srgb", "oklab", "srgb")
    ]
    np.testing.assert_array_equal(sent.reshape(4, *image.shape[:2]), expected)


@pytest.mark.parametrize("channels", [3, 4])
def test_difference_is_the_error_on_gray_times_the_gain(run, channels):
    before, after = (rgba_of(draw("gradient", channels, seed)) for seed in (3, 4))
    _, sent = run(
        before,
        """async ({ image, sent, given: [gain, ...after] }) => {
          const { difference } = await import("/difference.js");
          await sent(difference(new Uint8ClampedArray(image.pixels), after, gain));
        }""",
        4,
        *after.ravel().tolist(),
    )

    colors, alphas = (np.float64([before, after])[..., part] for part in (slice(3), slice(3, 4)))
    shown = (colors * alphas + 119 * (255 - alphas)) / 255
    error = np.rint(np.minimum(4 * abs(shown[0] - shown[1]), 255)).astype(np.uint8)
    np.testing.assert_array_equal(sent.reshape(before.shape), rgba_of(error))


def test_highlight_leaves_one_entry_as_it_is_and_grays_the_others(run):
    image = photo(6)
    palette = rgba_of(smalti.quantize(image, 5, dither="none").palette[None])[0]
    _, sent = run(
        image,
        """async ({ remapper, image, sent, given }) => {
          await remapper.setImage(image);
          const want = { highlight: 2 }, colors = Uint8Array.from(given);
          await sent((await remapper.remap({ colors, want })).rgba);
        }""",
        *palette.ravel().tolist(),
    )

    indices = smalti.apply_palette(image, palette, dither="none").indices
    painted = sent.reshape(*image.shape[:2], 4)
    np.testing.assert_array_equal(painted[indices == 2], palette[indices[indices == 2]])
    others = painted[indices != 2].astype(int)
    assert abs(others[:, :3] - 119).max() <= 0.2 * 136 + 1
    assert (others[:, 3] == 255).all()


@pytest.mark.parametrize("space", SPACES)
def test_sixty_palettes_of_random_sizes_are_timed(run, space, capsys):
    image = np.tile(photo(5, 512), (2, 2, 1))[:684]
    image = image + np.arange(4, dtype=np.uint8).repeat(256)[:, None]  # no two tiles alike
    rng = np.random.default_rng(6)
    ks = np.exp(rng.uniform(np.log(2), np.log(256), 60)).astype(int)
    pixels = rgba_of(image).reshape(-1, 4)
    tried = [pixels[rng.integers(0, len(pixels), k)].ravel().tolist() for k in ks]
    times, _ = run(
        image,
        """async ({ remapper, image, given: [space, ...tried] }) => {
          const timed = async (ask) => {
            const start = performance.now();
            await ask();
            return performance.now() - start;
          };
          const pixels = image.pixels.slice(0, 4); // until the worker is there
          await remapper.setImage({ ...image, width: 1, height: 1, pixels });
          const milliseconds = await timed(() => remapper.setImage({ ...image, space }));
          const times = [];
          for (const colors of tried)
            times.push(await timed(() => remapper.remap({ colors: Uint8Array.from(colors) })));
          return { times, milliseconds };
        }""",
        space,
        *tried,
    )

    p50, p95 = np.percentile(times["times"], [50, 95])
    distinct = len(np.unique(pixels.view("<u4")))
    figures = (
        f"\n{image.shape[1]}×{image.shape[0]} pixels of {distinct} colors, {space}: "
        f"prepared in {times['milliseconds']:.0f} ms; palette to pixels "
        f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, least {min(times['times']):.1f} ms"
    )
    with capsys.disabled():
        print(figures)
    assert len(times["times"]) == 60
