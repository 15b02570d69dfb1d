"""A source over another: the same rows, each block changed where it is read."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from emkit.core.block import Block, LongPart, Part, Source, blocks_of
from emkit.core.columns import Columns


@dataclass(frozen=True)
class _ChangedPart(LongPart):
    part: Part
    change: Callable[[Block], Block]

    def read(self) -> Block:
        """The block."""
        return self.change(self.part.read())

    def blocks(self) -> Iterator[Block]:
        """One after the other."""
        return map(self.change, blocks_of(self.part))


class OverSource(Source):
    """A source of another's rows: as many, with the same weights, labels and places; nothing is copied as a whole.

    You implement ``changed`` and ``over``, and ``summary`` where it can be had from the other's.

    Parameters
    ----------
    source : Source
        Whose rows they are.
    columns : Columns
        The schema of what is made of them.
    """

    def __init__(self, source: Source, columns: Columns):
        self.source, self.columns = source, columns
        self.n_rows = source.n_rows
        self.total_weight = source.total_weight
        self.in_memory = source.in_memory

    @property
    @abstractmethod
    def changed(self) -> Callable[[Block], Block]:
        """What is made of a block: a callable that can be pickled, since it is applied where the block is read."""

    @abstractmethod
    def over(self, source: Source) -> Self:
        """The same of another source's rows."""

    @property
    def labelled(self) -> bool:
        """As in the source beneath."""
        return self.source.labelled

    def parts(self) -> Sequence[Part]:
        """The parts of the source beneath."""
        return [_ChangedPart(part, self.changed) for part in self.source.parts()]

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """Of the same rows; ``self`` if that is all."""
        found = self.source.sample(n, rng)
        return self if found is self.source else self.over(found)

    def place(self, row: int) -> str:
        """As in the source beneath."""
        return self.source.place(row)

    def user_row(self, row: int) -> int:
        """As in the source beneath."""
        return self.source.user_row(row)
