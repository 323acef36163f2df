"""A work that does nothing: what is left is what engines cost. Workers import it by this name."""

from dataclasses import dataclass
from typing import Any

from smalti.batch.work import Item

__all__ = ["Nothing"]


@dataclass(frozen=True)
class Nothing:
    """Does nothing to any input."""

    name: str = "nothing"

    def settings(self) -> dict[str, Any]:
        return {}

    def one(self, item: Item) -> tuple[dict[str, Any], None]:
        return {}, None

    def add(self, total: None, part: None) -> None:
        return None

    def dump(self, total: None) -> None:
        return None
