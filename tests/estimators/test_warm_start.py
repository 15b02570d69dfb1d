"""Warm starts: going on from the last fit where the problem is the same, and as a cold fit does where it is another."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from small_models import KINDS, LENGTHS, ONE, bits, counts, quietly, reals, symbols

from emkit import HMM, Dirichlet, EmkitError, GammaPrior, GaussianMixture, NormalInverseWishart, Poisson

WARM = {**ONE, "warm_start": True, "tol": 1e-6}
ATTRIBUTES = ("weights_", "means_", "covariances_", "startprob_", "transmat_", "endprob_", "rates_", "probs_")


def sorted_parameters(model):
    """Parameters with components in the order of their first value, since another start may number them otherwise."""
    values = {name: np.asarray(getattr(model, name)) for name in ATTRIBUTES if getattr(model, name, None) is not None}
    first = values.get("means_", values.get("rates_", values.get("probs_")))
    order = np.argsort(first.reshape(len(first), -1)[:, 0], kind="stable")
    out = {}
    for name, value in values.items():
        if name == "transmat_":
            out[name] = value[np.ix_(order, order)]
        elif name == "covariances_" and model.get_params()["covariance_type"].startswith("tied"):
            out[name] = value
        else:
            out[name] = value[order]
    return out


def warm_equals_cold(model, before, after, changes, fit_before=None, fit_after=None):
    """Fit, change the settings, fit again: as a model that was never fitted, or an error of emkit's."""
    quietly(model.fit, before, **(fit_before or {}))
    cold = quietly(clone(model).set_params(**changes).fit, after, **(fit_after or {}))
    try:
        quietly(model.set_params(**changes).fit, after, **(fit_after or {}))
    except EmkitError:
        return
    expected, found = sorted_parameters(cold), sorted_parameters(model)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-3, err_msg=name)
    assert model.score(after) == pytest.approx(cold.score(after), rel=1e-5)
    assert model.bic(after) == pytest.approx(cold.bic(after), rel=1e-5)
    assert model.n_features_in_ == after.shape[1]


MEANS = np.array([[0.0, 0.5], [6.0, 6.5]])
MIXTURE_CHANGES = [
    {"n_components": 1},
    {"n_components": 3},
    {"fixed": {"means": MEANS}},
    {"fixed": {"weights": [0.5, 0.5]}},
    {"fixed": {"covariances": 2.0}},
    {"prior": None},
    {"prior": NormalInverseWishart(df=10.0, scale=3.0)},
    {"reg_covar": 0.5},
    {"weights_prior": 20.0},
    {"n_components": 1, "covariance_type": "spherical"},
]


