"""The list of guarantees, and that each has tests that prove it."""

import re
from pathlib import Path

from guarantees import GUARANTEES, PROPERTIES

MARK = r"mark\.{}\(([\d, ]+)\)"


def marked(kind: str = "guarantee") -> set[int]:
    """Return the numbers that marks of the test modules name."""
    texts = (path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    return {int(number) for text in texts for marks in re.findall(MARK.format(kind), text)
            for number in marks.split(",")}  # fmt: skip


def test_guarantees_are_numbered_without_gaps():
    assert list(GUARANTEES) == list(range(1, 43))


def test_every_guarantee_has_a_test_and_every_mark_a_guarantee():
    assert marked() == set(GUARANTEES)


def test_every_property_has_a_test_and_every_mark_a_property():
    assert list(PROPERTIES) == list(range(1, 16))
    assert marked("property_number") == set(PROPERTIES)
