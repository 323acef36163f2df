"""Many files in the web app: one bad one stops nothing, and the archive holds the rest."""

import csv
import io
import json
import os
import time
import zipfile

import numpy as np
import pytest
from pictures import photo
from PIL import Image
from process import file_of, picture
from serving import children, served

import smalti
from smalti.load import load

GROWS = file_of(Image.fromarray(photo(2)), "JPEG", quality=10)


@pytest.fixture(scope="module")
def client():
    with served() as client:
        yield client


def batch(client, items, shared=False):
    got = client.post("/api/batches", json={"items": items, "shared": shared})
    assert got.status_code == 202, got.text
    return got.json()["batch"]


def unpacked(client, number):
    got = client.get(f"/api/batches/{number}/zip")
    assert got.status_code == 200
    assert got.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(got.content)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def test_twenty_files_of_which_one_cannot_be_made(client):
    images = [client.open(file_of(picture(n)), f"{n}.png") for n in range(20)]
    items = [{"id": image["id"], "settings": {"k": 4 + n}} for n, image in enumerate(images)]
    items[7]["settings"] = {"max_bytes": 10}

    number = batch(client, items)
    events = client.lines(f"/api/batches/{number}/events")
    files = unpacked(client, number)

    totals = events[-1]
    ends = {event["item"]: event for event in events if "item" in event}
    assert [ends[image["id"]]["state"] for image in images].count("done") == 19
    assert ends[images[7]["id"]]["error"]["kind"] == "TargetMissed"
    assert (totals["batch"], totals["files"], totals["failed"]) == ("done", 19, 1)
    pictures = {name: data for name, data in files.items() if name.endswith(".png")}
    assert len(pictures) == 19
    assert totals["bytes_out"] == sum(map(len, pictures.values()))
    assert totals["bytes_in"] == sum(image["bytes"] for image in images) - images[7]["bytes"]
    expected = smalti.compress(file_of(picture(0)), k=4).data
    assert files["0-4.png"] == expected
    report = json.loads(files["report.json"])
    assert report["totals"] == {key: totals[key] for key in report["totals"]}
    rows = list(csv.DictReader(io.StringIO(files["report.csv"].decode("utf-8-sig"))))
    assert [row["status"] for row in rows].count("compressed") == 19
    assert rows[7]["status"] == "failed"
    assert rows[7]["message"]


def test_shared_palette_is_that_of_all_pictures(client):
    data = [file_of(Image.fromarray(photo(n))) for n in range(3)]
    items = [{"id": client.open(each)["id"], "settings": {"k": 24, "dither": "none"}}
             for each in data]  # fmt: skip

    number = batch(client, items, shared=True)
    events = client.lines(f"/api/batches/{number}/events")

    palette = smalti.build_palette(sum(smalti.Histogram.of(each) for each in data), 24)
    ends = [event for event in events if event.get("state") == "done" and event["score"]]
    assert len(ends) == 3
    for end in ends:
        assert [entry["hex"] for entry in end["palette"]] == palette.hex()
    files = unpacked(client, number)
    for name, content in files.items():
        if name.endswith(".png"):
            used = np.unique(load(content).reshape(-1, 3), axis=0)
            assert {tuple(color) for color in used.tolist()} <= set(palette)


def test_result_that_would_be_larger_leaves_the_original(client):
    image = client.open(GROWS, "photo.jpg")

    number = batch(client, [{"id": image["id"], "settings": {"dither": "none"}}])
    events = client.lines(f"/api/batches/{number}/events")

    assert unpacked(client, number)["photo.jpg"] == GROWS
    assert events[-1]["kept"] == 1
    assert events[-1]["bytes_out"] == events[-1]["bytes_in"] == len(GROWS)


def test_names_in_the_archive_are_safe_and_differ(client):
    names = ["a.png", "A.png", "..%2fa.png", "=cmd.png", "con.png", "a<b>:c.png", ".hidden.png",
             "report.json"]  # fmt: skip
    images = [client.open(file_of(picture(1)), name.replace("%2f", "/")) for name in names]

    number = batch(client, [{"id": image["id"], "settings": {"k": 2}} for image in images])
    client.lines(f"/api/batches/{number}/events")
    files = unpacked(client, number)

    assert len(files) == len(names) + 2
    assert len({name.casefold() for name in files}) == len(files)
    for name in files:
        assert not set(name) & set('<>:"/\\|?*')
        assert not name.startswith(".")
    assert "'=cmd.png" in files["report.csv"].decode("utf-8-sig")


def test_archive_keeps_folders_names_what_was_refused_and_forgets_what_was_removed(client):
    images = [client.open(file_of(picture(n)), f"{n}.png") for n in range(3)]
    paths = ["Trip/day 1/0.png", "Trip/../con/1.png", "2.png"]
    items = [
        {"id": image["id"], "path": path, "settings": {"k": 4}}
        for image, path in zip(images, paths, strict=True)
    ]
    refused = [{"source": "Trip/broken.png", "message": "it is truncated"}]

    answer = client.post("/api/batches", json={"items": items, "refused": refused})
    number = answer.json()["batch"]
    totals = client.lines(f"/api/batches/{number}/events")[-1]
    client.delete(f"/api/images/{images[2]['id']}")
    files = unpacked(client, number)

    assert totals["failed"] == 1
    assert set(files) == {
        "Trip/day 1/0-4.png", "Trip/con_/1-4.png", "report.json", "report.csv",
    }  # fmt: skip
    rows = json.loads(files["report.json"])["files"]
    assert [row["source"] for row in rows] == [
        "Trip/day 1/0.png",
        "Trip/con_/1.png",
        "Trip/broken.png",
    ]
    assert rows[-1]["status"] == "failed"
    assert "it is truncated" in files["report.csv"].decode("utf-8-sig")


def test_archive_of_a_batch_in_the_making_has_to_wait(client):
    images = [client.open(file_of(picture(n, 900, 1200))) for n in range(4)]
    items = [{"id": image["id"], "settings": {"effort": "best", "pack": "max"}} for image in images]

    number = batch(client, items)

    assert client.get(f"/api/batches/{number}/zip").status_code == 409
    assert client.delete(f"/api/batches/{number}").status_code == 204
    last = client.lines(f"/api/batches/{number}/events")[-1]
    assert last["batch"] == "cancelled"
    assert set(unpacked(client, number)) >= {"report.json", "report.csv"}


def test_page_that_goes_away_cancels_its_batch(client):
    others = set(children(os.getpid()))  # such as browsers of other tests
    images = [client.open(file_of(picture(n, 900, 1200))) for n in range(4)]
    items = [{"id": image["id"], "settings": {"effort": "best", "pack": "max"}} for image in images]
    number = batch(client, items)

    with client.stream("GET", f"/api/batches/{number}/events") as stream:
        for line in stream.iter_lines():
            if "running" in line:
                break

    for _ in range(100):
        if client.site.engine.batches[number].over:
            break
        time.sleep(0.05)
    assert client.site.engine.batches[number].events[-1]["batch"] == "cancelled"
    assert len(set(children(os.getpid())) - others) <= 3


@pytest.mark.parametrize("given", [
    {}, [], {"items": []}, {"items": "x"}, {"items": [{"id": "x"}]}, {"items": [1]},
    {"items": [{"id": ["x"]}]}, {"items": [{"id": "x", "settings": {"target": "/tmp/x"}}]},
])  # fmt: skip
def test_batch_that_is_none_is_refused(client, given):
    assert client.post("/api/batches", json=given).status_code in (404, 422)
    assert client.get("/api/batches/x/events").status_code == 404
    assert client.get("/api/batches/x/zip").status_code == 404
