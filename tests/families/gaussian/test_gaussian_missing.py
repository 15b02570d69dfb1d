"""Missing cells, against a dense brute-force computation: marginal normals and conditional moments, row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emkit import ArraySource, FiniteMixture, Gaussian, Threads, fit
from emkit.core.block import Block
from emkit.families.gaussian.missing import patterns
from emkit.families.gaussian.params import GaussianParams
from emkit.families.gaussian.shapes import COVARIANCE_TYPES
from support.gaussians import dense, random_params


def brute_log_prob(params: GaussianParams, x: np.ndarray) -> np.ndarray:
    """log of the normal density of the observed cells, one row and one component at a time."""
    out = np.zeros((len(x), len(params.means)))
    for i, row in enumerate(x):
        o = np.flatnonzero(~np.isnan(row))
        for j, (mean, cov) in enumerate(zip(params.means, dense(params), strict=True)):
            if len(o):
                off = row[o] - mean[o]
                part = cov[np.ix_(o, o)]
                out[i, j] = -0.5 * (off @ np.linalg.solve(part, off) + np.linalg.slogdet(2 * np.pi * part)[1])
    return out


def brute_moments(params: GaussianParams, x: np.ndarray, resp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second moments about the means (K, d), (K, d, d), from E[x | observed] and Cov[x | observed]."""
    k, d = params.means.shape
    first, second = np.zeros((k, d)), np.zeros((k, d, d))
    for i, row in enumerate(x):
        seen = ~np.isnan(row)
        o, m = np.flatnonzero(seen), np.flatnonzero(~seen)
        for j, (mean, cov) in enumerate(zip(params.means, dense(params), strict=True)):
            centred, spread = np.zeros(d), np.zeros((d, d))
            centred[o] = row[o] - mean[o]
            gain = cov[np.ix_(m, o)] @ np.linalg.inv(cov[np.ix_(o, o)])
            centred[m] = gain @ centred[o]
            spread[np.ix_(m, m)] = cov[np.ix_(m, m)] - gain @ cov[np.ix_(o, m)]
            first[j] += resp[i, j] * centred
            second[j] += resp[i, j] * (np.outer(centred, centred) + spread)
    return first, second


def in_form(second: np.ndarray, covariance_type: str) -> np.ndarray:
    """(K, d, d) second moments in the form the family keeps for a covariance type (before the M-step's pooling)."""
    shape = COVARIANCE_TYPES[covariance_type]
    if shape.matrix:
        return second.sum(axis=0, keepdims=True) if shape.shared else second
    diagonal = np.diagonal(second, axis1=1, axis2=2)
    return diagonal.sum(axis=1, keepdims=True) if shape.pooled else diagonal


def holes(n: int, d: int, share: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * 2.0
    x[rng.random((n, d)) < share] = np.nan
    return x


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 12), d=st.integers(1, 5), k=st.integers(1, 3), share=st.sampled_from([0.2, 0.6, 1.0]), seed=st.integers(0, 99)
)
def test_brute_force(covariance_type, n, d, k, share, seed):
    x = holes(n, d, share, seed)
    x[0, 0] = np.nan
    params = random_params(covariance_type, seed, k, d)
    family = Gaussian(covariance_type)
    np.testing.assert_allclose(family.log_prob(params, x), brute_log_prob(params, x), atol=1e-10)
    resp = np.random.default_rng(seed).dirichlet(np.ones(k), n) * 1.5
    stats = family.stats(params, x, resp)
    first, second = brute_moments(params, x, resp)
    np.testing.assert_allclose(stats.counts, resp.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(stats.first, first, atol=1e-10)
    np.testing.assert_allclose(stats.second, in_form(second, covariance_type), atol=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_pattern_by_pattern_is_slice_by_slice(covariance_type, weighted):
    """The fast E-step of a block with holes agrees with Bayes' rule written out."""
    x = holes(200, 4, 0.3, 0)
    params = random_params(covariance_type)
    weights = np.random.default_rng(1).integers(0, 3, 200).astype(float) if weighted else None
    block = Block(x, weights, missing=True)
    log_weights = np.log([0.2, 0.3, 0.5])
    family = Gaussian(covariance_type)
    fast = family.joint_pass(params, log_weights, block)
    plain = family.plain_pass(params, log_weights, block)
    assert fast.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-13)
    np.testing.assert_allclose(fast.counts, plain.counts, rtol=1e-12)
    np.testing.assert_allclose(fast.stats.pack(), plain.stats.pack(), atol=1e-9)


def test_a_row_with_nothing_observed_gets_the_priors_responsibilities():
    x = holes(60, 2, 0.0, 3)
    x[10] = np.nan
    source = ArraySource(x)
    model = FiniteMixture(Gaussian("full"), 3).resolve(source)
    params = model.init(source, np.random.default_rng(0))
    block = next(iter(source))
    resp = model.joint_pass(params, block, responsibilities=True).responsibilities
    np.testing.assert_allclose(resp[10], params.weights, rtol=1e-14)
    assert model.joint_pass(params, block, rows=True).rows[10] == pytest.approx(0.0, abs=1e-15)


def test_a_column_never_seen_in_a_row_is_as_if_it_were_not_there():
    """Marginal of a normal: drop the column from the mean and the covariance."""
    params = random_params("full")
    x = holes(30, 4, 0.0, 4)
    hidden = x.copy()
    hidden[:, 2] = np.nan
    keep = [0, 1, 3]
    smaller = GaussianParams(params.means[:, keep], params.covariances[:, keep][:, :, keep])
    expected = Gaussian("full").log_prob(smaller, x[:, keep])
    np.testing.assert_allclose(Gaussian("full").log_prob(params, hidden), expected, atol=1e-12)


def test_patterns_part_the_rows():
    seen = ~np.isnan(holes(100, 11, 0.3, 5))  # more than eight columns: more than one byte of pattern
    found = list(patterns(seen))
    rows = np.concatenate([rows for _, rows in found])
    assert sorted(rows.tolist()) == list(range(100))
    for observed, rows in found:
        assert all(np.array_equal(np.flatnonzero(seen[i]), observed) for i in rows)
    assert len({tuple(observed) for observed, _ in found}) == len(found)


def test_one_normal_with_holes_reaches_the_maximum():
    """EM on one normal with cells missing: the gradient over means and covariance vanishes (brute force, finite differences)."""
    from scipy.optimize import approx_fprime

    x = holes(40, 2, 0.3, 6)
    source = ArraySource(x)
    family = Gaussian("full", prior=None).resolve(source, 1)
    params = family.anchor(1, 2)
    for _ in range(300):
        params = family.m_step(family.stats(params, x, np.ones((40, 1))), params)
    gradient = approx_fprime(family.pack(params), lambda v: brute_log_prob(family.unpack(v, params), x).sum(), 1e-6)
    assert np.abs(gradient).max() < 1e-3


def test_thirty_percent_missing_still_finds_the_means():
    rng = np.random.default_rng(8)
    labels = rng.integers(2, size=3000)
    truth = np.array([[0.0, 0.0, 0.0], [4.0, -3.0, 2.0]])
    x = truth[labels] + rng.standard_normal((3000, 3))
    x[rng.random(x.shape) < 0.3] = np.nan
    rng = np.random.default_rng(0)
    means = fit(FiniteMixture(Gaussian(), 2), ArraySource(x), executor=Threads(1), starts=2, rng=rng).params.components.means
    means = means[np.argsort(means[:, 0])]
    assert np.abs(means - truth).max() < 5.0 / np.sqrt(1500 * 0.7)
