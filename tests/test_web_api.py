"""What the web app answers: images, previews, jobs and palettes."""

import io
import json
import math
import struct
import time
import zlib
from urllib.parse import quote

import numpy as np
import pytest
from pictures import draw, photo
from PIL import Image
from process import file_of, picture
from serving import answer, command, memory_mib, served, status

import smalti
from smalti import color, metrics, preview
from smalti.image import check_image
from smalti.load import load
from smalti.web.app import attachment
from smalti.web.images import clean_name

PNG = file_of(picture())
PHOTO = file_of(Image.fromarray(photo(1)), "JPEG", quality=60)
CLEAR = file_of(Image.fromarray(draw("few colors", 4, 1)))


@pytest.fixture(scope="module")
def client():
    with served() as client:
        yield client


def one_color(width, height):
    """Return a PNG of one color that says to be this large."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * min(width, 10_000))
    pixels = b"".join(packer.compress(row) for _ in range(min(height, 3000))) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    )


# ---------------------------------------------------------------- state and images


def test_state_tells_limits_options_and_what_is_open(client):
    image = client.open(PNG, "here.png")

    state = client.get("/api/state").json()

    assert state["version"] == smalti.__version__
    assert state["limits"] == {"bytes": 64 * 2**20, "megapixels": 100, "images": 1000}
    assert state["options"]["k"]["default"] == 256
    assert state["options"]["space"]["choices"] == ["oklab", "srgb"]
    assert image in state["images"]


def test_image_is_described_as_the_library_decodes_it(client):
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(1, 40, 60).save(turned, "JPEG", exif=exif)

    image = client.open(turned.getvalue(), "turned.jpg")

    assert (image["width"], image["height"]) == (40, 60)
    assert (image["name"], image["format"]) == ("turned.jpg", "JPEG")
    assert image["bytes"] == len(turned.getvalue())
    assert image["has_alpha"] is False
    assert image["preview"] == [40, 60]
    assert image["distinct_colors"] == len(smalti.Histogram.of(turned.getvalue()))
    assert any("orientation" in note or "upright" in note for note in image["notes"])


def test_pixels_of_a_small_image_are_its_own(client):
    image = client.open(CLEAR)

    got = client.get(f"/api/images/{image['id']}/pixels")

    width, height = map(int, got.headers["x-size"].split("x"))
    pixels = np.frombuffer(got.content, np.uint8).reshape(height, width, 4)
    np.testing.assert_array_equal(pixels, load(CLEAR))


def test_pixels_of_a_large_image_are_fewer(client):
    image = client.open(file_of(picture(1, 900, 1200), "JPEG"))

    got = client.get(f"/api/images/{image['id']}/pixels")

    assert got.headers["x-size"] == "x".join(map(str, image["preview"])) == "1024x768"
    assert len(got.content) == 1024 * 768 * 4


def test_region_is_of_full_resolution_and_cut_at_the_edges(client):
    image = client.open(PNG)
    path = f"/api/images/{image['id']}/region"

    got = client.get(path, params={"x": 60, "y": 40, "w": 100, "h": 100})

    assert got.headers["x-size"] == "4x8"
    pixels = np.frombuffer(got.content, np.uint8).reshape(8, 4, 4)
    np.testing.assert_array_equal(pixels[:, :, :3], load(PNG)[40:, 60:])
    for wrong in ({"x": 64}, {"w": 0}, {"x": "a"}, {"h": -1}, {"x": "9" * 30}):
        got = client.get(path, params={"x": 0, "y": 0, "w": 9, "h": 9, **wrong})
        assert got.status_code == 422, wrong


def test_thumbnail_is_a_small_png(client):
    image = client.open(file_of(picture(1, 300, 200)))

    got = client.get(f"/api/images/{image['id']}/thumbnail")

    assert got.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(got.content)).size == (85, 128)


def test_image_that_was_removed_is_gone(client):
    path = f"/api/images/{client.open(PNG)['id']}"

    assert client.delete(path).status_code == 204

    for got in (client.delete(path), client.get(f"{path}/pixels"), client.get(f"{path}/ladder"),
                client.post(f"{path}/render", json={})):  # fmt: skip
        assert got.status_code == 404
        assert got.json()["error"]["kind"] == "NotFound"


@pytest.mark.parametrize("space", ["srgb", "oklab"])
@pytest.mark.parametrize("data", [PHOTO, CLEAR])
def test_points_are_a_sample_of_the_colors_where_the_library_sees_them(client, space, data):
    image = client.open(data)

    raw = client.get(f"/api/images/{image['id']}/points", params={"space": space}).content

    (n,) = struct.unpack_from("<I", raw)
    places = np.frombuffer(raw, "<f4", 3 * n, 4).reshape(n, 3)
    colors = np.frombuffer(raw, np.uint8, 4 * n, 4 + 12 * n).reshape(n, 4)
    shares = np.frombuffer(raw, "<f4", n, 4 + 16 * n)
    assert len(raw) == 4 + 20 * n
    assert 0 < n <= 8000
    assert 0 < shares.sum() <= 1 + 1e-3
    channels = 4 if image["has_alpha"] else 3
    expected = color.to_points(np.ascontiguousarray(colors[:, :channels]), space)[:, :3]
    np.testing.assert_allclose(places, expected / color.UNITS[space], rtol=1e-6)


def test_trace_holds_the_steps_of_k_means(client):
    image = client.open(PHOTO)

    query = {"k": 5, "space": "srgb", "init": "random", "seed": 3}
    raw = client.get(f"/api/images/{image['id']}/trace", params=query).content

    expected = list(smalti.steps(PHOTO, 5, show_seeds=True, space="srgb", init="random", seed=3))
    k, n = struct.unpack_from("<II", raw)
    assert (k, n) == (5, len(expected))
    at = 8
    for step in expected:
        iteration, before, after, shift = struct.unpack_from("<Ifff", raw, at)
        centroids = np.frombuffer(raw, "<f4", 15, at + 16).reshape(5, 3)
        counts = np.frombuffer(raw, "<u4", 5, at + 76)
        at += 96
        assert iteration == step.iteration
        assert math.isclose(after, step.distortion, rel_tol=1e-5)
        assert before >= after * (1 - 1e-5) or iteration == 0
        assert math.isclose(shift, step.shift, rel_tol=1e-5, abs_tol=1e-9)
        np.testing.assert_array_equal(centroids, step.centroids)
        np.testing.assert_array_equal(counts, step.counts)
    (length,) = struct.unpack_from("<I", raw, at)
    assert raw[at + 4 :].decode() == expected[-1].stop_reason
    assert length == len(raw) - at - 4


def test_trace_of_few_colors_has_no_steps(client):
    image = client.open(file_of(Image.new("RGB", (4, 4))))

    raw = client.get(f"/api/images/{image['id']}/trace?k=8").content

    assert raw == struct.pack("<III", 8, 0, 5) + b"exact"


# ---------------------------------------------------------------- ladder


def test_ladder_holds_a_palette_for_every_k_the_wanted_one_first(client):
    image = client.open(PHOTO)

    lines = client.lines(f"/api/images/{image['id']}/ladder?first=64&space=srgb")

    palettes = [line for line in lines if "colors" in line]
    ks = [line["k"] for line in palettes]
    assert ks == [64, *(k for k in range(1, 257) if k != 64)]
    assert all(len(line["colors"]) == line["k"] for line in palettes)
    expected = next(preview.palettes(smalti.Histogram.of(PHOTO), [64], space="srgb"))
    assert palettes[0]["colors"] == expected.palette.hex()
    assert abs(sum(palettes[0]["shares"]) - 1) < 1e-3
    assert lines[-1] == {"done": True}


def test_ladder_holds_the_curve_and_what_the_library_suggests(client):
    image = client.open(PHOTO)

    lines = client.lines(f"/api/images/{image['id']}/ladder")

    *_, choice, _ = preview.curve(smalti.Histogram.of(PHOTO))
    curve = {line["curve"]["k"]: line["curve"] for line in lines if "curve" in line}
    points = {point.k: point for point in choice.curve}
    assert curve
    for k, point in curve.items():
        assert point["distortion"] == points[k].distortion
        assert point["psnr"] > 0
    said = next(line for line in lines if "suggestion" in line)
    assert said["suggestion"] == {"k": choice.k, "method": "visible", "reason": choice.reason}
    assert said["suggestions"] == {name: choice.suggestions[name] for name in ("visible", "elbow")}


def test_ladder_of_few_colors_ends_with_all_of_them(client):
    image = client.open(CLEAR)

    lines = client.lines(f"/api/images/{image['id']}/ladder?first=256")

    palettes = [line for line in lines if "colors" in line]
    assert palettes[0]["k"] == image["distinct_colors"]
    assert palettes[0]["distortion"] == 0
    assert {len(word) for line in palettes for word in line["colors"]} == {7, 9}


def test_ladder_keeps_what_is_locked(client):
    image = client.open(PHOTO)

    lines = client.lines(f"/api/images/{image['id']}/ladder?keep=%23ff00ff,%23010203&first=3")

    palettes = [line for line in lines if "colors" in line]
    assert min(line["k"] for line in palettes) >= 2
    assert all({"#ff00ff", "#010203"} <= set(line["colors"]) for line in palettes)


@pytest.mark.parametrize("query", ["space=lab", "keep=%23zz", "keep=/etc/passwd", "first=x",
                                   "first=0", "first=1e9"])  # fmt: skip
def test_ladder_of_nonsense_is_refused(client, query):
    image = client.open(PNG)

    got = client.get(f"/api/images/{image['id']}/ladder?{query}")

    assert got.status_code == 422
    assert got.json()["error"]["kind"] == "BadOption"


# ---------------------------------------------------------------- jobs


def test_job_makes_the_file_that_the_library_makes(client):
    image = client.open(PNG, "photo.png")

    done, data = client.made(image["id"], k=16, dither="none")

    report = smalti.compress(PNG, k=16, dither="none", allow_larger=True)
    assert data == report.data
    assert done["state"] == "done"
    assert (done["bytes"], done["bytes_in"]) == (len(data), len(PNG))
    assert math.isclose(done["saved_percent"], 100 * (1 - len(data) / len(PNG)), abs_tol=0.01)
    assert math.isclose(done["psnr"], metrics.psnr(load(PNG), load(data)))
    assert math.isclose(done["ssim"], metrics.ssim(load(PNG), load(data)))
    assert math.isclose(done["score"], metrics.ssimulacra2(load(PNG), load(data)))
    assert (done["colors"], done["k"], done["name"]) == (16, 16, "photo-16.png")
    assert [entry["hex"] for entry in done["palette"]] == report.palette.hex()
    assert (done["format"], done["type"], done["larger"]) == ("PNG", "image/png", False)
    assert done["advice"] == ""
    assert set(done["milliseconds"]) >= {"decode", "palette", "map", "encode"}


def test_events_come_in_order_and_the_first_result_before_the_scores(client):
    image = client.open(PHOTO)
    job = client.render(image["id"], k=8)

    events = client.lines(f"/api/jobs/{job}/events")

    states = [event["state"] for event in events]
    assert states[0] == "queued"
    assert states[-2:] == ["done", "done"]
    assert set(states[1:-2]) == {"running"}
    stages = [event["stage"] for event in events if event["state"] == "running"]
    assert stages[:3] == ["decode", "histogram", "palette"]
    shares = [event["done"] for event in events if event["state"] == "running"]
    assert shares == sorted(shares)
    assert events[-2]["ssim"] is None
    assert events[-2]["psnr"] == events[-1]["psnr"]
    assert client.lines(f"/api/jobs/{job}/events") == events


def test_identical_result_has_no_psnr_and_the_best_scores(client):
    image = client.open(file_of(Image.new("RGB", (9, 9), "red"), "BMP"), "flat.bmp")

    done, data = client.made(image["id"])

    assert (done["psnr"], done["ssim"], done["score"]) == (None, 1, 100)
    assert (done["colors"], done["name"]) == (1, "flat-1.png")
    assert (load(data) == [255, 0, 0]).all()


@pytest.mark.parametrize("settings", [
    {"k": 7, "format": "webp"}, {"k": 9, "format": "gif"}, {"k": "auto"}, {"k": "elbow"},
    {"palette": ["#000000", "#ffffff", "#80808080"]}, {"keep": ["#ff00ff"], "k": 5},
    {"max_bytes": "3k"}, {"min_score": 30, "k": 64}, {"quality": "20-60"},
])  # fmt: skip
def test_settings_mean_what_the_library_means(client, settings):
    image = client.open(CLEAR)

    done, data = client.made(image["id"], **settings)

    assert done["state"] == "done", done
    assert data == smalti.compress(CLEAR, **settings, allow_larger=True).data


def test_null_is_the_default_and_a_palette_needs_no_search(client):
    image = client.open(PNG)

    settings = {"palette": ["#000", "#fff"], "k": 16, "effort": "best", "keep": ["#f00"]}
    done, data = client.made(image["id"], **settings, dither=None, size=None)

    assert data == smalti.compress(PNG, palette="#000,#fff", allow_larger=True).data
    assert done["k"] == 2


@pytest.mark.parametrize("settings", [
    {"k": 0}, {"k": 1e9}, {"k": "many"}, {"k": True}, {"space": "lab"}, {"colors": 16},
    {"palette": "/etc/passwd"}, {"palette": ["/etc/passwd"]}, {"palette": []}, {"palette": [1]},
    {"keep": "0=#fff"}, {"keep": ["no color"]}, {"keep": ["#fff"] * 300}, {"weight": "/etc/passwd"},
    {"target": "/tmp/x"}, {"limits": None, "source": 1}, {"guard": 1}, {"guard": "no"},
    {"quality": []}, {"quality": "9" * 99}, {"max_bytes": -1}, {"max_bytes": "lots"},
    {"min_score": 101}, {"seed": -1}, {"init": [[1, 2, 3]]}, {"size": float("1e300")}, [], "k", 1,
    None,
])  # fmt: skip
def test_settings_that_are_none_are_refused_in_a_sentence(client, settings):
    image = client.open(PNG)

    got = client.post(f"/api/images/{image['id']}/render", json=settings)

    assert got.status_code == 422
    error = got.json()["error"]
    assert error["kind"] == "BadOption"
    assert len(error["message"]) < 300


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"NaN", b'{"k": NaN}'])
def test_body_that_is_no_json_is_refused(client, body):
    image = client.open(PNG)

    got = client.post(f"/api/images/{image['id']}/render", content=body)

    assert got.status_code == 422


def test_target_that_cannot_be_met_is_a_named_error(client):
    image = client.open(PHOTO)

    job = client.render(image["id"], max_bytes=10)

    last = client.lines(f"/api/jobs/{job}/events")[-1]
    assert (last["state"], last["error"]["kind"]) == ("failed", "TargetMissed")
    assert client.get(f"/api/jobs/{job}/file").status_code == 404


def test_photo_that_grows_gets_the_librarys_advice(client):
    image = client.open(file_of(Image.fromarray(photo(2)), "JPEG", quality=10), "photo.jpg")

    done, data = client.made(image["id"], dither="none")

    assert done["larger"] is True
    assert len(data) > done["bytes_in"]
    assert "photographs belong in JPEG, WebP or AVIF" in done["advice"]
    assert "--allow-larger" in done["cli"]


def test_file_is_an_attachment_of_its_type(client):
    image = client.open(PNG, "Ünï.png")
    job = client.render(image["id"], k=4, format="webp")
    client.lines(f"/api/jobs/{job}/events")

    got = client.get(f"/api/jobs/{job}/file")

    assert got.headers["content-type"] == "image/webp"
    assert got.headers["content-disposition"] == (
        "attachment; filename=\"_n_-4.webp\"; filename*=UTF-8''%C3%9Cn%C3%AF-4.webp"
    )
    assert got.headers["x-content-type-options"] == "nosniff"


def test_job_that_nobody_knows_is_not_found(client):
    for path in ("/api/jobs/x/events", "/api/jobs/x/file", "/api/jobs/..%2f..%2fx/file"):
        assert client.get(path).status_code == 404
    assert client.delete("/api/jobs/x").status_code == 404


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_truncated_file_is_a_named_error(client, kind):
    whole = file_of(picture(), kind)

    got = client.post("/api/images", content=whole[: len(whole) // 2])

    assert got.status_code == 415
    assert got.json()["error"]["kind"] == "BadImage"
    assert client.open(PNG)


@pytest.mark.parametrize(("data", "word"), [
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "SVG"),
    (b"8BPS\0\1" + bytes(100), "Photoshop"),
    (b"GIF89a", "GIF"),
    (b"", "empty"),
    (b"hello", "not an image"),
])  # fmt: skip
def test_what_is_not_read_is_a_named_error(client, data, word):
    got = client.post("/api/images", content=data)

    assert got.status_code == 415
    assert word in got.json()["error"]["message"]


@pytest.mark.guarantee(22, 32)
def test_bomb_is_refused_from_its_header(capsys, figure):
    bomb = one_color(30_000, 30_000)
    with command() as (process, client):
        client.open(PNG)
        before = memory_mib(process.pid)
        start = time.perf_counter()

        got = client.post("/api/images", content=bomb)

        seconds, more = time.perf_counter() - start, memory_mib(process.pid, most=True) - before
        with capsys.disabled():
            print(f"\nbomb of {len(bomb):,} bytes: {1000 * seconds:.0f} ms, {more:.1f} MiB more")
        assert got.status_code == 413
        assert got.json()["error"]["kind"] == "LimitExceeded"
        assert more < 150
        assert client.open(PNG)
    figure(
        f"a picture of 30,000 x 30,000 pixels refused in {1000 * seconds:.0f} ms and {more:.1f} MiB"
    )


HOSTILE_NAMES = [
    "<img src=x onerror=alert(1)>.png", "../../etc/passwd", "..\\..\\boot.ini", "a\r\nX: 1.png",
    'a"; filename="evil.exe', "a%0d%0aX-Evil: 1", "\u202egnp.exe", "C:\\x\\y.png", "/abs/olute.png",
    "a" * 5000 + ".png", "\0", ".", "..", "", "é\U0001f3a8.png", "con.png", "-rf.png", "$(ls).png",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.guarantee(34)
def test_hostile_name_is_only_text(client, name):
    got = client.post("/api/images", content=PNG, headers={"X-Filename": quote(name, safe="")})
    image = got.json()
    job = client.render(image["id"], k=2)
    done = client.lines(f"/api/jobs/{job}/events")[-1]
    file = client.get(f"/api/jobs/{job}/file")

    assert 0 < len(image["name"]) <= 120
    assert image["name"].isprintable()
    assert not set(image["name"]) & set("/\\")
    header = file.headers["content-disposition"]
    assert header.isascii()
    assert header.startswith('attachment; filename="')
    assert header.count('"') == 2
    assert "x-evil" not in file.headers
    assert done["name"].endswith("-2.png")


@pytest.mark.guarantee(34)
def test_raw_line_breaks_in_a_header_get_nowhere(client):
    head = (
        "POST /api/images HTTP/1.1\r\nHost: {}:{}\r\nX-Token: {}\r\nX-Filename: a\nX-Evil: 1\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n"
    )

    reply = answer(client.address, head.format(*client.address, client.token).encode())

    assert status(reply) in (400, 415)
    assert b"Evil" not in reply


def test_names_are_quoted_for_the_header():
    assert attachment("a\r\nb") == "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"
    assert clean_name("a%0D%0Ab.png") == "a__b.png"


# ---------------------------------------------------------------- palettes


@pytest.mark.parametrize("kind", ["gpl", "ase", "json", "css", "hex", "aco", "act", "pal"])
def test_palette_comes_back_from_its_file(client, kind):
    colors = ["#ff8000", "#102030", "#ffffff"]

    got = client.post("/api/palette", json={"colors": colors, "format": kind})
    back = client.post(f"/api/palette/read?suffix=.{kind}", content=got.content)

    assert got.headers["content-disposition"].startswith(f'attachment; filename="palette.{kind}"')
    assert got.content == smalti.Palette.of(colors).encoded(f".{kind}")
    assert back.json() == {"colors": colors}


def test_palette_is_drawn_as_a_picture(client):
    got = client.post("/api/palette", json={"colors": ["#f80"], "format": "png", "shares": [1]})

    assert got.headers["content-type"] == "image/png"
    assert check_image(np.asarray(Image.open(io.BytesIO(got.content)).convert("RGB"))).size


@pytest.mark.parametrize("given", [
    {}, [], {"colors": []}, {"colors": ["#f80"]}, {"colors": ["#f80"], "format": "exe"},
    {"colors": "/etc/passwd", "format": "gpl"}, {"colors": ["/etc/passwd"], "format": "gpl"},
    {"colors": ["#f80"], "format": "json", "shares": [1, 2]},
    {"colors": ["#f80"], "format": "json", "shares": ["x"]},
    {"colors": ["#f80"], "format": "../gpl"},
])  # fmt: skip
def test_palette_that_is_none_is_refused(client, given):
    got = client.post("/api/palette", json=given)

    assert got.status_code == 422
    assert json.loads(got.content)["error"]["kind"] == "BadOption"


def test_palette_file_that_is_none_is_refused(client):
    assert client.post("/api/palette/read?suffix=.gpl", content=b"nothing").status_code == 415
    assert client.post("/api/palette/read?suffix=.exe", content=b"nothing").status_code == 422
    assert client.post("/api/palette/read", content=b"nothing").status_code == 422
