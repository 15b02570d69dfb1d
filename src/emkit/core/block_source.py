"""A source over blocks in memory: read at once, cut into units and sampled."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emkit.core.block import Block, Load, Source
from emkit.core.columns import Columns


class BlockSource(Source):
    """A Source over blocks in memory."""

    def __init__(self, blocks: Sequence[Block]):
        self.blocks = tuple(blocks)
        first = self.blocks[0]
        self.columns = first.columns or Columns.numbered(first.x.shape[1])
        self.n_rows = sum(block.n for block in self.blocks)
        self.total_weight = sum(block.total_weight for block in self.blocks)

    def parts(self) -> Sequence[Block]:
        """The blocks."""
        return self.blocks

    def loads(self, rows: int, seed: tuple[int, ...]) -> Sequence[Load]:
        """What is in memory can be taken from everywhere at once: each load is a sample of all of it."""
        whole = self.joined()
        many = max(1, min(round(self.n_rows / rows), whole.units))
        return [Load([whole], (*seed, g), (g, many), seed) for g in range(many)]

    def take(self, index: Any) -> "BlockSource":
        """The given units as a source of their own."""
        return self._of(self.joined().take(index))

    def distinct(self) -> "BlockSource":
        """The same data with rows that occur again and again merged into weights, where that pays."""
        return self

    def sample(self, n: int, rng: np.random.Generator) -> "BlockSource":
        """At most ``n`` rows, or whole sequences drawn until they have ``n`` rows. Units of weight 0 are not drawn.

        A sequence longer than ``n`` contributes one stretch of ``n`` consecutive steps.
        """
        if n >= self.n_rows:
            return self
        whole = self.joined()
        usable = np.arange(whole.units) if whole.weights is None else np.flatnonzero(np.asarray(whole.weights))
        if whole.lengths is None:
            if n < len(usable):
                usable = usable[np.sort(rng.choice(len(usable), n, replace=False))]
            return self._of(whole.take(usable))
        lengths = np.asarray(whole.lengths)
        order = rng.permutation(len(lengths) if whole.weights is None else usable)
        picked = np.sort(order[: int(np.searchsorted(np.cumsum(lengths[order]), n)) + 1])
        found = whole.take(picked)
        if len(picked) == 1 and found.n > n:
            begin = int(rng.integers(0, found.n - n + 1))
            labels = None if found.labels is None else found.labels[begin : begin + n]
            found = replace(found, x=found.x[begin : begin + n], labels=labels, lengths=np.array([n]))
        return self._of(found)

    def of_block(self, block: Block) -> "BlockSource":
        """A source of this kind over rows, or sequences, of its own."""
        return self._of(block)

    def _of(self, block: Block) -> "BlockSource":
        missing = bool(np.isnan(np.asarray(block.x)).any()) if block.missing else False
        return BlockSource([replace(block, start=0, missing=missing, source_rows=block.n)])
