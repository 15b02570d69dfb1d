"""Data sets like one that is given, drawn from a fitted model: the parametric bootstrap."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core.block import Block
from emkit.core.block_source import BlockSource
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.model import Model
from emkit.data.rows import ArraySource
from emkit.data.sequences import SequenceSource

_MOST_ROWS = 10_000_000


@dataclass(frozen=True)
class Form:
    """What drawn data have in common with the data: how many rows or sequences, how long, which cells are missing, weights.

    Weights that are whole numbers say how many rows (or sequences) one stands for, and each of them is drawn; others, such as
    survey weights, stay with the place of their row.
    """

    block: Block
    holes: np.ndarray | None
    columns: Columns

    @classmethod
    def of(cls, source: BlockSource) -> Self:
        """Of the data. Raises ParameterError where labels are known: it is not known how they came to be."""
        block = source.joined()
        if block.labels is not None:
            raise ParameterError("data cannot be drawn anew where some labels are known; leave the labels out")
        if block.weights is not None and np.array_equal(block.weights, np.round(block.weights)):
            if block.weights.sum() > _MOST_ROWS:
                raise ParameterError(
                    f"sample_weight says that the rows stand for {block.weights.sum():.3g}, and each would be drawn; at most "
                    f"{_MOST_ROWS:.0e} are: divide the weights",
                    parameter="sample_weight",
                )
            times = np.asarray(block.weights).astype(np.int64)
            block = source.take(np.repeat(np.arange(block.units), times)).joined()
            block = Block(block.x, missing=block.missing, lengths=block.lengths)
        return cls(block, np.isnan(block.x) if block.missing else None, source.columns)

    def draw(self, model: Model, params: Any, rng: np.random.Generator) -> BlockSource:
        """Data of this form from a model. Raises ParameterError if it draws none."""
        drawn = model.redrawn(params, self.block, rng)
        if drawn is None:
            raise ParameterError(f"{model.called} does not say how data are drawn from it: give it a method simulate")
        x = np.asarray(drawn.x).astype(self.block.x.dtype)
        if self.holes is not None:
            x[self.holes] = np.nan
        if self.block.lengths is None:
            return ArraySource(x, self.block.weights, self.columns, checked=True)
        return SequenceSource(x, self.block.lengths, self.block.weights, self.columns, checked=True)
