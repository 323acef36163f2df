"""Disks that fail at the n-th call, and the command run on them by the hundred.

Disk      what `tests/shim/fail_at.c` watches and does, and what it has seen
Commands  a process that forks for each run of the command: see `forking_driver.py`
"""

import ctypes
import json
import mmap
import os
import select
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import process  # noqa: F401 - it says where the package is

__all__ = ["KILL", "Changes", "Commands", "Disk", "Done", "compiled"]

KILL = -1
LOGGED, NAME, PATH_MAX = 1000, 16, 4096
HERE = Path(__file__).parent


class Control(ctypes.Structure):
    """`struct control` of the shim."""

    _fields_ = (
        ("at", ctypes.c_int),
        ("how", ctypes.c_int),
        ("count", ctypes.c_int),
        ("length", ctypes.c_int),
        ("folder", ctypes.c_char * PATH_MAX),
        ("calls", (ctypes.c_char * NAME) * LOGGED),
    )


class Done(NamedTuple):
    """How a run of the command ended."""

    code: int
    out: str
    err: str


def compiled(folder):
    """Compile the shim into `folder`; return its path, or None where there is no C compiler."""
    known = (sysconfig.get_config_var("CC") or "").split()[:1]
    compiler = next(filter(None, map(shutil.which, [*known, "cc", "gcc", "clang", "c++"])), None)
    if compiler is None or sys.platform != "linux":
        return None
    shim = folder / "fail_at.so"
    source = ["-x", "c", HERE / "shim" / "fail_at.c"]
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", shim, *source, "-ldl"]
    subprocess.run(list(map(str, command)), check=True)
    return shim


class Disk:
    """Watches one folder, in all processes that have `environment`."""

    def __init__(self, shim, folder):
        self._path = folder / "control"
        self._path.write_bytes(bytes(ctypes.sizeof(Control)))
        with open(self._path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._control = Control.from_buffer(self._map)
        preloaded = f"{os.environ.get('LD_PRELOAD', '')} {shim}".strip()  # sanitizers come first
        self.environment = {"LD_PRELOAD": preloaded, "FAIL_AT": str(self._path)}

    def watch(self, folder, at=0, how=0):
        """Count calls in `folder` from now on; at call `at`, kill, or fail with errno `how`."""
        control = self._control
        control.length = 0
        ctypes.memset(control.calls, 0, ctypes.sizeof(control.calls))
        control.at, control.how, control.count = at, how, 0
        control.folder = os.fsencode(folder)
        control.length = len(control.folder)

    def stop(self):
        """Count no more; return the names of the calls so far."""
        self._control.length = 0
        return [self._control.calls[i].value.decode() for i in range(min(LOGGED, self.count))]

    @property
    def count(self):
        return self._control.count


class Commands:
    """Runs the command in forks of one process.

    interrupted : whether the last run has come to the line or opcode that it was interrupted at
    """

    def __init__(self, environment=None):
        more = {"OPENBLAS_NUM_THREADS": "1", **(environment or {})}
        self._driver = subprocess.Popen(
            [sys.executable, HERE / "forking_driver.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **more},
        )  # fmt: skip

    def __call__(self, *arguments, folder, **order):
        """Run the command in `folder`.

        umask : of the run
        largest : bytes that a file may have
        user : number of the user that the run belongs to
        signal, at, opcodes : the n-th line or opcode of `smalti.files` at which it is interrupted
        """
        words = [os.fsencode(argument).decode("latin-1") for argument in arguments]
        order = {"arguments": words, "folder": os.fspath(folder), **order}
        self._driver.stdin.write(json.dumps(order) + "\n")
        self._driver.stdin.flush()
        answer = json.loads(self._driver.stdout.readline())
        self.interrupted = answer.pop("interrupted")
        return Done(**answer)

    def close(self):
        self._driver.stdin.close()
        self._driver.stdout.close()
        self._driver.wait()


class Changes:
    """Waits until an entry of a folder appears, changes or goes: inotify(7)."""

    MASK = 0x2 | 0x40 | 0x80 | 0x100 | 0x200  # modify, moved from and to, create, delete

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self._queue = libc.inotify_init()
        if libc.inotify_add_watch(self._queue, os.fsencode(folder), self.MASK) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self._poll = select.poll()
        self._poll.register(self._queue, select.POLLIN)

    def first(self, seconds):
        """Wait for a change, but not longer."""
        self._poll.poll(1000 * seconds)

    def close(self):
        os.close(self._queue)
