"""What the estimators do with data as people have them, and after a fit."""

import pickle
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from emkit import GMMHMM, HMM, CategoricalHMM, Dirichlet, GaussianHMM, MultinomialHMM, Poisson, PoissonHMM, SequenceSource, load

RNG = np.random.default_rng(11)
LENGTHS = [30, 12, 25, 1]
X = np.repeat([0.0, 4.0, 0.0, 4.0], [20, 22, 15, 11])[:, None] + RNG.normal(size=(68, 2))
PARTS = np.split(X, np.cumsum(LENGTHS)[:-1])
FRAME = pd.DataFrame(X, columns=["u", "v"]).assign(
    who=np.repeat(["d", "a", "c", "b"], LENGTHS), t=np.concatenate([*map(np.arange, LENGTHS)])
)
SHUFFLED = FRAME.sample(frac=1.0, random_state=3)


def same_model(a, b, exactly=True):
    for name in ("startprob_", "transmat_", "means_", "covariances_"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0, atol=0 if exactly else 1e-4, err_msg=name)


@pytest.fixture(scope="module")
def fitted():
    return HMM(2, random_state=0).fit(X, lengths=LENGTHS)


# --- data -----------------------------------------------------------------------------------------------------------------


def test_list_of_arrays(fitted):
    model = HMM(2, random_state=0).fit(PARTS)
    same_model(model, fitted)
    np.testing.assert_array_equal(model.predict_proba(PARTS), fitted.predict_proba(X, LENGTHS))


def test_three_dimensions():
    cube = X[:60].reshape(5, 12, 2)
    same_model(HMM(2, random_state=0).fit(cube), HMM(2, random_state=0).fit(X[:60], lengths=[12] * 5))


@pytest.mark.parametrize("frame", [SHUFFLED, pl.from_pandas(SHUFFLED)], ids=["pandas", "polars"])
def test_shuffled_tables(frame):
    """Rows in any order: steps are put in order for the fit, results come back in the rows' order."""
    model = HMM(2, sequence="who", order="t", random_state=0, tol=1e-8).fit(frame)
    plain = HMM(2, random_state=0, tol=1e-8).fit(X, lengths=LENGTHS)
    np.testing.assert_allclose(model.transmat_, plain.transmat_, atol=1e-4)
    assert model.feature_names_in_.tolist() == ["u", "v"]
    assert model.score(frame) == pytest.approx(plain.score(X, lengths=LENGTHS), abs=1e-5)
    np.testing.assert_allclose(model.predict_proba(frame), plain.predict_proba(X, LENGTHS)[SHUFFLED.index], atol=1e-4)
    np.testing.assert_array_equal(model.predict(frame), plain.predict(X, LENGTHS)[SHUFFLED.index])


def test_gaps_are_missing_steps():
    keep = ~np.isin(np.arange(68), [5, 6, 40])
    holes = X.copy()
    holes[~keep] = np.nan
    model = HMM(2, sequence="who", order="t", gaps="missing", random_state=0, tol=1e-8).fit(FRAME[keep])
    expected = HMM(2, random_state=0, tol=1e-8).fit(holes, lengths=LENGTHS)
    same_model(model, expected, exactly=False)
    np.testing.assert_allclose(model.predict_proba(FRAME[keep]), expected.predict_proba(holes, LENGTHS)[keep], atol=1e-4)
    ignoring = HMM(2, sequence="who", order="t", gaps="ignore", random_state=0, tol=1e-8).fit(FRAME[keep])
    same_model(ignoring, HMM(2, random_state=0, tol=1e-8).fit(X[keep], lengths=[28, 11, 25, 1]), exactly=False)


def test_labels_follow_shuffled_rows():
    states = np.where(np.arange(68) % 3 == 0, (X[:, 0] < 2).astype(int), -1)  # state 1 is the low one
    model = HMM(2, random_state=0, tol=1e-8).fit(X, lengths=LENGTHS, states=states)
    table = HMM(2, sequence="who", order="t", random_state=0, tol=1e-8).fit(SHUFFLED, states=states[SHUFFLED.index])
    assert model.means_[0, 0] > model.means_[1, 0]
    np.testing.assert_allclose(table.means_, model.means_, atol=1e-4)
    known = states >= 0
    np.testing.assert_array_equal(model.predict(X, LENGTHS, states=states)[known], states[known])


