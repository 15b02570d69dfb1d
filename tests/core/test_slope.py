"""The chain rule of each domain's coordinates, and slopes put together from parts."""

from dataclasses import dataclass

import numpy as np
import pytest

from emkit import Dirichlet, FiniteMixture, Gaussian, Mixed, Poisson, Prior
from emkit.core.parameters import Domain, Nonnegative, Ordered, Positive, Real, Simplex, Unit
from emkit.families.bernoulli import BetaPrior
from emkit.families.gaussian.shapes import COVARIANCE_TYPES, Covariance
from emkit.families.poisson import GammaPrior
from emkit.testing import check_family, draw

NAN = np.nan
FREE = np.full((2, 3), NAN)
MATRICES = np.array([[[2.0, 0.3], [0.3, 1.0]], [[0.5, -0.2], [-0.2, 3.0]]])


def one_held(shape):
    held = np.full(shape, NAN)
    held[0] = 0.25
    return held


@pytest.mark.parametrize(
    ("domain", "value", "held"),
    [
        (Real(), [[0.5, -2.0, 3.0], [0.0, 1.0, -1.0]], FREE),
        (Positive(), [[0.5, 2.0, 3.0], [0.1, 1.0, 10.0]], FREE),
        (Nonnegative(), [[0.5, 2.0, 3.0], [0.1, 1.0, 10.0]], [[NAN, 2.0, NAN], [NAN, NAN, NAN]]),
        (Unit(), [[0.5, 0.2, 0.3], [0.1, 0.9, 0.01]], FREE),
        (Simplex(), [[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]], FREE),
        (Simplex(), [[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]], [[NAN, 0.2, NAN], [NAN, NAN, 0.1]]),
        (Simplex(), [[0.5, 0.5, 0.0], [0.1, 0.8, 0.1]], [[NAN, NAN, 0.0], [0.1, 0.8, NAN]]),
        (Ordered(), [[-1.0, 0.2, 3.0], [0.1, 0.8, 0.9]], FREE),
        (Ordered(), [[-1.0, 0.2, 3.0], [0.1, 0.8, 0.9]], [[-1.0, 0.2, 3.0], [NAN, NAN, NAN]]),
        (Covariance(COVARIANCE_TYPES["diag"]), [[0.25, 0.25, 0.25], [0.1, 1.0, 10.0]], one_held((2, 3))),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, Domain) else None,
)
def test_chain_rule(domain, value, held):
    """Coordinates one by one: what a linear function of the value changes by, and squares of derivatives for the information."""
    value, held = np.asarray(value), np.asarray(held)
    rng = np.random.default_rng(0)
    weights, information = rng.normal(size=value.shape), rng.uniform(0.5, 2.0, value.shape)
    at, h = domain.pack(value, held), 1e-5
    jacobian = np.array(
        [(domain.unpack(at + h * e, held)[0] - domain.unpack(at - h * e, held)[0]).ravel() / (2 * h) for e in np.eye(len(at))]
    )
    np.testing.assert_allclose(domain.pull(weights, value, held), jacobian @ weights.ravel(), rtol=1e-8, atol=1e-9)
    if not isinstance(domain, Covariance):
        np.testing.assert_allclose(domain.pull_information(information, value, held), jacobian**2 @ information.ravel(), rtol=1e-8)


def test_chain_rule_of_matrices():
    domain, held = Covariance(COVARIANCE_TYPES["full"]), np.full((2, 2, 2), NAN)
    weights = np.random.default_rng(0).normal(size=(2, 2, 2))
    weights += np.swapaxes(weights, 1, 2)
    at, h = domain.pack(MATRICES, held), 1e-5
    moved = [domain.unpack(at + h * e, held)[0] - domain.unpack(at - h * e, held)[0] for e in np.eye(len(at))]
    np.testing.assert_allclose(
        domain.pull(weights, MATRICES, held), np.sum(np.array(moved) * weights, axis=(1, 2, 3)) / (2 * h), rtol=1e-8
    )
    inverse = np.linalg.inv(MATRICES)
    turned = np.array(moved) / (2 * h)
    expected = 0.5 * 7.0 * np.einsum("pkij,kjl,pklm,kmi->p", turned, inverse, turned, inverse)  # n/2 tr(S^-1 dS S^-1 dS), n = 7
    np.testing.assert_allclose(domain.pull_information(np.full((2, 2, 2), 7.0), MATRICES, held), expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("prior", "value"),
    [(GammaPrior(3.0, 0.5), [0.5, 4.0]), (BetaPrior(2.0, 3.5), [0.2, 0.7]), (Dirichlet([2.0, 0.5]), [0.2, 0.8])],
    ids=lambda x: type(x).__name__ if isinstance(x, Prior) else None,
)
def test_priors(prior, value):
    value, h = np.array(value), 1e-6
    moved = [
        (prior.log_density(value + h * e).sum() - prior.log_density(value - h * e).sum()) / (2 * h) for e in np.eye(len(value))
    ]
    np.testing.assert_allclose(prior.gradient(value), moved, rtol=1e-7)
    assert (prior.curvature(value) > 0).all()


