"""Jobs of the web app: superseded, cancelled, killed, left alone, and a hundred uploads at once."""

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from pictures import photo
from PIL import Image
from process import file_of, picture
from serving import children, command, memory_mib, served

from smalti.web import images
from smalti.web.jobs import Patience

PNG = file_of(picture())
LARGE = file_of(picture(1, 900, 1200))
SLOW = {"effort": "best", "pack": "max", "k": 256}


@pytest.fixture(scope="module")
def client():
    with served() as client:
        yield client


@contextlib.contextmanager
def running(client, job):
    """Follow a job that is running; leaving is what a page does that is closed."""
    with client.stream("GET", f"/api/jobs/{job}/events") as stream:
        lines = stream.iter_lines()  # kept: without it, the stream would be closed
        assert any('"running"' in line for line in lines)
        yield


def last(client, job):
    return client.lines(f"/api/jobs/{job}/events")[-1]


def workers(client):
    return client.site.engine.jobs.crew.pids()


def eventually(condition, seconds=10):
    for _ in range(int(seconds * 20)):
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_newer_job_for_the_same_picture_cancels_the_older(client):
    image = client.open(LARGE)
    old = client.render(image["id"], **SLOW)
    with running(client, old):
        new = client.render(image["id"], k=2, pack="fast")

        assert last(client, new)["state"] == "done"
        assert last(client, old) == {"state": "cancelled"}


def test_twenty_jobs_in_a_row_leave_only_the_last(client):
    image = client.open(PNG)

    jobs = [client.render(image["id"], k=k) for k in range(2, 22)]

    assert last(client, jobs[-1])["colors"] == 21
    ends = [last(client, job)["state"] for job in jobs[:-1]]
    assert set(ends) <= {"cancelled", "done"}
    assert "cancelled" in ends


def test_cancelled_job_ends_its_process(client):
    image = client.open(LARGE)
    job = client.render(image["id"], **SLOW)
    with running(client, job):
        before = set(workers(client))

        assert client.delete(f"/api/jobs/{job}").status_code == 204

        assert last(client, job) == {"state": "cancelled"}
    assert eventually(lambda: before - set(children(os.getpid())))


@pytest.mark.guarantee(33)
def test_page_that_goes_away_cancels_its_job(client):
    image = client.open(LARGE)
    job = client.render(image["id"], **SLOW)
    with running(client, job):
        pass

    assert eventually(lambda: client.site.engine.jobs[job].over)
    assert client.site.engine.jobs[job].events[-1] == {"state": "cancelled"}


def test_removed_picture_cancels_its_job(client):
    image = client.open(LARGE)
    job = client.render(image["id"], **SLOW)
    with running(client, job):
        client.delete(f"/api/images/{image['id']}")

        assert last(client, job) == {"state": "cancelled"}


@pytest.mark.guarantee(32)
def test_worker_that_is_killed_is_a_named_error_and_no_end(client):
    image = client.open(LARGE)
    job = client.render(image["id"], **SLOW)
    with running(client, job):
        for worker in client.site.engine.jobs.crew._busy:
            os.kill(worker.pid, signal.SIGKILL)

        end = last(client, job)
    assert end["state"] == "failed", end
    assert end["error"]["kind"] == "WorkerDied"
    assert "SIGKILL" in end["error"]["message"]
    assert client.made(client.open(PNG)["id"], k=2)[0]["state"] == "done"


def test_spare_worker_that_was_killed_is_replaced(client):
    image = client.open(PNG)
    assert client.made(image["id"], k=2)[0]["state"] == "done"
    for pid in workers(client):
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not workers(client))

    done, _ = client.made(image["id"], k=3)
    assert done["state"] == "done", done


@pytest.mark.guarantee(32)
def test_job_that_takes_too_long_is_a_named_error():
    with served(patience=Patience(seconds=0.5)) as client:
        image = client.open(LARGE)

        end = last(client, client.render(image["id"], **SLOW))

        assert (end["state"], end["error"]["kind"]) == ("failed", "TooSlow")


@pytest.mark.guarantee(32)
def test_job_without_memory_is_a_named_error(monkeypatch):
    monkeypatch.setenv("SMALTI_WEB_MEMORY", str(500 * 2**20))
    with served() as client:
        image = client.open(file_of(Image.new("RGB", (9000, 9000))))

        end = last(client, client.render(image["id"], k=2))

        assert end["state"] == "failed"
        assert end["error"]["kind"] in ("LimitExceeded", "WorkerDied")
        assert client.get("/api/state").status_code == 200


@pytest.mark.guarantee(33)
def test_no_more_jobs_run_at_once_than_may():
    with served(patience=Patience(at_once=2)) as client:
        images = [client.open(file_of(picture(seed, 300, 400))) for seed in range(6)]
        jobs = [client.render(image["id"], k=32) for image in images]
        most = 0
        while not all(client.site.engine.jobs[job].over for job in jobs):
            most = max(most, len(client.site.engine.jobs.crew._busy))
            time.sleep(0.01)

        assert 1 <= most <= 2
        assert [last(client, job)["state"] for job in jobs] == ["done"] * 6


