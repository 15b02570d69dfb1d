"""hmmlearn's variational HMMs and these: the same posteriors after the same updates from the same ones, where hmmlearn is right.

Where it is not, a test says so, and what is right instead is shown in tests/models/hmm/test_variational_bound.py.
"""

import logging

import numpy as np
import pytest
from scipy.special import digamma
from small_models import LENGTHS, quietly, reals, symbols

import emkit
from emkit import VariationalGaussianHMM

vhmm = pytest.importorskip("hmmlearn.vhmm")
logging.getLogger("hmmlearn").setLevel(logging.ERROR)

K, UPDATES = 3, 12


def concentrations(rng, *shape):
    return rng.uniform(0.3, 4.0, shape)


def chain(rng):
    return {
        "startprob_prior_": concentrations(rng, K),
        "startprob_posterior_": concentrations(rng, K),
        "transmat_prior_": concentrations(rng, K, K),
        "transmat_posterior_": 10.0 * concentrations(rng, K, K),
    }


def of_symbols(rng):
    return {
        **chain(rng),
        "emissionprob_prior_": concentrations(rng, K, 3),
        "emissionprob_posterior_": 5.0 * concentrations(rng, K, 3),
    }


def scale(rng, kind, d):
    """A scale in the shape of the type."""
    a = rng.normal(size=(K, d, d))
    full = a @ np.swapaxes(a, 1, 2) + np.eye(d)
    return {"full": full, "tied": full[0], "diag": np.array([np.diag(s) for s in full]), "spherical": full[:, 0, 0]}[kind]


def of_reals(rng, kind, d):
    def dof(least):
        value = rng.uniform(d + least, d + least + 3.0, K)
        return float(value[0]) if kind == "tied" else value

    return {
        **chain(rng),
        "means_prior_": rng.normal(size=(K, d)),
        "means_posterior_": rng.normal(3.0, 2.0, size=(K, d)),
        "beta_prior_": rng.uniform(0.2, 2.0, K),
        "beta_posterior_": rng.uniform(5.0, 15.0, K),
        "dof_prior_": dof(0.0),
        "dof_posterior_": dof(9.0),
        "scale_prior_": scale(rng, kind, d),
        "scale_posterior_": 10.0 * scale(rng, kind, d),
    }


def both(name, values, x, lengths, n=UPDATES, params=None, **settings):
    """The same updates by both: hmmlearn reports before each update, so its history is one shorter."""
    letters = {} if params is None else {"params": params}
    theirs = getattr(vhmm, name)(K, init_params="", n_iter=n, tol=-np.inf, **letters, **settings)
    ours = getattr(emkit, name)(K, init_params="", n_iter=n, tol=0.0, n_init=1, **letters, **settings)
    for key, value in values.items():
        setattr(theirs, key, np.copy(value) if np.ndim(value) else value)
        setattr(ours, key, value)
    if name == "VariationalGaussianHMM":
        theirs.covars_ = values["scale_posterior_"] / _beside(values["dof_posterior_"], values["scale_posterior_"])
    theirs.n_features = 3 if name == "VariationalCategoricalHMM" else x.shape[1]
    theirs.fit(x, lengths)
    return theirs, quietly(ours.fit, x, lengths)


def _beside(dof, value):
    return np.reshape(dof, np.shape(dof) + (1,) * (np.ndim(value) - np.ndim(dof)))


def same(theirs, ours, names, rtol=1e-8):
    for name in names:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=rtol, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_symbols(seed):
    rng = np.random.default_rng(seed)
    values, x = of_symbols(rng), symbols(seed=seed)
    theirs, ours = both("VariationalCategoricalHMM", values, x, LENGTHS)
    same(theirs, ours, [*values, "startprob_", "transmat_", "emissionprob_"])
    np.testing.assert_allclose(list(ours.monitor_.history)[:-1], list(theirs.monitor_.history), rtol=1e-10)
    np.testing.assert_allclose(ours.score(x, LENGTHS), theirs.score(x, LENGTHS), rtol=1e-9)
    np.testing.assert_allclose(ours.predict_proba(x, LENGTHS), theirs.predict_proba(x, LENGTHS), atol=1e-9)
    # Paths may be equally probable: the same transitions in another order.
    assert ours.decode(x, LENGTHS)[0] == pytest.approx(theirs.decode(x, LENGTHS)[0], rel=1e-9)


RIGHT = [("full", 1), ("full", 3), ("tied", 1), ("tied", 3), ("diag", 1), ("spherical", 1)]