@pytest.mark.parametrize("prior", [None, GammaPrior(2.0, 1.0)])
def test_at_the_edge_of_a_domain_slopes_are_numbers(prior):
    """A rate of 0 and a weight of 0: nothing is gained or lost along their logarithms."""
    model = FiniteMixture(Poisson(prior), 3)
    source = draw(model, missing=0.0)
    model = model.resolve(source)
    params = model.init(source, np.random.default_rng(0))
    params = model.Params(
        np.array([0.5, 0.0, 0.5]), model.family.Params(np.where(np.arange(3)[:, None] == 2, 0.0, params.components.rates))
    )
    stats, _ = model.e_step(params, source.joined())
    slope, information = model.slope(stats, params), model.information(stats, params)
    assert np.isfinite(slope).all() and np.isfinite(information).all()
    if prior is None:
        assert slope[1] == 0.0 and information[1] == 0.0  # log weight of the empty one beside the last


# --- who does not say ---------------------------------------------------------------------------------------------------


class Quiet(Poisson):
    """Says nothing of its slope."""

    def gradient(self, stats, params):
        return None

    curvature = gradient


@dataclass(frozen=True)
class Plain(Prior):
    """A prior of a user's own, with the density only."""

    def log_density(self, value):
        return -value


class Strange(Poisson):
    """Takes any prior."""

    parameters = (Poisson.parameters[0].__class__("rates", "K d", Nonnegative(), Plain),)

    def m_step(self, stats, params):
        return self.Params(stats.total / (stats.mass + 1.0))


@pytest.mark.parametrize("family", [Quiet(), Strange(Plain()), Mixed(Quiet(), 2)], ids=["family", "prior", "part"])
def test_a_part_that_does_not_say_means_none(family):
    model = FiniteMixture(family, 2)
    source = draw(model)
    model = model.resolve(source)
    params = model.init(source, np.random.default_rng(0))
    stats, _ = model.e_step(params, source.joined())
    assert model.slope(stats, params) is None and model.information(stats, params) is None


class Wrong(Poisson):
    """Forgets the exposure."""

    def gradient(self, stats, params):
        return {"rates": stats.total / params.rates}


def test_the_kit_finds_a_wrong_slope():
    assert "slope_is_that_of_the_objective" in check_family(Poisson())
    with pytest.raises(AssertionError, match="slope_is_that_of_the_objective"):
        check_family(Wrong())


class Careless(Poisson):
    """Its information is in other units."""

    def curvature(self, stats, params):
        return {"rates": stats.mass}


def test_the_kit_finds_wrong_information():
    with pytest.raises(AssertionError, match="information_is_that_of_complete_data"):
        check_family(Careless())


def test_far_units_lose_no_digits():
    """Columns in units a million times larger or smaller: the slope in coordinates of log and correlation is the same."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)) @ np.array([[1.0, 0.9], [0.0, 0.3]])
    slopes = []
    for unit in (np.ones(2), np.array([1e6, 1e-6])):
        from emkit import ArraySource

        model = FiniteMixture(Gaussian(prior=None), 1).resolve(ArraySource(x * unit))
        params = model.Params(np.ones(1), model.family.Params(np.zeros((1, 2)) * unit, (np.eye(2) * unit**2)[None]))
        stats, _ = model.e_step(params, next(iter(ArraySource(x * unit))))
        slopes.append(model.slope(stats, params) / np.sqrt(model.information(stats, params)))
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-12)
