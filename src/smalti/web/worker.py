"""Worker: the process that a job runs in.

    stdin: request frame -> [main] -> stdout: event frames, the last of them with a file

A process of its own can be killed in the middle of a native loop, cannot take the server
down with it, and can be bounded in memory. It is started before it is needed, imports
everything, and waits. When the server goes away, however that happens, standard input
ends, and so does the process, at once.

A frame is two little-endian uint32, the lengths, then JSON and bytes.
"""

import contextlib
import json
import math
import os
import queue
import signal
import struct
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

__all__ = ["LENGTHS", "frame", "main"]

LENGTHS = struct.Struct("<II")
NICE = 10
"""The page and its palettes go before: what moves under a hand must not wait for a file."""

MEMORY = 4 * 2**30
"""Bytes of address space, where the system knows such a limit: a picture of 100 megapixels fits."""

STAGES = {
    "decode": 0.0,
    "histogram": 0.1,
    "palette": 0.15,
    "map": 0.5,
    "encode": 0.65,
    "measure": 0.9,
    "write": 1.0,
}
"""How far a job is when a stage begins: about, from a photograph of 12 megapixels."""

Tell = Callable[..., None]


def frame(event: dict[str, Any], blob: bytes = b"") -> bytes:
    r"""Return the bytes of a frame.

    >>> frame({"a": 1}, b"xyz")
    b'\x08\x00\x00\x00\x03\x00\x00\x00{"a": 1}xyz'
    """
    words = json.dumps(event).encode()
    return LENGTHS.pack(len(words), len(blob)) + words + blob


def main() -> None:
    """Do what comes in on standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C in the terminal is the server's to handle
    _bound_memory()
    # Frames own the pipe: whatever a library might print goes elsewhere.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asked: queue.SimpleQueue[tuple[dict[str, Any], bytes]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, asked), daemon=True).start()

    def tell(event: dict[str, Any], blob: bytes = b"") -> None:
        out.write(frame(event, blob))
        out.flush()

    _warm_up()
    while True:
        request, data = asked.get()
        _perform(request, data, tell)
        del data
        tell({"state": "over"})


def _bound_memory() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has none
        import resource

        most = int(os.environ.get("SMALTI_WEB_MEMORY", MEMORY))
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)


def _listen(stream: IO[bytes], asked: "queue.SimpleQueue[tuple[dict[str, Any], bytes]]") -> None:
    """Read requests. In a thread, so that the end of the server is noticed during a job."""
    with contextlib.suppress(BaseException):
        while len(head := stream.read(LENGTHS.size)) == LENGTHS.size:
            words, blob = LENGTHS.unpack(head)
            request = json.loads(stream.read(words))
            asked.put((request, stream.read(blob)))
    os._exit(0)


def _warm_up() -> None:
    """Load what a job will need."""
    import numpy as np

    from ..compress import compress

    with contextlib.suppress(Exception):
        compress(np.zeros((2, 2, 3), np.uint8), k=2)


def _perform(request: dict[str, Any], data: bytes, tell: Tell) -> None:
    from ..errors import SmaltiError

    try:
        {"compress": _compress, "palette": _palette}[request["do"]](request, data, tell)
    except SmaltiError as error:
        tell(_failed(type(error).__name__, str(error)))
    except MemoryError:
        tell(_failed("LimitExceeded", "not enough memory for this picture and these settings"))
    except Exception as error:
        tell(_failed("Bug", f"a bug in smalti: {type(error).__name__}: {error}"))


def _failed(kind: str, message: str) -> dict[str, Any]:
    return {"state": "failed", "error": {"kind": kind, "message": message}}


# ---------------------------------------------------------------- one file


def _compress(request: dict[str, Any], data: bytes, tell: Tell) -> None:
    """Make the file, tell what is known of it, then compare it with the picture."""
    from .. import metrics
    from ..compress import compress
    from ..load import load_with_notes

    settings = request["settings"]
    progress = _Progress(tell)
    report = compress(
        data, **settings, allow_larger=True, on_stage=progress.stage, on_try=progress.tried
    )
    assert report.data is not None  # there is no target
    done = {**_result(report), "advice": _advice(report, data)}
    tell(done, report.data)
    icc = settings.get("icc", "srgb")
    original = load_with_notes(data, icc=icc).image
    result = load_with_notes(report.data, icc=icc).image
    done["ssim"] = metrics.ssim(original, result)
    done["score"] = metrics.ssimulacra2(original, result, threads=os.cpu_count() or 1)
    tell(done)


def _result(report: Any) -> dict[str, Any]:
    plain = report.to_dict()
    return {
        "state": "done",
        "bytes": report.bytes_out,
        "bytes_in": report.bytes_in,
        "saved_percent": plain["saved_percent"],
        "psnr": report.psnr if math.isfinite(report.psnr) else None,
        "ssim": None,
        "score": None,
        "colors": report.colors_used,
        "distinct_colors": report.distinct_colors,
        "k": report.k,
        "palette": plain["palette"],
        "dithering": report.dithering,
        "size": report.size,
        "distortion": report.distortion,
        "notes": plain["notes"],
        "larger": report.bytes_out >= report.bytes_in,
        "format": report.format,
        "milliseconds": plain["milliseconds"],
    }


def _advice(report: Any, data: bytes) -> str:
    """Say what to do with a result that is no smaller than its original."""
    from ..compress import ADVICE
    from ..headers import is_lossy, sniff

    if report.bytes_out < report.bytes_in:
        return ""
    if report.distinct_colors > 256 and is_lossy(data, sniff(data)):
        return f"Larger than the original: {ADVICE}. Keep the original, or try fewer colors."
    return "No smaller than the original: keep that, or try fewer colors or more packing."


class _Progress:
    """Tells how far a job is. A search for a target goes through the stages again and again."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._done, self._tries = tell, 0.0, 0

    def stage(self, name: str) -> None:
        done = STAGES.get(name, 0.0)
        if self._tries:  # each try brings it closer, and the last one closes the rest
            done = 1 - (1 - 0.1) * 0.85**self._tries
        self._done = max(self._done, min(done, 0.99))
        self._tell({"state": "running", "stage": name, "done": round(self._done, 3)})

    def tried(self, attempt: Any) -> None:
        self._tries += 1


# ---------------------------------------------------------------- one palette for many


def _palette(request: dict[str, Any], data: bytes, tell: Tell) -> None:
    """Find the palette of a histogram: its colors, then its counts."""
    import numpy as np

    from ..histogram import Histogram
    from ..quantize import build_palette

    n, channels = request["n"], request["channels"]
    colors = np.frombuffer(data, np.uint8, n * channels).reshape(n, channels)
    counts = np.frombuffer(data, "<i8", n, n * channels).astype(np.int64)
    tell({"state": "running", "stage": "palette", "done": 0.5})
    palette = build_palette(Histogram.of_stored(colors.copy(), counts), **request["settings"])
    tell({"state": "done", "palette": palette.hex()})


if __name__ == "__main__":
    main()
