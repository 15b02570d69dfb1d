"""Class weights that depend on columns, and groups of rows that share their class."""

import json
from itertools import islice

import numpy as np
import pytest

from emkit import EM, ArraySource, DataError, FiniteMixture, Gaussian, ParameterError, Poisson, SequenceSource, iterate
from emkit.core.block import Block
from emkit.families.regression.family import Regression
from emkit.models.class_logits import log_priors, logit_stats
from emkit.models.concomitant import ConcomitantMixture
from emkit.testing import check_model, draw
from support.datasets import FOLDER
from support.fits import fitted, problem_of

REFERENCES = json.loads((FOLDER / "regressions.json").read_text())


def reference(kind):
    """Data with a concomitant column u, the model of the reference (maximum likelihood), and its optimum."""
    given = REFERENCES[f"mixture_of_regressions_{kind}"]
    names, columns, more = ["y", "x", "u"], [given["y"], given["x"], given["u"]], {}
    if kind == "binomial":
        names, columns, more = [*names, "m"], [*columns, [given["trials"]] * len(given["y"])], {"trials": "m"}
    if kind == "gaussian":
        more = {"shared_variance": True}
    family = Regression(kind, ridge=0.0, prior=None, **more)
    source = ArraySource(np.array(columns).T, columns=names)
    return source, ConcomitantMixture(family, 2, "u", ridge=0.0), given["optima"]["concomitant u"]


@pytest.mark.parametrize("kind", ["gaussian", "poisson", "binomial"])
def test_likelihood_of_the_reference_at_its_parameters(kind):
    source, model, optimum = reference(kind)
    model = model.resolve(source)
    b, logit = np.array(optimum["coefficients"]), np.array(optimum["class_logit"])
    variances = np.array([optimum["shared_sd"] ** 2]) if kind == "gaussian" else None
    signs = np.array([0.5, -0.5])  # log odds of the first, centred
    params = model.Params(signs * logit[0], signs[:, None] * logit[1], Regression.Params(b[:, 0], b[:, 1:], variances))
    assert model.e_step(params, source.joined())[1] == pytest.approx(optimum["log_likelihood"], abs=1e-10)
    assert model.n_free(params) == optimum["free_parameters"]


@pytest.mark.parametrize("kind", ["gaussian", "poisson", "binomial"])
def test_best_optimum_is_found(kind):
    source, model, optimum = reference(kind)
    found = fitted(model, source, tol=1e-7)
    assert found.log_likelihood == pytest.approx(optimum["log_likelihood"], abs=1e-6)
    odds = np.subtract(*found.params.class_coefficients[:, 0])
    assert abs(odds) == pytest.approx(abs(optimum["class_logit"][1]), abs=1e-3)


@pytest.mark.parametrize("example", ConcomitantMixture.examples(), ids=lambda example: type(example.family).__name__)
def test_conforms(example):
    check_model(example, draw(example, weighted=True))


@pytest.mark.filterwarnings("ignore:concomitant")  # rows are drawn one by one, so that columns change within groups
@pytest.mark.parametrize("example", ConcomitantMixture.examples(), ids=lambda example: type(example.family).__name__)
def test_groups_conform(example):
    x = draw(example, 90).joined().x
    check_model(example, SequenceSource(x, np.tile([2, 3, 1], 15), np.random.default_rng(0).gamma(2.0, size=45)))


def test_without_effects_it_is_a_plain_mixture():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=80) + 4.0 * rng.integers(2, size=80), rng.normal(size=80)])
    held = ConcomitantMixture(Gaussian(), 2, (1,), fixed={"class_coefficients": [[0.0], [0.0]]})
    a = fitted(held, ArraySource(x), tol=1e-8)
    b = fitted(FiniteMixture(Gaussian(), 2), ArraySource(x[:, :1]), tol=1e-8)
    assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=1e-6)
    assert a.model.n_free(a.params) == b.model.n_free(b.params)


def test_slope_and_bends_of_three_classes_are_derivatives():
    rng = np.random.default_rng(1)
    design, posterior = rng.normal(size=(30, 2)), rng.dirichlet(np.ones(3), 30)
    weights, pivot, step = rng.gamma(2.0, size=30), rng.normal(size=(3, 2)), 1e-4
    found = logit_stats(design, log_priors(design, pivot), posterior, weights, pivot)

    def value(b):
        return float((weights[:, None] * posterior * log_priors(design, b)).sum())

    units = step * np.eye(6).reshape(6, 3, 2)
    slope = [(value(pivot + by) - value(pivot - by)) / (2 * step) for by in units]
    np.testing.assert_allclose(found.slope.ravel(), slope, rtol=1e-6, atol=1e-6)
    bends = [[value(pivot + a) + value(pivot + b) - value(pivot + a + b) - value(pivot) for b in units] for a in units]
    np.testing.assert_allclose(found.bends.reshape(6, 6), np.array(bends) / step**2, atol=1e-2)


