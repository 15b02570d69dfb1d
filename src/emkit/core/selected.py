"""A source of some columns of another: what a family over part of a table is shown."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.over_source import OverSource
from emkit.core.summary import ColumnSummary


def columns_of(block: Block, chosen: tuple[int, ...]) -> Block:
    """The block with these columns alone; the same object every time."""
    key = ("columns", chosen)
    found: Block | None = block.kept.get(key)
    if found is None:
        x = np.ascontiguousarray(np.asarray(block.x)[:, list(chosen)])
        columns = None if block.columns is None else block.columns.some(chosen)
        missing = block.missing and bool(np.isnan(x).any())
        found = replace(block, x=x, columns=columns, missing=missing, source_rows=max(block.source_rows, block.n))
        block.kept[key] = found
    return found


class SelectedColumns(OverSource):
    """Some columns of a source, in the given order. Its summary is taken from the whole source's."""

    def __init__(self, source: Source, chosen: Sequence[int]):
        self.chosen = tuple(int(j) for j in chosen)
        super().__init__(source, source.columns.some(self.chosen))

    @property
    def changed(self) -> Callable[[Block], Block]:
        """A block's chosen columns."""
        return partial(columns_of, chosen=self.chosen)

    def over(self, source: Source) -> "SelectedColumns":
        """The same columns of another source."""
        return SelectedColumns(source, self.chosen)

    def summary_of(self, change: Callable[[np.ndarray], np.ndarray]) -> ColumnSummary:
        """Of these columns, gathered where the whole source has them."""
        chosen = list(self.chosen)
        return self.source.summary_of(lambda x: change(np.ascontiguousarray(x[:, chosen])))

    @cached_property
    def summary(self) -> ColumnSummary:  # type: ignore[override]
        """Of these columns."""
        whole, chosen = self.source.summary, list(self.chosen)
        per_column = ("weight", "mean", "scatter", "low", "high", "whole")
        values: dict[str, Any] = {f.name: getattr(whole, f.name) for f in fields(whole)}
        values |= {name: values[name][chosen] for name in per_column}
        return ColumnSummary(**{**values, "rows": whole.rows[:, chosen]})
