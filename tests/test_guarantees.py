"""The list of guarantees, and that each has tests that prove it."""

import re
from pathlib import Path

from guarantees import GUARANTEES

MARK = re.compile(r"mark\.guarantee\(([\d, ]+)\)")


def marked() -> set[int]:
    """Return the numbers that marks of the test modules name."""
    texts = (path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    return {int(number) for text in texts for marks in MARK.findall(text)
            for number in marks.split(",")}  # fmt: skip


def test_guarantees_are_numbered_without_gaps():
    assert list(GUARANTEES) == list(range(1, 43))


def test_every_mark_names_a_guarantee():
    assert marked() <= set(GUARANTEES)