@pytest.mark.guarantee(33)
def test_full_queue_asks_to_wait():
    with served(patience=Patience(queued=2)) as client:
        images = [client.open(LARGE) for _ in range(3)]
        for image in images[:2]:
            client.render(image["id"], **SLOW)

        got = client.post(f"/api/images/{images[2]['id']}/render", json=SLOW)

        assert (got.status_code, got.json()["error"]["kind"]) == (503, "Busy")
        assert int(got.headers["retry-after"]) > 0


def test_old_results_are_forgotten():
    with served(patience=Patience(results=3)) as client:
        images = [client.open(PNG) for _ in range(5)]
        jobs = []
        for image in images:
            jobs.append(client.render(image["id"], k=2))
            last(client, jobs[-1])

        found = [client.get(f"/api/jobs/{job}/file").status_code for job in jobs]

    assert found == [404, 200, 200, 200, 200]  # the newest came after the last look


def test_ladder_that_is_left_goes_on_for_nobody(client):
    image = client.open(file_of(Image.fromarray(photo(1, 400))))

    with client.stream("GET", f"/api/images/{image['id']}/ladder") as stream:
        next(stream.iter_lines())

    assert client.made(image["id"], k=2)[0]["state"] == "done"


@pytest.mark.guarantee(33)
def test_no_more_than_two_pictures_are_decoded_at_once(monkeypatch):
    now, most, lock = [0], [0], threading.Lock()
    read = images._read

    def counted(data):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            return read(data)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(images, "_read", counted)
    with served() as client, ThreadPoolExecutor(20) as crowd:
        opened = list(crowd.map(client.open, [LARGE] * 20))

    assert len({image["id"] for image in opened}) == 20
    assert 1 <= most[0] <= 2


@pytest.mark.guarantee(33)
def test_more_files_than_are_kept_are_a_named_error(monkeypatch):
    monkeypatch.setattr(images, "MOST", 3)
    with served() as client:
        for _ in range(3):
            last_one = client.open(PNG)

        got = client.post("/api/images", content=PNG)

        assert (got.status_code, got.json()["error"]["kind"]) == (413, "LimitExceeded")
        client.delete(f"/api/images/{last_one['id']}")
        client.open(PNG)
        monkeypatch.setattr(images, "MOST_BYTES", 4 * len(PNG))
        client.delete(f"/api/images/{last_one['id']}")
        assert client.post("/api/images", content=LARGE).status_code == 413


def test_pixels_that_were_dropped_are_decoded_again(monkeypatch):
    monkeypatch.setattr(images, "ROOM", 1)
    with served() as client:
        first, second = client.open(PNG), client.open(file_of(picture(2)))

        one, two = (client.get(f"/api/images/{i['id']}/pixels").content for i in (first, second))

        assert len(client.site.engine.images._pictures) == 1
        assert one != two
        assert client.get(f"/api/images/{first['id']}/pixels").content == one


@pytest.mark.guarantee(33)
def test_a_hundred_uploads_at_once_are_all_answered_and_memory_comes_back(capsys, effort, figure):
    height, width = effort(900, 1900), effort(1200, 1800)  # of noise: 10 MB
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    data = file_of(effort(picture(1, height, width), Image.fromarray(noise)), "PNG")
    with command() as (process, client):
        for _ in range(3):
            client.delete(f"/api/images/{client.open(data)['id']}")
        before, peak, over = memory_mib(process.pid), [0.0], threading.Event()

        def watch():
            while not over.wait(0.02):
                peak[0] = max(peak[0], memory_mib(process.pid))

        watching = threading.Thread(target=watch)
        watching.start()

        def send(number):
            with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=120) as own:
                return own.post("/api/images", content=data, headers={"X-Filename": f"{number}"})

        with ThreadPoolExecutor(100) as crowd:
            answers = list(crowd.map(send, range(100)))
        over.set()
        watching.join()
        for answer in answers:
            assert answer.status_code == 201
            client.delete(f"/api/images/{answer.json()['id']}")
        # Threads let go of the last pictures when they come to it.
        eventually(lambda: memory_mib(process.pid) < 1.1 * before)
        after = memory_mib(process.pid)

    with capsys.disabled():
        print(
            f"\n100 uploads of {len(data) / 1e6:.1f} MB: {before:.0f} MiB before, "
            f"{peak[0]:.0f} at most, {after:.0f} after their removal"
        )
    figure(
        f"100 uploads of {len(data) / 1e6:.1f} MB at once: {len(answers)} of 100 answered; "
        f"{before:.0f} MiB before, {peak[0]:.0f} at most, {after:.0f} after their removal: "
        f"{after / before - 1:+.0%}"
    )
    assert len({answer.json()["id"] for answer in answers}) == 100
    assert after < 1.1 * before
