"""Chooses and calls the compiled recursions of ``emkit.kernels.hmm``."""

from typing import TYPE_CHECKING

import numpy as np

from emkit.kernels.hmm import LANES, forward_backward_lanes, forward_backward_states
from emkit.models.hmm_recursions import Counts

if TYPE_CHECKING:
    from emkit.models.hmm import HMMParams

_LANES_UP_TO = 12  # states; with more, one sequence at a time is faster than sixteen side by side
_NONE = np.empty(0)
_NO_INDEX = np.empty(0, np.int64)


def compiled_recursions(
    log_b: np.ndarray, lengths: np.ndarray, weights: np.ndarray, params: "HMMParams", *, posteriors: bool
) -> tuple[Counts, np.ndarray]:
    """The twin of ``hmm_recursions.forward_backward``: few states and many sequences side by side, the rest one after the other."""
    k = log_b.shape[1]
    lengths = lengths.astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    counts = Counts.empty(k, len(lengths))
    redo = np.zeros(len(lengths), dtype=bool)
    end = _NONE if params.endprob is None else np.ascontiguousarray(params.endprob)
    start, matrix = np.ascontiguousarray(params.startprob), np.ascontiguousarray(params.transmat)
    together, alone = split_by_length(lengths, k)
    if len(together):
        forward_backward_lanes(
            log_b, together, offsets, lengths, weights, start, matrix, end, posteriors,
            counts.start, counts.transitions, counts.end, counts.log_likelihoods, redo,
        )  # fmt: skip
    if len(alone):
        transposed = np.ascontiguousarray(matrix.T)
        patterns = (*sparse_pattern(matrix), *sparse_pattern(transposed))
        forward_backward_states(
            log_b, alone, offsets, lengths, weights, start, matrix, transposed, *patterns, end, posteriors,
            counts.start, counts.transitions, counts.end, counts.log_likelihoods, redo,
        )  # fmt: skip
    return counts, redo


def split_by_length(lengths: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences for the two layouts: full groups of similar length go side by side, longest first, as long as few lanes idle."""
    order = np.argsort(-lengths, kind="stable")
    if k > _LANES_UP_TO or len(lengths) < 4:
        return order[:0], order
    side_by_side: list[np.ndarray] = []
    alone: list[np.ndarray] = []
    for begin in range(0, len(order), LANES):
        group = order[begin : begin + LANES]
        busy = lengths[group].sum() / (LANES * lengths[group[0]])
        (side_by_side if busy > 0.25 else alone).append(group)
    empty = order[:0]
    return np.concatenate([empty, *side_by_side]), np.concatenate([empty, *alone])


def sparse_pattern(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row pointers and column numbers of the nonzero entries where few are (left-right models); empty where walking all is faster."""
    nonzero = matrix != 0
    if len(matrix) < 8 or nonzero.sum() * 8 > matrix.size:
        return _NO_INDEX, _NO_INDEX
    pointers = np.concatenate([[0], np.cumsum(nonzero.sum(axis=1))]).astype(np.int64)
    return pointers, np.nonzero(nonzero)[1].astype(np.int64)


def compile_recursions() -> None:
    """Run both layouts once, on nothing much."""
    k, n = 2, 4
    start, matrix = np.full(k, 0.5), np.full((k, k), 0.5)
    order, sizes, ones = np.arange(n), np.ones(n, np.int64), np.ones(n)
    counts, redo = Counts.empty(k, n), np.zeros(n, dtype=bool)
    out = (counts.start, counts.transitions, counts.end, counts.log_likelihoods, redo)
    forward_backward_lanes(np.zeros((n, k)), order, order, sizes, ones, start, matrix, _NONE, True, *out)
    none = (_NO_INDEX,) * 4
    forward_backward_states(np.zeros((n, k)), order, order, sizes, ones, start, matrix, matrix, *none, _NONE, True, *out)
