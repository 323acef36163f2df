"""The Dask engine: the bytes of a serial run, whatever dies on the way."""

import logging
import os
import pickle
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from dask_kit import Digest

from smalti.batch import dask, places, runs
from smalti.batch.pool import Broken
from smalti.batch.shards import ShardJob
from smalti.batch.versions import installed
from smalti.batch.work import Item
from smalti.errors import BadOption, MissingExtra

pytest.importorskip("distributed", reason="needs Dask: pip install '.[dask]'")

TESTS = Path(__file__).parent


@pytest.fixture
def collection(tmp_path):
    """Make a folder of inputs and return its items."""

    def make(count, **others):
        folder = tmp_path / "in"
        folder.mkdir()
        names = [f"{name}{number:03}.png" for name, many in {"ok": count, **others}.items()
                 for number in range(many)]  # fmt: skip
        for name in names:
            (folder / name).write_bytes(name.encode() * 20)
        (tmp_path / "log").mkdir()
        return places.listing([str(folder)]).items

    return make


def work(folder, name="out", **options):
    return Digest(str(folder / name), str(folder / "log"), **options)


def files_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*")
            if path.is_file()}  # fmt: skip


NO_NAME = ssl.create_default_context()  # a client that trusts anyone, and shows no certificate
NO_NAME.check_hostname = False
NO_NAME.verify_mode = ssl.CERT_NONE


def told(records):
    """What records say that no clock decides."""
    return [{name: value for name, value in record.items() if name not in ("ms", "attempts")}
            for record in records]  # fmt: skip


def serial(folder, items):
    """The outputs, records and payloads of a run in this process."""
    done = runs.run(work(folder, "serial"), items, state=str(folder / "s1"), jobs=1, shard=4)
    return files_in(folder / "serial"), told(done.records), b"".join(done.payloads())


def pids(folder):
    """The processes that noted in the log that they work."""
    return {int(name.split("-")[1]) for name in os.listdir(folder / "log")}