@pytest.mark.parametrize("settings", [{}, {"end": True}, {"emission": "poisson"}])
def test_weights_are_repeated_sequences(settings):
    x = np.round(np.abs(X))
    start = {"startprob_init": [0.5, 0.5], "transmat_init": [[0.8, 0.2], [0.2, 0.8]], "tol": 0, "max_iter": 5}
    start |= {"rates_init": [[1.0, 1.0], [4.0, 1.0]]} if "emission" in settings else {"means_init": [[0.0, 1.0], [4.0, 1.0]]}
    start |= {} if "emission" in settings else {"covariances_init": np.ones((2, 2))}
    start |= {"prior": None, **settings}
    weighted = HMM(2, **start).fit(x, lengths=LENGTHS, sample_weight=[2, 0, 1, 3])
    parts = np.split(x, np.cumsum(LENGTHS)[:-1])
    repeated = HMM(2, **start).fit([parts[i] for i in (0, 0, 2, 3, 3, 3)])
    assert weighted.result_.log_likelihood == pytest.approx(repeated.result_.log_likelihood, rel=1e-11)
    np.testing.assert_allclose(weighted.transmat_, repeated.transmat_, rtol=1e-9)
    assert weighted.bic() == pytest.approx(repeated.bic(), rel=1e-11)


# --- parameters ------------------------------------------------------------------------------------------------------------


def test_states_are_numbered_by_their_means(fitted):
    assert fitted.means_[0, 0] < fitted.means_[1, 0]
    other_way = HMM(2, random_state=0, order_by=lambda family, params: -params.means[:, 0]).fit(X, lengths=LENGTHS)
    assert other_way.means_[0, 0] > other_way.means_[1, 0]
    np.testing.assert_array_equal(other_way.transmat_, fitted.transmat_[::-1, ::-1])
    assert other_way.score(X, lengths=LENGTHS) == other_way.result_.log_likelihood


def test_mixtures_begin_where_they_are_told_to():
    """With every value given there is one start, and the trace begins at its likelihood."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 1)) * 4.0
    given = {
        "startprob_init": [0.5, 0.5], "transmat_init": [[0.9, 0.1], [0.1, 0.9]], "weights_init": [[0.5, 0.5], [0.3, 0.7]],
        "means_init": rng.normal(size=(2, 2, 1)) * 4.0, "covariances_init": np.ones((2, 2, 1)),
    }  # fmt: skip
    model = HMM(2, n_mix=2, prior=None, max_iter=2, tol=0, **given).fit(x)
    alone = HMM(2, n_mix=2, prior=None, max_iter=2, tol=0, n_init=1, **given).fit(x)
    assert len(model.result_.starts) == 1
    np.testing.assert_array_equal(model.result_.trace, alone.result_.trace)


def test_far_outliers_leave_posteriors_alone():
    """A first step at 1e8, which the only possible first state all but excludes: every step's posteriors still add up to 1."""
    fixed = {"startprob": [1, 0], "transmat": [[0.9, 0.1], [0.1, 0.9]], "means": [[0.0], [3.0]], "covariances": [[1.0], [4.0]]}
    x = np.concatenate([np.zeros(100), np.full(100, 3.0)])[:, None]
    model = HMM(2, fixed=fixed, prior=None, max_iter=0, tol=0).fit(x)
    for far in (1e4, 1e6, 1e8, 1e9):
        x[0] = far
        gamma = model.predict_proba(x)
        np.testing.assert_allclose(gamma.sum(axis=1), 1.0, rtol=1e-12)
        assert gamma[0, 0] == 1.0 and gamma[150, 1] > 0.9


def test_fixed_values_follow_their_states():
    """What is held for a state is held wherever the state ends up."""
    fixed = {"means": [[-1.0, 0.0], [2.0, 1.0]], "transmat": [[0.9, np.nan], [np.nan, np.nan]]}
    as_given = HMM(2, fixed=fixed, random_state=0).fit(X, lengths=LENGTHS)
    turned = HMM(2, fixed=fixed, random_state=0, order_by=lambda family, params: -params.means[:, 0]).fit(X, lengths=LENGTHS)
    np.testing.assert_array_equal(turned.means_, as_given.means_[::-1])
    model, params = turned.model_, turned.result_.params
    stats, _ = model.e_step(params, next(iter(SequenceSource(X, LENGTHS))))
    again = model.m_step(stats, params)
    np.testing.assert_array_equal(again.emissions.means, params.emissions.means)
    assert again.transmat[1, 1] == 0.9
    assert turned.bic() == pytest.approx(as_given.bic(), rel=1e-12)


def test_priors_follow_their_states():
    """The objective does not change when states are put in order, even if the prior tells them apart."""
    prior = Dirichlet([9.0, 1.0, 2.0])
    x = RNG.poisson(np.repeat([9.0, 2.0, 5.0], 20))[:, None]
    models = [HMM(3, "poisson", startprob_prior=prior, random_state=s).fit(x) for s in range(4)]
    for model in models:
        assert model.result_.log_likelihood + model.result_.log_prior == pytest.approx(model.result_.trace[-1], rel=1e-12)
    assert any(np.diff(m.result_.params.emissions.rates.ravel()).min() > 0 for m in models)


