"""The schema of the data: what each column of a matrix of rows is called, and what its cells are."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

KINDS = ("real", "count", "binary", "category")


@dataclass(frozen=True)
class Column:
    """One column of the rows.

    Attributes
    ----------
    name : str
    kind : {"real", "count", "binary", "category"}
        What its cells were when they came in: floating-point numbers, whole numbers, booleans, or text and categories.
    levels : tuple or None
        Of a category: what the codes 0, 1, ... in the matrix stand for, in that order.
    role : str
        "feature", or what else a model uses the column for: "target", "offset", "sequence".
    """

    name: str
    kind: str = "real"
    levels: tuple[Any, ...] | None = None
    role: str = "feature"


@dataclass(frozen=True)
class Columns:
    """The columns of a matrix, in its order.

    Attributes
    ----------
    items : tuple of Column
    named : bool
        False if the data had no names, so that x0, x1, ... were made up.
    """

    items: tuple[Column, ...]
    named: bool = True

    @classmethod
    def numbered(cls, d: int, kind: str = "real") -> "Columns":
        """Columns x0, x1, ... of data without names."""
        return cls(tuple(Column(f"x{j}", kind) for j in range(d)), named=False)

    @classmethod
    def of_names(cls, names: Iterable[str]) -> "Columns":
        """Columns of numbers with these names."""
        return cls(tuple(Column(str(name)) for name in names))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, j: int) -> Column:
        return self.items[j]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(column.name for column in self.items)

    @property
    def has_levels(self) -> bool:
        """Whether some column is of text or categories."""
        return any(column.levels is not None for column in self.items)

    def called(self, j: int) -> str:
        """How messages name column ``j``."""
        return f"column {self.items[j].name!r}" if self.named else f"column {self.items[j].name[1:]}"  # x3 is column 3

    def some(self, chosen: Iterable[int]) -> "Columns":
        """These columns, in the given order."""
        return Columns(tuple(self.items[j] for j in chosen), self.named)

    def role(self, role: str) -> list[int]:
        """Numbers of the columns that have this role."""
        return [j for j, column in enumerate(self.items) if column.role == role]

    def __getstate__(self) -> dict[str, Any]:
        return {"items": self.items, "named": self.named}
