"""The most probable paths of hidden states: Viterbi's algorithm, and the k best paths."""

from collections.abc import Callable
from functools import partial

import numpy as np

from emkit.core.block import Block
from emkit.core.checks import count
from emkit.core.parallel import both
from emkit.core.scratch import borrow
from emkit.models.hmm.params import HMMParams
from emkit.models.hmm.steps import backward_walk, check_steps, first_rows, forward_walk, log_chain, worth_one_pass

_STREAM_FROM, _STREAM_UP_TO, _STREAM_ROWS = 50_000, 16, 16_384  # steps, states; steps of a part, whose emissions stay in the cache
_LANES_UP_TO = 20  # states; with more, one sequence at a time is faster than many side by side


Emissions = Callable[[Block, np.ndarray], np.ndarray]
"""Writes the log emission probabilities of a block into an array (n, K), and returns it."""


def viterbi_block(params: HMMParams, block: Block, emissions: Emissions, out: np.ndarray) -> np.ndarray:
    """``viterbi`` of a block: states into ``out``, int64 (n,); returns the log probabilities, (S,).

    The emissions of one long sequence with few states are made part by part, each while the part before is worked on: memory is
    then a byte for each step and state.
    """
    k, lengths = len(params.startprob), np.asarray(block.lengths)
    if len(lengths) == 1 and block.n >= _STREAM_FROM and k <= _STREAM_UP_TO:
        return _viterbi_streamed(params, block, emissions, out)
    with borrow(block.n, k) as log_b:
        return viterbi(params, emissions(block, log_b), lengths, overwrite=True, out=out)[1]


