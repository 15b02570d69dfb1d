"""The same start, the same number of updates: hmmlearn 0.3.3 and the faces of HMMs arrive at the same parameters.

hmmlearn's own starting values are not compared (they are random), nor is its stopping rule.
"""

import numpy as np
import pytest

import emkit

peer = pytest.importorskip("hmmlearn.hmm", reason="hmmlearn is needed to compare with it")

UPDATES = 5
LENGTHS = [40, 1, 25, 60, 2, 17]
K = 3


def start_of_chain(rng):
    return rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(K), size=K) * 0.5 + 0.5 * np.eye(K)


def both(name, x, values, ours=None, **settings):
    """Fit both from ``values`` (hmmlearn's attribute names); returns (emkit's, hmmlearn's)."""
    # hmmlearn stops when a gain is under tol, and has to be told not to.
    theirs = getattr(peer, name)(K, n_iter=UPDATES, tol=-np.inf, init_params="", **settings)
    mine = getattr(emkit, name)(K, n_iter=UPDATES, tol=0, init_params="", prior=None, **(settings if ours is None else ours))
    for attribute, value in values.items():
        setattr(theirs, attribute, value.copy())
        setattr(mine, attribute, value.copy())
    theirs.fit(x, LENGTHS)
    mine.fit(x, LENGTHS)
    return mine, theirs