def test_rows_of_a_group_share_their_class():
    """By enumeration: the likelihood of a group is a sum over classes of products over its rows."""
    rng = np.random.default_rng(2)
    x = np.column_stack([rng.poisson(3.0, size=7), np.repeat(rng.normal(size=3), [2, 4, 1])]).astype(float)
    source = SequenceSource(x, [2, 4, 1], [1.0, 2.0, 0.5])
    model = ConcomitantMixture(Poisson(), 2, (1,)).resolve(source)
    params = model.Params(np.array([0.3, -0.3]), np.array([[0.8], [-0.8]]), Poisson.Params(np.array([[2.0], [5.0]])))
    rows = np.exp(Poisson().log_prob(params.components, x[:, :1]))
    prior = model.class_weights(params, x)
    each = [prior[a] * rows[a:b].prod(axis=0) for a, b in ((0, 2), (2, 6), (6, 7))]
    found = model.infer(params, source.joined(), "marginals")
    np.testing.assert_allclose(found.log_likelihood, np.log(np.sum(each, axis=1)), rtol=1e-12)
    shares = np.array(each) / np.sum(each, axis=1, keepdims=True)
    np.testing.assert_allclose(found.marginals, np.repeat(shares, [2, 4, 1], axis=0), rtol=1e-12)
    stats, total = model.e_step(params, source.joined())
    assert total == pytest.approx(np.array([1.0, 2.0, 0.5]) @ np.log(np.sum(each, axis=1)), rel=1e-12)
    np.testing.assert_allclose(stats.counts, (np.array([2.0, 8.0, 0.5])[:, None] * shares).sum(axis=0), rtol=1e-12)


def test_groups_tell_classes_apart_that_rows_do_not():
    """Two lines that are near each other, ten rows a person: the class of a person is known, that of a row is not."""
    rng = np.random.default_rng(4)
    person, label = np.repeat(np.arange(60), 10), rng.integers(2, size=60)
    x = rng.normal(size=600)
    y = np.where(label[person] == 0, 0.5 + x, -0.5 - x) + rng.normal(size=600)
    u = (2.0 * label - 1.0 + rng.normal(size=60))[person]
    source = SequenceSource(np.column_stack([y, x, u]), np.full(60, 10), columns=["y", "x", "u"])
    found = fitted(ConcomitantMixture(Regression(), 2, "u"), source)
    modes = found.model.infer(found.params, source.joined(), "mode").mode[::10]
    assert max((modes == label).mean(), (modes != label).mean()) >= 0.95
    np.testing.assert_allclose(np.sort(found.params.components.coefficients.ravel()), [-1.0, 1.0], atol=0.2)


def test_classes_that_a_column_separates_stay_finite_and_nothing_falls():
    rng = np.random.default_rng(5)
    u = rng.normal(size=100)
    y = np.where(u > 0, 9.0, 0.0) + rng.normal(size=100)
    source = ArraySource(np.column_stack([y, 1e4 + 1e-2 * u]))
    for ridge in (0.0, "weak"):
        task = problem_of(ConcomitantMixture(Gaussian(), 2, (1,), ridge=ridge), source)
        last = -np.inf
        for step in islice(iterate(task, EM(), task.model.init(source, rng)), 60):
            assert step.objective >= last - task.rounding(step.objective)
            assert np.isfinite(step.params.class_coefficients).all()
            last = step.objective


def test_a_regression_may_name_a_concomitant_column_too():
    source, _, _ = reference("gaussian")
    found = fitted(ConcomitantMixture(Regression(on=("x", "u")), 2, "u"), source)
    assert found.params.components.coefficients.shape == (2, 2)
    assert found.model.simulate(found.params, 10, np.random.default_rng(0)).x.shape == (10, 3)


def test_redrawn_data_keep_what_is_given():
    source, model, _ = reference("poisson")
    found = fitted(model, source)
    block = found.model.redrawn(found.params, source.joined(), np.random.default_rng(0))
    np.testing.assert_array_equal(block.x[:, 1:], source.x[:, 1:])
    assert (block.x[:, 0] != source.x[:, 0]).any()


def test_refused():
    x = np.random.default_rng(6).normal(size=(20, 2))
    with pytest.raises(DataError, match="there is no concomitant column 'z'"):
        ConcomitantMixture(Gaussian(), 2, "z").resolve(ArraySource(x, columns=["y", "u"]))
    x[3, 1] = np.nan
    with pytest.raises(DataError, match="column 'u' row 3 is missing, and class weights depend on it"):
        ConcomitantMixture(Gaussian(), 2, "u").resolve(ArraySource(x, columns=["y", "u"]))
    partly = ConcomitantMixture(Gaussian(), 2, (1,), fixed={"class_intercepts": [0.0, np.nan]})
    with pytest.raises(ParameterError, match="held together, or none"):
        partly.resolve(ArraySource(x[4:]))
    with pytest.raises(ParameterError, match="not resolved"):
        ConcomitantMixture(Gaussian(), 2, (1,)).e_step(None, Block(x))
