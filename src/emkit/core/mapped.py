"""A source of another's rows on another scale: what a family of logarithms is shown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from emkit.core.block import Block, LongPart, Part, Source, blocks_of
from emkit.core.summary import ColumnSummary

Change = Callable[[np.ndarray], np.ndarray]
"""From rows (n, d) to rows (n, d), each by itself."""


@dataclass(frozen=True)
class _Changed(LongPart):
    part: Part
    change: Change

    def blocks(self) -> Iterator[Block]:
        """One after the other."""
        return (replace(block, x=self.change(np.asarray(block.x))) for block in blocks_of(self.part))


class MappedRows(Source):
    """The rows of a source, changed block by block where they are read; the source's own are not copied as a whole."""

    def __init__(self, source: Source, change: Change):
        self.source, self.change = source, change
        self.columns = source.columns
        self.n_rows = source.n_rows
        self.total_weight = source.total_weight
        self.in_memory = source.in_memory

    @property
    def labelled(self) -> bool:
        """As in the source."""
        return self.source.labelled

    def parts(self) -> Sequence[Part]:
        """The parts of the source."""
        return [_Changed(part, self.change) for part in self.source.parts()]

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """Of the same rows."""
        return MappedRows(self.source.sample(n, rng), self.change)

    def place(self, row: int) -> str:
        """As in the source."""
        return self.source.place(row)

    def user_row(self, row: int) -> int:
        """As in the source."""
        return self.source.user_row(row)

    @cached_property
    def summary(self) -> ColumnSummary:  # type: ignore[override]
        """Of the changed rows, gathered where the source has them."""
        return self.source.summary_of(self.change)

    def summary_of(self, change: Change) -> ColumnSummary:
        """Of rows changed twice."""
        return self.source.summary_of(lambda x: change(self.change(x)))
