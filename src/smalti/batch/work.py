"""Work: what a run does to each input of a collection, and what inputs are.

    Item -> [Work.one] -> fields of a record, and a part of the shard's payload

Compressing, counting colors and surveying differ in nothing else: how inputs are
dealt out, retried and committed is the same for all.
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

__all__ = ["Checked", "Item", "Work"]


@dataclass(frozen=True, slots=True)
class Item:
    """One input of a run. All of this is its fingerprint: where it differs, it is done again."""

    uri: str  # a path or an fsspec URL
    relative: str  # its place below the source it was found under, "/" between folders
    size_bytes: int
    stamp: str  # changes when the content may have: a time, or what an object store calls etag


class Work(Protocol):
    """What is done to each item. It is pickled to workers, so it holds plain values only."""

    @property
    def name(self) -> str:
        """What it is called in plans: "compress", "histogram", "survey"."""

    def settings(self) -> dict[str, Any]:
        """Return all that results depend on, as JSON knows it: it is part of a shard's name."""

    def one(self, item: Item) -> tuple[dict[str, Any], Any]:
        """Return the fields of the item's record, and what it adds to the shard's payload.

        Raises
        ------
        SmaltiError : it cannot be done; the record then says why.
        """

    def add(self, total: Any, part: Any) -> Any:
        """Fold what an item adds into what came before, which is None at first."""

    def dump(self, total: Any) -> bytes | None:
        """Return the payload that the shard commits beside its records; None: there is none."""


@runtime_checkable
class Checked(Protocol):
    """A work that leaves something outside the state folder, which may be lost or changed."""

    def stands(self, record: dict[str, Any]) -> bool:
        """Whether what a record of an earlier run tells of is there as it was left."""
