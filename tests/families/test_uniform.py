"""Uniform columns: a range that is given or the data's, and nothing else."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, DataError, Gaussian, ParameterError, Uniform
from support.kinds import fitted, total

X = np.array([[0.0, 5.0], [2.0, np.nan], [1.0, 9.0]])


def test_over_the_range_of_the_data():
    family = Uniform().resolve(ArraySource(X), 2)
    params = family.anchor(2, 2)
    np.testing.assert_array_equal(params.lows, [[0.0, 5.0], [0.0, 5.0]])
    np.testing.assert_allclose(family.log_prob(params, X), -np.log([[2 * 4], [2], [2 * 4]]) * np.ones(2))
    assert np.isneginf(family.log_prob(params, np.array([[3.0, 6.0]]))).all()
    assert family.n_free(params) == 0


def test_over_a_given_range():
    family = Uniform(-1.0, 4.0).resolve(ArraySource(X[:, :1]), 1)
    params, there = family.anchor(1, 1), stats.uniform(-1.0, 5.0)
    np.testing.assert_allclose(total(family, params, -1.0, 4.0), 1.0)
    np.testing.assert_allclose(family.moments(params), [[[there.mean()]], [[there.var()]]])
    x = np.array([[-2.0], [0.0], [5.0]])
    np.testing.assert_allclose(family.cdf(params, x)[1], there.cdf(x))
    np.testing.assert_allclose(family.cdf(params, x, upper=True)[1], there.sf(x))
    drawn = family.sample(params, np.zeros(1000, dtype=int), np.random.default_rng(0))
    assert -1.0 <= drawn.min() < drawn.max() <= 4.0


def test_a_mixture_of_it_has_only_weights():
    result = fitted(Uniform(), X)
    assert result.n_free == 1
    assert result.converged


@pytest.mark.parametrize(
    ("family", "error", "message"),
    [
        (Uniform(lower=5.0), DataError, "from 5 to 2 has no width"),
        (Uniform(upper=[1.0, 2.0, 3.0]), ParameterError, "one for each of 2 columns"),
        (
            Uniform(fixed={"highs": [[2.0, 9.0]]}),
            ParameterError,
            "highs of a Uniform family cannot be fixed or started: give upper",
        ),
        (Uniform(start_values={"lows": [[0.0, 5.0]]}), ParameterError, "lows .* give lower"),
    ],
)
def test_refused(family, error, message):
    with pytest.raises(error, match=message):
        family.resolve(ArraySource(X), 1)


def test_resolved_again():
    family = Uniform(upper=20.0).resolve(ArraySource(X), 1)
    np.testing.assert_array_equal(family.resolve(ArraySource(X), 2).fixed["highs"], np.full((2, 2), 20.0))


def test_gaussian_data_prefer_a_gaussian():
    x = np.random.default_rng(0).normal(size=(300, 1))
    assert fitted(Uniform(), x, 1).log_likelihood < fitted(Gaussian(), x, 1).log_likelihood
