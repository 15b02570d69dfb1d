"""Drawing paths of hidden states: from the posterior, and from the model itself."""

from bisect import bisect_right

import numpy as np

from emkit.core.checks import count
from emkit.core.errors import DataError, ImpossibleSequenceError, ParameterError
from emkit.core.family import Family
from emkit.models.hmm.filter import log_filter
from emkit.models.hmm.params import HMMParams
from emkit.models.hmm.steps import backward_walk, check_steps, first_rows, log_chain, worth_one_pass


def sample_paths(params: HMMParams, log_b: np.ndarray, lengths: np.ndarray, n_paths: int, rng: np.random.Generator) -> np.ndarray:
    """Independent draws from P(all states | all steps): forward filtering, backward sampling (Scott 2002, JASA 97, 337-351).

    Parameters
    ----------
    params : HMMParams
    log_b : array of shape (n, K)
        Log emission probabilities of all steps; may hold -inf.
    lengths : int array of shape (S,)
        Steps of each sequence, adding up to n.
    n_paths : int
    rng : numpy Generator

    Returns
    -------
    int64 array of shape (n_paths, n)

    Raises
    ------
    DataError
        If shapes do not fit.
    ImpossibleSequenceError
        For a sequence with probability zero.
    ParameterError
        If ``n_paths`` is not a positive integer.
    """
    n_paths = count(n_paths, "n_paths")
    log_b, lengths = check_steps(params, log_b, lengths)
    filtered = log_filter(params, log_b, lengths)
    uniforms = rng.random((n_paths, len(log_b)))
    if worth_one_pass(lengths, log_b.shape[1]) or uniforms.size * log_b.shape[1] > 200_000:
        return _sample_compiled(params, filtered, lengths, uniforms)
    return _sample_numpy(params, filtered, lengths, uniforms)


def _sample_numpy(params: HMMParams, filtered: np.ndarray, lengths: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    _, log_trans, log_end = log_chain(params)
    states = np.empty(uniforms.shape, dtype=np.int64)
    for t, (rows, sequences) in enumerate(backward_walk(lengths)):
        after = log_end if t == 0 else log_trans.T[states[:, rows + 1]]
        log_weights = np.broadcast_to(filtered[rows] + after, (len(states), len(rows), len(log_end)))
        top = log_weights.max(axis=2, keepdims=True)
        if (top == -np.inf).any():
            raise ImpossibleSequenceError(int(sequences[(top[:, :, 0] == -np.inf).any(axis=0)].min()))
        weights = np.exp(log_weights - top)
        reached = np.cumsum(weights, axis=2)
        target = uniforms[:, rows][:, :, None] * reached[:, :, -1:]
        last = len(log_end) - 1 - (weights[:, :, ::-1] > 0).argmax(axis=2)
        states[:, rows] = np.minimum((reached <= target).sum(axis=2), last)
    return states


def _sample_compiled(params: HMMParams, filtered: np.ndarray, lengths: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    from emkit.kernels.hmm_filter import sample_backward

    _, log_trans, log_end = log_chain(params)
    states = np.empty(uniforms.shape, dtype=np.int64)
    transposed = np.ascontiguousarray(log_trans.T)
    impossible = sample_backward(filtered, first_rows(lengths), lengths, transposed, log_end, uniforms, states)
    if impossible >= 0:
        raise ImpossibleSequenceError(int(impossible))
    return states


def simulate(
    family: Family, params: HMMParams, lengths: int | np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data from the model.

    Parameters
    ----------
    family : Family
        What states emit.
    params : HMMParams
    lengths : int or int array of shape (S,)
        Steps of each sequence. A single number n means one sequence of n steps, or, where the chain has end probabilities, n
        sequences that run until they end. Given lengths are kept to in that case too: paths are drawn given that they end there.
    rng : numpy Generator

    Returns
    -------
    x : array of shape (n, d)
    states : int64 array of shape (n,)
    lengths : int64 array of shape (S,)

    Raises
    ------
    ParameterError
        If a length is not a positive integer, if a sequence may never end, or cannot have a length asked for.
    """
    if np.ndim(lengths) == 0:
        n = count(int(lengths) if isinstance(lengths, np.ndarray) else lengths, "lengths")
        if params.endprob is not None:
            states, sizes = _walk_to_the_end(params, n, rng)
            return family.sample(params.emissions, states, rng), states, sizes
        lengths = np.array([n])
    sizes = np.array([count(n, "lengths") for n in np.asarray(lengths).ravel()], dtype=np.int64)
    if params.endprob is None:
        states = _walk(params, sizes, rng)
    else:
        try:
            states = sample_paths(params, np.zeros((int(sizes.sum()), len(params.startprob))), sizes, 1, rng)[0]
        except DataError as error:
            message = "the chain cannot end after some of these lengths; give a number of sequences for random lengths"
            raise ParameterError(f"lengths: {message}") from error
    return family.sample(params.emissions, states, rng), states, sizes


def _cumulated(p: np.ndarray) -> list[float]:
    """For ``bisect_right``: running sums, infinite from the last possible entry on, so that rounding cannot step beyond it."""
    sums = np.cumsum(p)
    sums[np.flatnonzero(p)[-1] :] = np.inf
    return [float(v) for v in sums]


def _walk(params: HMMParams, lengths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    start = _cumulated(params.startprob)
    rows = [_cumulated(row) for row in params.transmat]
    uniforms = iter(rng.random(int(lengths.sum())).tolist())
    states = []
    for n in lengths.tolist():
        state = bisect_right(start, next(uniforms))
        states.append(state)
        for _ in range(n - 1):
            state = bisect_right(rows[state], next(uniforms))
            states.append(state)
    return np.array(states, dtype=np.int64)


def _walk_to_the_end(params: HMMParams, sequences: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    assert params.endprob is not None
    _refuse_endless(params)
    k = len(params.startprob)
    start = _cumulated(params.startprob)
    rows = [_cumulated(row) for row in np.column_stack([params.transmat, params.endprob])]
    states: list[int] = []
    lengths: list[int] = []
    for _ in range(sequences):
        before = len(states)
        state = bisect_right(start, rng.random())
        while state < k:
            states.append(state)
            state = bisect_right(rows[state], rng.random())
        lengths.append(len(states) - before)
    return np.array(states, dtype=np.int64), np.array(lengths, dtype=np.int64)


def _refuse_endless(params: HMMParams) -> None:
    """Raise ParameterError if a state that can be reached cannot reach the end."""
    assert params.endprob is not None
    steps = (params.transmat > 0) | np.eye(len(params.transmat), dtype=bool)
    reachable: np.ndarray = params.startprob > 0
    ending: np.ndarray = params.endprob > 0
    for _ in range(len(steps)):
        reachable, ending = reachable @ steps, steps @ ending
    endless = np.flatnonzero(reachable & ~ending)
    if len(endless):
        raise ParameterError(f"from state {endless[0]} no sequence can ever end: give lengths, or that state a way to the end")
