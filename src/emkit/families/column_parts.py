"""Which family has which columns of a table, and which columns it conditions on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.family import Family


@dataclass(frozen=True)
class ColumnPart:
    """``family`` over ``columns``, their names or numbers; the part's parameters are called ``name``_means and so on.

    ``placed``: the columns are those that the family is shown, by their places in the table, and the family is settled there.
    """

    name: str
    columns: tuple[Any, ...]
    family: Family
    placed: bool = False

    @property
    def shown(self) -> tuple[Any, ...]:
        """The columns that the family is shown: ``columns``, and what else it names."""
        return self.columns if self.placed else self.family.over(self.columns)

    @property
    def given(self) -> tuple[Any, ...]:
        """Those of them that it only conditions on."""
        return self.family.given(self.shown)

    @property
    def own(self) -> tuple[Any, ...]:
        """Those that it describes: of each column one family does."""
        given = self.given
        return tuple(column for column in self.shown if column not in given)

    @property
    def places(self) -> list[int]:
        """Where its own columns are among those that it is shown."""
        own = self.own
        return [i for i, column in enumerate(self.shown) if column in own]

    @property
    def places_of_complete(self) -> list[int]:
        """Where those are that may not be missing."""
        complete = self.family.complete(self.shown)
        return [i for i, column in enumerate(self.shown) if column in complete]


def in_order(parts: Sequence[ColumnPart]) -> list[ColumnPart]:
    """The parts, each after those that describe what it conditions on. Raises ParameterError where they go round in a circle."""
    left, out = list(parts), []
    while left:
        to_come = {column for part in left for column in part.own}
        now = [part for part in left if not to_come & set(part.given)]  # nobody conditions on a column of its own
        if not now:
            raise ParameterError("columns are regressed on each other in a circle: some family must come first")
        out += now
        left = [part for part in left if to_come & set(part.given)]
    return out


def listed(parts: Mapping[Any, Family]) -> list[ColumnPart]:
    """From columns to families: a part is called by its column, or by its family if it has several."""
    out: list[ColumnPart] = []
    for columns, family in parts.items():
        several = columns if isinstance(columns, tuple) else (columns,)
        if not isinstance(family, Family):
            raise ParameterError(f"column {columns!r} has {family!r}; give a family, such as emkit.Gaussian()")
        if not several:
            raise ParameterError(f"{family.called} has no column: a tuple names at least one")
        word = type(family).__name__.lower()
        name = str(next(iter(several))) if len(several) == 1 else word
        while name in (part.name for part in out):
            name += "_"
        out.append(ColumnPart(name, tuple(several), family))
    return out


def placed_parts(parts: Sequence[ColumnPart], names: tuple[Any, ...], columns: Columns) -> tuple[ColumnPart, ...]:
    """The parts with their columns by place among ``names``, names or the user's numbers; ``columns``: what messages call them.

    Raises DataError for a column without a family, and for one that is not there.
    """
    found, taken = [], set()
    for part in parts:
        places = [_place(column, names, part.family) for column in part.shown]
        if len(set(places)) < len(places):
            raise ParameterError(f"{part.family.called} has a column twice, once by its name and once by its number")
        taken.update(places)
        found.append(replace(part, columns=tuple(places), family=part.family.settled(part.shown), placed=True))
    if len({j for part in found for j in part.own}) < sum(len(part.own) for part in found):
        raise ParameterError("a column has two families, once by its name and once by its number")
    for j in range(len(columns)):
        if j not in taken:
            raise DataError(f"{columns.called(j)} has no family; give it one, or drop it", column=columns[j].name)
    in_order(found)  # refuses circles
    return tuple(found)


def _place(column: Any, names: tuple[Any, ...], family: Family) -> int:
    """Where a column is among names, or the user's numbers. Raises DataError for one that is not there."""
    if column in names:
        return names.index(column)
    numbered = len(names) > 0 and not isinstance(names[0], str)
    if not numbered and isinstance(column, int | np.integer) and 0 <= column < len(names):
        return int(column)
    whole = numbered and names == tuple(range(len(names)))
    there = f"0 to {len(names) - 1}" if whole else ", ".join(map(repr, names[:8]))
    raise DataError(f"there is no column {column!r} for {family.called}; the columns are {there}")