def viterbi(
    params: HMMParams, log_b: np.ndarray, lengths: np.ndarray, *, overwrite: bool = False, out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The most probable path of each sequence (Rabiner 1989, section III.B), end probabilities included.

    Parameters
    ----------
    params : HMMParams
    log_b : array of shape (n, K)
        Log emission probabilities of all steps; may hold -inf.
    lengths : int array of shape (S,)
        Steps of each sequence, adding up to n.
    overwrite : bool
        Whether ``log_b`` may be used as working memory; otherwise large data are copied.
    out : int64 array of shape (n,), optional
        Where to put the states.

    Returns
    -------
    states : int64 array of shape (n,)
        Among equally probable paths, the one with the lowest last state, then the lowest state before it, and so on. -1
        throughout a sequence that is impossible.
    log_probs : array of shape (S,)
        Log joint probability of path and sequence; -inf for an impossible sequence.

    Raises
    ------
    DataError
        If shapes do not fit.
    """
    given = log_b
    log_b, lengths = check_steps(params, log_b, lengths)
    if not overwrite and np.shares_memory(given, log_b):
        log_b = log_b.copy()
    states = np.empty(len(log_b), dtype=np.int64) if out is None else out
    run = _viterbi_compiled if worth_one_pass(lengths, log_b.shape[1]) else _viterbi_numpy
    return states, run(params, log_b, lengths, states)


def _viterbi_streamed(params: HMMParams, block: Block, emissions: Emissions, states: np.ndarray) -> np.ndarray:
    from emkit.kernels.simd import WIDTH
    from emkit.kernels.viterbi_stream import viterbi_back, viterbi_onward
    from emkit.models.hmm.compiled import padded

    log_start, log_trans, log_end = (padded(v, fill=-np.inf) for v in log_chain(params))
    k, n = len(params.startprob), block.n
    real = padded(np.ones(k))
    scores = np.stack([np.full(len(real), -np.inf)] * 2)
    back = np.empty(n * k + WIDTH, dtype=np.uint8)
    parts = [slice(a, min(a + _STREAM_ROWS, n)) for a in range(0, n, _STREAM_ROWS)]

    def made(part: slice | None, room: np.ndarray) -> np.ndarray:
        return room[:0] if part is None else emissions(block.rows(part), room[: part.stop - part.start])

    base = 0.0
    with borrow(_STREAM_ROWS, k) as here, borrow(_STREAM_ROWS, k) as there:
        log_b = made(parts[0], here)
        for part, ahead in zip(parts, [*parts[1:], None], strict=True):
            here, there = there, here
            taken, log_b = both(
                partial(viterbi_onward, log_b, part.start, real, log_start, log_trans, scores, back),
                partial(made, ahead, here),
            )
            base += taken
    total = scores[1, :k] + log_end[:k]
    last = int(total.argmax())
    if total[last] == -np.inf:
        states[:] = -1
    else:
        viterbi_back(back, k, last, states)
    return total[last : last + 1] + base


def _viterbi_numpy(params: HMMParams, scores: np.ndarray, lengths: np.ndarray, states: np.ndarray) -> np.ndarray:
    """All sequences at once; ``scores``, the log emissions, become the best log probability of a path that ends there."""
    log_start, log_trans, log_end = log_chain(params)
    # Beside an emission of -1e12, or after a million steps, scores would drown in rounding: what all states have in common is
    # kept apart.
    base = _take_largest(scores)
    for t, rows in enumerate(forward_walk(lengths)):
        now = scores[rows] + (log_start if t == 0 else (scores[rows - 1][:, :, None] + log_trans).max(axis=1))
        base[rows] += _take_largest(now)
        scores[rows] = now
    log_probs = np.empty(len(lengths))
    for t, (rows, sequences) in enumerate(backward_walk(lengths)):
        if t == 0:
            total = scores[rows] + log_end
            log_probs[sequences] = total.max(axis=1)
        else:
            total = scores[rows] + log_trans[:, states[rows + 1]].T
        states[rows] = total.argmax(axis=1)
    states[np.repeat(log_probs == -np.inf, lengths)] = -1
    return log_probs + np.add.reduceat(base, first_rows(lengths))


def _take_largest(rows: np.ndarray) -> np.ndarray:
    """Subtract each row's largest number in place, and return them, (n,); 0 where all are -inf."""
    top = rows.max(axis=1)
    top = np.where(top > -np.inf, top, 0.0)
    rows -= top[:, None]
    return np.asarray(top)


def _viterbi_compiled(params: HMMParams, scores: np.ndarray, lengths: np.ndarray, states: np.ndarray) -> np.ndarray:
    from emkit.kernels.viterbi_chain import viterbi_chain
    from emkit.kernels.viterbi_lanes import viterbi_lanes
    from emkit.models.hmm.compiled import padded, split_by_length, tile_pattern

    log_start, log_trans, log_end = log_chain(params)
    k = len(log_start)
    offsets = first_rows(lengths)
    log_probs = np.empty(len(lengths))
    together, alone = split_by_length(lengths, np.arange(len(lengths)), k <= _LANES_UP_TO)
    if len(together):
        viterbi_lanes(scores, together, offsets, lengths, log_start, log_trans, log_end, states, log_probs)
    if len(alone):
        start, matrix, transposed, end = (padded(v, fill=-np.inf) for v in (log_start, log_trans, log_trans.T, log_end))
        pattern = tile_pattern(padded(params.transmat))
        viterbi_chain(
            scores, alone, offsets, lengths, padded(np.ones(k)), start, matrix, transposed, *pattern, end, states, log_probs
        )
    return log_probs


def k_best_paths(params: HMMParams, log_b: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k most probable paths of one sequence, best first: list Viterbi.

    Each state keeps the k best partial paths that end in it (the parallel algorithm of Seshadri & Sundberg 1994, IEEE Trans.
    Commun. 42, 313-323). Time T K^2 k log(K k), memory T K k.

    Parameters
    ----------
    params : HMMParams
    log_b : array of shape (T, K)
        Log emission probabilities of the sequence.
    k : int
        How many paths.

    Returns
    -------
    paths : int64 array of shape (m, T)
        m = k, or fewer where fewer paths are possible. The first is Viterbi's.
    log_probs : array of shape (m,)
        Log joint probability of each path and the sequence, falling.

    Raises
    ------
    DataError
        If shapes do not fit.
    ParameterError
        If ``k`` is not a positive integer.
    """
    k = count(k, "k")
    log_b, _ = check_steps(params, log_b, np.array([len(log_b)]))
    log_start, log_trans, log_end = log_chain(params)
    n, states = log_b.shape
    log_b = log_b.copy()
    base = float(_take_largest(log_b).sum())
    # scores[i, r]: the r-th best partial path that ends in state i. It came from came[t][i, r] = (state before) * width + (its
    # rank).
    scores = (log_start + log_b[0])[:, None]
    came: list[np.ndarray] = []
    widths: list[int] = []
    for t in range(1, n):
        reached = (scores[:, :, None] + log_trans[:, None, :]).reshape(-1, states)
        widths.append(scores.shape[1])
        best = _largest(reached, k)
        came.append(best.T.astype(np.int32))
        scores = np.take_along_axis(reached, best, axis=0).T + log_b[t][:, None]
        top = float(scores.max())
        if top > -np.inf:
            scores, base = scores - top, base + top
    width = scores.shape[1]
    total = (scores + log_end[:, None]).reshape(-1, 1)
    here = _largest(total, k)[:, 0]
    here = here[total[here, 0] > -np.inf]
    paths = np.empty((len(here), n), dtype=np.int64)
    log_probs = total[here, 0] + base
    for t in range(n - 1, -1, -1):
        paths[:, t] = here // width
        if t > 0:
            here = came[t - 1][here // width, here % width]
            width = widths[t - 1]
    return paths, log_probs


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """Row numbers of the k largest entries of each column, falling, (min(k, rows), columns); the first of equal ones first."""
    return np.argsort(-values, axis=0, kind="stable")[:k]