def gone(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rsplit(")", 1)[1].split()[0] == "Z"


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# ---------------------------------------------------------------- a cluster of our own


@pytest.mark.guarantee(36)
def test_what_workers_do_is_what_one_process_does_though_one_is_killed(tmp_path, collection):
    items = collection(40, bad=3)
    expected = serial(tmp_path, items)
    for note in (tmp_path / "log").iterdir():
        note.unlink()
    killed = []

    def kill_one(progress):
        if progress.done and not killed:
            killed.append(min(pids(tmp_path)))
            os.kill(killed[0], signal.SIGKILL)

    done = runs.run(
        work(tmp_path, seconds=0.02), items, state=str(tmp_path / "s2"), engine="dask", jobs=2,
        shard=4, on_progress=kill_one,
    )  # fmt: skip

    assert killed
    assert (files_in(tmp_path / "out"), told(done.records), b"".join(done.payloads())) == expected
    assert done.summary["failed"] == 3
    assert os.getpid() not in pids(tmp_path)
    wait_until(lambda: all(map(gone, pids(tmp_path))))


@pytest.mark.guarantee(38)
def test_a_cluster_of_our_own_hears_no_strangers(tmp_path, collection, monkeypatch, figure):
    pytest.importorskip("cryptography", reason="makes the keys: pip install '.[dask]'")
    import distributed

    clusters, tried = [], []

    class Watched(distributed.LocalCluster):
        def __init__(self, **options):
            super().__init__(**options)
            clusters.append(self)

    monkeypatch.setattr(distributed, "LocalCluster", Watched)

    def intrude(progress):
        if tried or not clusters:
            return
        kind, _, place = clusters[0].scheduler_address.partition("://")
        host, _, port = place.rpartition(":")
        tried.extend([kind, host])
        for wrap in (lambda plain: plain, NO_NAME.wrap_socket):
            with socket.create_connection((host, int(port)), timeout=10) as plain:
                try:
                    with wrap(plain) as stranger:
                        stranger.sendall(pickle.dumps("a stranger") * 100)
                        tried.append(stranger.recv(1000))
                except OSError:  # ssl.SSLError, too
                    tried.append(b"")

    done = runs.run(
        work(tmp_path), collection(4), state=str(tmp_path / "s"), engine="dask", jobs=1,
        on_progress=intrude,
    )  # fmt: skip

    figure(
        "the cluster of a run listens on 127.0.0.1, with TLS, and answers nobody without its key"
    )
    assert tried == ["tls", "127.0.0.1", b"", b""]
    assert done.summary["ok"] == 4


@pytest.mark.guarantee(37)
def test_what_kills_its_worker_is_one_record_and_costs_nobody_else(tmp_path, collection):
    items = collection(12, poison=1)

    done = runs.run(
        work(tmp_path), items, state=str(tmp_path / "state"), engine="dask", jobs=2, shard=3
    )

    bad = [record for record in done.records if not record["ok"]]
    assert [(record["relative"], record["error"]) for record in bad] == [
        ("poison000.png", "WorkerDied")]  # fmt: skip
    assert len(files_in(tmp_path / "out")) == 12
    wait_until(lambda: all(map(gone, pids(tmp_path))))


DRIVER = """
import sys
from dask_kit import Digest
from smalti.batch import places, runs
if __name__ == "__main__":
    folder = sys.argv[1]
    work = Digest(folder + "/out", folder + "/log", seconds=0.1)
    items = places.listing([folder + "/in"]).items
    runs.run(work, items, state=folder + "/state", engine="dask", jobs=2, shard=2)
"""


@pytest.mark.guarantee(36)
def test_a_killed_driver_leaves_no_worker_and_its_next_run_does_the_rest(tmp_path, collection):
    items = collection(30)
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    path = os.pathsep.join([str(TESTS), os.environ["PYTHONPATH"]])

    driver = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], env={**os.environ, "PYTHONPATH": path}
    )
    wait_until(lambda: len(os.listdir(tmp_path / "log")) > 6)
    driver.kill()
    driver.wait()
    before = None

    def over():
        """Whether nobody works any more: nor a worker that had not begun when the driver died."""
        nonlocal before
        last, before = before, len(os.listdir(tmp_path / "log"))
        time.sleep(0.3)
        return last == before and all(map(gone, pids(tmp_path)))

    wait_until(over)
    done = runs.run(work(tmp_path), items, state=str(tmp_path / "state"), jobs=1, shard=2)

    assert before + done.summary["items"] - done.summary["reused"] == len(
        os.listdir(tmp_path / "log")
    )
    assert done.summary["reused"] > 0
    assert files_in(tmp_path / "out") == serial(tmp_path, items)[0]


# ---------------------------------------------------------------- a cluster elsewhere


class Cluster:
    """A scheduler and a worker as processes, on one port for good."""

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes = []

    def start(self):
        path = os.pathsep.join([str(TESTS), os.environ["PYTHONPATH"]])
        for role in (
            ["scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-show",
             "--dashboard-address", "127.0.0.1:0"],
            ["worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny"],
        ):  # fmt: skip
            self.processes.append(subprocess.Popen(
                [sys.executable, "-m", "dask", *role], stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": path}, cwd="/",
            ))  # fmt: skip

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []


@pytest.fixture
def cluster():
    made = Cluster()
    yield made
    made.kill()


@pytest.mark.guarantee(36)
def test_a_scheduler_that_is_killed_and_comes_back_changes_nothing(
    tmp_path, collection, cluster, caplog, monkeypatch
):
    collection(16, bad=1)
    monkeypatch.chdir(tmp_path)
    items = places.listing(["in"]).items
    cluster.start()
    restarts = []

    def restart(progress):
        if progress.done >= 4 and not restarts:
            restarts.append(progress.done)
            cluster.kill()
            cluster.start()

    with caplog.at_level(logging.WARNING, "smalti.batch"):
        done = runs.run(
            Digest("out", seconds=0.05), items, state="state", engine="dask",
            address=cluster.address, shard=2, on_progress=restart,
        )  # fmt: skip

    assert restarts
    assert [record.message for record in caplog.records] == [
        f"smalti: the Dask scheduler at {cluster.address} is gone; waiting for it"]  # fmt: skip
    assert (files_in(tmp_path / "out"), told(done.records), b"".join(done.payloads())) == serial(
        tmp_path, items)  # fmt: skip


