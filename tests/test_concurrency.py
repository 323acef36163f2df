"""Threads, processes and signals: the interpreter is let go, results are those of one thread, and
Ctrl-C ends a native call.

The native functions are called as smalti itself calls them: `native_calls` makes it work on a
picture and keeps, of each function, the call that took longest.
"""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import pytest
from concurrent_kit import CALLS, digest_of
from pictures import photo
from PIL import Image
from process import listing, wait_until_at_work

import smalti
from smalti import _core, color

# What takes less than a millisecond whatever the picture, or only says something: their loops are
# over palettes of at most 256 entries, cells of a preview, or chosen rows.
BRIEF = {"level", "choose_level", "update", "grow_order", "arrange"}
METHODS_WITH_LOOPS = {"Tree.weights", "Tree.coarseness", "Grid.map"}
HERE = os.path.dirname(__file__)


def python(script: str, *arguments: object, seconds: float = 300, **environment: str) -> str:
    """Run a script of the tests in a Python of its own, and return what it printed."""
    path = os.pathsep.join([os.environ["PYTHONPATH"], HERE])
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=seconds)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # its children, too
        process.communicate()
        raise
    assert process.returncode == 0, errors
    return output


# ---------------------------------------------------------------- every native function


@contextmanager
def longest_calls() -> Iterator[dict[str, tuple[float, Callable[[], Any]]]]:
    """Note how long each native function took at most, and how to call it so again."""
    found: dict[str, tuple[float, Callable[[], Any]]] = {}

    def noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments, **named)
            took = time.perf_counter() - start
            if took > found.get(name, (0.0, None))[0]:
                found[name] = took, lambda: function(*arguments, **named)
            return result

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name, function in vars(_core).copy().items():
            if callable(function) and not isinstance(function, type) and name[0] != "_":
                patch.setattr(_core, name, noting(name, function))
        yield found


