"""Random files through the whole walk, by atheris, which is libFuzzer for Python.

    bytes -> mutations -> walk.run

Mutations know a little of PNG: its checksums are made right, or nothing behind them would be
reached. The options are those of libFuzzer; `make fuzz` gives them.
"""

import struct
import sys
import zlib

import atheris

with atheris.instrument_imports(include=["smalti"]):
    import smalti.animated  # noqa: F401, what is imported late would not be watched

import numpy as np
from walk import HEADER, run

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks_of(file: bytes) -> list[tuple[bytes, bytes]]:
    """Return names and contents of the chunks of a PNG, as far as there are whole ones."""
    found, at = [], len(SIGNATURE)
    while at + 8 <= len(file):
        (length,) = struct.unpack(">I", file[at : at + 4])
        content = file[at + 8 : at + 8 + length]
        found.append((file[at + 4 : at + 8], content))
        at += 12 + len(content)
    return found


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return a PNG of these chunks, with right lengths and checksums."""
    parts = [SIGNATURE]
    for name, content in chunks:
        checksum = zlib.crc32(name + content)
        parts.append(struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum))
    return b"".join(parts)


def mutate_png(file: bytes, most: int, rng: np.random.Generator, seed: int) -> bytes:
    """Return a PNG with a chunk mutated, below its compression if it has one, dropped or moved."""
    chunks = chunks_of(file)
    at = int(rng.integers(len(chunks)))
    name, content = chunks[at]
    way = int(rng.integers(8))
    if way == 0:
        del chunks[at]
    elif way == 1:
        chunks.insert(int(rng.integers(len(chunks))), chunks[at])
    elif way == 2 and name in (b"IDAT", b"fdAT"):
        skip = 4 if name == b"fdAT" else 0
        try:
            lines = zlib.decompressobj().decompress(content[skip:], 1 << 16)
        except zlib.error:
            lines = content[skip:]
        lines = atheris.Mutate(lines or b"\0", max(most, len(lines) + 1))
        chunks[at] = (name, content[:skip] + zlib.compress(lines))
    else:
        chunks[at] = (name, atheris.Mutate(content or b"\0", max(len(content) + 16, 64)))
    return png_of(chunks)[:most]


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Return a mutation of an input: of its options, of its bytes, or of what a PNG is made of."""
    rng = np.random.default_rng(seed)
    head, file = data[:HEADER].ljust(HEADER, b"\0"), data[HEADER:]
    way = int(rng.integers(4))
    if way == 0:
        changed = bytearray(head)
        changed[int(rng.integers(HEADER))] = int(rng.integers(256))
        return bytes(changed) + file
    if way < 3 and file.startswith(SIGNATURE) and chunks_of(file):
        return head + mutate_png(file, most - HEADER, rng, seed)
    return head + bytes(atheris.Mutate(file or b"\0", most - HEADER))


def main() -> None:
    """Fuzz, with the options of libFuzzer that are given."""
    atheris.Setup(sys.argv, run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
