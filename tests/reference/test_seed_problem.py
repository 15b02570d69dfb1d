"""The textbook problem: two normal means, equal known variance, equal weights, start (0, 1)."""

import numpy as np
import pytest

from emkit import GaussianMixture

TRUE_MEANS, SD, N = np.array([1.0, 9.0]), 2.0, 2000
SEEDS = range(20)


def draw(seed):
    """The notebook's sample: each value from one of two normals, chosen with probability 1/2."""
    rng = np.random.default_rng(seed)
    return rng.normal(TRUE_MEANS[rng.integers(2, size=N)], SD)


def solve(x):
    start = {"means_init": [[0.0], [1.0]], "fixed": {"covariances": SD**2, "weights": [0.5, 0.5]}}
    return GaussianMixture(2, tol=0, max_iter=20, **start).fit(x[:, None]).means_.ravel()


def printed_formula(x):
    """What the notebook computes: its parentheses leave the squared distance outside the exponential; the constant cancels."""
    means = np.array([0.0, 1.0])
    for _ in range(20):
        distance = (x[:, None] - means) ** 2
        resp = distance / distance.sum(axis=1, keepdims=True)
        means = (resp * x[:, None]).sum(axis=0) / resp.sum(axis=0)
    return means


def miss(means):
    """Average distance of the two means from the true ones, labels put in order."""
    return np.abs(np.sort(means) - TRUE_MEANS).mean()


def test_every_sample_is_solved_to_sampling_error():
    # A mean of 1,000 values of sd 2 has standard error 0.063; not knowing the labels costs a little more: 0.075 is generous.
    errors = np.array([np.abs(np.sort(solve(draw(seed))) - TRUE_MEANS) for seed in SEEDS])
    assert errors.max() < 4 * 0.075
    assert errors.mean() < 0.075


def test_the_correct_e_step_beats_the_printed_one():
    ours = np.array([miss(solve(draw(seed))) for seed in SEEDS])
    printed = np.array([miss(printed_formula(draw(seed))) for seed in SEEDS])
    assert printed.mean() == pytest.approx(0.35, abs=0.05)  # what the notebook's formula misses by
    assert ours.mean() < 0.07
    assert (ours < printed).all()


def test_the_start_does_not_matter_much():
    """(0, 1) lies to one side of both means; the optimum reached is the one reached from the true means."""
    x = draw(0)
    fixed = {"covariances": SD**2, "weights": [0.5, 0.5]}
    far = GaussianMixture(2, tol=1e-9, means_init=[[0.0], [1.0]], fixed=fixed).fit(x[:, None])
    near = GaussianMixture(2, tol=1e-9, means_init=[[1.0], [9.0]], fixed=fixed).fit(x[:, None])
    np.testing.assert_allclose(far.means_, near.means_, atol=1e-5)