# ---------------------------------------------------------------- a cluster that plays its part


class Future:
    def __init__(self, key, answer, load):
        self.key, self._answer, self._load = key, answer, load
        self.status, self.released = "finished", False

    def add_done_callback(self, callback):
        self._load.append(lambda: callback(self))

    def result(self, timeout=None):
        answer = self._answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def release(self):
        self.released = True


class Client:
    """A client whose workers do as they are told by `answers`, last given first."""

    status = "running"

    def __init__(self, *threads, answers=(), versions=None):
        self.threads = {f"tcp://w{number}": count for number, count in enumerate(threads)}
        self.answers = list(answers)
        self.versions = versions or {}
        self.futures, self.most, self.sent, self.welcome = [], 0, [], []
        self._load = []

    def nthreads(self):
        return self.threads

    def run(self, function, *args, on_error=None):
        return {worker: self.versions.get(worker, (installed(), [])) for worker in self.threads}

    def submit(self, function, *args, key, pure, workers):
        job = pickle.loads(args[0])
        answer = self.answers.pop(0) if self.answers else lambda: ("done", [{"ok": job.id}])
        self.futures.append(Future(key, answer, self._load))
        self.sent.append(sum(len(pickle.dumps(each)) for each in args))
        self.welcome.append(workers)
        self.most = max(self.most, sum(not future.released for future in self.futures))
        return self.futures[-1]

    def settle(self):
        while self._load:
            self._load.pop()()

    def cancel(self, futures, force):
        pass

    def close(self, timeout):
        pass


@pytest.fixture
def play(monkeypatch):
    """Run shards on a cluster that plays its part."""

    def run(client, count=3, items=1, connect=lambda self, patience: None):
        class Answers(queue.SimpleQueue):
            def get(self, timeout):
                client.settle()
                return super().get(timeout=timeout)

        def connected(self, patience):
            return connect(self, patience) or client

        monkeypatch.setattr(dask._Cluster, "_connected", connected)
        monkeypatch.setattr(dask.queue, "SimpleQueue", Answers)
        inputs = tuple(Item(f"/{number}.png", f"{number}.png", 1, "") for number in range(items))
        jobs = [ShardJob(Digest("/out"), inputs, f"id{n}", "/state", "") for n in range(count)]
        return list(dask.run(iter(jobs), address="tcp://elsewhere:8786"))

    return run


def test_four_shards_for_each_slot_are_on_their_way_and_never_pictures(play):
    client = Client(1, 2)

    done = play(client, 50, items=100)

    assert client.most == 4 * 3
    assert {job.id for job, _, _ in done} == {f"id{n}" for n in range(50)}
    assert all(future.released for future in client.futures)
    assert max(client.sent) < 100 * 200


def test_workers_of_other_versions_are_refused_before_any_work(play):
    other = {**installed(), "numpy": "1.0", "pyoxipng": ""}
    client = Client(1, 1, versions={"tcp://w1": (other, [])})

    with pytest.raises(Broken, match=r"worker tcp://w1 has numpy 1\.0 .*, no pyoxipng instead of"):
        play(client)
    assert client.sent == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ModuleNotFoundError("No module named 'smalti'"), "cannot load smalti"),
        ((installed(), ["/state"]), "does not see /state"),
    ],
)
def test_workers_that_cannot_work_are_refused_before_any_work(play, answer, words):
    client = Client(1, versions={"tcp://w0": answer})

    with pytest.raises(Broken, match=f"worker tcp://w0 {words}"):
        play(client)