@pytest.mark.parametrize("changes", MIXTURE_CHANGES, ids=str)
def test_a_mixture_with_other_settings(changes):
    warm_equals_cold(GaussianMixture(2, **WARM), reals(), reals(), changes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_a_mixture_with_another_covariance_type(kind, other):
    warm_equals_cold(GaussianMixture(2, covariance_type=kind, **WARM), reals(), reals(), {"covariance_type": other})


def test_tied_then_diagonal_is_not_reported_as_diagonal_with_equal_variances():
    """Of scikit-learn's issue 12099: the second fit has variances of its own in each component."""
    x = reals()
    x[x[:, 0] > 3] *= 2.0
    gm = GaussianMixture(2, covariance_type="tied", **WARM).fit(x)
    gm.set_params(covariance_type="diag").fit(x)
    assert gm.covariances_.shape == (2, 2) and not np.allclose(gm.covariances_[0], gm.covariances_[1], rtol=0.1)


@pytest.mark.parametrize("model", [GaussianMixture(2, **WARM), HMM(2, **WARM)], ids=["GaussianMixture", "HMM"])
@pytest.mark.parametrize("d", [1, 3])
def test_another_number_of_columns(model, d):
    warm_equals_cold(clone(model), reals(2), reals(d), {})


CHAIN_CHANGES = [
    {"n_states": 1},
    {"n_states": 3},
    {"n_mix": 2, "max_iter": 20, "tol": 0.0},
    {"tie": [0, 0]},
    {"start": "stationary"},
    {"end": True},
    {"fixed": {"means": MEANS}},
    {"fixed": {"covariances": 2.0}},
    {"fixed": {"transmat": [[0.7, 0.3], [0.4, 0.6]]}},
    {"fixed": {"startprob": [0.5, 0.5]}},
    {"fixed": {"transmat": [[0.7, 0.3], [np.nan, np.nan]]}},
    {"prior": None},
    {"prior": NormalInverseWishart(df=10.0, scale=3.0)},
    {"transmat_prior": 5.0},
    {"startprob_prior": Dirichlet(3.0)},
    {"sticky": 10.0},
    {"n_states": 3, "covariance_type": "full"},
]


@pytest.mark.parametrize("changes", CHAIN_CHANGES, ids=str)
def test_a_chain_with_other_settings(changes):
    warm_equals_cold(HMM(2, **WARM), reals(), reals(), changes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", ["full", "tied", "diag", "spherical"])
def test_a_chain_with_another_covariance_type(kind, other):
    warm_equals_cold(HMM(2, covariance_type=kind, **WARM), reals(), reals(), {"covariance_type": other})


@pytest.mark.parametrize(
    ("settings", "before", "changes", "after"),
    [
        ({}, reals(), {"emission": "poisson"}, counts()),
        ({"emission": "poisson"}, counts(), {"emission": "gaussian"}, counts().astype(float)),
        ({"emission": "poisson"}, counts(), {"emission": Poisson()}, counts()),
        ({"emission": "poisson"}, counts(), {"n_states": 3}, counts()),
        ({"emission": "poisson"}, counts(2), {}, counts(1)),
        ({"emission": "poisson"}, counts(), {"prior": GammaPrior(30.0, 10.0)}, counts()),
        ({"emission": "poisson"}, counts(), {"fixed": {"rates": [[2.0, 2.0], [11.0, 12.0]]}}, counts()),
        ({"emission": "poisson", "n_mix": 2, "max_iter": 20, "tol": 0.0}, counts(), {"n_mix": 1}, counts()),
        ({"emission": "categorical"}, symbols(), {"n_categories": 5}, symbols()),
        ({"emission": "categorical"}, symbols(), {}, np.where(symbols() == 1, 4, symbols())),
        ({"emission": "bernoulli"}, bits(), {"emission": "poisson"}, bits()),
        ({"emission": "bernoulli"}, bits(2), {}, bits(3)),
    ],
)
def test_other_emissions(settings, before, changes, after):
    warm_equals_cold(HMM(2, **{**WARM, **settings}), before, after, changes)


@pytest.mark.parametrize("emission", ["gaussian", "poisson"])
def test_a_value_fixed_later_is_obeyed(emission):
    name, value, x = ("means", MEANS, reals()) if emission == "gaussian" else ("rates", MEANS + 3.0, counts())
    model = quietly(HMM(2, emission, **WARM).fit, x)
    quietly(model.set_params(fixed={name: value}).fit, x)
    np.testing.assert_array_equal(getattr(model, f"{name}_"), value)


# --- going on -----------------------------------------------------------------------------------------------------------

ONE_STEP = {**ONE, "warm_start": True, "max_iter": 1}


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("estimator", [GaussianMixture, HMM])
@pytest.mark.parametrize("gap", [6.0, 20.0])
def test_one_iteration_at_a_time_says_converged_in_the_end(estimator, k, gap):
    """As scikit-learn's users watch EM. On groups that are far apart nothing is left to gain after a few iterations."""
    x = reals(gap=gap)
    model = estimator(k, **ONE_STEP)
    for _ in range(20):
        quietly(model.fit, x)
        if model.converged_:
            break
    assert model.converged_
    before = model.score(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(x)
    assert model.converged_ and model.score(x) == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize("estimator", [GaussianMixture, HMM])
def test_one_iteration_at_a_time_does_not_say_converged_too_early(estimator):
    """Overlapping groups: converged means as far as one long fit, which takes many iterations; the objective never falls."""
    x = reals(1, gap=3.0)
    long = quietly(estimator(2, **{**ONE, "max_iter": 5000}).fit, x)
    assert long.converged_ and long.n_iter_ > 5
    model = estimator(2, **ONE_STEP)
    trace = []
    for _ in range(300):
        trace.append(quietly(model.fit, x).score(x))
        if model.converged_:
            break
    assert len(trace) > 3 and model.converged_
    total = len(x) if estimator is GaussianMixture else 1
    assert trace[-1] * total == pytest.approx(long.score(x) * total, abs=0.05)
    assert np.diff(trace).min() > -1e-3  # the prior has a part in the objective


@pytest.mark.parametrize("estimator", [GaussianMixture, HMM])
def test_the_same_problem_goes_on_where_it_stood(estimator):
    """Five fits of one iteration are one fit of five."""
    x = reals(gap=1.5)
    settings = {**ONE, "order_by": None} if estimator is HMM else ONE
    model = estimator(2, **settings, warm_start=True, max_iter=1, tol=0.0)
    for _ in range(5):
        model.fit(x)
    together = estimator(2, **settings, max_iter=5, tol=0.0).fit(x)
    np.testing.assert_allclose(model.means_, together.means_, rtol=1e-8)
    assert model.score(x) == pytest.approx(together.score(x), rel=1e-10)


def test_other_rows_of_the_same_columns_are_no_other_problem():
    """New data come in: the fit goes on from the old parameters, here for no iteration at all."""
    model = quietly(HMM(2, **WARM).fit, reals())
    before = model.means_.copy()
    quietly(model.set_params(max_iter=0).fit, reals(seed=1), lengths=LENGTHS)
    np.testing.assert_array_equal(model.means_, before)


@pytest.mark.parametrize("estimator", [GaussianMixture, HMM])
def test_it_goes_on_from_what_was_set_by_hand(estimator):
    x = reals(gap=1.5)
    settings = {**ONE, "max_iter": 1, "tol": 0.0}
    model = quietly(estimator(2, warm_start=True, **settings).fit, x)
    model.means_ = np.array([[2.0, 0.0], [0.0, 2.0]])
    names = (
        ("weights", "means", "covariances") if estimator is GaussianMixture else ("startprob", "transmat", "means", "covariances")
    )
    cold = estimator(2, **settings, **{f"{name}_init": np.array(getattr(model, f"{name}_")) for name in names}).fit(x)
    model.fit(x)
    np.testing.assert_allclose(model.means_, cold.means_, rtol=1e-8)
