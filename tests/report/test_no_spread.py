"""A column whose spread is 0 but for the prior is named, with what to do: its likelihood says little, however well a fit ended."""

import numpy as np
import pandas as pd
import pytest

import emkit
from emkit.report.narrow import narrow_columns
from emkit.report.verdict import LOOK, TROUBLE, verdict
from support import datasets

N = 240
RNG = np.random.default_rng(0)
HALF = RNG.random(N) < 0.5
X = np.where(HALF, RNG.normal(0, 1, N), RNG.normal(5, 1, N))
SMOKER = (RNG.random(N) < np.where(HALF, 0.2, 0.8)).astype(float)
TABLE = pd.DataFrame({"x": X, "smoker": SMOKER})
QUICK = {"random_state": 0, "n_init": 8}


def found(model, X, **given):
    """Findings about spreads."""
    return [one for one in verdict(model._subject(X, **given)) if one.about == "No spread"]


@pytest.mark.parametrize(
    "model",
    [
        emkit.GaussianMixture(2, **QUICK),
        emkit.GaussianMixture(3, covariance_type="tied", **QUICK),
        emkit.GaussianMixture(2, covariance_type="diag", reg_covar=1e-5, **QUICK),
        emkit.GaussianMixture(2, noise=True, **QUICK),
        emkit.Mixture(2, **QUICK),
        emkit.Mixture(2, family="student_t", **QUICK),
        emkit.Mixture(2, family="multivariate_t", **QUICK),
        emkit.Mixture(2, emkit.MultivariateT(scale_type="tied"), **QUICK),
        emkit.Mixture(2, family={"x": "gaussian", "smoker": "truncated_normal"}, **QUICK),
        emkit.AutoClass(2, random_state=0, max_tries=2, types={"smoker": "normal"}),
        emkit.HMM(2, **QUICK),
        emkit.GaussianHMM(2, **QUICK),
        emkit.GMMHMM(2, n_mix=2, **QUICK),
        emkit.VariationalGaussianHMM(2, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_a_column_of_0_and_1_read_as_a_real_number(model):
    (said,) = found(model.fit(TABLE), TABLE)
    assert said.level == TROUBLE
    assert "smoker takes the values 0 and 1 only" in said.said and "declare it binary or categorical" in said.advice
    assert "x takes" not in said.said


def test_the_advice_helps():
    declared = TABLE.astype({"smoker": bool})
    assert not found(emkit.Mixture(2, **QUICK).fit(declared), declared)
    assert not found(emkit.Mixture(2, family={"smoker": "bernoulli", "x": "gaussian"}, **QUICK).fit(TABLE), TABLE)


@pytest.mark.parametrize("family", ["gaussian", "log_normal", "gamma", "beta", "von_mises", "censored_normal"])
def test_one_value_in_one_component(family):
    x = pd.DataFrame({"x": np.where(HALF, 0.1, RNG.uniform(0.3, 0.5, N))})
    model = emkit.Mixture(2, family={"x": family}, **QUICK).fit(x)
    (said,) = found(model, x)
    k = int(np.argmin(np.abs(model.predict_proba(x)[HALF].mean(axis=0) - 1.0)))
    assert said.level == LOOK and f"All rows have one value of x in component {k}," in said.said
    assert "categorical column beside" in said.advice


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_counts_have_no_density(family):
    x = pd.DataFrame({"x": np.where(HALF, 0, RNG.poisson(20, N)), "z": RNG.poisson(3, N)})
    assert not found(emkit.Mixture(2, family=family, **QUICK).fit(x), x)


def test_what_follows_from_other_columns():
    table = pd.DataFrame({"x": X, "twice": 2 * X + 1, "free": RNG.normal(size=N)})
    (said,) = found(emkit.GaussianMixture(2, covariance_type="full", **QUICK).fit(table), table)
    assert said.level == LOOK and "tells x, twice exactly" in said.said and "follows from others" in said.advice
    assert not found(emkit.GaussianMixture(2, covariance_type="diag", **QUICK).fit(table), table)


def test_targets_that_inputs_tell_exactly():
    u = RNG.uniform(0, 10, (N, 1))
    lines = np.where(HALF, 1 + 2 * u[:, 0], 20 - u[:, 0])
    (said,) = found(emkit.MixtureOfRegressions(2, random_state=0, n_init=4).fit(u, lines), u, y=lines)
    assert said.level == LOOK and "tells x1 exactly" in said.said
    noisy = lines + RNG.normal(0, 0.3, N)
    assert not found(emkit.MixtureOfRegressions(2, random_state=0, n_init=4).fit(u, noisy), u, y=noisy)
    copied = 1 + 2 * u[:, 0]
    (said,) = found(emkit.RBFRegressor(3, random_state=0).fit(u, copied), u, y=copied)
    assert "predicted exactly" in said.said


def test_gaussian_nodes_of_networks():
    kind = np.where(HALF, "a", "b")
    table = pd.DataFrame({"kind": kind, "x": np.where(HALF, 3.0, X), "w": RNG.normal(size=N)})
    (said,) = found(emkit.BayesianNetwork("kind->x; x->w").fit(table), table)
    assert "tells x exactly" in said.said
    table["x"] = X
    assert not found(emkit.BayesianNetwork("kind->x; x->w").fit(table), table)


@pytest.mark.filterwarnings("ignore")
def test_ordinary_fits_are_left_alone():
    from sklearn.datasets import load_iris

    for x, k in ((datasets.faithful(), 2), (datasets.faithful(), 5), (load_iris().data, 3), (X[:, None], 2)):
        for kind in ("full", "diag", "tied"):
            model = emkit.GaussianMixture(k, covariance_type=kind, **QUICK).fit(x)
            assert narrow_columns(model._subject(x)) == []


def test_variances_given_other_columns():
    """Against the inverse, and as a regression of the column on the others leaves them."""
    x = np.column_stack([X, X + RNG.normal(0, 0.1, N), RNG.normal(size=N)])
    model = emkit.GaussianMixture(1, covariance_type="full", prior=None).fit(x)
    (narrowest, rows) = model._subject(x).narrowest
    np.testing.assert_allclose(narrowest[0], 1.0 / np.diag(np.linalg.inv(model.covariances_[0])), rtol=1e-8)
    left = [np.linalg.lstsq(np.column_stack([np.ones(N), np.delete(x, j, 1)]), x[:, j])[1][0] / N for j in range(3)]
    np.testing.assert_allclose(narrowest[0], left, rtol=1e-6)
    assert (rows == N).all()
