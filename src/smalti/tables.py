"""Tables: columns of values as CSV or Parquet, as pandas and R open them.

    columns -> [Table] -> .csv | .parquet

CSV is that of RFC 4180, in UTF-8, with an empty field where a value is missing, and
needs nothing but the standard library; Parquet keeps types and needs pyarrow. Both
hold the same rows and names.
"""

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import files
from .errors import BadOption, MissingExtra

__all__ = ["SUFFIXES", "Table", "check_target", "text"]

SUFFIXES = (".csv", ".parquet")

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the start of a formula (OWASP, CSV injection)."""

MISSING = {"na", "n/a", "nan", "-nan", "null", "none", "nil", "#n/a", "<na>", "true", "false"}
"""Words, in lower case, that pandas or R read as something other than text."""

KINDS = {"text": "string", "count": "int64", "byte": "uint8", "number": "float64"}
"""What a column holds, and what Arrow calls it."""


def check_target(path: str | Path, *, overwrite: bool = True) -> None:
    """Refuse, before any work, a table that could not be written.

    Raises
    ------
    BadOption : the suffix of `path` is none of `SUFFIXES`.
    MissingExtra : Parquet is asked for, and pyarrow is not installed.
    OutputExists, CannotWrite : as `Table.save` would.
    """
    if _known(path) == ".parquet":
        _pyarrow()
    files.check_writable(path, overwrite)


def text(name: str) -> str:
    r"""Return a file name, or a sentence that begins with one, as a table may hold it.

    Bytes that are no UTF-8 are escaped. A name that a spreadsheet would run as a formula, or a
    reader of CSV take for a missing value, gets "./" in front: it still leads to the same file.

    >>> text("a.png"), text("=1+1.png"), text("NA"), text("caf\udce9")
    ('a.png', './=1+1.png', './NA', 'caf\\xe9')
    """
    name = "".join(files.shown(c) if "\ud800" <= c <= "\udfff" else c for c in name)
    if name.startswith(FORMULA) or name.lower() in MISSING or _is_number(name):
        return f"./{name}"
    return name


def _is_number(name: str) -> bool:
    """Whether a whole column of such names would not be text."""
    try:
        float(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Table:
    r"""Named columns of equal length.

    Attributes
    ----------
    columns : name -> list of values, None where there is none
        `pandas.DataFrame(table.columns)` is a data frame of it.
    kinds : name -> "text", "count", "byte" or "number"

    >>> table = Table({"image": ["a.png"], "share": [0.5]}, {"image": "text", "share": "number"})
    >>> table.encoded(".csv")
    b'image,share\r\na.png,0.5\r\n'
    """

    columns: dict[str, list[Any]]
    kinds: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, rows: Sequence[dict[str, Any]], kinds: dict[str, str]) -> "Table":
        """Return the table of some rows; a row that lacks a column has no value there."""
        return cls({name: [row.get(name) for row in rows] for name in kinds}, kinds)

    def rows(self) -> list[dict[str, Any]]:
        """Return a dict for each row."""
        names = list(self.columns)
        values = zip(*self.columns.values(), strict=True)
        return [dict(zip(names, row, strict=True)) for row in values]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def encoded(self, suffix: str) -> bytes:
        """Return the bytes of a file with that suffix, ".csv" or ".parquet".

        Raises
        ------
        BadOption : another suffix.
        MissingExtra : ".parquet", and pyarrow is not installed.
        """
        return self._parquet() if _known(f"x{suffix}") == ".parquet" else self._csv()

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the table as what the suffix of `path` says: .csv or .parquet.

        Raises
        ------
        BadOption, MissingExtra : as for `encoded`.
        OutputExists, CannotWrite : the file could not be written; what was there is untouched.
        """
        files.write_atomic(path, self.encoded(_known(path)), overwrite=overwrite)

    def _csv(self) -> bytes:
        out = io.StringIO()
        writer = csv.writer(out)  # writes the shortest digits that read back as the same number
        writer.writerow(self.columns)
        writer.writerows(zip(*self.columns.values(), strict=True))
        return out.getvalue().encode("utf-8")

    def _parquet(self) -> bytes:
        pa, parquet = _pyarrow()
        kinds = {name: pa.type_for_alias(KINDS[self.kinds[name]]) for name in self.columns}
        schema = pa.schema(kinds.items())
        out = io.BytesIO()
        parquet.write_table(pa.table(self.columns, schema=schema), out)
        return out.getvalue()


def _known(path: str | Path) -> str:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        known = " or ".join(SUFFIXES)
        raise BadOption(f"{files.shown(path)}: a table is written to a file that ends in {known}")
    return suffix


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(
            "Parquet needs pyarrow; install it with pip install '.[survey]', or write .csv"
        ) from error
    return pa, parquet
