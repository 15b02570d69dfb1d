"""Multinomial rows against scipy's, missing cells against sums over what they may have been, and what is refused."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, DataError, Dirichlet, FiniteMixture, Multinomial, ParameterError, Threads, fit
from emkit.core.block import Block
from emkit.testing import check_family, draw

NAN = np.nan
PROBS = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.0, 0.25, 0.75]])
PARAMS = Multinomial.Params(PROBS)
X = np.array([[1, 4, 2], [0, 0, 0], [10, 0, 0], [0, 3, 9], [300, 200, 100]], dtype=float)


def pmf(x, p, n=None):
    return stats.multinomial.logpmf(np.asarray(x), np.sum(x, axis=-1) if n is None else n, p)


def test_density():
    """With the coefficient; no trials at all are certain."""
    expected = np.stack([pmf(X, p) for p in PROBS], axis=1)
    found = Multinomial().log_prob(PARAMS, X)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(found[1], 0.0)
    assert np.isneginf(found[2, 2]) and np.isfinite(found[3]).all()


@pytest.mark.parametrize("cell", [0.5, -1.0, -3.0, -0.5])
@pytest.mark.parametrize("n_trials", [None, 7])
def test_what_is_no_count_has_probability_zero(cell, n_trials):
    assert np.isneginf(Multinomial(n_trials).log_prob(PARAMS, np.array([[cell, 1.0, 2.0]]))).all()


def test_a_known_number_of_trials():
    found = Multinomial(7).log_prob(PARAMS, X)
    np.testing.assert_allclose(found[0], [pmf(X[0], p) for p in PROBS], rtol=1e-12)
    assert np.isneginf(found[1:]).all()
    assert np.isneginf(Multinomial(7).log_prob(PARAMS, np.array([[4.0, NAN, 4.0]]))).all()  # more than there can be


@pytest.mark.parametrize("row", [[2, NAN, 3], [NAN, 4, NAN], [NAN, NAN, 7], [7, NAN, NAN], [0, NAN, 0]])
def test_missing_cells_where_the_trials_are_known(row):
    """The probability of the observed cells: a sum over all that the others may have been."""
    row, n = np.array(row), 7
    gone = np.isnan(row)
    left = n - int(np.nansum(row))
    fills = [f for f in np.ndindex(*[left + 1] * int(gone.sum())) if sum(f) == left]
    whole = np.tile(row, (len(fills), 1))
    whole[:, gone] = fills
    with np.errstate(divide="ignore"):
        expected = np.log([np.exp(pmf(whole, p)).sum() for p in PROBS])
    np.testing.assert_allclose(Multinomial(n).log_prob(PARAMS, row[None])[0], expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("row", [[2, NAN, 3], [NAN, 4, 6], [0, NAN, 5], [NAN, NAN, 5], [NAN, 0, 0], [NAN, NAN, NAN]])
def test_missing_cells_where_they_are_not(row):
    """Given the sum of the observed cells, these are multinomial with their own probabilities, rescaled."""
    row = np.array(row)
    seen = ~np.isnan(row)
    expected = [pmf(row[seen], p[seen] / p[seen].sum()) if seen.any() else 0.0 for p in PROBS]
    np.testing.assert_allclose(Multinomial().log_prob(PARAMS, row[None])[0], expected, rtol=1e-12, atol=1e-13)


def test_a_row_that_a_component_cannot_have_beside_missing_cells():
    found = Multinomial().log_prob(PARAMS, np.array([[3.0, NAN, NAN], [0.0, NAN, NAN]]))
    np.testing.assert_allclose(found, [[0.0, 0.0, -np.inf], [0.0, 0.0, 0.0]], atol=1e-15)
    counts = Multinomial().stats(PARAMS, np.array([[3.0, NAN, NAN]]), np.array([[0.5, 0.5, 0.0]])).counts
    assert np.isfinite(counts).all() and not counts[2].any()


@pytest.mark.parametrize("prior", [None, Dirichlet(3.0), Dirichlet([2.0, 1.0, 4.0])])
def test_m_step_is_the_posterior_mode(prior):
    resp = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    family = Multinomial(prior=prior).resolve(ArraySource(X), 3)
    new = family.m_step(family.stats(PARAMS, X, resp), PARAMS)
    counts = resp.T @ X + (0.0 if prior is None else np.asarray(prior.concentration) - 1.0)
    np.testing.assert_allclose(new.probs, counts / counts.sum(axis=1, keepdims=True), rtol=1e-13)


def test_expected_counts_of_missing_cells():
    """Known trials: what is left, in proportion. Unknown: so many lost for each one seen (Dempster, Laird and Rubin 1977)."""
    row, one = np.array([[2.0, NAN, NAN]]), np.array([[1.0, 0.0, 0.0]])
    np.testing.assert_allclose(Multinomial(10).stats(PARAMS, row, one).counts[0], [2.0, 8 * 5 / 8, 8 * 3 / 8], rtol=1e-13)
    np.testing.assert_allclose(Multinomial().stats(PARAMS, row, one).counts[0], [2.0, 2 * 5 / 2, 2 * 3 / 2], rtol=1e-13)


def test_columns_missing_in_turn_lose_nothing_but_precision():
    """Cells missing at random, totals that vary: the probabilities are found again."""
    rng = np.random.default_rng(5)
    state = rng.integers(2, size=3000)
    x = np.stack([rng.multinomial(n, PROBS[k]) for n, k in zip(rng.integers(5, 40, 3000), state, strict=True)]).astype(float)
    x[rng.random(x.shape) < 0.3] = NAN
    result = fit(FiniteMixture(Multinomial(), 2), ArraySource(x), executor=Threads(1), rng=rng)
    probs = result.params.components.probs
    np.testing.assert_allclose(probs[np.argsort(probs[:, 0])], PROBS[:2], atol=0.02)


def test_a_component_without_trials_stays():
    resp = np.zeros((len(X), 3))
    resp[:, 0] = 1.0
    new = Multinomial().m_step(Multinomial().stats(PARAMS, X, resp), PARAMS)
    np.testing.assert_array_equal(new.probs[1:], PROBS[1:])


def test_samples_have_the_trials_of_the_data():
    """The known number, or the average of the fit, rounded; without either there is nothing to draw."""
    rng, component = np.random.default_rng(0), np.repeat([0, 1, 2], 2000)
    x = Multinomial(12).sample(PARAMS, component, rng)
    assert (x.sum(axis=1) == 12).all() and x.dtype.kind == "i"
    np.testing.assert_allclose([x[component == k].mean(axis=0) for k in range(3)], 12 * PROBS, atol=0.2)
    mean, variance = Multinomial(12).moments(PARAMS)
    np.testing.assert_allclose(mean, 12 * PROBS)
    np.testing.assert_allclose(variance, 12 * PROBS * (1 - PROBS))
    rows = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 3.0], [NAN, NAN, NAN]])
    resolved = Multinomial().resolve(ArraySource(rows), 1)
    assert (resolved.sample(PARAMS, component, rng).sum(axis=1) == 6).all()  # 6.5, to the even one
    assert Multinomial().moments(PARAMS) is None
    with pytest.raises(ParameterError, match="give n_trials"):
        Multinomial().sample(PARAMS, component, rng)


@pytest.mark.parametrize("n_trials", [None, 8])
def test_laws_over_more_columns(n_trials):
    family = Multinomial(n_trials)
    check_family(family, draw(family, columns=4), k=3)


@pytest.mark.parametrize("bad", [0, -2, 2.5, "7", True, [7, 7], NAN])
def test_what_is_no_number_of_trials(bad):
    with pytest.raises(ParameterError, match=r"n_trials=.*integer of at least 1"):
        Multinomial(bad)


def test_rows_refused():
    with pytest.raises(DataError, match=r"column 1.* row 1 is 0\.5, expected a count"):
        Multinomial().resolve(ArraySource(np.array([[1.0, 2.0], [1.0, 0.5]])), 2)
    with pytest.raises(DataError, match=r"column 0.* row 1 is -1, expected a count"):
        Multinomial(3).resolve(ArraySource(np.array([[1.0, 2.0], [-1.0, 4.0]])), 2)
    with pytest.raises(DataError, match="row 1 adds up to 4, but n_trials=3") as caught:
        Multinomial(3).resolve(ArraySource(np.array([[1.0, 2.0], [1.0, 3.0]])), 2)
    assert caught.value.row == 1
    with pytest.raises(DataError, match="row 2 adds up to 4, but n_trials=3"):
        Multinomial(3).resolve(ArraySource(np.array([[NAN, 2.0], [NAN, NAN], [4.0, NAN], [5.0, 5.0]])), 2)
    with pytest.raises(DataError, match=r"n_features=1.*are categorical"):
        Multinomial().resolve(ArraySource(np.array([[0.0], [2.0], [1.0]])), 2)


def test_values_refused():
    with pytest.raises(ParameterError, match="add up to 1"):
        Multinomial(fixed={"probs": [[0.5, 0.6, 0.1], [0.5, 0.5, 0.0]]}).resolve(ArraySource(X), 2)
    with pytest.raises(ParameterError, match="has shape"):
        Multinomial(start_values={"probs": [0.5, 0.5]}).resolve(ArraySource(X), 2)
    with pytest.raises(ParameterError, match="must be a Dirichlet"):
        Multinomial(prior="weak")


def test_seeding_looks_at_shares():
    """Rows of few and of many trials with the same shares lie together; a missing cell has its average share."""
    family = Multinomial().resolve(ArraySource(np.array([[1.0, 3.0], [10.0, 30.0], [0.0, 0.0], [NAN, 3.0]])), 1)
    points = family.embed(np.array([[1.0, 3.0], [10.0, 30.0], [0.0, 0.0], [NAN, NAN], [NAN, 7.0]]))
    np.testing.assert_allclose(points[0], np.sqrt([0.25, 0.75]))
    np.testing.assert_array_equal(points[0], points[1])
    np.testing.assert_allclose(points[2:], points[[2, 2, 2]], rtol=1e-15)


def test_counts_of_any_width():
    """float32 rows with many trials lose nothing."""
    rng = np.random.default_rng(2)
    x = rng.multinomial(10**6, PROBS[0], size=50)
    resp = np.ones((50, 3)) / 3
    for kind in (np.float32, np.float64):
        block = Block(x.astype(kind))
        np.testing.assert_allclose(Multinomial().log_prob_block(PARAMS, block)[:, 0], pmf(x, PROBS[0]), rtol=1e-9)
        np.testing.assert_allclose(Multinomial().stats_block(PARAMS, block, resp).counts.sum(), 50 * 10**6, rtol=1e-12)