@pytest.fixture(scope="module")
def native_calls() -> dict[str, tuple[float, Callable[[], Any]]]:
    """The longest call of each native function, on a picture of some 0.6 megapixels."""
    picture = photo(1, 800)
    with longest_calls() as found:
        smalti.quantize(picture, 256, effort="best", dither="floyd-steinberg", threads=1)
        smalti.quantize(picture, 64, init="k-means++", effort="lloyd", max_iter=2, threads=1)
        smalti.quantize(picture, 64, dither="bayer", threads=1)
        smalti.quantize(picture, 64, effort="turbo", threads=1)
        smalti.compress(picture, k=64, size=0.25, pack="fast", threads=1)
        smalti.metrics.ssimulacra2(picture, picture // 2 * 2, threads=1)
        _core.count_neighbors(smalti.quantize(picture, 64).indices, 64)
        colors = smalti.Histogram.of(picture).colors
        _core.storage_order(colors)
        color.to_points(np.tile(colors, (8, 1)), "oklab")
        rows, places = np.random.default_rng(1).random((2, 8, 20_000))
        labels, d2 = np.empty(20_000, np.int64), np.empty(20_000)
        _core.nearest_rows(rows, np.ascontiguousarray(places.T[:500]), labels, d2, 1)
        _core.cheapest_merges(places[:3].astype(np.float32), places[3].astype(np.float32))
        colors, counts = _core.count_colors(picture.reshape(-1, 3), 1)
        tree = color.make_tree(colors, counts, "oklab")
        grid = _core.make_grid(picture.reshape(-1, 3), 1)
    # The trees of these calls have given up their keys since.
    found["coarsen"] = found["coarsen"][0], lambda: _core.coarsen(tree, 2, 1)
    found["split_seeds"] = found["split_seeds"][0], lambda: _core.split_seeds(tree, 256, 64)
    found["Tree.weights"] = 0.0, tree.weights
    found["Tree.coarseness"] = 0.0, lambda: tree.coarseness(256)
    cells = color.make_tree(grid.colors(), grid.counts(), "oklab")
    entries = color.to_points(grid.colors()[:16], "oklab")
    out = np.empty(picture.size // 3, np.uint8)
    found["Grid.map"] = (
        0.0,
        lambda: grid.map(cells, picture.reshape(-1, 3), entries, 1, color.LINEAR, out, 1),
    )
    return found


def test_every_native_function_is_tried(native_calls):
    functions = {
        name
        for name, function in vars(_core).items()
        if callable(function) and not isinstance(function, type) and name[0] != "_"
    }

    assert functions | METHODS_WITH_LOOPS == set(native_calls) | BRIEF


class Counting:
    """A thread that does nothing but count, as fast as it may run."""

    def __enter__(self) -> "Counting":
        self.count, self._over = 0, False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()

    def _run(self) -> None:
        while not self._over:
            self.count += 1

    def rate(self, work: Callable[[], Any]) -> float:
        """Return how many it counts in a second while this thread is at work."""
        before, start = self.count, time.perf_counter()
        work()
        return (self.count - before) / (time.perf_counter() - start)


def progress(call: Callable[[], Any], seconds: float) -> float:
    """Return how fast another thread counts during native calls, beside how fast it does alone."""

    def calls() -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            call()

    # A thread that waits for the interpreter gets it between two calls for as long as it takes to
    # ask for it back: hardly any time, so that what is seen is seen during the calls.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        with Counting() as counting:
            alone = counting.rate(lambda: time.sleep(seconds / 2))
            return counting.rate(calls) / alone
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.timed
@pytest.mark.guarantee(29)
def test_other_threads_run_on_during_every_native_function(native_calls, figure, effort):
    found = {}
    for name in sorted(set(native_calls) - BRIEF):
        _, call = native_calls[name]
        for _ in range(5):  # other processes may have the cores for a while
            found[name] = max(found.get(name, 0.0), progress(call, effort(1, 10) / 10))
            if found[name] > 0.8:
                break

    slowest = min(found, key=found.__getitem__)
    figure(
        f"{sum(share > 0.8 for share in found.values())} of {len(found)} native functions leave a "
        f"counting thread 80 % of its speed or more; the least was {found[slowest]:.0%}, "
        f"during {slowest}"
    )
    assert found[slowest] > 0.25, found


@pytest.mark.timed
@pytest.mark.guarantee(29)
def test_a_counting_thread_keeps_its_speed_during_a_second_of_native_work(figure, effort):
    picture = photo(1, 1200)

    def work() -> None:
        smalti.quantize(picture, 256, effort="best", dither="floyd-steinberg", threads=1)

    best = max(progress(work, 1.0) for _ in range(effort(2, 5)))

    figure(f"a counting thread made {best:.0%} of its solo progress during a second of work")
    assert best > 0.2  # without the interpreter it would count next to nothing


# ---------------------------------------------------------------- many threads


@pytest.mark.guarantee(29)
def test_64_threads_of_mixed_calls_give_the_results_of_one(figure, effort):
    expected = {name: digest_of(name) for name in CALLS}
    start = time.perf_counter()
    assert {name: digest_of(name) for name in CALLS} == expected
    serial = len(CALLS) / (time.perf_counter() - start)
    each, wrong, errors = effort(6, 50), [], []
    together = threading.Barrier(64)

    def run(number: int) -> None:
        chosen = random.Random(number).choices(sorted(CALLS), k=each)
        together.wait()
        for name in chosen:
            try:
                if digest_of(name) != expected[name]:
                    wrong.append(name)
            except Exception as error:
                errors.append((name, error))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(64)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = 64 * each / (time.perf_counter() - start)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    figure(
        f"64 threads, {64 * each} calls: {len(wrong)} results differ, {len(errors)} errors; "
        f"{rate / serial:.1f} times the calls per second of one thread, on {cores} cores"
    )
    assert (wrong, errors) == ([], [])


@pytest.mark.guarantee(29)
def test_free_threaded_python_stays_so(figure):
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this Python has a global lock; run the tests with python3.13t or newer")

    seen = python("import sys, smalti; print(sys._is_gil_enabled())", PYTHON_GIL="")

    figure(f"Python {sys.version.split()[0]}, free-threaded: import leaves the lock off")
    assert seen.strip() == "False"


# ---------------------------------------------------------------- processes

FORKING = """
import os, sys
from concurrent_kit import CALLS, digest_of
import numpy as np, smalti
smalti.quantize(np.zeros((2000, 2000, 3), np.uint8), 2, threads=4)  # native threads have run
expected = {name: digest_of(name) for name in CALLS}
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        os._exit(0 if {name: digest_of(name) for name in CALLS} == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.guarantee(29)
def test_a_forked_child_gives_the_same_results(figure, effort):
    python(FORKING, effort(2, 20))

    figure(f"{effort(2, 20)} of {effort(2, 20)} forked children give the results of their parent")


POOLS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from concurrent_kit import CALLS, digest_of
expected = {name: digest_of(name) for name in CALLS}
context = multiprocessing.get_context(sys.argv[1])
with ProcessPoolExecutor(2, mp_context=context) as pool:
    assert dict(zip(CALLS, pool.map(digest_of, CALLS))) == expected
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.guarantee(29)
def test_pools_of_processes_give_the_same_results(method, figure, tmp_path):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")

    python(POOLS, method)

    figure(f"{len(CALLS)} of {len(CALLS)} kinds of calls agree in a pool of processes by {method}")


SUBINTERPRETER = """
from concurrent_kit import CALLS, digest_of
try:
    import _interpreters as interpreters  # 3.13
except ImportError:
    import _xxsubinterpreters as interpreters
name = next(iter(CALLS))
expected = digest_of(name)
own = interpreters.create()
script = f'''
try:
    from concurrent_kit import digest_of
except ImportError as error:
    print("refused:", error)
else:
    print("works" if digest_of({name!r}) == {expected!r} else "differs")
'''
failed = interpreters.run_string(own, script)
assert not failed, failed
assert digest_of(name) == expected
"""


@pytest.mark.guarantee(29)
def test_subinterpreters_work_or_refuse(figure):
    said = python(SUBINTERPRETER, PYTHONWARNINGS="ignore").strip()

    assert said == "works" or said.startswith("refused: "), said
    figure(f"in a subinterpreter: {said.splitlines()[0]}")


# ---------------------------------------------------------------- Ctrl-C


class Rang(Exception):
    """What the handler of the alarm raises."""


def latency(call: Callable[[], Any], delay: float) -> float | None:
    """Return how long after a signal a call ended, in seconds; None if it was done before."""
    sent = [0.0]

    def ring(signum: int, frame: FrameType | None) -> None:
        raise Rang

    before = signal.signal(signal.SIGALRM, ring)
    try:
        sent[0] = time.perf_counter() + delay
        signal.setitimer(signal.ITIMER_REAL, delay)
        call()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Rang:
        return time.perf_counter() - sent[0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return None


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.guarantee(29)
def test_every_long_native_function_can_be_interrupted(native_calls, figure):
    found = {}
    for name, (took, call) in native_calls.items():
        if took > 0.05:  # shorter ones end by themselves
            late = latency(call, 0.005)
            if late is not None:
                found[name] = late

    longest = max(found, key=found.__getitem__)
    figure(
        f"{len(found)} native functions interrupted, the slowest of them ({longest}) "
        f"{found[longest] * 1000:.0f} ms after the signal"
    )
    assert len(found) >= 3  # of so many it is known, however fast the machine is
    assert found[longest] < 2


INTERRUPTED = """
import json, os, random, signal, sys, threading, time
import numpy as np, smalti
height = int(sys.argv[3]) * 1000 // 6
y, x = np.mgrid[0:height, 0:6000]
grain = np.random.default_rng(1).integers(-25, 25, (height, 6000, 1))
picture = np.dstack([x // 24, y * 250 // height, x // 50 + y * 100 // height])
picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
del x, y, grain
def work():
    smalti.quantize(picture, 256, effort="best", dither="floyd-steinberg", threads=int(sys.argv[2]))
start = time.perf_counter()
work()
took = time.perf_counter() - start
late = []
for number in range(int(sys.argv[1])):
    sent = []
    def interrupt():
        time.sleep(took * random.Random(number).uniform(0.02, 0.9))
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        work()
        thread.join()
        time.sleep(1)
    except KeyboardInterrupt:
        end = time.perf_counter()
        thread.join()
        late.append(end - sent[0])
print(json.dumps(late))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.thorough)])
@pytest.mark.guarantee(29)
def test_ctrl_c_ends_a_large_picture_at_once(threads, figure, effort):
    megapixels = effort(6, 24)
    late = json.loads(
        python(INTERRUPTED, effort(4, 50), threads, megapixels, seconds=effort(300, 1200))
    )

    figure(
        f"{megapixels} megapixels, effort best, threads {threads}: KeyboardInterrupt "
        f"{np.median(late) * 1000:.0f} ms after the signal (median), {max(late) * 1000:.0f} ms at "
        f"most, in {len(late)} cases; {sum(each < 0.2 for each in late)} within 200 ms"
    )
    assert len(late) >= effort(3, 45)  # a call may be done before, where others leave it the cores
    assert np.median(late) < 0.2
    assert max(late) < 2


ASKING = """
import threading
import numpy as np, smalti
def interrupted():
    raise KeyboardInterrupt
threading.main_thread = interrupted
noise = np.random.default_rng(0).integers(0, 256, (1500, 1000, 3)).astype(np.uint8)
try:
    smalti.quantize(noise, 64, effort="best")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.guarantee(29)
def test_a_signal_while_a_call_asks_for_signals_ends_it_too():
    # Whether this is the main thread is asked in Python, whose handlers of signals may run there.
    assert python(ASKING, seconds=120).strip() == "interrupted"


def test_an_interrupted_call_leaves_its_inputs_and_the_next_call_alone():
    picture = photo(3, 500)
    kept = picture.copy()
    expected = smalti.quantize(picture, 64, effort="best", threads=2).indices

    for delay in (0.002, 0.01, 0.02, 0.03, 0.05, 0.08, 0.13, 0.2):
        latency(lambda: smalti.quantize(picture, 64, effort="best", threads=2), delay)

    assert np.array_equal(picture, kept)
    assert np.array_equal(smalti.quantize(picture, 64, effort="best", threads=2).indices, expected)


ENTRY = "from smalti_command import main; main()"  # as the installed script has it


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.guarantee(8, 29)
def test_the_command_ends_soon_after_ctrl_c(folder, figure, effort):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (2000, 3000, 3), np.uint8)).save(folder / "large.bmp")
    words = ["large.bmp", "--effort", "best", "--dither", "floyd-steinberg", "-f"]
    before, late = listing(folder), []
    for number in range(effort(3, 20)):
        process = subprocess.Popen(
            [sys.executable, "-c", ENTRY, *words],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        wait_until_at_work(process.pid)
        time.sleep(random.Random(number).uniform(0, 1))
        sent = time.perf_counter()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        if process.returncode == 0:  # it was done before
            (folder / "large-smalti.png").unlink()
            continue
        late.append(time.perf_counter() - sent)
        assert (process.returncode, out, err) == (130, b"", b"")
        assert listing(folder) == before

    figure(
        f"the command exits with 130 {np.median(late) * 1000:.0f} ms after the signal (median), "
        f"{max(late) * 1000:.0f} ms at most, in {len(late)} cases"
    )
    assert late
