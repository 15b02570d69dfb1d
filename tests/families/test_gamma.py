"""Gamma columns against scipy's density and scipy's optimum."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, DataError, Gamma
from support.datasets import faithful
from support.kinds import check_m_step, found_again, reaches, settled, total

PARAMS = Gamma.Params(np.array([[0.7], [3.0]]), np.array([[2.0], [0.5]]))
X = np.random.default_rng(0).gamma([[2.0, 0.4]], [[1.0, 3.0]], size=(60, 2))


def test_density():
    x = np.array([[0.01], [1.0], [30.0]])
    np.testing.assert_allclose(Gamma(None).log_prob(PARAMS, x), stats.gamma.logpdf(x, PARAMS.shapes.T, scale=1 / PARAMS.rates.T))
    np.testing.assert_allclose(total(Gamma(None), PARAMS, 0.0, parts=(1.0,)), 1.0, rtol=1e-6)
    mean, variance = Gamma(None).moments(PARAMS)
    np.testing.assert_allclose(mean, stats.gamma.mean(PARAMS.shapes, scale=1 / PARAMS.rates))
    np.testing.assert_allclose(variance, stats.gamma.var(PARAMS.shapes, scale=1 / PARAMS.rates))
    np.testing.assert_allclose(Gamma(None).cdf(PARAMS, x)[1], stats.gamma.cdf(x, PARAMS.shapes.T, scale=1 / PARAMS.rates.T))


@pytest.mark.parametrize("prior", ["weak", None])
@pytest.mark.parametrize("fixed", [{}, {"shapes": [[2.0, np.nan], [np.nan, 1.0]]}, {"rates": 2.0 * np.ones((2, 2))}])
def test_m_step(prior, fixed):
    check_m_step(Gamma(prior, fixed=fixed), X)


def test_found_again():
    found_again(Gamma(), Gamma.Params(np.array([[2.0], [30.0]]), np.array([[2.0], [3.0]])), 0.2)


def test_best_known_mixture():
    reaches("gamma, eruptions", Gamma, faithful()[:, :1])


def test_cells_must_be_positive():
    with pytest.raises(DataError, match=r"row 1 is 0, expected a number above 0"):
        Gamma().resolve(ArraySource(np.array([[1.0], [0.0]])), 1)


def test_a_component_on_one_value_ends_at_the_bound():
    x = np.full((20, 1), 3.0)
    family = Gamma(None).resolve(ArraySource(np.append(x, [[5.0]], axis=0)), 1)
    params = settled(family, family.from_partition(x, np.ones((20, 1)), np.random.default_rng(0)), x, np.ones((20, 1)))
    assert params.shapes[0, 0] == 1e8
    assert params.shapes[0, 0] / params.rates[0, 0] == pytest.approx(3.0)
