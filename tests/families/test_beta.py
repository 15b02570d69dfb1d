"""Beta columns against scipy's density and scipy's optimum."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, Beta, DataError
from support.kinds import check_m_step, found_again, settled, total

PARAMS = Beta.Params(np.array([[0.7], [30.0]]), np.array([[0.2], [5.0]]))
X = np.random.default_rng(0).beta([[2.0, 0.4]], [[0.7, 8.0]], size=(80, 2))


def test_density():
    x, there = np.array([[0.01], [0.3], [0.999]]), stats.beta(PARAMS.alphas.T, PARAMS.betas.T)
    np.testing.assert_allclose(Beta().log_prob(PARAMS, x), there.logpdf(x), rtol=1e-11)
    np.testing.assert_allclose(total(Beta(), PARAMS, 0.0, 1.0, parts=(0.5, 0.9999)), 1.0, rtol=1e-5)
    np.testing.assert_allclose(Beta().moments(PARAMS), [there.mean().T, there.var().T])
    np.testing.assert_allclose(Beta().cdf(PARAMS, x)[1], there.cdf(x))
    np.testing.assert_allclose(Beta().cdf(PARAMS, x, upper=True)[1], there.sf(x))


@pytest.mark.parametrize("prior", ["weak", None])
@pytest.mark.parametrize("fixed", [{}, {"alphas": [[2.0, np.nan], [np.nan, 1.0]]}, {"betas": 2.0}])
def test_m_step(prior, fixed):
    check_m_step(Beta(prior, fixed=fixed), X)


def test_one_m_step_is_enough():
    """The maximum, for any number of rows and any shape, from a start far away."""
    x = np.random.default_rng(1).beta(300.0, 0.5, size=(2000, 1))
    family = Beta(None).resolve(ArraySource(x), 1)
    start = Beta.Params(np.array([[1.0]]), np.array([[1.0]]))
    a, b, _, _ = stats.beta.fit(x[:, 0], floc=0, fscale=1)
    found = family.update(family.stats(start, x, np.ones((2000, 1))), start)
    np.testing.assert_allclose([found.alphas[0, 0], found.betas[0, 0]], [a, b], rtol=1e-4)


def test_found_again():
    found_again(Beta(), Beta.Params(np.array([[12.0], [2.0]]), np.array([[3.0], [6.0]])), 0.2)


@pytest.mark.parametrize("cell", [0.0, 1.0, 3.0])
def test_cells_must_lie_between_0_and_1(cell):
    with pytest.raises(DataError, match=rf"row 1 is {cell:g}, expected a number above 0 and below 1"):
        Beta().resolve(ArraySource(np.array([[0.3], [cell]])), 1)


def test_a_component_on_one_value_ends_at_the_bounds():
    x = np.full((20, 1), 0.25)
    family = Beta(None).resolve(ArraySource(np.append(x, [[0.5]], axis=0)), 1)
    params = settled(family, family.from_partition(x, np.ones((20, 1)), np.random.default_rng(0)), x, np.ones((20, 1)), 20)
    assert params.alphas[0, 0] <= 1e8
    assert params.betas[0, 0] <= 1e8
    assert family.moments(params)[0][0, 0] == pytest.approx(0.25, rel=1e-3)
