"""Whether a cell is missing as an outcome: probabilities written out, M-steps, and what components can be told apart by."""

import numpy as np
import pytest
from scipy import stats

import emkit
from emkit import ArraySource, BetaPrior, Categorical, Gaussian, ParameterError, PerColumn, Poisson, Tied, WithMissing
from support.kinds import check_m_step

NAN = np.nan
POISSON = WithMissing(Poisson())
PARAMS = POISSON.Params(np.array([[0.3, 0.0], [0.9, 0.5]]), Poisson.Params(np.array([[2.0, 5.0], [4.0, 1.0]])))


def test_probabilities():
    x = np.array([[3.0, 1.0], [NAN, 1.0], [3.0, NAN], [NAN, NAN]])
    p = stats.poisson.logpmf
    with np.errstate(divide="ignore"):
        missing, there = np.log(PARAMS.missing), np.log1p(-PARAMS.missing)
    rates = PARAMS.values.rates
    expected = np.array(
        [
            there.sum(axis=1) + p(3, rates[:, 0]) + p(1, rates[:, 1]),
            missing[:, 0] + there[:, 1] + p(1, rates[:, 1]),
            there[:, 0] + p(3, rates[:, 0]) + missing[:, 1],
            missing.sum(axis=1),
        ]
    )
    np.testing.assert_allclose(POISSON.log_prob(PARAMS, x), expected)


def test_correlated_columns():
    """What is there has the family's marginal distribution, whatever is missing."""
    family = WithMissing(Gaussian("full"))
    x = np.random.default_rng(0).normal(size=(50, 2))
    x[:20, 0] = NAN
    family = family.resolve(ArraySource(x), 1)
    params = family.from_partition(x, np.ones((50, 1)), np.random.default_rng(0))
    p = params.missing[0]
    expected = np.where(np.isnan(x), np.log(p), np.log1p(-p)).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(family.log_prob(params, x), expected + Gaussian("full").log_prob(params.values, x))
    np.testing.assert_allclose(family.update(family.stats(params, x, np.ones((50, 1))), params).missing, [[0.4, 0.0]])


@pytest.mark.parametrize("family", [POISSON, WithMissing(Gaussian("diag"), BetaPrior([2.0, 1.0], [1.5, 3.0]))])
def test_m_step(family):
    x = np.random.default_rng(1).poisson(4.0, size=(80, 2)).astype(float)
    x[np.random.default_rng(2).random(x.shape) < 0.3] = NAN
    check_m_step(family, x, within=1e-5)


def test_pseudo_counts_of_autoclass():
    """P(known) = (W_known + (n_known + .5) / (n + 1)) / (W + 1), for each column."""
    x = np.array([[1.0, NAN], [2.0, 3.0], [NAN, 4.0], [5.0, 6.0], [1.0, 1.0]])
    n, known = len(x), (~np.isnan(x)).sum(axis=0)
    share = (known + 0.5) / (n + 1)
    family = WithMissing(Poisson(), BetaPrior(2.0 - share, 1.0 + share)).resolve(ArraySource(x), 2)
    resp = np.random.default_rng(0).dirichlet(np.ones(2), n)
    params = family.update(family.stats(family.anchor(2, 2), x, resp), family.anchor(2, 2))
    expected = (resp.T @ ~np.isnan(x) + share) / (resp.sum(axis=0)[:, None] + 1.0)
    np.testing.assert_allclose(1.0 - params.missing, expected)


def test_components_that_differ_in_nothing_else():
    rng = np.random.default_rng(0)
    x, often = rng.normal(size=(600, 4)), np.arange(600) < 200
    x[rng.random(x.shape) < np.where(often, 0.8, 0.1)[:, None]] = NAN
    model = emkit.Mixture(2, WithMissing(Gaussian("diag")), random_state=0).fit(x)
    assert model.model_.family.separable  # so that starts are raced side by side
    truth = np.argmax(model.missing_.mean(axis=1))
    assert np.mean((model.predict(x) == truth) == often) > 0.95
    assert "missing" in model.summary()
    filled = model.impute(x)
    np.testing.assert_array_equal(filled[~np.isnan(x)], x[~np.isnan(x)])
    assert np.isfinite(filled).all()


def test_a_table_of_two_kinds_and_a_file(tmp_path):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=200), rng.integers(3, size=200)])
    x[rng.random(x.shape) < 0.3] = NAN
    x = x[~np.isnan(x).all(axis=1)]
    family = PerColumn({0: WithMissing(Gaussian(), BetaPrior([1.5], [1.5])), 1: WithMissing(Categorical())})
    model = emkit.Mixture(2, family, random_state=0).fit(x)
    model.save(tmp_path / "m.safetensors")
    again = emkit.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.score_samples(x), model.score_samples(x))
    assert getattr(model, "1_missing_").shape == (2, 1)
    assert np.isnan(model.sample(100)[0]).any()


def test_states_that_share_it():
    assert Tied(POISSON, (0, 0)).missing_counts
    assert not Tied(Poisson(), (0, 0)).missing_counts


def test_refused():
    with pytest.raises(ParameterError, match="the family of the cells that are there"):
        WithMissing(POISSON)
    with pytest.raises(ParameterError, match="for each of 2 columns"):
        WithMissing(Poisson(), BetaPrior([1.0, 2.0, 3.0])).resolve(ArraySource(np.ones((4, 2))), 1)
    with pytest.raises(ParameterError, match="at least 1"):
        BetaPrior([1.0, 0.5])
