"""A run whose workers are inside one long native call: for a test that kills its driver."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from smalti.batch import runs
from smalti.batch.work import Item


@dataclass(frozen=True)
class Busy:
    """Says that it is at work, and then hears nothing for minutes."""

    folder: str
    name: str = "busy"

    def settings(self):
        return {}

    def one(self, item):
        Path(self.folder, item.relative).touch()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
        return {}, None

    def add(self, total, part):
        return None

    def dump(self, total):
        return None


if __name__ == "__main__":
    items = [Item(name, name, 0, "") for name in ("one", "two")]
    runs.run(Busy(sys.argv[1]), items, state=f"{sys.argv[1]}/state", jobs=2)
