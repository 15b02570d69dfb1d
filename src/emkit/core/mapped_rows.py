"""A source of another's rows on another scale: what a family of logarithms is shown."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.over_source import OverSource
from emkit.core.summary import ColumnSummary

Change = Callable[[np.ndarray], np.ndarray]
"""From rows (n, d) to rows (n, d), each by itself."""


@dataclass(frozen=True)
class _Mapped:
    change: Change

    def __call__(self, block: Block) -> Block:
        return replace(block, x=self.change(np.asarray(block.x)))


class MappedRows(OverSource):
    """The rows of a source, changed block by block where they are read; the source's own are not copied as a whole."""

    def __init__(self, source: Source, change: Change):
        super().__init__(source, source.columns)
        self.change = change

    @property
    def changed(self) -> Callable[[Block], Block]:
        """The rows of a block, changed."""
        return _Mapped(self.change)

    def over(self, source: Source) -> "MappedRows":
        """Another source's rows, changed likewise."""
        return MappedRows(source, self.change)

    @cached_property
    def summary(self) -> ColumnSummary:  # type: ignore[override]
        """Of the changed rows, gathered where the source has them."""
        return self.source.summary_of(self.change)

    def summary_of(self, change: Change) -> ColumnSummary:
        """Of rows changed twice."""
        return self.source.summary_of(lambda x: change(self.change(x)))
