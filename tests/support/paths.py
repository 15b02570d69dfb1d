"""The definition of a hidden Markov model, taken literally: every path of hidden states written out, weighted and added up."""

from itertools import pairwise, product

import numpy as np


def enumerate_paths(log_b, startprob, transmat, endprob=None):
    """Likelihood, P(state) (T, K), expected transitions (K, K) and expected ends (K,) of one sequence, path by path."""
    steps, k = log_b.shape
    b = np.exp(log_b)
    likelihood, single, pairs, ends = 0.0, np.zeros((steps, k)), np.zeros((k, k)), np.zeros(k)
    for path in product(range(k), repeat=steps):
        p = startprob[path[0]] * np.prod(b[np.arange(steps), path])
        p *= np.prod([transmat[i, j] for i, j in pairwise(path)])
        if endprob is not None:
            p *= endprob[path[-1]]
        likelihood += p
        single[np.arange(steps), path] += p
        ends[path[-1]] += p
        for i, j in pairwise(path):
            pairs[i, j] += p
    if likelihood == 0.0:
        return 0.0, single, pairs, ends
    return likelihood, single / likelihood, pairs / likelihood, ends / likelihood


def random_chain(rng, k, *, end=False, zeros=False):
    """Start, transition and end probabilities; with ``zeros`` about a third of them are zero (the diagonal never)."""
    start = rng.dirichlet(np.ones(k))
    rows = rng.dirichlet(np.ones(k + int(end)), size=k)
    if zeros and k > 1:
        drop = rng.random(rows.shape) < 0.35
        drop[np.arange(k), np.arange(k)] = False
        drop[:, k:] = False
        rows = np.where(drop, 0.0, rows)
        rows /= rows.sum(axis=1, keepdims=True)
        start[rng.integers(k)] = 0.0
        start /= start.sum()
    return start, np.ascontiguousarray(rows[:, :k]), rows[:, k].copy() if end else None
