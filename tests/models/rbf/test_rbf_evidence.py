"""The evidence of the weights: against dense algebra, against finite differences, and as a sum over rows."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from emkit.models.rbf.evidence import (
    INTERCEPT,
    Gram,
    divergence,
    expected_log_likelihood,
    gram,
    maximise,
    prior_precisions,
    slopes,
    solve,
)
from emkit.models.rbf.features import Units, design, exponents, values


def problem(seed=0, n=60, k=6, d=3, p=1, normalised=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = np.sin(2 * x[:, :1]) + 0.5 * x[:, 1:2] + 0.2 * rng.normal(size=(n, p))
    units = Units(rng.normal(size=(k, d)), rng.normal(size=d), np.zeros(k), normalised)
    return design(values(exponents(x, units), normalised), x), y, rng.uniform(0.5, 2.0, n)


@pytest.mark.parametrize("normalised", [False, True])
def test_log_evidence_is_the_dense_density_of_the_target(normalised):
    psi, y, _ = problem(normalised=normalised)
    at = maximise(gram(psi, y, None), 6)
    lam = prior_precisions(at.log_lambda, 6, psi.shape[1])
    cov = at.noise[0] * (np.eye(len(y)) + (psi / lam) @ psi.T)
    dense = multivariate_normal(np.zeros(len(y)), cov).logpdf(y[:, 0])
    np.testing.assert_allclose(at.log_evidence, dense, rtol=1e-8)


def test_posterior_is_that_of_dense_algebra():
    psi, y, _ = problem()
    at = maximise(gram(psi, y, None), 6)
    lam = prior_precisions(at.log_lambda, 6, psi.shape[1])
    cov = np.eye(len(y)) + (psi / lam) @ psi.T
    np.testing.assert_allclose(at.mean, (psi / lam).T @ np.linalg.solve(cov, y), rtol=1e-7, atol=1e-9)
    spread = np.diag(1 / lam) - (psi / lam).T @ np.linalg.solve(cov, psi / lam)
    np.testing.assert_allclose(at.inverse, spread, atol=1e-6 * np.abs(spread).max())


@pytest.mark.parametrize("outputs", [1, 3])
def test_free_energy_is_the_log_evidence_at_the_optimum_and_below_it_elsewhere(outputs):
    psi, y, weights = problem(p=outputs)
    sums = gram(psi, y, weights)
    at = maximise(sums, 6)
    energy = expected_log_likelihood(sums, at) - divergence(at, 6)
    np.testing.assert_allclose(energy, at.log_evidence, rtol=1e-10)
    moved = type(at)(at.mean + 0.01, at.inverse * 1.1, at.log_lambda, at.noise, at.log_evidence, at.rows)
    assert expected_log_likelihood(sums, moved) - divergence(moved, 6) < at.log_evidence
    assert divergence(at, 6) > 0


@pytest.mark.parametrize("outputs", [1, 2])
def test_slopes_in_log_lambda_are_those_of_finite_differences(outputs):
    psi, y, weights = problem(p=outputs)
    sums, at, step = gram(psi, y, weights), np.array([0.3, -0.8]), 1e-5
    gradient, hessian = slopes(solve(sums, 6, at), 6)
    for a in range(2):
        up, down = (solve(sums, 6, at + s * step * np.eye(2)[a]) for s in (1, -1))
        np.testing.assert_allclose(gradient[a], (up.log_evidence - down.log_evidence) / (2 * step), rtol=1e-5)
        numeric = (slopes(up, 6)[0] - slopes(down, 6)[0]) / (2 * step)
        np.testing.assert_allclose(hessian[a], numeric, rtol=1e-5, atol=1e-7)


def test_the_end_is_the_fixed_point_of_evidence_em():
    psi, y, _ = problem(seed=3)
    at = maximise(gram(psi, y, None), 6, tol=1e-14)
    for a, part in enumerate((slice(1, 7), slice(7, None))):
        size = float((at.mean[part] ** 2).sum())
        count, trace = len(at.mean[part]), at.inverse.diagonal()[part].sum()
        lam = np.exp(at.log_lambda[a])
        np.testing.assert_allclose(lam, (count - lam * trace) * at.noise[0] / size, rtol=1e-5)
    residual = y - psi @ at.mean
    spread = np.einsum("nm,mk,nk->n", psi, at.inverse, psi).sum()
    # the intercept's prior has the noise's scale, so that it is one more row of the noise
    intercept = INTERCEPT * (at.mean[0] ** 2 + at.noise * at.inverse[0, 0])
    noise = (np.sum(residual**2) + at.noise * spread + intercept) / (len(y) + 1)
    np.testing.assert_allclose(at.noise, noise, rtol=1e-6)


def test_no_start_leads_to_a_lower_evidence_than_it_has():
    for seed in range(30):
        psi, y, weights = problem(seed, n=30, k=7)
        sums = gram(psi, y, weights)
        start = np.random.default_rng(seed).normal(size=2) * 6
        assert maximise(sums, 7, start).log_evidence >= solve(sums, 7, start).log_evidence


def test_sums_of_blocks_add_up_and_a_weight_of_two_is_the_row_twice():
    psi, y, _ = problem()
    whole, parts = gram(psi, y, None), gram(psi[:20], y[:20], None) + gram(psi[20:], y[20:], None)
    assert isinstance(parts, Gram)
    weights = np.where(np.arange(len(y)) < 20, 2.0, 1.0)
    twice = gram(psi, y, weights)
    again = whole + gram(psi[:20], y[:20], None)
    for one, other in ((whole, parts), (twice, again)):
        for name in ("matrix", "cross", "square", "rows"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(maximise(twice, 6).log_evidence, maximise(again, 6).log_evidence, rtol=1e-10)


def test_a_target_without_noise_and_features_that_repeat_stay_finite():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    psi = design(np.column_stack([np.exp(-(x[:, 0] ** 2))] * 3), x)
    at = maximise(gram(psi, x[:, :1] * 2.0, None), 3)
    np.testing.assert_allclose(psi @ at.mean, x[:, :1] * 2.0, atol=1e-4)
    assert np.isfinite(at.log_evidence) and np.isfinite(at.inverse).all()
