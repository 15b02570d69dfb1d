"""Regressions on data at the edge: rows without a response, offsets far larger than what is left, lines that are nearly exact."""

import numpy as np
import pytest

from emkit import ArraySource, CollapseError, FiniteMixture, Gaussian, LogitExpert, PerColumn
from emkit.families.regression.family import Regression
from support.fits import fitted

KINDS = ["gaussian", "poisson", "bernoulli", "binomial"]


def rows_of(kind, n=120, seed=0):
    """A response of this kind, a covariate x, an offset o of the linear predictor, and numbers of trials for "binomial"."""
    rng = np.random.default_rng(seed)
    x, offset, trials = rng.normal(2.0, 1.5, size=n), 0.3 * rng.normal(size=n), rng.integers(1, 9, size=n)
    eta = 0.4 * x - 0.5 + offset
    share = 1.0 / (1.0 + np.exp(-eta))
    y = {
        "gaussian": eta + rng.normal(size=n),
        "poisson": rng.poisson(np.exp(eta)),
        "bernoulli": rng.random(n) < share,
        "binomial": rng.binomial(trials, share),
    }[kind]
    names = ["y", "x", "o", "m"] if kind == "binomial" else ["y", "x", "o"]
    return np.column_stack([y, x, offset, trials][: len(names)]).astype(float), names


# --- rows without a response --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_a_response_are_as_if_dropped(kind):
    """Whatever their covariates, offsets and trials are; so are rows with a weight of 0."""
    x, names = rows_of(kind)
    family = Regression(kind, offset="o", trials="m" if kind == "binomial" else None)
    blank, heavy = x.copy(), np.ones(len(x))
    blank[:30, 1:] *= 1e4
    idle = blank.copy()
    blank[:30, 0], heavy[:30] = np.nan, 0.0
    if kind == "binomial":
        idle[:30, 3] = np.round(idle[:30, 3])
    expected = fitted(FiniteMixture(family, 1), ArraySource(x[30:], columns=names), tol=1e-9).params.components
    for source in (ArraySource(blank, columns=names), ArraySource(idle, heavy, columns=names)):
        found = fitted(FiniteMixture(family, 1), source, tol=1e-9)
        np.testing.assert_allclose(found.params.components.coefficients, expected.coefficients, rtol=1e-6)
        np.testing.assert_allclose(found.params.components.intercepts, expected.intercepts, rtol=1e-6)
        frame = found.model.family.frame
        assert (frame.high - frame.low < 10.0).all() and abs(frame.offset) < 1.0 and frame.trials < 9.0


def test_of_classes_too():
    rng = np.random.default_rng(0)
    x = rng.normal(2.0, 1.5, size=(150, 1))
    y = rng.random((150, 1)) < 1.0 / (1.0 + np.exp(1.0 - x))
    blank, names = np.column_stack([y, x]), ["y", "x"]
    blank[:30] = np.nan, 1e4
    family = LogitExpert(2, target="y")
    expected = fitted(FiniteMixture(family, 1), ArraySource(blank[30:], columns=names), tol=1e-9).params.components
    found = fitted(FiniteMixture(family, 1), ArraySource(blank, columns=names), tol=1e-9).params.components
    np.testing.assert_allclose(found.coefficients, expected.coefficients, rtol=1e-6)
    np.testing.assert_allclose(found.intercepts, expected.intercepts, rtol=1e-6)


def test_rows_without_a_response_do_not_lead_the_starts_astray():
    rng = np.random.default_rng(1)
    x, label = rng.normal(size=200), rng.integers(2, size=200)
    data = np.column_stack([np.where(label == 0, 3.0 * x, -3.0 * x) + 0.3 * rng.normal(size=200), x])
    data[:20, 0], data[:20, 1] = np.nan, 1e5 * (1.0 + np.arange(20))
    found = fitted(FiniteMixture(Regression(), 2, seeding="k-means++"), ArraySource(data), tol=1e-8)
    np.testing.assert_allclose(np.sort(found.params.components.coefficients.ravel()), [-3.0, 3.0], atol=0.1)
    points = found.model.family.embed(data)
    np.testing.assert_array_equal(points[:20], 0.0)


