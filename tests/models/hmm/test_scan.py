"""Forward-backward by products in a tree against the recursions step by step, and in log space."""

import numpy as np
import pytest

from emkit.models.hmm.recursions import forward_backward, forward_backward_log
from emkit.models.hmm.scan import _size, forward_backward_scan

LENGTHS = [[1], [2], [8], [9], [3, 1, 2], [7, 1, 1, 5], [100], [17, 64, 1, 8, 33], [330], [340], [2000]]


def problem(lengths, k, *, spread=1.5, end=False, left_right=False, seed=0):
    """Log emissions, lengths, weights, start, transitions, end."""
    rng = np.random.default_rng(seed + 100 * k + len(lengths))
    matrix = rng.dirichlet(np.full(k, 0.7), k)
    start = rng.dirichlet(np.ones(k))
    if left_right:
        matrix = np.triu(matrix) / np.triu(matrix).sum(axis=1, keepdims=True)
        start = np.eye(k)[0]
    endings = rng.uniform(0.05, 0.2, k) if end else None
    if end:
        matrix = matrix * (1.0 - endings)[:, None]
    log_b = spread * rng.standard_normal((sum(lengths), k)) - 3.0
    return log_b, np.array(lengths), rng.uniform(0.5, 2.0, len(lengths)), start, matrix, endings


def both(given):
    """Counts and posteriors of the two."""
    first, second = given[0].copy(), given[0].copy()
    expected, redo = forward_backward(first, *given[1:])
    return forward_backward_scan(second, *given[1:]), second, expected, first, redo


def assert_same(found, gamma, expected, other):
    np.testing.assert_allclose(found.log_likelihoods, expected.log_likelihoods, rtol=1e-12)
    np.testing.assert_allclose(gamma, other, rtol=1e-9, atol=1e-12)
    for name in ("start", "transitions", "end"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-10, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("k", [1, 2, 3, 6])
@pytest.mark.parametrize("how", [{}, {"end": True}, {"left_right": True}, {"spread": 30.0}], ids=str)
def test_the_same_as_step_by_step(lengths, k, how):
    found, gamma, expected, other, redo = both(problem(lengths, k, **how))
    assert not redo.any()
    assert found is not None
    assert_same(found, gamma, expected, other)


@pytest.mark.parametrize("k", [2, 5])
def test_the_same_as_in_log_space(k):
    given = problem([400], k)
    gamma = given[0].copy()
    found = forward_backward_scan(gamma, *given[1:])
    with np.errstate(divide="ignore"):
        total, exact, pairs = forward_backward_log(given[0], np.log(given[3]), np.log(given[4]), None)
    assert found.log_likelihoods[0] == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(gamma, exact * given[2][0], atol=1e-12)
    np.testing.assert_allclose(found.transitions, pairs * given[2][0], rtol=1e-10, atol=1e-11)


def test_what_it_cannot_do_it_leaves_as_it_was():
    """A sequence that no state can emit, and one whose evidence turns round beyond what numbers can hold."""
    impossible = problem([5, 5], 2)
    impossible[0][3] = -np.inf
    hard = problem([60], 2)
    hard[0][:30], hard[0][30:] = [0.0, -290.0], [-290.0, 0.0]
    matrix = np.array([[1.0 - 1e-200, 1e-200], [0.0, 1.0]])
    for given in (impossible, (*hard[:3], np.array([1.0, 0.0]), matrix, None)):
        log_b = given[0].copy()
        assert forward_backward_scan(log_b, *given[1:]) is None
        np.testing.assert_array_equal(log_b, given[0])


def test_emissions_of_probability_zero():
    """Some states cannot emit some steps, as a categorical's zeros and a Poisson's rate 0 have it."""
    given = problem([200], 3)
    given[0][np.random.default_rng(1).random((200, 3)) < 0.3] = -np.inf
    given[0][:, 0] = -2.0
    found, gamma, expected, other, redo = both(given)
    assert found is not None and not redo.any()
    assert_same(found, gamma, expected, other)


def test_it_either_agrees_or_declines():
    """Random hard problems: never a wrong number."""
    rng = np.random.default_rng(3)
    declined = 0
    for seed in range(150):
        k = int(rng.integers(2, 5))
        given = list(problem([int(rng.integers(2, 80)), 5], k, spread=float(10 ** rng.uniform(0, 3)), seed=seed))
        zero = rng.random((k, k)) < 0.4
        matrix = np.where(zero & ~np.eye(k, dtype=bool), 0.0, given[4] ** rng.integers(1, 40))
        given[4] = matrix / matrix.sum(axis=1, keepdims=True)
        found, gamma, expected, other, redo = both(given)
        if found is None:
            declined += 1
            continue
        assert not redo.any()
        assert_same(found, gamma, expected, other)
    assert declined < 150


def test_same_bits_again():
    given = problem([330], 2)
    first, second = given[0].copy(), given[0].copy()
    a, b = forward_backward_scan(first, *given[1:]), forward_backward_scan(second, *given[1:])
    np.testing.assert_array_equal(first, second)
    assert a.log_likelihoods[0] == b.log_likelihoods[0]


def test_chunks_grow_with_the_work():
    sizes = [_size(n, 2) for n in (10, 100, 1000, 10_000, 100_000)]
    assert sizes == sorted(sizes)
