"""All patterns of missing cells at once: what each pattern alone gives, and what the formulas of conditional normals say."""

import numpy as np
import pytest

from emkit import ArraySource, Block, FiniteMixture, Gaussian, GaussianMixture
from emkit.families.gaussian import missing
from emkit.families.gaussian.holes import Filled, Holes
from emkit.families.gaussian.params import GaussianParams


def problem(n, d, k, rate, tied=False, scale=None, seed=0):
    """Parameters, and rows with holes; some have none, one has nothing else."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(1 if tied else k, d, 2 * d))
    scale = np.ones(d) if scale is None else np.asarray(scale)
    params = GaussianParams(rng.normal(size=(k, d)) * scale, a @ np.swapaxes(a, 1, 2) / d * scale * scale[:, None])
    x = rng.normal(size=(n, d)) * scale
    x[rng.random(x.shape) < rate] = np.nan
    x[: n // 5] = rng.normal(size=(n // 5, d)) * scale
    x[-1] = np.nan
    return params, x


def by_pattern(params, x, resp):
    """Log densities and moments, a factorisation of the observed covariances for each row."""
    k, d = params.means.shape
    log_prob, first, second = np.zeros((len(x), k)), np.zeros((k, d)), np.zeros((k, d, d))
    for i, row in enumerate(x):
        o, m = np.flatnonzero(~np.isnan(row)), np.flatnonzero(np.isnan(row))
        for j in range(k):
            s = params.covariances[j % len(params.covariances)]
            off = row[o] - params.means[j, o]
            solved = np.linalg.solve(s[np.ix_(o, o)], np.column_stack([off, s[np.ix_(o, m)]]))
            log_prob[i, j] = -0.5 * (off @ solved[:, 0] + np.linalg.slogdet(2 * np.pi * s[np.ix_(o, o)])[1]) if len(o) else 0.0
            full = np.zeros(d)
            full[o], full[m] = off, s[np.ix_(m, o)] @ solved[:, 0]
            spread = np.zeros((d, d))
            spread[np.ix_(m, m)] = s[np.ix_(m, m)] - s[np.ix_(m, o)] @ solved[:, 1:]
            first[j] += resp[i, j] * full
            second[j] += resp[i, j] * (np.outer(full, full) + spread)
    return log_prob, first, second


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(("n", "d", "k", "rate"), [(40, 4, 3, 0.3), (30, 7, 2, 0.8), (25, 1, 2, 0.5), (60, 5, 1, 0.1)])
def test_densities_and_moments_are_those_of_each_row_alone(n, d, k, rate, tied):
    params, x = problem(n, d, k, rate, tied)
    resp = np.random.default_rng(1).dirichlet(np.ones(k), size=n)
    log_prob, first, second = by_pattern(params, x, resp)
    seen = ~np.isnan(x)
    np.testing.assert_allclose(missing.log_prob(params, x, seen), log_prob, rtol=1e-12, atol=1e-12)
    found = missing.stats(params, x, resp, seen, True)
    np.testing.assert_allclose(found.first, first, rtol=1e-11, atol=1e-12)
    expected = second.sum(axis=0, keepdims=True) if tied else second
    np.testing.assert_allclose(found.second, expected, rtol=1e-11, atol=1e-12)


def test_many_rows_that_miss_the_same_cells():
    """The same numbers by matrix products for each pattern as one row at a time."""
    params, x = problem(600, 6, 3, 0.0)
    for i, gone in enumerate(([1], [0, 2], [3, 4, 5], [0, 1, 2, 3, 4])):
        x[100 * i : 100 * i + 90, gone] = np.nan
    resp, seen = np.random.default_rng(1).dirichlet(np.ones(3), size=600), ~np.isnan(x)
    log_prob, first, second = by_pattern(params, x, resp)
    np.testing.assert_allclose(missing.log_prob(params, x, seen), log_prob, rtol=1e-12, atol=1e-12)
    found = missing.stats(params, x, resp, seen, True)
    np.testing.assert_allclose(found.first, first, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.second, second, rtol=1e-11, atol=1e-12)


def test_units_do_not_matter():
    scale = 10.0 ** np.array([-12.0, 0.0, 9.0, 3.0])
    plain, scaled = problem(50, 4, 2, 0.4), problem(50, 4, 2, 0.4, scale=scale)
    resp = np.full((50, 2), 0.5)
    a, b = (missing.stats(p, x, resp, ~np.isnan(x), True) for p, x in (plain, scaled))
    np.testing.assert_allclose(b.second, a.second * scale * scale[:, None], rtol=1e-11)
    logs = [missing.log_prob(p, x, ~np.isnan(x)) for p, x in (plain, scaled)]
    np.testing.assert_allclose(logs[1] + ~np.isnan(plain[1]) @ np.log(scale)[:, None], logs[0], rtol=1e-11)


def test_columns_that_nearly_follow_from_others_keep_their_digits():
    """A row that misses one of two columns which are nearly equal: what is observed of it is as good as ever."""
    s = np.array([[1.0, 1.0 - 1e-11, 0.3], [1.0 - 1e-11, 1.0, 0.3], [0.3, 0.3, 1.0]])
    params = GaussianParams(np.zeros((1, 3)), s[None])
    x = np.array([[0.7, np.nan, -1.2], [np.nan, 0.7, -1.2]])
    log_prob, first, _ = by_pattern(params, x, np.ones((2, 1)))
    np.testing.assert_allclose(missing.log_prob(params, x, ~np.isnan(x)), log_prob, rtol=1e-9)
    np.testing.assert_allclose(missing.stats(params, x, np.ones((2, 1)), ~np.isnan(x), True).first, first, rtol=1e-9)


@pytest.mark.parametrize("often", [1, 20])
@pytest.mark.parametrize("left", [1e-3, 1e-6, 1e-7])
def test_a_column_that_is_the_sum_of_others_costs_no_digits_whichever_cells_are_missing(left, often):
    """Where several of these columns are missing, what is seen of the row is far from degenerate."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 8))
    a = np.vstack([a, a.sum(axis=0)])
    s = a @ a.T / 8
    s[4, 4] += left**2
    params = GaussianParams(np.zeros((1, 5)), s[None])
    seen = np.array([[i >> j & 1 for j in range(5)] for i in range(1, 31)], dtype=bool)
    seen = np.repeat(seen[seen.sum(axis=1) <= 3], often, axis=0)
    x = np.where(seen, rng.normal(size=seen.shape), np.nan)
    resp = np.ones((len(x), 1))
    log_prob, first, second = by_pattern(params, x, resp)
    np.testing.assert_allclose(missing.log_prob(params, x, seen), log_prob, rtol=1e-11)
    found = missing.stats(params, x, resp, seen, True)
    np.testing.assert_allclose(found.first, first, rtol=1e-11)
    np.testing.assert_allclose(found.second, second, rtol=1e-11)


