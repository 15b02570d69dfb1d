"""Chooses and calls the compiled recursions of ``emkit.kernels.hmm_lanes`` and ``hmm_chain``."""

from contextlib import AbstractContextManager

import numpy as np

from emkit.core.parallel import both
from emkit.core.scratch import borrow
from emkit.kernels.hmm_chain import backward, backward_through, forward, forward_through, short_chains
from emkit.kernels.hmm_lanes import BLOWN_UP, LANES, TINY, forward_backward_lanes
from emkit.kernels.simd import WIDTH
from emkit.models.hmm.params import HMMParams
from emkit.models.hmm.recursions import Counts, expected_transitions, reachable
from emkit.models.hmm.steps import first_rows

_LANES_UP_TO = 24  # states; with more, one sequence at a time is faster than sixteen side by side
_LONG = 10_000  # steps from which a sequence is worked from both ends
_NONE = np.empty(0)


def compiled_recursions(
    log_b: np.ndarray, lengths: np.ndarray, weights: np.ndarray, params: HMMParams, chosen: np.ndarray
) -> tuple[Counts, np.ndarray]:
    """The twin of ``recursions.forward_backward``: few states and many sequences side by side, the rest one after the other."""
    k = log_b.shape[1]
    lengths = lengths.astype(np.int64)
    offsets = first_rows(lengths)
    counts = Counts.empty(k, len(lengths))
    redo = np.zeros(len(lengths), dtype=bool)
    end = _NONE if params.endprob is None else np.ascontiguousarray(params.endprob)
    start, matrix = np.ascontiguousarray(params.startprob), np.ascontiguousarray(params.transmat)
    # From a state that cannot be reached nothing needs to be known, and its beta could grow beyond all measure.
    can_be_in = reachable(start, matrix)
    toward, edge = matrix * can_be_in[:, None], can_be_in * (1.0 if params.endprob is None else params.endprob)
    together, alone = split_by_length(lengths, chosen, k <= _LANES_UP_TO)
    if len(together):
        room = int(lengths[together[0]]) * k * LANES
        with borrow(room) as alphas, borrow(room) as emissions:
            forward_backward_lanes(
                log_b, together, offsets, lengths, weights, start, matrix, toward, edge, end, alphas, emissions,
                counts.start, counts.transitions, counts.end, counts.log_likelihoods, redo,
            )  # fmt: skip
    if len(alone):
        chain = _Chain(log_b, offsets, lengths, weights, params, toward, edge, counts, redo)
        chain.short(alone[lengths[alone] < _LONG])
        for s in alone[lengths[alone] >= _LONG]:
            chain.long(int(s))
        counts.transitions += expected_transitions(matrix, chain.pairs[:k, :k])
    return counts, redo