@pytest.mark.parametrize("answer", [("stranger", None), ModuleNotFoundError("smalti")])
def test_a_worker_of_another_version_that_joins_later_is_left_out(play, caplog, answer):
    client = Client(1)

    def join():
        client.threads["tcp://late"] = 1
        client.versions["tcp://late"] = ({**installed(), "Pillow": "1.0"}, [])
        return answer

    client.answers = [join]
    with caplog.at_level(logging.WARNING, "smalti.batch"):
        done = play(client, 2)

    assert sorted(records[0]["ok"] for _, records, _ in done) == ["id0", "id1"]
    assert client.welcome[-1] == ["tcp://w0"]
    (line,) = (record.message for record in caplog.records)
    assert "tcp://late is left out: has Pillow 1.0 instead of" in line


def test_what_goes_wrong_on_a_worker_is_said_and_stops_nothing(play):
    client = Client(
        1, answers=[lambda: ("failed", "CannotWrite: full"), lambda: ZeroDivisionError("x")]
    )

    done = play(client, 3)

    assert sorted(str(message) for _, _, message in done) == [
        "CannotWrite: full", "None", "ZeroDivisionError: x"]  # fmt: skip


def test_only_what_kills_its_worker_alone_is_the_cause(play):
    from distributed import KilledWorker
    from distributed.scheduler import WorkerState

    def killed():
        return KilledWorker("x", WorkerState.__new__(WorkerState), 1)

    client = Client(1, answers=[killed, killed, lambda: ("done", []), killed])

    done = play(client, 3)

    assert [(job.id, message) for job, _, message in done] == [
        ("id2", None), ("id1", "WorkerDied"), ("id0", None)]  # fmt: skip


def test_an_answer_that_is_lost_is_asked_for_again(play):
    client = Client(1, answers=[lambda: OSError("gone"), lambda: TimeoutError()])

    done = play(client, 2)

    assert sorted(records[0]["ok"] for _, records, _ in done) == ["id0", "id1"]
    assert len(client.futures) == 4


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("state", "uri", "out", "expected"),
    [
        ("/s", "/a.png", "/out", None),
        ("s3://b/s", "s3://b/a.png", "s3://b/out", None),
        ("file:///s", "file:///a.png", "", None),
        ("s", "/a.png", "/out", "here"),
        ("/s", "a.png", "/out", "here"),
        ("/s", "/a.png", "out", "here"),
    ],
)
def test_workers_go_to_the_drivers_folder_only_for_relative_paths(state, uri, out, expected):
    class Work:
        out_dir = out

    job = ShardJob(Work(), (Item(uri, "a.png", 1, ""),), "id", state, "")

    assert dask._folder_of(job) == (expected and os.getcwd())


def test_a_worker_is_in_one_folder_at_a_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    seen = []

    def visit(name):
        with dask._inside(str(tmp_path / name)):
            before = os.getcwd()
            time.sleep(0.01)
            seen.append((name, before, os.getcwd()))

    threads = [threading.Thread(target=visit, args=(name,)) for name in "abab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(name for name, _, _ in seen) == ["a", "a", "b", "b"]
    assert all(before == after == str(tmp_path / name) for name, before, after in seen)


@pytest.mark.parametrize(
    ("address", "words"),
    [("tcp://127.0.0.1:9", "no Dask scheduler answers at"), ("x y", "looks like tcp://host:8786")],
)
def test_a_scheduler_that_is_not_there_is_one_sentence(monkeypatch, address, words):
    monkeypatch.setattr(dask, "PATIENCE", 1)

    with pytest.raises(BadOption, match=words):
        list(dask.run([], address=address))


def test_without_dask_the_way_to_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(MissingExtra, match=r"pip install '\.\[dask\]'"):
        list(dask.run([]))


def test_a_scheduler_that_stays_away_ends_the_run_in_one_sentence(play, monkeypatch):
    def leave():
        client.status = "closed"
        return OSError("gone")

    def vanish(self, patience):
        if client.status == "closed":
            raise BadOption("no Dask scheduler answers")

    client = Client(1, answers=[leave])
    monkeypatch.setattr(dask, "PATIENCE", -1)

    with pytest.raises(Broken, match=r"at tcp://elsewhere:8786 did not come back; .* run the same"):
        play(client, 1, connect=vanish)
