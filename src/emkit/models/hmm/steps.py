"""What functions of HMMs share: checks, logarithms, and walks over sequences of unequal length."""

from collections.abc import Iterator

import numpy as np

from emkit.core.block import Block
from emkit.core.compiled import worth_compiling
from emkit.core.errors import DataError
from emkit.models.hmm.params import HMMParams


def check_steps(params: HMMParams, log_b: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``log_b`` as float64 (n, K) and ``lengths`` as int64 (S,).

    Raises
    ------
    DataError
        If their shapes do not fit the parameters and each other.
    """
    k = len(params.startprob)
    log_b, lengths = np.ascontiguousarray(log_b, dtype=np.float64), np.asarray(lengths, dtype=np.int64)
    if log_b.ndim != 2 or log_b.shape[1] != k:
        raise DataError(f"log emission probabilities have shape {log_b.shape}, expected (steps, {k}), a column for each state")
    if lengths.ndim != 1 or (lengths < 1).any():
        raise DataError("lengths must be a list of positive integers, one for each sequence")
    if lengths.sum() != len(log_b):
        raise DataError(f"lengths add up to {lengths.sum()}, but there are {len(log_b)} steps")
    return log_b, lengths


def log_chain(params: HMMParams) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logarithms of the start (K,), transition (K, K) and end probabilities (K,); the last are zeros without an end state."""
    with np.errstate(divide="ignore"):
        end = np.zeros(len(params.startprob)) if params.endprob is None else np.log(params.endprob)
        return np.log(params.startprob), np.log(params.transmat), end


def first_rows(lengths: np.ndarray) -> np.ndarray:
    """The row each sequence begins at, (S,)."""
    return np.asarray(np.cumsum(lengths) - lengths)


def forward_walk(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """For t = 0, 1, ...: the rows of step t of all sequences that have one, the longest sequence first.

    The rows of step t are those of step t - 1 plus one, less the sequences that have ended, which are the last.
    """
    order = np.argsort(-lengths, kind="stable")
    starts = first_rows(lengths)[order]
    alive = np.searchsorted(-lengths[order], -np.arange(lengths.max(initial=0)), side="left")
    for t, count in enumerate(alive):
        yield starts[:count] + t


def backward_walk(lengths: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For t = 0, 1, ... steps before the last: the rows, and the numbers of their sequences, longest sequence first."""
    order = np.argsort(-lengths, kind="stable")
    ends = (first_rows(lengths) + lengths - 1)[order]
    alive = np.searchsorted(-lengths[order], -np.arange(lengths.max(initial=0)), side="left")
    for t, count in enumerate(alive):
        yield ends[:count] - t, order[:count]


def worth_one_pass(lengths: np.ndarray, k: int) -> bool:
    """Whether one walk over these sequences should be compiled: not part of a fit, but seldom the only one."""
    return worth_compiling(2e4 * int(lengths.max(initial=0)) + int(lengths.sum()) * k * (40.0 + 2.0 * k), passes=90)


def worth_compiled_recursions(block: Block, k: int, *, stepwise: bool = False) -> bool:
    """Whether the forward-backward recursions of a fit to the data that a block belongs to should be compiled.

    The alternative is ``forward_backward_banded``; with ``stepwise``, ``forward_backward``.
    """
    rows = max(block.n, block.source_rows)
    if stepwise:
        plain = 4e4 * int(np.max(block.lengths)) + rows * k * (50.0 + k)
    else:
        plain = 1e5 + rows * (20.0 + 15.0 * k + 6.0 * k * k)
    return worth_compiling(plain, 1e5 + rows * (60.0 + 5.0 * k))
