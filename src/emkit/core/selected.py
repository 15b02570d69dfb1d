"""A source of some columns of another: what a family over part of a table is shown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from emkit.core.block import Block, LongPart, Part, Source, blocks_of
from emkit.core.columns import Columns
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


@dataclass(frozen=True)
class _Some(LongPart):
    part: Part
    chosen: tuple[int, ...]

    def read(self) -> Block:
        """The block."""
        return columns_of(self.part.read(), self.chosen)

    def blocks(self) -> Iterator[Block]:
        """One after the other."""
        return (columns_of(block, self.chosen) for block in blocks_of(self.part))


class SelectedColumns(Source):
    """Some columns of a source, in the given order. Its summary is taken from the whole source's."""

    def __init__(self, source: Source, chosen: Sequence[int]):
        self.source = source
        self.chosen = tuple(int(j) for j in chosen)
        self.columns: Columns = source.columns.some(self.chosen)
        self.n_rows = source.n_rows
        self.total_weight = source.total_weight
        self.in_memory = source.in_memory

    @property
    def labelled(self) -> bool:
        """As in the whole."""
        return self.source.labelled

    def parts(self) -> Sequence[Part]:
        """The parts of the whole."""
        return [_Some(part, self.chosen) for part in self.source.parts()]

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """Of the same rows."""
        return SelectedColumns(self.source.sample(n, rng), self.chosen)

    def place(self, row: int) -> str:
        """As in the whole."""
        return self.source.place(row)

    def user_row(self, row: int) -> int:
        """As in the whole."""
        return self.source.user_row(row)

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
