"""The command as a process: how tests run it, and the small pictures that they feed it."""

import io
import os
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

import smalti as package

__all__ = ["COMMAND", "file_of", "listing", "one_line", "picture", "unmarked", "wait_until_at_work"]

MARK_BYTES = 35  # of a PNG, its last chunk but one

COMMAND = [sys.executable, "-m", "smalti.cli"]

# The command runs in other folders, where a relative PYTHONPATH leads nowhere: without this it
# might be another, installed smalti that is tested.
os.environ["PYTHONPATH"] = str(Path(package.__file__).resolve().parent.parent)


def picture(seed=1, height=48, width=64):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    image = np.dstack([x * 3, y * 4, x + y]) + rng.integers(0, 30, (height, width, 3))
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


def file_of(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def unmarked(data):
    """Return a PNG without the mark that `-k auto` and the like put into it."""
    end = len(data) - 12
    assert data[end - MARK_BYTES + 4 : end - MARK_BYTES + 15] == b"tEXtsmalti\0"
    return data[: end - MARK_BYTES] + data[end:]


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def one_line(text):
    assert text.startswith("smalti: ")
    assert text.count("\n") == 1
    return text


def wait_until_at_work(pid):
    """Wait until a process is past its imports: it has children, or has computed for a while."""
    if not os.path.exists(f"/proc/{pid}/task/{pid}/children"):
        time.sleep(3)
        return
    for _ in range(200):
        time.sleep(0.05)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]
        if children or int(ticks) > 0.7 * os.sysconf("SC_CLK_TCK"):
            return
