"""What a ``PerColumn`` is configured with: its parts, and which columns they describe or condition on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.child import Child
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.core.parameters import Parameter
from emkit.core.selected import SelectedColumns
from emkit.core.support import Support
from emkit.families.column_parts import ColumnPart, in_order, listed, placed_parts
from emkit.families.supports import SupportOfParts


@dataclass(frozen=True, init=False)
class ConfiguredColumns(Family):
    """Families of columns, or of blocks of columns; its parameters are documented at ``PerColumn``."""

    parts: tuple[ColumnPart, ...]

    made_of_others = True

    def __init__(
        self,
        parts: Mapping[Any, Family] | Sequence[ColumnPart] = (),
        *,
        fixed: Mapping[str, Any] | None = None,
        start_values: Mapping[str, Any] | None = None,
        seen: Any = None,
        **columns: Family,
    ):
        found = list(parts) if not isinstance(parts, Mapping) else listed(parts)
        found += listed(columns)
        object.__setattr__(self, "parts", tuple(found))
        for name, value, empty in (("fixed", fixed, {}), ("start_values", start_values, {}), ("seen", seen, None)):
            object.__setattr__(self, name, empty if value is None else value)
        self.__post_init__()

    def __post_init__(self) -> None:
        if not self.parts:
            raise ParameterError("PerColumn needs a family for each column: PerColumn(age=Gaussian(), visits=Poisson())")
        taken: set[Any] = set()
        for part in self.parts:
            for column in part.own:
                if column in taken:
                    raise ParameterError(f"column {column!r} has two families")
                taken.add(column)
        super().__post_init__()

    # --- its parts ----------------------------------------------------------------------------------------------------

    @property
    def children(self) -> tuple[Child, ...]:  # type: ignore[override]
        """The families."""
        return tuple(Child(f"parts.{i}", f"parts.{i}") for i in range(len(self.parts)))

    def part(self, child: Child) -> Family:
        """The family that a child names."""
        return self.parts[_number(child)].family

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Families under their children's names."""
        parts = list(self.parts)
        own = {}
        for name, value in changes.items():
            if name.startswith("parts."):
                i = int(name.partition(".")[2])
                parts[i] = replace(parts[i], family=value)
            else:
                own[name] = value
        return replace(self, **{"parts": tuple(parts), **own})

    def made(self, params: Any, values: Mapping[str, np.ndarray], parts: Mapping[str, Any]) -> Any:
        """The Params of the families, in order."""
        return self.Params(tuple(parts[child.field] for child in self.children))

    def outer(self, child: Child, name: str) -> str:
        """After the column, or the family."""
        return f"{self.parts[_number(child)].name}_{name}"

    def parameter(self, name: str) -> Parameter | None:
        """By the name that it has here."""
        for child in self.children:
            for inner in self.part(child).all_names:
                if self.outer(child, inner) == name:
                    return self.part(child).parameter(inner)
        return None

    def sizes_of(self, child: Child) -> int:
        """How many columns a part has."""
        return len(self.parts[_number(child)].shown)

    def null(self, k: int, d: int) -> Any:
        """Each part over its own columns."""
        return self.Params(tuple(part.family.null(k, len(part.shown)) for part in self.parts))

    def unshown(self, values: Mapping[str, Any], k: int, d: int) -> Any:
        """Each part's values over its own columns."""
        made = [self.part(c).unshown(self.inside(c, values), k, self.sizes_of(c)) for c in self.children]
        return self.Params(tuple(made))

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """Each part over its own columns."""
        each = {c.name: self.part(c).without_data(self.inside(c, values), self.sizes_of(c)) for c in self.children}
        return self.changed({"fixed": {}, "start_values": {}, **each})

    def columns_of(self, values: Mapping[str, Any]) -> int | None:
        """As many as some family is shown."""
        return self._width

    # --- columns ------------------------------------------------------------------------------------------------------

    def numbered(self, columns: Columns) -> Self:
        """With the columns by number. Raises DataError for a column without a family, and for one that is not there."""
        return self._numbered(tuple(columns.names) if columns.named else tuple(range(len(columns))), columns)

    def _numbered(self, names: tuple[Any, ...], columns: Columns) -> Self:
        return replace(self, parts=placed_parts(self.parts, names, columns))

    @property
    def _placed(self) -> bool:
        return all(part.placed for part in self.parts)

    def over(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """These, and what its parts name, by the same names or numbers."""
        if self._placed:
            return columns
        named = dict.fromkeys(column for part in self.parts for column in part.shown)
        return (*columns, *(column for column in named if column not in columns))

    def settled(self, columns: tuple[Any, ...]) -> Self:
        """With the parts' columns by their places among these."""
        return self if self._placed else self._numbered(columns, Columns.of_names(tuple(map(str, columns))))

    def given(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """What parts condition on and no part describes."""
        parts = self._among(columns)
        own = {j for part in parts for j in part.own}
        return tuple(columns[j] for j in sorted({j for part in parts for j in part.given} - own))

    def complete(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """What some part needs to know, though another may describe it."""
        needed = {part.columns[i] for part in self._among(columns) for i in part.places_of_complete}
        return tuple(columns[j] for j in sorted(needed))

    def _among(self, columns: tuple[Any, ...]) -> tuple[ColumnPart, ...]:
        return self.settled(columns).parts

    @property
    def _width(self) -> int:
        return len({column for part in self.parts for column in part.shown})

    def blocks(self, columns: Columns) -> tuple[tuple[tuple[int, ...], Family], ...]:
        """The parts', in the order of their first columns."""
        found = []
        for part in self.numbered(columns).parts:
            if part.given:
                raise ParameterError(f"{part.family.called} ties columns of other families together, so that none stands alone")
            for inner, family in part.family.blocks(columns.some(part.columns)):
                found.append((tuple(part.columns[j] for j in inner), family))
        return tuple(sorted(found, key=lambda block: block[0]))

    def check(self, source: Source) -> None:
        """Each family its own columns."""
        resolved = self.numbered(source.columns)
        for part in resolved.parts:
            part.family.check(SelectedColumns(source, part.columns))

    def ready(self, source: Source, k: int) -> Self:
        """Each family is resolved with its own columns."""
        numbered = self.numbered(source.columns)
        parts = (replace(p, family=p.family.resolve(SelectedColumns(source, p.columns), k)) for p in numbered.parts)
        return replace(numbered, parts=tuple(parts))

    @property
    def support(self) -> Support:  # type: ignore[override]
        """What all of them allow."""
        return SupportOfParts([(list(part.columns), part.family) for part in in_order(self.parts)])


def _number(child: Child) -> int:
    return int(child.field.partition(".")[2])
