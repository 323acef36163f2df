"""Runs the command many times, each in a process of its own that is forked after the imports.

    JSON lines on standard input -> [fork, limits, smalti] -> JSON lines on standard output

A process that is started anew for each of a thousand files would spend five minutes on imports.
What is forked has had none of the package's own work done: only modules were loaded. `--bare` is
for other programs: nothing is imported, and the words are run as they are.
"""

import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path

MIB = 2**20


def imported() -> None:
    """Load what the command would load, and nothing more than load it."""
    from importlib import import_module

    import smalti.cli.app
    from smalti.pixels import READERS

    for name in (*smalti.cli.app.SUBCOMMANDS, "run", "terminal"):
        import_module(f"smalti.cli.{name}")
    for name in ("Image", "ImageCms", "ImageFile", *(module for module, _ in READERS.values())):
        import_module(f"PIL.{name}")
    for name in ("smalti.animated", "smalti.movies", "oxipng", "logging", "tempfile"):
        import_module(name)


def tried(task: dict) -> dict:
    """Run one task; return how it ended."""
    started = time.perf_counter()
    child = os.fork()
    if not child:
        _run(task)
    ended = _waited(child, task["seconds"])
    if not ended:
        os.kill(child, signal.SIGKILL)
    _, status, used = os.wait4(child, 0)
    return {
        "name": task["name"],
        "code": os.waitstatus_to_exitcode(status),
        "hung": not ended,
        "seconds": time.perf_counter() - started,
        "mib": used.ru_maxrss / 1024,
    }


def _waited(child: int, seconds: float) -> bool:
    """Whether a process ended in time."""
    descriptor = os.pidfd_open(child)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def _run(task: dict) -> None:
    """Become the command: in its folder, with its limits, its output in files."""
    os.setpgid(0, 0)
    os.chdir(task["folder"])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for descriptor, path in ((1, task["stdout"]), (2, task["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if task.get("cpu"):
        resource.setrlimit(resource.RLIMIT_CPU, (task["cpu"], task["cpu"] + 5))
    if task.get("space"):
        resource.setrlimit(resource.RLIMIT_AS, (task["space"], task["space"]))
    if task.get("more"):  # address space beyond what is taken by now
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (taken + task["more"],) * 2)
    words = task["words"]
    if task.get("program"):
        os.execvp(words[0], words)
    from smalti.cli import main

    try:
        main(words)
    finally:
        os._exit(70)


def main() -> None:
    """Do what standard input says, line by line."""
    if "--bare" not in sys.argv:
        imported()
    print(json.dumps({"mib": _own_mib()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(tried(json.loads(line))), flush=True)


def _own_mib() -> float:
    """Memory of this process: what each of those that are forked begins with."""
    fields = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) / 1024


if __name__ == "__main__":
    main()
