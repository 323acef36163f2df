"""Works for tests of the Dask engine: what an input is called says what becomes of it."""

import hashlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smalti.batch import places
from smalti.batch.work import Item
from smalti.errors import BadImage


@dataclass(frozen=True)
class Digest:
    """Writes the digest of each input; `bad...` fails, and `poison...` kills its worker.

    out : folder of the outputs
    log : folder where the worker notes what it does; empty: nowhere
    seconds : how long each input takes
    """

    out: str
    log: str = ""
    seconds: float = 0.0
    name: str = "digest"

    def settings(self) -> dict[str, Any]:
        return {"out": self.out}

    def one(self, item: Item) -> tuple[dict[str, Any], bytes]:
        if self.log:
            Path(self.log, f"{item.relative}-{os.getpid()}-{time.time_ns()}").touch()
        time.sleep(self.seconds)
        if item.relative.startswith("poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        data = places.read(item.uri, 10**6, size_bytes=item.size_bytes)
        if item.relative.startswith("bad"):
            raise BadImage(f"{item.relative} is bad")
        digest = hashlib.sha256(data).hexdigest().encode()
        places.write(places.join(self.out, item.relative), digest)
        return {"bytes_in": len(data), "bytes_out": len(digest)}, digest

    def add(self, total: bytes | None, part: bytes) -> bytes:
        return (total or b"") + part

    def dump(self, total: bytes | None) -> bytes | None:
        return total