@pytest.mark.parametrize("left", [1e-4, 1e-6, 1e-9, 1e-12, 1e-14])
@pytest.mark.parametrize("tied", [False, True])
def test_rows_that_miss_all_columns_of_a_near_equation_keep_their_digits(left, tied):
    """Three columns of which one is nearly the sum of the others: what is observed beside them is well behaved."""
    mix = np.array([[1.0, 0.0, 0.0, 0.0], [0.3, 1.0, 0.0, 0.0], [1.3, 1.0, np.sqrt(left), 0.0], [0.4, -0.2, 0.0, 1.0]])
    scale = np.array([1.0, 1e6, 1.0, 1e-6])
    s = mix @ mix.T * scale * scale[:, None]
    other = np.diag(scale**2)
    params = GaussianParams(np.zeros((2, 4)), s[None] if tied else np.array([other, s]))
    x = (
        np.array([[np.nan, np.nan, np.nan, -1.2], [np.nan, np.nan, 0.5, 0.4], [np.nan, 0.7, np.nan, 0.1], [np.nan] * 3 + [0.9]])
        * scale
    )
    resp = np.full((4, 2), 0.5)
    log_prob, first, second = by_pattern(params, x, resp)
    np.testing.assert_allclose(missing.log_prob(params, x, ~np.isnan(x)), log_prob, rtol=1e-10)
    found = missing.stats(params, x, resp, ~np.isnan(x), True)
    np.testing.assert_allclose(found.first / scale, first / scale, rtol=1e-9, atol=1e-9)
    second = (second.sum(axis=0, keepdims=True) if tied else second) / (scale * scale[:, None])
    np.testing.assert_allclose(found.second / (scale * scale[:, None]), second, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("seed", "share"), [(0, 0.2), (3, 0.4), (13, 0.4)])