def same(mine, theirs, x, names, rtol=1e-9):
    for name in ("startprob_", "transmat_", *names):
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=rtol, atol=1e-11, err_msg=name)
    assert mine.score(x, LENGTHS) == pytest.approx(theirs.score(x, LENGTHS), rel=1e-10)
    np.testing.assert_allclose(mine.predict_proba(x, LENGTHS), theirs.predict_proba(x, LENGTHS), atol=1e-9)
    assert mine.decode(x, LENGTHS)[0] == pytest.approx(theirs.decode(x, LENGTHS)[0], rel=1e-10)
    np.testing.assert_array_equal(mine.predict(x, LENGTHS), theirs.predict(x, LENGTHS))


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
        "GaussianHMM", x, values, {"covariance_type": covariance_type},
        covariance_type=covariance_type, implementation=implementation, **off,
    )  # fmt: skip
    same(mine, theirs, x, ["means_"])
    # hmmlearn's `covars_` repeats each spherical matrix for each column.
    expected = theirs.covars_[:: x.shape[1]] if covariance_type == "spherical" else theirs.covars_
    np.testing.assert_allclose(mine.covars_, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("implementation", ["log", "scaling"])
def test_categorical(implementation):
    rng = np.random.default_rng(2)
    x = np.repeat(rng.integers(4, size=29), 5)[:, None]
    x[rng.random(145) < 0.3] = 3
    start, matrix = start_of_chain(rng)
    values = {"startprob_": start, "transmat_": matrix, "emissionprob_": rng.dirichlet(np.ones(4), size=K)}
    mine, theirs = both("CategoricalHMM", x, values, implementation=implementation, n_features=4)
    same(mine, theirs, x, ["emissionprob_"])


@pytest.mark.parametrize("implementation", ["log", "scaling"])
def test_poisson(implementation):
    rng = np.random.default_rng(3)
    x = rng.poisson(np.repeat(rng.gamma(2.0, 3.0, size=29), 5))[:, None]
    start, matrix = start_of_chain(rng)
    values = {"startprob_": start, "transmat_": matrix, "lambdas_": np.array([[2.0], [5.0], [9.0]])}
    off = {"lambdas_prior": 0.0, "lambdas_weight": 0.0}
    mine, theirs = both("PoissonHMM", x, values, {}, implementation=implementation, **off)
    same(mine, theirs, x, ["lambdas_"])


def test_dirichlet_priors_mean_the_same():
    """Concentrations: 1 is flat in both."""
    rng = np.random.default_rng(4)
    x = rng.integers(3, size=(145, 1))
    start, matrix = start_of_chain(rng)
    values = {"startprob_": start, "transmat_": matrix, "emissionprob_": rng.dirichlet(np.ones(3), size=K)}
    mine, theirs = both("CategoricalHMM", x, values, startprob_prior=2.0, transmat_prior=5.0, n_features=3)
    same(mine, theirs, x, ["emissionprob_"])
    assert mine.transmat_.min() > 0.01


@pytest.mark.parametrize("params", ["", "s", "t", "l", "st", "tl"])
def test_letters_of_params(params):
    """What ``params`` leaves out is not fitted."""
    rng = np.random.default_rng(5)
    x = rng.poisson(np.repeat(rng.gamma(2.0, 3.0, size=29), 5))[:, None]
    start, matrix = start_of_chain(rng)
    values = {"startprob_": start, "transmat_": matrix, "lambdas_": np.array([[2.0], [5.0], [9.0]])}
    off = {"lambdas_prior": 0.0, "lambdas_weight": 0.0, "params": params}
    mine, theirs = both("PoissonHMM", x, values, {"params": params}, **off)
    same(mine, theirs, x, ["lambdas_"])
    for letter, name in (("s", "startprob_"), ("t", "transmat_"), ("l", "lambdas_")):
        assert np.allclose(getattr(mine, name), values[name], rtol=1e-15) == (letter not in params)


def trials(n_trials, seed=6):
    """Rows of counts over four columns, with start values for both."""
    rng = np.random.default_rng(seed)
    probs = np.repeat(rng.dirichlet(np.ones(4), size=29), 5, axis=0)
    x = np.stack([rng.multinomial(n, p) for n, p in zip(np.broadcast_to(n_trials, 145), probs, strict=True)])
    start, matrix = start_of_chain(rng)
    return x, {"startprob_": start, "transmat_": matrix, "emissionprob_": rng.dirichlet(np.ones(4), size=K)}


VARIED = np.random.default_rng(0).integers(0, 20, 145)  # rows without trials among them


@pytest.mark.parametrize("implementation", ["log", "scaling"])
@pytest.mark.parametrize(("drawn", "given"), [(12, 12), (12, None), (12, np.full(145, 12)), (VARIED, VARIED), (VARIED, None)])
def test_multinomial(drawn, given, implementation):
    """``n_trials`` as a number, an array, or the rows' own sums."""
    x, values = trials(drawn)
    mine, theirs = both("MultinomialHMM", x, values, implementation=implementation, n_trials=given)
    same(mine, theirs, x, ["emissionprob_"])
    assert mine.n_features == theirs.n_features == 4
    assert mine.decode(x, LENGTHS, algorithm="map")[1].tolist() == theirs.decode(x, LENGTHS, algorithm="map")[1].tolist()
    np.testing.assert_allclose(mine.score_samples(x, LENGTHS)[0], theirs.score_samples(x, LENGTHS)[0], rtol=1e-10)
    if np.ndim(drawn) == 0:
        for model in (mine, theirs):
            assert (model.sample(50, random_state=0)[0].sum(axis=1) == 12).all()


@pytest.mark.parametrize("params", ["", "e", "st", "te"])
def test_letters_of_params_of_multinomials(params):
    x, values = trials(9)
    mine, theirs = both("MultinomialHMM", x, values, params=params, startprob_prior=2.0, transmat_prior=3.0)
    same(mine, theirs, x, ["emissionprob_"])
    assert np.allclose(mine.emissionprob_, values["emissionprob_"], rtol=1e-15) == ("e" not in params)


def test_multinomials_set_by_hand():
    """Scores and paths without a fit; what samples need is ``n_trials``."""
    x, values = trials(12)
    mine, theirs = emkit.MultinomialHMM(K, n_trials=12, random_state=0), peer.MultinomialHMM(K, n_trials=12, random_state=0)
    for attribute, value in values.items():
        setattr(theirs, attribute, value)
        setattr(mine, attribute, value)
    same(mine, theirs, x, ["emissionprob_"])
    rows = [model.sample(4000)[0] for model in (mine, theirs)]
    assert all((found.sum(axis=1) == 12).all() for found in rows)
    # A step of the chain is not independent of the last, so the standard error is larger than that of 4000 rows.
    np.testing.assert_allclose(rows[0].mean(axis=0), rows[1].mean(axis=0), atol=0.5)


@pytest.mark.parametrize(
    ("n_trials", "change"),
    [(12, None), (np.full(145, 12), None), (VARIED, None), (11, lambda x: x), (None, lambda x: x - 9), (None, lambda x: x + 0.5)],
)
def test_rows_that_both_refuse(n_trials, change):
    """A sum that is not ``n_trials``, negative counts, fractions."""
    x, _ = trials(VARIED if n_trials is VARIED else 12)
    x = change(x) if change else x + (np.arange(145) == 7)[:, None]
    for library in (emkit, peer):
        with pytest.raises(ValueError, match=r"adds up to|add up to|expected a count|nonnegative integers"):
            library.MultinomialHMM(K, n_trials=n_trials).fit(x, LENGTHS)