def test_warm_start(fitted):
    model = HMM(2, random_state=0, warm_start=True, max_iter=3, tol=0).fit(X, lengths=LENGTHS)
    first = model.result_.trace
    model.fit(X, lengths=LENGTHS)
    assert model.result_.trace[0] == pytest.approx(first[-1], rel=1e-13)
    assert model.result_.trace[-1] > first[-1]


def test_fixed_mask():
    """Marked entries are held at their starting values; the others share what is left."""
    init = np.array([[0.9, 0.1, 0.0], [0.05, 0.9, 0.05], [0.2, 0.2, 0.6]])
    mask = np.array([[True, False, False], [True, False, False], [False, False, False]])
    model = HMM(3, transmat_init=init, fixed={"transmat": mask}, random_state=0).fit(X, lengths=LENGTHS)
    assert model.transmat_[0].tolist() == pytest.approx([0.9, 0.1, 0.0], abs=1e-15)
    assert model.transmat_[1, 0] == 0.05
    assert model.transmat_[0, 2] == 0.0
    np.testing.assert_allclose(model.transmat_.sum(axis=1), 1.0)


def test_criteria_count_what_is_free():
    """Zeros and fixed entries are not parameters."""
    left_right = {"startprob_init": [1, 0, 0], "transmat_init": [[0.8, 0.2, 0], [0, 0.8, 0.2], [0, 0, 1]]}
    emissions = 3 * 2
    for settings, chain in [
        ({}, 2 + 6),
        (left_right, 0 + 2),
        ({"start": "stationary"}, 6),
        ({"end": True}, 2 + 9),
        ({"fixed": {"startprob": [0.2, 0.3, 0.5]}}, 6),
        ({"fixed": {"transmat": [[0.9, np.nan, np.nan], [np.nan] * 3, [0.1, 0.2, 0.7]]}}, 2 + 1 + 2),
    ]:
        model = HMM(3, "poisson", random_state=0, n_init=1, max_iter=2, tol=0, **settings).fit(np.round(np.abs(X)), lengths=LENGTHS)
        free = chain + emissions
        assert model.aic() == pytest.approx(-2 * model.result_.log_likelihood + 2 * free)
        assert model.bic() == pytest.approx(-2 * model.result_.log_likelihood + free * np.log(68))
    fixed = HMM(2, "poisson", fixed={"rates": [[1.0, 1.0], [4.0, 1.0]]}).fit(np.round(np.abs(X)), lengths=LENGTHS)
    assert fixed.aic() == pytest.approx(-2 * fixed.result_.log_likelihood + 2 * 3)
    tied = HMM(3, Poisson(), tie=[0, 1, 0], random_state=0, n_init=1, max_iter=2, tol=0).fit(np.round(np.abs(X)), lengths=LENGTHS)
    assert tied.aic() == pytest.approx(-2 * tied.result_.log_likelihood + 2 * (8 + 4))


def test_tied_states_share_their_emissions():
    model = HMM(3, tie=[0, 1, 0], random_state=0).fit(X, lengths=LENGTHS)
    np.testing.assert_array_equal(model.means_[0], model.means_[2])
    assert model.means_.shape == (3, 2) and abs(model.means_[0, 0] - model.means_[1, 0]) > 2


def test_sticky_prior():
    """Pseudo-counts on the diagonal: more of them, longer stays; the objective counts them."""
    start = {"startprob_init": [0.5, 0.5], "transmat_init": [[0.6, 0.4], [0.4, 0.6]], "means_init": [[0.0, 0.0], [4.0, 0.0]]}
    start |= {"covariances_init": np.ones((2, 2))}
    stays = []
    for sticky in (0.0, 5.0, 100.0):
        model = HMM(2, sticky=sticky, **start).fit(X, lengths=LENGTHS)
        stays.append(np.diag(model.transmat_).min())
        own = sticky * np.log(np.diag(model.transmat_)).sum()
        emissions = model.model_.family.log_prior(model.result_.params.emissions)
        assert model.result_.log_prior == pytest.approx(own + emissions, rel=1e-11)
    assert stays[0] < stays[1] < stays[2]


# --- files, copies, hmmlearn's scripts ----------------------------------------------------------------------------------------

