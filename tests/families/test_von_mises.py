"""Von Mises columns against scipy's density and scipy's optimum."""

import numpy as np
import pytest
from scipy import special, stats

from emkit import ArraySource, DataError, VonMises
from emkit.core.columns import Columns
from emkit.families.von_mises import concentration
from support.kinds import check_m_step, column, found_again, reaches, total

PARAMS = VonMises.Params(np.array([[3.0], [-1.0]]), np.array([[0.2], [20.0]]))
X = np.random.default_rng(0).vonmises([[3.0, 0.4]], [[1.0, 3.0]], size=(60, 2))


def test_density():
    x, there = np.array([[-3.0], [0.5], [5.0]]), stats.vonmises(PARAMS.concentrations.T, loc=PARAMS.means.T)
    np.testing.assert_allclose(VonMises().log_prob(PARAMS, x), there.logpdf(x), rtol=1e-12)
    np.testing.assert_allclose(total(VonMises(), PARAMS, -np.pi, np.pi, parts=(-1.0,)), 1.0, rtol=1e-6)


def test_moments_and_distribution_function():
    family = VonMises()
    drawn = family.sample(PARAMS, np.repeat([0, 1], 200_000), np.random.default_rng(0)).reshape(2, -1)
    variance = ((drawn - PARAMS.means + np.pi) % (2 * np.pi) - np.pi).var(axis=1)
    np.testing.assert_allclose(family.moments(PARAMS)[1][:, 0], variance, rtol=0.02)
    x = np.array([[-3.0], [-1.1], [2.0]])
    expected = (drawn[:, None, :] < x).mean(axis=2).T
    np.testing.assert_allclose(family.cdf(PARAMS, x)[0], expected, atol=0.005)
    np.testing.assert_allclose(family.cdf(PARAMS, x, upper=True)[0], 1 - expected, atol=0.005)


def test_concentration():
    c = np.array([1e-3, 0.1, 2.0, 700.0, 999.0, 1001.0, 1e6])
    gap = 1.0 - special.i1e(c) / special.i0e(c)
    np.testing.assert_allclose(concentration(gap), c, rtol=1e-8)
    np.testing.assert_allclose(concentration(np.array([0.0, 1.0])), [1e8, 1e-4])


@pytest.mark.parametrize("prior", ["weak", None])
@pytest.mark.parametrize("fixed", [{}, {"means": [[2.0, np.nan], [np.nan, 1.0]]}, {"concentrations": 2.0 * np.ones((2, 2))}])
def test_m_step(prior, fixed):
    check_m_step(VonMises(prior, fixed=fixed), X)


def test_a_missing_angle_is_filled_in_across_the_cut():
    """By the mean direction of rows drawn: 3 and -3 have pi between them, and the narrower component pulls harder."""
    family, params = VonMises(), VonMises.Params(np.array([[3.0], [-3.0]]), np.array([[20.0], [0.5]]))
    x = np.array([[np.nan], [1.0]])
    filled = family.filled(params, x, np.full((2, 2), 0.5))
    drawn = family.drawn(params, np.full((400_000, 1), np.nan), np.repeat([0, 1], 200_000), np.random.default_rng(0))
    assert filled[0, 0] == pytest.approx(np.arctan2(np.sin(drawn).mean(), np.cos(drawn).mean()), abs=0.01)
    assert 3.0 < filled[0, 0] < np.pi and filled[1, 0] == 1.0
    alike = VonMises.Params(params.means, np.full((2, 1), 9.0))
    assert np.cos(family.filled(alike, x[:1], np.full((1, 2), 0.5))[0, 0]) == pytest.approx(-1.0)


def test_profile_goes_round():
    def scores(*means):
        params = VonMises.Params(np.array(means)[:, None], np.full((len(means), 1), 100.0))
        return VonMises().profile(params, np.full(len(means), 1.0 / len(means)), Columns.numbered(1))[0][0]

    np.testing.assert_allclose(scores(3.1, 3.1 - 2 * np.pi + 0.4), scores(0.0, 0.4), rtol=1e-9)
    assert (scores(3.13, -3.13) < 0.3).all() and (scores(2.5, -2.5) > 0.9).all()


def test_found_again():
    found_again(VonMises(), VonMises.Params(np.array([[3.1], [0.5]]), np.array([[5.0], [2.0]])), 0.15)


def test_best_known_mixture():
    """Times of day; the best means are 5.10136 - 2 pi and 1.50615."""
    params = reaches("von Mises, clock", VonMises, column("clock_minutes") / 1440 * 2 * np.pi).params.components
    np.testing.assert_allclose(np.sort(params.means[:, 0]), [5.10136 - 2 * np.pi, 1.50615], atol=1e-3)


def test_a_direction_can_be_given_as_any_angle():
    family = VonMises(fixed={"means": [[5.0], [np.nan]]}).resolve(ArraySource(X[:, :1]), 2)
    assert family.fixed["means"][0, 0] == pytest.approx(5.0 - 2 * np.pi)


def test_degrees_are_refused():
    with pytest.raises(DataError, match="row 1 is 90, expected an angle in radians"):
        VonMises().resolve(ArraySource(np.array([[1.0], [90.0]])), 1)