def test_a_fit_with_two_nearly_equal_columns_comes_to_rest(seed, share):
    """Noise in the objective, however slight beside tol, was taken for a fall, and the fit ended with a warning."""
    rng = np.random.default_rng(seed)
    group, means, mix = rng.integers(2, size=300), rng.normal(0.0, 4.0, (2, 6)), rng.normal(size=(2, 6, 6))
    x = means[group] + np.einsum("nij,nj->ni", mix[group], rng.normal(size=(300, 6)))
    x[:, 1] = x[:, 0] + 0.01 * rng.normal(size=300)
    x[rng.random(x.shape) < share] = np.nan
    x[3] = np.nan
    model = GaussianMixture(2, covariance_type="tied", prior=None, random_state=0).fit(x)
    assert model.result_.reason.name == "CONVERGED"


def test_rows_are_all_gone_through_once_and_those_of_a_part_miss_as_many_cells():
    _, x = problem(500, 6, 1, 0.3)
    seen, found = ~np.isnan(x), []
    for some in Holes.of(seen).by_count(300):
        found += some.rows.tolist()
        for i, pattern in zip(some.rows, some.pattern, strict=True):
            assert np.array_equal(np.flatnonzero(~seen[i]), some.missing[pattern])
    assert sorted(found) == list(range(500))


def test_parts_are_small_however_many_components_there_are():
    params, x = problem(3000, 12, 40, 0.2)
    for some in Holes.of(~np.isnan(x)).by_count(40):
        assert Filled(params, x[some.rows], some).centred.size <= max(2**18, 256 * 40 * 12)


@pytest.mark.parametrize("labels", [False, True])
def test_an_e_step_over_a_block_is_that_over_its_rows(labels):
    _, x = problem(400, 5, 3, 0.3)
    rng = np.random.default_rng(3)
    source = ArraySource(x)
    model = FiniteMixture(Gaussian(), 3).resolve(source)
    params = model.init(source, rng)
    known = np.where(rng.random(400) < 0.2, rng.integers(3, size=400), -1) if labels else None
    block = Block(x, rng.uniform(0.0, 2.0, 400), labels=known, missing=True)
    stats, value = model.e_step(params, block)
    found = model.infer(params, block, "marginals")
    resp = found.marginals * block.weights[:, None]
    expected = missing.stats(params.components, x, resp, ~np.isnan(x), True)
    assert value == pytest.approx(float(found.log_likelihood @ block.weights), rel=1e-12)
    np.testing.assert_allclose(stats.components.second, expected.second, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(stats.counts, resp.sum(axis=0), rtol=1e-11)


def test_mixtures_side_by_side_are_each_alone():
    _, x = problem(300, 4, 3, 0.25)
    source = ArraySource(x)
    model = FiniteMixture(Gaussian(), 3).resolve(source)
    side = model.side_by_side(source)
    each = [model.init(source, np.random.default_rng(i)) for i in range(4)]
    stats, values = side.e_step(side.stacked(each), source.joined())
    for i, params in enumerate(each):
        alone, value = model.e_step(params, source.joined())
        assert values[i] == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(stats.components.second[3 * i : 3 * i + 3], alone.components.second, rtol=1e-9, atol=1e-9)
