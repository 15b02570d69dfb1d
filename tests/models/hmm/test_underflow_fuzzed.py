"""Chains and emissions of absurd sizes: each implementation is right, or says that it is not."""

import numpy as np
import pytest

from emkit.models.hmm.params import HMMParams
from support.recursions import both_ends, lanes, log_space, numpy_twin, states

# What once went wrong unnoticed: shares lost on the way back, steps whose every emission is nothing beside one that cannot be,
# tiny transitions.
KNOWN = [137, 219, 452, 505, 606, 615, 738, 767, 914, 2029]


def absurd(seed):
    """Sparse chains with transitions down to 1e-160, ends, weights of zero, emissions hundreds of nats apart, impossible states."""
    rng = np.random.default_rng(seed)
    k = int(rng.choice([1, 2, 3, 5, 8, 9, 13]))
    matrix = rng.dirichlet(np.ones(k), k)
    if rng.random() < 0.6:
        matrix = np.where(rng.random((k, k)) < 0.5, 0.0, matrix)
        matrix[np.arange(k), np.arange(k)] += matrix.sum(axis=1) == 0
    if rng.random() < 0.5:
        matrix = matrix * 10.0 ** -rng.integers(0, rng.choice([5, 30, 160]), (k, k))
    end, whole = None, matrix.sum(axis=1)
    if rng.random() < 0.4:
        end = rng.random(k) * (rng.random(k) < 0.7)
    total = whole + (0.0 if end is None else end)
    matrix, end = matrix / total[:, None], None if end is None else end / total
    start = rng.dirichlet(np.ones(k)) * (rng.random(k) < 0.7)
    start[0] += start.sum() == 0
    count = int(rng.choice([1, 3, 6, 20]))
    lengths = rng.integers(1, int(rng.choice([3, 40, 100])), count)
    sizes = rng.choice([1, 10, 50, 100, 300], size=(lengths.sum(), 1), p=[0.4, 0.2, 0.2, 0.1, 0.1])
    log_b = rng.normal(size=(lengths.sum(), k)) * sizes
    if rng.random() < 0.5:
        log_b[rng.random(log_b.shape) < 0.05] = -np.inf
    weights = np.where(rng.random(count) < 0.2, 0.0, rng.random(count) * 3.0)
    return HMMParams(start / start.sum(), matrix, None, end), lengths, weights, log_b


def right_or_redone(implementation, params, lengths, weights, log_b):
    """Compares what is not marked, sequence by sequence; returns how many were."""
    ends = np.cumsum(lengths)
    given_up = 0
    for n, weight, stop in zip(lengths, weights, ends, strict=True):
        rows = slice(stop - n, stop)
        one, w = np.array([n]), np.array([weight])
        found, expected = log_b[rows].copy(), log_b[rows].copy()
        counts, redo = implementation(found, one, w, params)
        if redo[0]:
            given_up += 1
            continue
        exact, _ = log_space(expected, one, w, params)
        np.testing.assert_allclose(counts.log_likelihoods, exact.log_likelihoods, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found, expected, atol=1e-7)
        np.testing.assert_allclose(counts.transitions, exact.transitions, atol=1e-7 * max(1.0, exact.transitions.max(initial=0.0)))
    return given_up


@pytest.mark.parametrize("implementation", [numpy_twin, lanes, states, both_ends])
def test_right_or_redone(implementation):
    for seed in [*range(60), *KNOWN]:
        params, lengths, weights, log_b = absurd(seed)
        right_or_redone(implementation, params, lengths, weights, log_b)


@pytest.mark.parametrize("implementation", [numpy_twin, lanes, states, both_ends])
@pytest.mark.parametrize(("beta", "emission"), [(-44.0, -299.0), (-23.0, -299.0), (-37.0, -276.0)])
def test_a_small_beta_before_a_small_emission(implementation, beta, emission):
    """Two states that never meet, in one of which the chain is: each step is probable beside the other's, or next to nothing."""
    params = HMMParams(np.array([1.0, 0.0]), np.eye(2), None)
    log_b = np.zeros((8, 2))
    log_b[5, 0], log_b[4, 0] = beta, emission
    assert right_or_redone(implementation, params, np.array([8]), np.ones(1), log_b) <= 1


@pytest.mark.parametrize("implementation", [numpy_twin, lanes, states, both_ends])
def test_ordinary_data_are_not_given_up(implementation):
    """Well separated states and far outliers: nothing of it needs log space."""
    rng = np.random.default_rng(0)
    matrix = np.full((3, 3), 0.01) + 0.97 * np.eye(3)
    log_b = -0.5 * (rng.normal(size=(500, 1)) + 20.0 * rng.integers(3, size=(500, 1)) - 20.0 * np.arange(3)) ** 2
    log_b[100] -= 1e16
    params = HMMParams(np.full(3, 1 / 3), matrix, None)
    assert right_or_redone(implementation, params, np.array([500]), np.ones(1), log_b) == 0
