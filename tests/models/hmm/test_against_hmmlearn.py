"""The same start, the same number of updates: hmmlearn 0.3.3 and emkit arrive at the same parameters.

hmmlearn's own starting values are not compared (they are random), nor is its stopping rule.
"""

import numpy as np
import pytest

from emkit import Categorical, Gaussian, HiddenMarkov, Poisson
from support.fits import answers, fitted, score, sequences
from support.gaussians import dense

peer = pytest.importorskip("hmmlearn.hmm", reason="hmmlearn is needed to compare with it")

UPDATES = 5
LENGTHS = [40, 1, 25, 60, 2, 17]
K = 3
OURS = {
    "startprob_": "startprob",
    "transmat_": "transmat",
    "means_": "means",
    "covars_": "covariances",
    "emissionprob_": "probs",
    "lambdas_": "rates",
}


def start_of_chain(rng):
    return rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(K), size=K) * 0.5 + 0.5 * np.eye(K)


def both(name, family, x, values, fixed=(), **settings):
    """Fit both from ``values`` (hmmlearn's attribute names, the family's own parameter last); returns (emkit's Result,
    hmmlearn's model).
    """
    # hmmlearn stops when a gain is under tol, and has to be told not to.
    theirs = getattr(peer, name)(K, n_iter=UPDATES, tol=-np.inf, init_params="", **settings)
    for attribute, value in values.items():
        setattr(theirs, attribute, value.copy())
    theirs.fit(x, LENGTHS)
    init = {OURS[attribute]: value for attribute, value in values.items()}
    held = {OURS[attribute]: values[attribute] for attribute in fixed}
    priors = {key: settings[key] for key in ("startprob_prior", "transmat_prior") if key in settings}
    model = HiddenMarkov(family, K, **priors).configured(held, init)
    return fitted(model, sequences(x, LENGTHS), starts=1, max_iter=UPDATES, tol=0.0), theirs


def same(mine, theirs, x, names, rtol=1e-9):
    shown = mine.model.shown(mine.params)
    for name in ("startprob_", "transmat_", *names):
        np.testing.assert_allclose(shown[OURS[name]], getattr(theirs, name), rtol=rtol, atol=1e-11, err_msg=name)
    source = sequences(x, LENGTHS)
    assert score(mine, source) == pytest.approx(theirs.score(x, LENGTHS), rel=1e-10)
    np.testing.assert_allclose(answers(mine, source, "marginals"), theirs.predict_proba(x, LENGTHS), atol=1e-9)
    (block,) = source
    best = mine.model.infer(mine.params, block, "mode")
    assert best.log_likelihood.sum() == pytest.approx(theirs.decode(x, LENGTHS)[0], rel=1e-10)
    np.testing.assert_array_equal(best.mode, theirs.predict(x, LENGTHS))


@pytest.mark.parametrize("implementation", ["log", "scaling"])
@pytest.mark.parametrize("covariance_type", ["diag", "full", "spherical", "tied"])
def test_gaussian(covariance_type, implementation):
    """hmmlearn adds a prior to covariances by default; with it switched off both are maximum likelihood."""
    rng = np.random.default_rng(1)
    x = np.repeat(rng.normal(size=(29, 2)) * 3.0, 5, axis=0) + rng.normal(size=(145, 2))
    start, matrix = start_of_chain(rng)
    covars = {"diag": np.full((K, 2), 4.0), "full": np.tile(4.0 * np.eye(2) + 1.0, (K, 1, 1)), "spherical": np.full(K, 4.0)}
    values = {
        "startprob_": start,
        "transmat_": matrix,
        "means_": rng.normal(size=(K, 2)),
        "covars_": covars.get(covariance_type, 4.0 * np.eye(2) + 1.0),
    }
    off = {"covars_prior": 0.0, "covars_weight": 0.0 if covariance_type in ("full", "tied") else 1.0, "min_covar": 0.0}
    mine, theirs = both(
        "GaussianHMM", Gaussian(covariance_type, None), x, values,
        covariance_type=covariance_type, implementation=implementation, **off,
    )  # fmt: skip
    same(mine, theirs, x, ["means_"])
    # hmmlearn's `covars_` repeats each spherical matrix for each column.
    expected = theirs.covars_[:: x.shape[1]] if covariance_type == "spherical" else theirs.covars_
    np.testing.assert_allclose(dense(mine.params.emissions), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("implementation", ["log", "scaling"])
def test_categorical(implementation):
    rng = np.random.default_rng(2)
    x = np.repeat(rng.integers(4, size=29), 5)[:, None]
    x[rng.random(145) < 0.3] = 3
    start, matrix = start_of_chain(rng)
    values = {"startprob_": start, "transmat_": matrix, "emissionprob_": rng.dirichlet(np.ones(4), size=K)}
    mine, theirs = both("CategoricalHMM", Categorical(4), x, values, implementation=implementation, n_features=4)
    same(mine, theirs, x, ["emissionprob_"])


@pytest.mark.parametrize("implementation", ["log", "scaling"])
def test_poisson(implementation):
    rng = np.random.default_rng(3)
    x = rng.poisson(np.repeat(rng.gamma(2.0, 3.0, size=29), 5))[:, None]
    start, matrix = start_of_chain(rng)
    values = {"startprob_": start, "transmat_": matrix, "lambdas_": np.array([[2.0], [5.0], [9.0]])}
    off = {"lambdas_prior": 0.0, "lambdas_weight": 0.0}
    mine, theirs = both("PoissonHMM", Poisson(), x, values, implementation=implementation, **off)
    same(mine, theirs, x, ["lambdas_"])


def test_dirichlet_priors_mean_the_same():
    """Concentrations: 1 is flat in both."""
    rng = np.random.default_rng(4)
    x = rng.integers(3, size=(145, 1))
    start, matrix = start_of_chain(rng)
    values = {"startprob_": start, "transmat_": matrix, "emissionprob_": rng.dirichlet(np.ones(3), size=K)}
    mine, theirs = both("CategoricalHMM", Categorical(3), x, values, startprob_prior=2.0, transmat_prior=5.0, n_features=3)
    same(mine, theirs, x, ["emissionprob_"])
    assert mine.params.transmat.min() > 0.01


@pytest.mark.parametrize("params", ["", "s", "t", "l", "st", "tl"])
def test_letters_of_params(params):
    """What ``params`` leaves out is not fitted: here it is fixed."""
    rng = np.random.default_rng(5)
    x = rng.poisson(np.repeat(rng.gamma(2.0, 3.0, size=29), 5))[:, None]
    start, matrix = start_of_chain(rng)
    values = {"startprob_": start, "transmat_": matrix, "lambdas_": np.array([[2.0], [5.0], [9.0]])}
    off = {"lambdas_prior": 0.0, "lambdas_weight": 0.0, "params": params}
    letters = {"s": "startprob_", "t": "transmat_", "l": "lambdas_"}
    held = [name for letter, name in letters.items() if letter not in params]
    mine, theirs = both("PoissonHMM", Poisson(), x, values, held, **off)
    same(mine, theirs, x, ["lambdas_"])
    for name in letters.values():
        assert np.allclose(mine.model.shown(mine.params)[OURS[name]], values[name], rtol=1e-15) == (name in held)
