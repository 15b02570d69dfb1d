"""The definition of a hidden Markov model, taken literally: every path of hidden states written out, weighted and added up."""

from itertools import product

import numpy as np

from emkit.models.hmm.params import HMMParams


def random_chain(k, seed, *, end=False, zeros=False):
    """HMMParams without emissions; ``zeros``: about a third of the transitions, and one start, are 0 (never the diagonal)."""
    rng = np.random.default_rng(seed)
    start = rng.dirichlet(np.ones(k))
    rows = rng.dirichlet(np.ones(k + int(end)), size=k)
    if zeros and k > 1:
        drop = rng.random(rows.shape) < 0.35
        drop[np.arange(k), np.arange(k)] = False
        drop[-1, k:] = False  # a chain can end somewhere
        rows = np.where(drop, 0.0, rows)
        rows /= rows.sum(axis=1, keepdims=True)
        start[rng.integers(k)] = 0.0
        start /= start.sum()
    return HMMParams(start, np.ascontiguousarray(rows[:, :k]), None, rows[:, k].copy() if end else None)


def path_log_probs(paths, params, log_b, *, end=True):
    """Log joint probability of each path (m, T) and the steps; ``end=False``: whether the sequence ends there is not known."""
    paths = np.asarray(paths)
    with np.errstate(divide="ignore"):
        total = np.log(params.startprob)[paths[:, 0]] + log_b[0, paths[:, 0]]
        moves = np.log(params.transmat)
        for t in range(1, paths.shape[1]):
            total = total + moves[paths[:, t - 1], paths[:, t]] + log_b[t, paths[:, t]]
        if end and params.endprob is not None:
            total = total + np.log(params.endprob)[paths[:, -1]]
    return total


def every_path(params, log_b, *, end=True):
    """All K^T paths (m, T), and their log joint probabilities with the steps (m,)."""
    steps, k = log_b.shape
    paths = np.array(list(product(range(k), repeat=steps)))
    return paths, path_log_probs(paths, params, log_b, end=end)


def enumerated(params, log_b):
    """Likelihood, P(state) (T, K), expected transitions (K, K) and expected ends (K,) of one sequence, path by path."""
    steps, k = log_b.shape
    paths, log_probs = every_path(params, log_b)
    p = np.exp(log_probs)
    likelihood = p.sum()
    single, pairs = np.zeros((steps, k)), np.zeros((k, k))
    for t in range(steps):
        single[t] = np.bincount(paths[:, t], weights=p, minlength=k)
        if t:
            pairs += np.bincount(paths[:, t - 1] * k + paths[:, t], weights=p, minlength=k * k).reshape(k, k)
    if likelihood == 0.0:
        return 0.0, single, pairs, single[-1]
    return likelihood, single / likelihood, pairs / likelihood, single[-1] / likelihood