class _Chain:
    """Sequences one at a time; see ``emkit.kernels.hmm_chain``."""

    def __init__(
        self,
        log_b: np.ndarray,
        offsets: np.ndarray,
        lengths: np.ndarray,
        weights: np.ndarray,
        params: HMMParams,
        toward: np.ndarray,
        edge: np.ndarray,
        counts: Counts,
        redo: np.ndarray,
    ):
        k = log_b.shape[1]
        self.log_b, self.offsets, self.lengths, self.weights = log_b, offsets, lengths, weights
        self.counts, self.redo = counts, redo
        self.real, self.start = padded(np.ones(k)), padded(params.startprob)
        self.matrix = padded(params.transmat)
        self.transposed = padded(toward.T)
        self.pattern, self.pattern_t = tile_pattern(self.matrix), tile_pattern(self.transposed)
        self.endprob = _NONE if params.endprob is None else padded(params.endprob)
        self.last = padded(edge)
        self.pairs = padded(np.zeros((k, k)))

    def short(self, order: np.ndarray) -> None:
        """All in one call."""
        if not len(order):
            return
        c = self.counts
        with self._room(int(self.lengths[order].max())) as alphas:
            short_chains(
                self.log_b, order, self.offsets, self.lengths, self.weights, self.start, self.matrix, self.transposed,
                *self.pattern, *self.pattern_t, self.last, self.endprob, self.real, alphas,
                c.start, c.end, self.pairs, c.log_likelihoods, self.redo,
            )  # fmt: skip

    def long(self, s: int) -> None:
        """From both ends at once."""
        begin = int(self.offsets[s])
        end = begin + int(self.lengths[s])
        middle = begin + (end - begin) // 2
        with self._room(middle - begin) as alphas, self._room(end - middle) as betas:
            self._both_ways(s, begin, middle, end, alphas, betas)

    def _both_ways(self, s: int, begin: int, middle: int, end: int, alphas: np.ndarray, betas: np.ndarray) -> None:
        k, weight = self.log_b.shape[1], float(self.weights[s])
        toward = np.zeros(len(self.start))
        (first, least_a), _ = both(
            lambda: forward(self.log_b, begin, middle, self.start, self.matrix, *self.pattern, self.real, alphas),
            lambda: backward(self.log_b, middle, end, self.last, self.transposed, *self.pattern_t, self.real, betas, toward),
        )
        before = padded(alphas[(middle - begin - 1) * k : (middle - begin) * k])
        other, nothing = padded(np.zeros((k, k))), np.zeros(k)
        most_b, (second, least_b, most_a) = both(
            lambda: backward_through(
                self.log_b, begin, middle, toward, False, self.transposed, *self.pattern_t, *self.pattern, self.real,
                alphas, weight, self.counts.start, nothing, self.pairs,
            ),
            lambda: forward_through(
                self.log_b, middle, end, before, self.matrix, *self.pattern, self.real, betas, self.endprob, weight,
                self.counts.end, other,
            ),
        )  # fmt: skip
        self.pairs += other
        self.counts.log_likelihoods[s] = first + second
        least = min(least_a, least_b)
        self.redo[s] = not (least > TINY and max(most_a, most_b) < BLOWN_UP * least)

    def _room(self, steps: int) -> AbstractContextManager[np.ndarray]:
        """For K numbers a step, and a register that sticks out at the end."""
        return borrow(steps * self.log_b.shape[1] + len(self.start))


def padded(values: np.ndarray, multiple: int = WIDTH, fill: float = 0.0) -> np.ndarray:
    """A vector (K,) or matrix (K, K), filled up to whole registers, that begins a cache line (see ``emkit.kernels.rows``)."""
    size = -(-len(values) // multiple) * multiple
    shape = (size,) * values.ndim
    room = np.full(size**values.ndim + WIDTH, fill)
    out = room[-(room.ctypes.data // room.itemsize) % WIDTH :][: size**values.ndim].reshape(shape)
    out[tuple(slice(n) for n in values.shape)] = values
    return out


def split_by_length(lengths: np.ndarray, chosen: np.ndarray, few_states: bool) -> tuple[np.ndarray, np.ndarray]:
    """The chosen sequences for the two layouts: with few states, groups of similar length go side by side, if few lanes idle."""
    if not few_states:
        return chosen[:0], chosen
    order = chosen[np.argsort(-lengths[chosen], kind="stable")]
    if len(order) < 4:
        return order[:0], order
    first = np.arange(0, len(order), LANES)
    busy = np.add.reduceat(lengths[order], first) / (LANES * lengths[order[first]])
    together = np.repeat(busy > 0.4, LANES)[: len(order)]
    return order[together], order[~together]


def tile_pattern(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tiles of a padded matrix that are not all zero: where each column's list ends, and the list (see ``kernels.hmm_chain``)."""
    across = len(matrix) // WIDTH
    used = (matrix.reshape(across, WIDTH, across, WIDTH) != 0).any(axis=(1, 3))
    return np.cumsum(used.sum(axis=0)), np.nonzero(used.T)[1]


def compile_recursions() -> None:
    """Run every kernel once, on nothing much."""
    k, n = 2, 4
    params = HMMParams(np.full(k, 0.5), np.full((k, k), 0.5), None)
    for lengths in (np.ones(n, np.int64), np.array([n])):  # side by side, and alone
        compiled_recursions(np.zeros((n, k)), lengths, np.ones(len(lengths)), params, np.arange(len(lengths)))
    counts, redo = Counts.empty(k, 1), np.zeros(1, dtype=bool)
    _Chain(np.zeros((n, k)), np.array([0]), np.array([n]), np.ones(1), params, params.transmat, np.ones(k), counts, redo).long(0)
