"""The module as it was built: what the linker and the compiler put in against memory errors."""

import os
import platform
import struct
import sys
from pathlib import Path

import pytest

from smalti import _core

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads ELF, the format of Linux"),
    pytest.mark.skipif(
        bool(os.environ.get("SMALTI_SANITIZE")), reason="builds for sanitizers are not hardened"
    ),
]

LOAD, DYNAMIC, STACK, RELRO = 1, 2, 0x6474E551, 0x6474E552
STRTAB, FLAGS, FLAGS_1 = 5, 30, 0x6FFFFFFB
EXECUTABLE, WRITABLE = 1, 2
ENDBR64 = b"\xf3\x0f\x1e\xfa"


class Elf:
    """What of a 64-bit ELF file these tests ask for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        assert data[:5] == b"\x7fELF\2"
        self.order = "<" if data[5] == 1 else ">"
        at, size, count = self._read("QI6xHH", 32)[0], *self._read("HH", 54)
        self.segments = [self._read("IIQQQQQQ", at + i * size) for i in range(count)]

    def _read(self, layout: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + layout, self.data, at)

    def of(self, kind: int) -> list[tuple[int, ...]]:
        """Return the segments of a kind: kind, flags, offset, address, _, size, ..."""
        return [segment for segment in self.segments if segment[0] == kind]

    def dynamic(self) -> dict[int, int]:
        """Return the entries of the dynamic section, the last of each tag."""
        ((_, _, offset, _, _, size, *_),) = self.of(DYNAMIC)
        return dict(self._read("qQ", offset + i * 16) for i in range(size // 16))

    def names(self) -> bytes:
        """Return the names of all symbols that are taken from other libraries, and more."""
        address = self.dynamic()[STRTAB]
        for _, _, offset, start, _, size, *_ in self.of(LOAD):
            if start <= address < start + size:
                return self.data[offset + address - start : offset + size]
        raise AssertionError("the dynamic section names no strings")


@pytest.fixture(scope="module")
def module() -> Elf:
    return Elf(Path(_core.__file__).read_bytes())


@pytest.mark.guarantee(27)
def test_the_module_is_linked_so_that_no_table_of_addresses_stays_writable(module, figure):
    tags = module.dynamic()

    assert module.of(RELRO)
    assert tags.get(FLAGS, 0) & 8 or tags.get(FLAGS_1, 0) & 1  # resolved when loaded: BIND_NOW
    figure("full RELRO: addresses are resolved when the module is loaded, then read-only")


@pytest.mark.guarantee(27)
def test_nothing_of_the_module_is_both_writable_and_executable(module, figure):
    ((_, flags, *_),) = module.of(STACK)

    assert not flags & EXECUTABLE
    assert not any(segment[1] & EXECUTABLE and segment[1] & WRITABLE for segment in module.of(LOAD))
    figure("no executable stack, no page both writable and executable")


@pytest.mark.guarantee(27)
def test_stacks_and_indices_of_the_module_are_checked(module, figure):
    names = module.names()

    assert b"__stack_chk_fail" in names
    assert b"glibcxx_assert_fail" in names or b"libstdc++" not in names
    figure("stack protector and checked indices (_GLIBCXX_ASSERTIONS) are in the module")


@pytest.mark.guarantee(27)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="CET is a feature of x86-64")
def test_functions_of_the_module_are_marked_as_targets_of_jumps(module, figure):
    ((_, _, offset, _, _, size, *_),) = [s for s in module.of(LOAD) if s[1] & EXECUTABLE]

    marks = module.data.count(ENDBR64, offset, offset + size)

    assert marks > 100
    figure(f"{marks:,} targets of indirect jumps are marked (CET)")