def test_beside_a_gate_too():
    x, names = rows_of("gaussian")
    x[:30, 0], x[:30, 1] = np.nan, 1e4
    family = PerColumn({"x": Gaussian(), "y": Regression(on="x")})
    found = fitted(FiniteMixture(family, 1), ArraySource(x[:, :2], columns=names[:2])).params.components.parts[1]
    alone = fitted(FiniteMixture(Regression(), 1), ArraySource(x[30:, :2], columns=names[:2])).params.components
    np.testing.assert_allclose(found.coefficients, alone.coefficients, rtol=1e-6)


# --- offsets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e6, 1e7])
@pytest.mark.parametrize("settings", [{"ridge": 0.0}, {"ridge": 0.0, "prior": None}, {}])
def test_offsets_are_no_spread(size, settings):
    """The regression of y with an offset is that of y less the offset."""
    rng = np.random.default_rng(0)
    x, u, e = rng.normal(size=(3, 200))
    offset = size * x
    source = ArraySource(np.column_stack([offset + e, u, offset]))
    found = fitted(FiniteMixture(Regression(on=1, offset=2, **settings), 1), source, tol=1e-8)
    left = fitted(FiniteMixture(Regression(on=1, **settings), 1), ArraySource(np.column_stack([e, u])), tol=1e-8)
    for name in ("intercepts", "coefficients", "variances"):
        a, b = (getattr(fit.params.components, name) for fit in (found, left))
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    points = found.model.family.embed(source.x)
    np.testing.assert_allclose(points.std(axis=0), 1.0, rtol=1e-6)


# --- steep lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [1.0, 1e2, 1e4])
def test_priors_do_not_widen_a_steep_line(slope):
    """Slopes that are large beside the residuals leave the variance what least squares have it at."""
    x, e = np.random.default_rng(1).normal(size=(2, 20))
    line = np.column_stack([np.ones(20), x])
    left = np.linalg.lstsq(line, e, rcond=None)[1][0] / 20
    found = fitted(FiniteMixture(Regression(), 1), ArraySource(np.column_stack([slope * x + e, x])), tol=1e-8).params.components
    np.testing.assert_allclose(found.variances, left, rtol=5e-3)


def test_a_line_through_too_few_rows_has_the_spread_of_the_response():
    x = np.random.default_rng(0).normal(size=(4, 6))
    family = Regression().resolve(ArraySource(x), 1)
    assert family.frame.pooled == pytest.approx(x[:, 0].var())


# --- lines that are exact -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2])
def test_an_exact_line_without_priors_is_no_answer(k):
    x = np.random.default_rng(0).normal(size=50)
    source = ArraySource(np.column_stack([3.0 * x + 1.0, x]))
    with pytest.raises(CollapseError, match="all rows lie on one line"):
        fitted(FiniteMixture(Regression(ridge=0.0, prior=None), k), source)
    held = Regression(ridge=0.0, prior=None, fixed={"variances": np.ones(k)})
    found = fitted(FiniteMixture(held, k), source, tol=1e-9).params.components
    np.testing.assert_allclose(found.coefficients, 3.0, rtol=1e-4)
    assert np.isfinite(fitted(FiniteMixture(Regression(), k), source).log_likelihood)
    noisy = np.column_stack([3.0 * x + 1.0 + 1e-5 * np.cos(np.arange(50.0)), x])
    nearly = fitted(FiniteMixture(Regression(ridge=0.0, prior=None), 1), ArraySource(noisy), tol=1e-9).params.components
    np.testing.assert_allclose(nearly.coefficients, 3.0, atol=1e-5)
