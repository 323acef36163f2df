"""The command again and again, its imports paid once: a process that forks for each run.

    orders, JSON lines -> standard input -> [this] -> standard output -> what became of each

It starts no threads, so a fork is as good as a fresh process. For tests that need hundreds of runs,
or a run that has less than its test: another user, small files only, a signal at a chosen line.
"""

import contextlib
import importlib
import json
import os
import resource
import signal
import sys
import traceback

import smalti_command
from smalti import files

MODULES = (
    "smalti.cli", "smalti.cli.app", "smalti.cli.batch", "smalti.cli.compress", "smalti.cli.palette",
    "smalti.animated", "smalti.batch.local", "smalti.batch.pool",
    "PIL.PngImagePlugin", "PIL.GifImagePlugin", "PIL.WebPImagePlugin", "PIL.JpegImagePlugin",
    "PIL.BmpImagePlugin",
)  # fmt: skip
"""What runs would load late."""

INTERRUPTED = 3  # the descriptor where a run says that it has come to the chosen line
PATIENCE = 120  # seconds; whatever takes longer hangs


def serve():
    """Do all orders."""
    for module in MODULES:
        importlib.import_module(module)
    for line in sys.stdin:
        print(json.dumps(done(json.loads(line))), flush=True)


def done(order):
    """Run the command once, and tell its exit code, as `subprocess` counts, and what it said."""
    streams = [os.pipe() for _ in range(3)]
    child = os.fork()
    if not child:
        run(order, [ours for _, ours in streams])
    texts = []
    for _, theirs in streams:
        os.close(theirs)
    _, status = os.waitpid(child, 0)
    for ours, _ in streams:
        texts.append(content(ours).decode("utf-8", "surrogateescape"))
        os.close(ours)
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "out": texts[0], "err": texts[1], "interrupted": bool(texts[2])}


def content(pipe):
    """Return what is in a pipe now: a process that is left behind may hold it open."""
    os.set_blocking(pipe, False)
    found = b""
    with contextlib.suppress(BlockingIOError):
        while block := os.read(pipe, 65_536):
            found += block
    return found


def run(order, streams):
    """Become the command, with as little as the order allows."""
    try:
        os.setsid()
        signal.alarm(PATIENCE)
        os.chdir(order["folder"])
        null = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate([null, *streams]):
            os.dup2(descriptor, number)
        sys.stdin = os.fdopen(0)
        if order.get("umask") is not None:
            os.umask(order["umask"])
        if order.get("largest") is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (order["largest"],) * 2)
        if order.get("user"):
            os.setgroups([])
            os.setgid(order["user"])
            os.setuid(order["user"])
        words = [os.fsdecode(argument.encode("latin-1")) for argument in order["arguments"]]
        sys.argv = ["smalti", *words]
        if order.get("signal"):
            interrupt(order["signal"], order["at"], order["opcodes"], order.get("within"))
        smalti_command.main()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(99)  # main never returns


def interrupt(number, at, opcodes, within):
    """Send ourselves a signal at the n-th line, or opcode, of `smalti.files` that is run.

    within : what the path of a module has in it whose lines count instead
    """
    within = files.__file__ if within is None else within
    count, run = 0, os.getpid()

    def trace(frame, event, _):
        nonlocal count
        if within not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = opcodes, not opcodes
        if event in ("line", "opcode"):
            count += 1
            if count == at and os.getpid() == run:  # workers inherit this
                os.write(INTERRUPTED, b"!")
                os.kill(os.getpid(), number)
        return trace

    sys.settrace(trace)


if __name__ == "__main__":
    serve()
