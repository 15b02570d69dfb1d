"""Block and Source: what one E-step call sees, and where the calls come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Block:
    """A bundle of rows, or of whole sequences, with weights. Never half a sequence.

    Attributes
    ----------
    x : array of shape (n, d)
        The rows. What a column means is the family's affair; missing cells are NaN.
    weights : array of shape (n,), or None for all ones
        Weight 2 means: this row twice. For sequences, one weight per sequence.
    start : int
        Index of the first row (or first sequence) in its source.
    missing : bool
        True if some cell is NaN. Known from validation, so that no E-step has to look.
    lengths : int array of shape (sequences,), or None
        For sequences: consecutive lengths, adding up to n.
    source_rows : int
        Rows of the whole source (0: unknown): how much work a pass is, so whether compiled code is worth loading.
    evidence : array or None
        For sequences: what is known about hidden states; int (n,), the state or -1, or float (n, K).
    """

    x: Any
    weights: Any = None
    start: int = 0
    missing: bool = False
    lengths: Any = None
    source_rows: int = 0
    evidence: Any = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        if self.weights is not None:
            return float(np.sum(np.asarray(self.weights), dtype=np.float64))
        return float(self.n)


@runtime_checkable
class Source(Protocol):
    """A re-iterable supply of Blocks whose boundaries depend on the data alone, never on threads or machines.

    You implement the attributes below and ``__iter__`` and ``sample``; you get every algorithm and executor.
    """

    n_rows: int
    n_features: int
    total_weight: float
    columns: tuple[str, ...]

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks, in the same order every time."""
        ...

    def sample(self, n: int, rng: np.random.Generator) -> "Source":
        """At most ``n`` rows (or enough whole sequences) drawn without replacement, as a source of its own."""
        ...

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and variance (divisor: total weight) of each column over its observed cells; two (d,) arrays."""
        ...

    def spreads(self) -> np.ndarray:
        """A variance of each column that a few outliers cannot inflate, (d,); see ``emkit.data.rows.robust_variance``."""
        ...
