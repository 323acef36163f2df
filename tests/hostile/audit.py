"""Decode, quantize and compress files while Python says what it does to the rest of the world.

    python audit.py FILE...      prints a JSON object: what was done that must not be, and the
                                 readers of Pillow that were loaded

Only processes and connections count: sys.addaudithook hears of all that Python starts or opens.
"""

import json
import sys
from pathlib import Path

FORBIDDEN = (
    "subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "os.startfile",
    "pty.", "socket.", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser.",
)  # fmt: skip

seen: list[str] = []


def hear(event: str, arguments: tuple) -> None:
    """Note an event that must not be."""
    if event.startswith(FORBIDDEN):
        seen.append(f"{event}{arguments!r:.80}")


def main() -> None:
    """Do all that is promised to stay inside."""
    sys.addaudithook(hear)
    import smalti

    read, readers = 0, []
    for work in (_decode, _quantize, _compress):
        for name in sys.argv[1:]:
            try:
                work(smalti, Path(name))
                read += 1
            except smalti.SmaltiError:
                pass
        if work is _quantize:  # to write WebP, Pillow loads all that it has
            readers = sorted(
                name for name in sys.modules if name.startswith("PIL.") and "Plugin" in name
            )
    print(json.dumps({"seen": seen, "read": read, "readers": readers}))


def _decode(smalti, path: Path) -> None:
    from smalti.decode import decode

    decode(path)


def _quantize(smalti, path: Path) -> None:
    smalti.quantize(path, 8)


def _compress(smalti, path: Path) -> None:
    for kind in ("png", "webp", "gif"):
        smalti.compress(path, path.with_suffix(f".out.{kind}"), 8, allow_larger=True,
                        overwrite=True, format=kind)  # fmt: skip


if __name__ == "__main__":
    main()
