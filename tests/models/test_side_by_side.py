"""Several hypotheses side by side: each is what it is alone, for every family whose components share nothing."""

from importlib import import_module

import numpy as np
import pytest

from emkit import (
    ArraySource,
    CollapseError,
    Dirichlet,
    FiniteMixture,
    Gaussian,
    NormalInverseWishart,
    Poisson,
    Problem,
    Threads,
    VariationalGaussian,
)
from emkit._names import MODULES, group
from emkit.core.model import EStep
from emkit.testing import draw
from support.fits import fitted

FAMILIES = [
    pytest.param(example, id=f"{name}-{i}")
    for name in group("families")
    for i, example in enumerate(getattr(import_module(MODULES[name]), name).examples())
]


def of(family, source, prior=None):
    """The model, resolved, and its hypotheses side by side, if it has them."""
    model = FiniteMixture(family, 2, prior).resolve(source)
    return model, model.side_by_side(source)


def started(side, source, n=4):
    return side.init(source, side.seeds(source, np.random.default_rng(7).spawn(n)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("data", [{"missing": 0.0}, {"weighted": True}], ids=["complete", "weighted, with missing cells"])
def test_each_is_what_it_is_alone(family, data):
    source = draw(family, **data)
    model, side = of(family, source, Dirichlet(2.0))
    if side is None:
        assert not family.resolve(source, 2).separable
        return
    problem, params = Problem(model, source, Threads(1)), started(side, source)
    for _ in range(2):
        stats, log_likelihood = Threads(1).map_reduce(EStep(side, params), source)
        moved, log_prior, at = side.m_step(stats, params), side.log_prior(params), side.pack(params)
        slope, information = side.slope(stats, params), side.information(stats, params)
        for i in range(4):
            one = side.one(params, i)
            step = problem.evaluate(one)
            assert step.log_likelihood == pytest.approx(log_likelihood[i], rel=1e-9, abs=1e-9)
            assert step.log_prior == pytest.approx(log_prior[i], rel=1e-12, abs=1e-12)
            np.testing.assert_allclose(at[i], model.pack(one), rtol=1e-12, atol=1e-12)
            alone = model.m_step(step.stats, one)
            for a, b in zip(side.one(moved, i).flatten().values(), alone.flatten().values(), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)
            assert (slope is None) == (model.slope(step.stats, one) is None)
            if slope is not None:
                own = side.one(stats, i)
                np.testing.assert_allclose(slope[i], model.slope(own, one), rtol=1e-12, atol=1e-12)
                np.testing.assert_allclose(information[i], model.information(own, one), rtol=1e-12)
                scale = np.sqrt(np.maximum(information[i], 1.0))
                np.testing.assert_allclose(slope[i] / scale, model.slope(step.stats, one) / scale, atol=1e-6)
        for a, b in zip(side.unpack(at, side.one(params, 0)).flatten().values(), params.flatten().values(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        assert side.sound(params).all()
        params = moved


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    return ArraySource(np.concatenate([rng.normal(3 * j, 1.0, (60, 2)) for j in range(3)]))


def test_some_are_taken_replaced_and_put_together(source):
    _, side = of(Gaussian(), source)
    params = started(side, source)
    some = side.take(params, np.array([2, 0]))
    assert np.array_equal(side.one(some, 0).components.means, side.one(params, 2).components.means)
    again = side.stacked([side.one(params, i) for i in range(4)])
    assert all(np.array_equal(a, b) for a, b in zip(again.flatten().values(), params.flatten().values(), strict=True))
    other = side.take(params, np.array([3, 3, 3, 3]))
    mixed = side.with_rows(params, other, [1])
    for i in range(4):
        expected = side.one(params, 3 if i == 1 else i)
        assert all(
            np.array_equal(a, b) for a, b in zip(side.one(mixed, i).flatten().values(), expected.flatten().values(), strict=True)
        )


def test_where_components_are_told_apart_there_is_none(source):
    labels = np.full(source.n_rows, -1)
    labels[0] = 1
    known = ArraySource(source.x, labels=labels)
    assert FiniteMixture(Gaussian(), 2).resolve(known).side_by_side(known) is None
    for model in (
        FiniteMixture(Gaussian("tied"), 2),
        FiniteMixture(Gaussian(fixed={"means": [[0.0, 0.0], [np.nan, np.nan]]}), 2),
        FiniteMixture(Gaussian(), 2, start_values={"weights": [0.5, 0.5]}),
        FiniteMixture(Gaussian(), 2, fixed={"weights": [0.5, 0.5]}),
        FiniteMixture(VariationalGaussian("diag"), 2),
        FiniteMixture(VariationalGaussian("full", scale_prior=1.0), 2),
    ):
        assert model.resolve(source).side_by_side(source) is None
    assert FiniteMixture(Gaussian(prior=NormalInverseWishart(5.0, 1.0)), 2).resolve(source).side_by_side(source) is not None


def test_mixtures_of_posteriors_are_started_one_by_one(source):
    found = fitted(FiniteMixture(VariationalGaussian("diag"), 2), source)
    assert found.converged and len(found.starts) == 8


def test_one_that_is_not_sound_is_found_and_does_not_spoil_the_others(source):
    model, side = of(Gaussian(prior=None), source)
    params = started(side, source)
    covariances = params.components.covariances.copy()
    covariances[2] = [[1.0, 1.0], [1.0, 1.0]]  # of the second of four
    singular = side.unpack(side.pack(params), side.one(params, 0))
    singular = type(params)(singular.weights, type(params.components)(singular.components.means, covariances))
    assert side.sound(singular).tolist() == [True, False, True, True]
    at = side.pack(params)
    at[3, 0] = np.nan
    assert side.sound(side.unpack(at, side.one(params, 0))).tolist() == [True, True, True, False]
    with pytest.raises(CollapseError):
        model.family.refuse_collapse(side.one(singular, 1).components)


def test_first_guesses_are_the_model_s_own_kind(source):
    """As a start alone: for the same responsibilities the same values."""
    data = ArraySource(np.round(np.abs(source.x)))
    _, side = of(Poisson(), data, 3.0)
    seeds = side.seeds(data, np.random.default_rng(3).spawn(3))
    together = side.init(data, seeds)
    for i, (rng, kind) in enumerate(zip(np.random.default_rng(3).spawn(3), seeds.kinds, strict=True)):
        if kind != "plain k-means++":  # which a start alone does not offer
            alone = FiniteMixture(Poisson(), 2, 3.0, seeding=kind).resolve(data).init(data, rng)
            np.testing.assert_allclose(side.one(together, i).components.rates, alone.components.rates)
            np.testing.assert_allclose(side.one(together, i).weights, alone.weights)
