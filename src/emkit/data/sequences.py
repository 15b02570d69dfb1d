"""Sequences in memory: rows with lengths, cut into blocks of whole sequences."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.errors import DataError
from emkit.data.rows import ArraySource, block_bounds
from emkit.data.validate import check_matrix, refuse_masked


def check_lengths(lengths: Any, n_rows: int) -> np.ndarray:
    """Lengths of consecutive sequences as int64, adding up to ``n_rows``; None means one sequence.

    Raises
    ------
    DataError
        If they are not positive integers, or do not add up.
    """
    if lengths is None:
        return np.array([n_rows], dtype=np.int64)
    refuse_masked(lengths, "lengths entry")
    try:
        found = np.asarray(lengths)
    except ValueError as error:
        raise DataError("lengths must be a list of integers, one for each sequence") from error
    if found.ndim != 1 or not len(found):
        raise DataError(f"lengths must be a list of sequence lengths, got shape {found.shape}")
    if found.dtype.kind not in "iu" and not (found.dtype.kind == "f" and np.all(found == np.round(found))):
        raise DataError(f"lengths must be integers, got {found.dtype}")
    if not np.isfinite(found).all():
        raise DataError(f"lengths must be integers; entry {int(np.flatnonzero(~np.isfinite(found))[0])} is not finite")
    found = found.astype(np.int64)
    if (found < 1).any():
        i = int(np.flatnonzero(found < 1)[0])
        raise DataError(f"sequence {i} is empty (length {found[i]}); drop it")
    if found.sum() != n_rows:
        raise DataError(f"lengths add up to {found.sum()}, but the data have {n_rows} rows; every row belongs to one sequence")
    return found


class SequenceSource:
    """A Source over sequences: rows (n, d) with consecutive lengths.

    Parameters
    ----------
    x : array of shape (n, d)
        All sequences one after the other. NaN marks a missing cell; a row of NaN a missing step.
    lengths : sequence of int, optional
        Default: one sequence.
    weights : array of shape (sequences,), optional
        One for each sequence; weight 2 means the sequence twice.
    evidence : array, optional
        What is known about the hidden states: int (n,), the state or -1; or float (n, K), how probable each state made some further
        observation (0 rules a state out).
    place : callable, optional
        From a step's number to how messages name it; default: ``row 17``.
    """

    def __init__(
        self,
        x: np.ndarray,
        lengths: Any = None,
        weights: np.ndarray | None = None,
        columns: tuple[str, ...] | None = None,
        evidence: np.ndarray | None = None,
        *,
        checked: bool = False,
        place: Callable[[int], str] | None = None,
    ):
        self.place = place or "row {}".format
        self.x = x if checked else check_matrix(x, columns)
        self.n_rows, self.n_features = self.x.shape
        self.lengths = check_lengths(lengths, self.n_rows)
        self.weights = weights
        self.evidence = evidence
        self.columns = columns if columns is not None else tuple(f"x{j}" for j in range(self.n_features))
        self.total_weight = float(self.n_rows if weights is None else np.dot(weights, self.lengths))
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        self._bounds = self._cut()
        self._missing = tuple(bool(np.isnan(self.x[self.offsets[a] : self.offsets[b]]).any()) for a, b in self._spans())

    def _cut(self) -> np.ndarray:
        """Block boundaries as sequence numbers: the first sequence that begins at or after each row boundary of an ArraySource."""
        rows = block_bounds(self.n_rows, self.n_features)
        return np.unique(np.searchsorted(self.offsets, rows))

    def _spans(self) -> Iterator[tuple[int, int]]:
        return zip(self._bounds[:-1].tolist(), self._bounds[1:].tolist(), strict=True)

    @property
    def step_weights(self) -> np.ndarray | None:
        """Each row's weight, its sequence's."""
        return None if self.weights is None else np.repeat(self.weights, self.lengths)

    def __iter__(self) -> Iterator[Block]:
        """The blocks, in order."""
        for (a, b), missing in zip(self._spans(), self._missing, strict=True):
            begin, end = int(self.offsets[a]), int(self.offsets[b])
            yield Block(
                self.x[begin:end],
                None if self.weights is None else self.weights[a:b],
                a,
                missing,
                self.lengths[a:b],
                self.n_rows,
                None if self.evidence is None else self.evidence[begin:end],
            )

    def take(self, sequences: Sequence[int] | np.ndarray) -> "SequenceSource":
        """The given sequences as a source of their own."""
        index = np.asarray(sequences, dtype=np.int64)
        rows = np.concatenate([np.arange(self.offsets[i], self.offsets[i + 1]) for i in index])
        return SequenceSource(
            self.x[rows],
            self.lengths[index],
            None if self.weights is None else self.weights[index],
            self.columns,
            None if self.evidence is None else self.evidence[rows],
            checked=True,
        )

    def sample(self, n: int, rng: np.random.Generator) -> "SequenceSource":
        """Whole sequences drawn without replacement until they have ``n`` rows; ``self`` if that is all of them.

        A sequence longer than ``n`` contributes one stretch of ``n`` consecutive steps.
        """
        if n >= self.n_rows:
            return self
        order = rng.permutation(len(self.lengths) if self.weights is None else np.flatnonzero(self.weights))
        reached = np.cumsum(self.lengths[order])
        picked = np.sort(order[: int(np.searchsorted(reached, n)) + 1])
        if len(picked) == 1 and self.lengths[picked[0]] > n:
            begin = int(self.offsets[picked[0]] + rng.integers(0, self.lengths[picked[0]] - n + 1))
            evidence = None if self.evidence is None else self.evidence[begin : begin + n]
            weights = None if self.weights is None else self.weights[picked]
            return SequenceSource(self.x[begin : begin + n], [n], weights, self.columns, evidence, checked=True)
        return self.take(picked)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean and variance of each column over its observed cells."""
        return ArraySource(self.x, self.step_weights, self.columns, checked=True).moments()

    def spreads(self) -> np.ndarray:
        """Robust variances of the columns, (d,)."""
        return ArraySource(self.x, self.step_weights, self.columns, checked=True).spreads()
