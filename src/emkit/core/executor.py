"""The executor: where ``map(e_step) -> reduce(+)`` runs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from emkit.core.block import Block, Source


@runtime_checkable
class Executor(Protocol):
    """Maps a function over the parts of a source, each read where it is used.

    Sums are taken in the order of the parts, whatever ran first.
    """

    def map_reduce(self, fn: Callable[[Block], tuple[Any, float]], source: Source) -> tuple[Any, float]:
        """Sum of ``fn(block)`` over the source."""
        ...

    def map(self, fn: Callable[[Block], Any], source: Source) -> Iterator[Any]:
        """``fn(block)`` for each block, in order."""
        ...

    def session(self) -> AbstractContextManager[Any]:
        """Held open around a fit: threads start here, BLAS is told to keep to one core here."""
        ...
