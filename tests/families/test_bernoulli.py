"""Yes-or-no columns: density, probabilities of exactly 0 and 1, the conjugate update."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, Bernoulli, BetaPrior, DataError, ParameterError

X = np.array([[0.0, 1.0], [1.0, 1.0], [np.nan, 0.0], [1.0, np.nan], [np.nan, np.nan]])
INSIDE, EDGE = np.array([[0.2, 0.9], [0.6, 0.5]]), np.array([[0.0, 1.0], [1.0, 0.5]])


@pytest.mark.parametrize("probs", [INSIDE, EDGE], ids=["inside", "edge"])
def test_density(probs):
    with np.errstate(divide="ignore"):
        terms = np.where(np.isnan(X[:, None]), 0.0, np.log(np.where(X[:, None] == 1, probs, 1.0 - probs)))
    np.testing.assert_allclose(Bernoulli().log_prob(Bernoulli.Params(probs), X), terms.sum(axis=2), rtol=1e-13)


@pytest.mark.parametrize("probs", [INSIDE, EDGE], ids=["inside", "edge"])
@pytest.mark.parametrize("cell", [2.0, 0.5, -1.0])
def test_what_is_neither_has_probability_zero(cell, probs):
    assert np.isneginf(Bernoulli().log_prob(Bernoulli.Params(probs), np.array([[cell, 1.0]]))).all()


@pytest.mark.parametrize("prior", [None, BetaPrior(3.0, 2.0)])
def test_m_step(prior):
    resp = np.random.default_rng(0).dirichlet(np.ones(2), len(X))
    family = Bernoulli(prior).resolve(ArraySource(X), 2)
    new = family.m_step(family.stats(Bernoulli.Params(INSIDE), X, resp), Bernoulli.Params(INSIDE))
    ones, rows = np.nansum(resp.T[:, :, None] * X, axis=1), resp.T @ np.isfinite(X)
    np.testing.assert_allclose(new.probs, ones / rows if prior is None else (ones + 2.0) / (rows + 3.0), rtol=1e-13)


def test_beta_prior_is_a_beta_density():
    family = Bernoulli(BetaPrior(3.0, 2.0))
    found = family.log_prior(Bernoulli.Params(INSIDE)) - family.log_prior(Bernoulli.Params(INSIDE[::-1, ::-1] * 0.5))
    expected = stats.beta.logpdf(INSIDE, 3, 2).sum() - stats.beta.logpdf(INSIDE * 0.5, 3, 2).sum()
    assert found == pytest.approx(expected, rel=1e-12)


def test_refused():
    with pytest.raises(DataError, match="column 0 row 1 is 2, expected 0 or 1"):
        Bernoulli().resolve(ArraySource(np.array([[1.0], [2.0]])), 2)
    with pytest.raises(DataError, match="column 'sex' row 1 is 2, expected 0 or 1") as caught:
        Bernoulli().resolve(ArraySource(np.array([[1.0], [2.0]]), columns=("sex",)), 2)
    assert (caught.value.column, caught.value.row) == ("sex", 1)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        Bernoulli(fixed={"probs": [[1.2, 0.0], [0.0, 0.0]]}).resolve(ArraySource(X), 2)
    with pytest.raises(ParameterError, match="both must be at least 1"):
        BetaPrior(0.5, 1.0)