@pytest.mark.parametrize(("kind", "d"), RIGHT)
def test_gaussians(kind, d):
    """hmmlearn leaves out the constant n d / 2 log(2 pi), so that its lower bound is above the log evidence."""
    rng = np.random.default_rng([d, 7])
    values, x = of_reals(rng, kind, d), reals(d)
    theirs, ours = both("VariationalGaussianHMM", values, x, LENGTHS, covariance_type=kind)
    same(theirs, ours, [*values, "startprob_", "transmat_", "means_", "covars_"])
    constant = 0.5 * x.size * np.log(2.0 * np.pi)
    np.testing.assert_allclose(np.array(ours.monitor_.history)[:-1] + constant, list(theirs.monitor_.history), rtol=1e-9)
    np.testing.assert_allclose(ours.score(x, LENGTHS), theirs.score(x, LENGTHS), rtol=1e-8)
    np.testing.assert_allclose(ours.predict_proba(x, LENGTHS), theirs.predict_proba(x, LENGTHS), atol=1e-8)
    np.testing.assert_array_equal(ours.predict(x, LENGTHS), theirs.predict(x, LENGTHS))


@pytest.mark.parametrize("kind", ["diag", "spherical"])
def test_variances_of_several_columns_have_gamma_posteriors(kind):
    """hmmlearn says so too, but takes E[log|precision|] and the divergence of a Wishart distribution of matrices.

    One update is a function of the states' posterior alone: with a single state the same, whatever that expectation.
    """
    rng = np.random.default_rng(3)
    d, x = 3, reals(3)
    values = of_reals(rng, kind, d)
    one = {name: value[:1, :1] if name.startswith("transmat") else value[:1] for name, value in values.items()}
    theirs = vhmm.VariationalGaussianHMM(1, kind, init_params="", n_iter=1)
    ours = VariationalGaussianHMM(1, kind, init_params="", n_iter=1, tol=0.0, n_init=1)
    for key, value in one.items():
        setattr(theirs, key, value.copy())
        setattr(ours, key, value)
    theirs.n_features = d
    theirs.fit(x, LENGTHS)
    quietly(ours.fit, x, LENGTHS)
    same(theirs, ours, [*one, "means_"])
    whole, apart = _wishart_expectation(one["dof_posterior_"], d), _gamma_expectation(one["dof_posterior_"], d, kind)
    assert np.all(apart > whole + 0.01)  # what hmmlearn's E-step lacks, state by state


def _wishart_expectation(dof, d):
    return sum(digamma((dof - i) / 2.0) for i in range(d))


def _gamma_expectation(dof, d, kind):
    return d * digamma(dof / 2.0) if kind == "diag" else d * (digamma(d * dof / 2.0) - np.log(d))


def test_letters_left_out_of_params_are_posteriors_left_as_they_are():
    rng = np.random.default_rng(1)
    values, x = of_symbols(rng), symbols()
    theirs, ours = both("VariationalCategoricalHMM", values, x, LENGTHS, params="te")
    same(theirs, ours, values)
    np.testing.assert_array_equal(ours.startprob_posterior_, values["startprob_posterior_"])


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_precisions_left_as_they_are(kind):
    rng = np.random.default_rng(2)
    values, x = of_reals(rng, kind, 1), reals(1)
    theirs, ours = both("VariationalGaussianHMM", values, x, LENGTHS, params="stm", covariance_type=kind)
    same(theirs, ours, values)


def test_means_left_as_they_are_enter_the_scales():
    """hmmlearn subtracts moments of means that are not the best ones: its scales are then not even positive."""
    rng = np.random.default_rng(2)
    values, x = of_reals(rng, "diag", 1), reals(1)
    values["beta_posterior_"] = np.full(K, 90.0)
    theirs, ours = both("VariationalGaussianHMM", values, x, LENGTHS, 1, "stc", covariance_type="diag")
    assert np.min(theirs.scale_posterior_) < 0 < np.min(ours.scale_posterior_)
    history = np.array(ours.monitor_.history)
    assert history[1] > history[0]


def test_the_same_optimum_from_starts_of_their_own():
    """Well separated states: every start ends there. The priors are given, since the defaults of scales differ."""
    x, prior = reals(2, gap=12.0), {"scale_prior": np.array([np.eye(2)] * 2)}
    theirs = vhmm.VariationalGaussianHMM(2, "full", random_state=0, n_iter=200, tol=1e-9, **prior).fit(x, LENGTHS)
    ours = VariationalGaussianHMM(2, "full", random_state=0, tol=1e-9, **prior).fit(x, LENGTHS)
    assert ours.lower_bound_ + 0.5 * x.size * np.log(2.0 * np.pi) == pytest.approx(theirs.monitor_.history[-1], abs=1e-5)
    order, mine = np.argsort(theirs.means_[:, 0]), np.argsort(ours.means_[:, 0])
    for name in ("means_posterior_", "beta_posterior_", "dof_posterior_", "scale_posterior_", "startprob_posterior_"):
        np.testing.assert_allclose(getattr(ours, name)[mine], getattr(theirs, name)[order], rtol=1e-4, atol=1e-4, err_msg=name)