SYMBOLS = RNG.integers(3, size=(68, 1))
TRIALS = np.hstack([SYMBOLS, 2 - SYMBOLS])
FACES = {
    "HMM": (HMM(2, random_state=0, end=True, transmat_prior=Dirichlet([2.0, 2.0, 1.0])), X),
    "HMM table": (HMM(2, random_state=0, sequence="who", order="t", sticky=1.0), FRAME),
    "HMM tied": (HMM(3, tie=[0, 1, 0], random_state=0, n_init=2), X),
    "HMM stationary": (HMM(2, "poisson", start="stationary", random_state=0, n_init=2, tol=0.5), SYMBOLS),
    "HMM bernoulli": (HMM(2, "bernoulli", random_state=0), SYMBOLS > 1),
    "GaussianHMM": (GaussianHMM(2, "full", random_state=0, n_init=2), X),
    "GaussianHMM tied": (GaussianHMM(2, "tied", random_state=0, n_init=2), X),
    "CategoricalHMM": (CategoricalHMM(2, random_state=0, n_features=4, n_init=2, tol=0.5), SYMBOLS),
    "PoissonHMM": (PoissonHMM(2, random_state=0, n_init=2, tol=0.5), SYMBOLS),
    "MultinomialHMM": (MultinomialHMM(2, 2, random_state=0, n_init=2, tol=0.5), TRIALS),
    "MultinomialHMM rows": (MultinomialHMM(2, TRIALS.sum(axis=1) + SYMBOLS[:, 0], n_init=2, tol=0.5), np.hstack([TRIALS, SYMBOLS])),
    "GMMHMM": (GMMHMM(2, 2, random_state=0, n_init=2), X),
}


@cache
def fit_face(which):
    face, data = FACES[which]
    given = {"X": data} if which == "HMM table" else {"X": data, "lengths": LENGTHS}
    return clone(face).fit(**given), given


@pytest.mark.parametrize("which", FACES)
def test_files_copies_and_pickles(which, tmp_path):
    """Read back, a model gives the same bits."""
    model, given = fit_face(which)
    model.save(tmp_path / "model.safetensors")
    for back in (load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert type(back) is type(model)
        assert back.score(**given) == model.score(**given)
        np.testing.assert_array_equal(back.predict_proba(**given), model.predict_proba(**given))
        np.testing.assert_array_equal(back.predict(**given), model.predict(**given))
        assert back.bic() == model.bic()
    assert model.score(**given) == model.result_.log_likelihood
    fresh = clone(model)
    assert not hasattr(fresh, "transmat_")
    assert repr(fresh.get_params()) == repr(model.get_params())


@pytest.mark.parametrize("which", FACES)
def test_fitting_leaves_the_settings_alone(which):
    face, _ = FACES[which]
    before = {name: repr(value) for name, value in face.get_params().items()}
    model, _ = fit_face(which)
    assert {name: repr(value) for name, value in model.get_params().items()} == before


def test_set_by_hand_and_never_fitted():
    """hmmlearn's tutorial: a model from known parameters, sampled and decoded."""
    model = GaussianHMM(3, covariance_type="full", random_state=1)
    model.startprob_ = np.array([0.6, 0.3, 0.1])
    model.transmat_ = np.array([[0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.3, 0.3, 0.4]])
    model.means_ = np.array([[0.0, 0.0], [3.0, -3.0], [5.0, 10.0]])
    model.covars_ = np.tile(np.identity(2), (3, 1, 1))
    x, states = model.sample(300)
    assert x.shape == (300, 2) and (model.predict(x) == states).mean() > 0.9
    assert np.isfinite(model.score(x))
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1.0)
    np.testing.assert_allclose(model.get_stationary_distribution() @ model.transmat_, model.get_stationary_distribution())


def test_init_params_letters():
    """A letter left out of ``init_params``: the attribute set by hand is where the fit starts."""
    model = PoissonHMM(2, init_params="s", n_iter=0, tol=0)
    model.transmat_ = np.array([[0.5, 0.5], [0.25, 0.75]])
    model.lambdas_ = np.array([[0.5], [1.5]])
    model.fit(SYMBOLS, lengths=LENGTHS)
    np.testing.assert_array_equal(model.transmat_, [[0.5, 0.5], [0.25, 0.75]])
    np.testing.assert_array_equal(model.lambdas_, [[0.5], [1.5]])
    assert model.monitor_.iter == 0 and len(model.monitor_.history) == 1


def test_changed_after_the_fit():
    """Attributes assigned to after a fit are what predictions use."""
    model = PoissonHMM(2, random_state=0, n_init=1).fit(SYMBOLS, lengths=LENGTHS)
    before = model.score(SYMBOLS, lengths=LENGTHS)
    model.transmat_ = np.array([[0.5, 0.5], [0.5, 0.5]])
    model.lambdas_ = np.array([[1.0], [1.0]])
    single = HMM(1, "poisson", fixed={"rates": [[1.0]]}).fit(SYMBOLS, lengths=LENGTHS)
    assert model.score(SYMBOLS, lengths=LENGTHS) == pytest.approx(single.score(SYMBOLS, lengths=LENGTHS)) != before
