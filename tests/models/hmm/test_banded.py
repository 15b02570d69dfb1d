"""Forward-backward as a triangular system against the recursions step by step, and in log space."""

import numpy as np
import pytest

from emkit.models.hmm.banded import forward_backward_banded, forward_backward_together
from emkit.models.hmm.recursions import forward_backward, forward_backward_log

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
    return forward_backward_banded(second, *given[1:]), second, expected, first, redo


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
    found = forward_backward_banded(gamma, *given[1:])
    with np.errstate(divide="ignore"):
        total, exact, pairs = forward_backward_log(given[0], np.log(given[3]), np.log(given[4]), None)
    assert found.log_likelihoods[0] == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(gamma, exact * given[2][0], atol=1e-12)
    np.testing.assert_allclose(found.transitions, pairs * given[2][0], rtol=1e-10, atol=1e-11)


def assert_same_in_log_space(found, gamma, given):
    log_b, lengths, weights, start, matrix, endings = given
    with np.errstate(divide="ignore"):
        logs = np.log(start), np.log(matrix), None if endings is None else np.log(endings)
    first, starts, pairs = 0, 0.0, 0.0
    for s, n in enumerate(lengths):
        rows = slice(first, first + n)
        total, exact, here = forward_backward_log(log_b[rows], *logs)
        assert found.log_likelihoods[s] == pytest.approx(total, rel=1e-12)
        np.testing.assert_allclose(gamma[rows], exact * weights[s], rtol=1e-9, atol=1e-12)
        starts, pairs, first = starts + exact[0] * weights[s], pairs + here * weights[s], first + n
    np.testing.assert_allclose(found.start, starts, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(found.transitions, pairs, rtol=1e-10, atol=1e-11)


def test_several_hypotheses_are_each_what_it_is_alone():
    """In stretches, with sequences that begin and end anywhere in them."""
    for lengths in ([7, 1, 400, 30], [5, 2], [1000]):
        given = [problem(lengths, 3, seed=seed) for seed in range(4)]
        weights = given[0][2]
        log_b, start, matrix = (np.stack([one[i] for one in given]) for i in (0, 3, 4))
        found = forward_backward_together(log_b, np.array(lengths), weights, start, matrix, np.ones((4, 3)))
        for h, one in enumerate(given):
            alone = forward_backward_banded(one[0], one[1], weights, *one[3:])
            np.testing.assert_allclose(log_b[h], one[0], rtol=1e-12, atol=1e-300)
            for array, expected in zip(found, (alone.start, alone.transitions, alone.end, alone.log_likelihoods), strict=True):
                np.testing.assert_allclose(array[h], expected, rtol=1e-12)


def test_surprising_evidence_is_taken_in_shorter_stretches():
    """States that nearly never change, and evidence that always does: a vector shrinks by a hundred million at a step."""
    given = list(problem([200], 2))
    given[4] = np.array([[1.0 - 1e-8, 1e-8], [1e-8, 1.0 - 1e-8]])
    given[0] = np.where(np.arange(200)[:, None] % 2 == np.arange(2), 0.0, -100.0)
    gamma = given[0].copy()
    found = forward_backward_banded(gamma, *given[1:])
    assert_same_in_log_space(found, gamma, given)


def test_what_it_cannot_do_it_leaves_as_it_was():
    """A sequence that no state can emit, and one whose evidence turns round beyond what numbers can hold."""
    impossible = problem([5, 5], 2)
    impossible[0][3] = -np.inf
    hard = problem([60], 2)
    hard[0][:30], hard[0][30:] = [0.0, -290.0], [-290.0, 0.0]
    matrix = np.array([[1.0 - 1e-300, 1e-300], [0.0, 1.0]])
    for given in (impossible, (*hard[:3], np.array([1.0, 0.0]), matrix, None)):
        log_b = given[0].copy()
        assert forward_backward_banded(log_b, *given[1:]) is None
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
        elif redo.any():  # what the other gives up
            assert_same_in_log_space(found, gamma, given)
        else:
            assert_same(found, gamma, expected, other)
    assert declined < 150


def test_same_bits_again():
    given = problem([330], 2)
    first, second = given[0].copy(), given[0].copy()
    a, b = forward_backward_banded(first, *given[1:]), forward_backward_banded(second, *given[1:])
    np.testing.assert_array_equal(first, second)
    assert a.log_likelihoods[0] == b.log_likelihoods[0]
