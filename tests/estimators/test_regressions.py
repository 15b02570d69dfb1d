"""MixtureOfRegressions: published optima, concomitant columns, groups, offsets and trials, files, and what bad input gets."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from sklearn.utils.estimator_checks import parametrize_with_checks

import emkit
from emkit import DataError, MixtureOfRegressions, ParameterError
from support.datasets import FOLDER, co2, npreg

REFERENCES = json.loads((FOLDER / "regressions.json").read_text())
FREE = {"ridge": 0.0, "prior": None, "class_ridge": 0.0, "random_state": 0}
EXPECTED = {"check_regressors_no_decision_function": "predict_proba gives the probabilities of the classes"}


@parametrize_with_checks([MixtureOfRegressions(1)], expected_failed_checks=lambda _: EXPECTED)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


# --- published numbers -----------------------------------------------------------------------------------------------


def test_npreg_has_a_larger_likelihood_than_flexmix_prints():
    x, curves, counts = npreg()[:, :3].T
    inputs = np.column_stack([x, x**2])
    model = MixtureOfRegressions(2, ridge=0.0, prior=None, random_state=0).fit(inputs, curves)
    assert model.result_.log_likelihood >= -642.532014 - 1e-4
    order = np.argsort(model.intercept_)
    assert_allclose(model.intercept_[order], [-0.208569, 14.712914], atol=1e-2)
    assert_allclose(model.coef_[order], [[4.814488, 0.036538], [9.848439, -0.968528]], atol=1e-2)
    assert_allclose(model.sigma_[order], [3.444404, 3.450931], atol=1e-2)
    rates = MixtureOfRegressions(2, response="poisson", **FREE).fit(x[:, None], counts)
    assert rates.result_.log_likelihood >= -440.640294320 - 1e-4
    assert_allclose(rates.weights_[np.argmin(rates.intercept_)], 0.461873, atol=1e-2)
    assert not hasattr(rates, "sigma_")


def test_the_economy_and_its_gas():
    gnp, gas = co2().T
    model = MixtureOfRegressions(2, n_init=40, **FREE).fit(gnp[:, None], gas)
    assert model.result_.log_likelihood >= -66.9397677928 - 1e-3


@pytest.mark.parametrize("kind", ["gaussian", "poisson", "binomial"])
@pytest.mark.parametrize("what", ["plain", "concomitant u"])
def test_optima_of_the_reference(kind, what):
    given = REFERENCES[f"mixture_of_regressions_{kind}"]
    frame = pd.DataFrame({"x": given["x"], "u": given["u"]})
    settings = {"response": kind, "shared_variance": kind == "gaussian", "on": "x", "tol": 1e-7, **FREE}
    if kind == "binomial":
        frame["tried"], settings["trials"] = given["trials"], "tried"
    if what != "plain":
        settings["concomitant"] = "u"
    else:
        frame = frame.drop(columns="u")
    model = MixtureOfRegressions(2, **settings).fit(frame, given["y"])
    optimum = given["optima"][what]
    assert model.result_.log_likelihood == pytest.approx(optimum["log_likelihood"], abs=1e-6)
    assert model.result_.n_free == optimum["free_parameters"]
    lines = np.column_stack([model.intercept_, model.coef_])
    order = np.argsort(np.abs(lines - optimum["coefficients"][0]).sum(axis=1))
    assert_allclose(lines[order], optimum["coefficients"], atol=2e-3)
    if what != "plain":
        odds = np.subtract(*model.class_coefficients_[order][:, 0])
        assert odds == pytest.approx(optimum["class_logit"][1], abs=5e-3)
        assert "log class weights" in model.summary() and " u" in model.summary()


# --- concomitant columns, groups, offsets ----------------------------------------------------------------------------


def people(seed=0, n=80, each=6):
    """People of two kinds, six rows each; how often each kind is depends on age."""
    rng = np.random.default_rng(seed)
    age = rng.normal(size=n)
    kind = (rng.random(n) < 1.0 / (1.0 + np.exp(-1.5 * age))).astype(int)
    who = np.repeat(np.arange(n), each)
    x = rng.normal(size=n * each)
    y = np.where(kind[who] == 0, 1.0 + x, -1.0 - x) + rng.normal(size=n * each)
    frame = pd.DataFrame({"who": [f"p{i}" for i in who], "x": x, "age": age[who]})
    order = rng.permutation(n * each)
    return frame.iloc[order].reset_index(drop=True), y[order], kind[who][order]


def test_rows_of_a_group_share_their_class():
    frame, y, kind = people()
    model = MixtureOfRegressions(2, groups="who", concomitant="age", random_state=0).fit(frame, y)
    p = model.predict_proba(frame, y)
    assert_allclose(pd.DataFrame(p).groupby(frame["who"]).std().max(), 0.0, atol=1e-12)
    truth = np.argmin(np.abs(model.intercept_ - 1.0)) == 0
    right = np.mean((p.argmax(axis=1) == 0) == ((kind == 0) == truth))
    alone = MixtureOfRegressions(2, concomitant="age", on="x", random_state=0).fit(frame.drop(columns="who"), y)
    assert right > 0.97 > 0.95 > np.mean((alone.predict_proba(frame.drop(columns="who"), y)[:, 0] > 0.5) == (kind == 0))
    first = np.argmax(model.intercept_)
    assert model.class_coefficients_[first, 0] < -0.4  # the older, the rarer
    assert_allclose(model.predict_proba(frame).sum(axis=1), 1.0)
    more = frame.assign(who=frame["who"] + " of another town")
    assert_allclose(model.predict_proba(more, y), p)
    by_array = MixtureOfRegressions(2, random_state=0).fit(
        frame[["x"]], y, groups=frame["who"].to_numpy(), concomitant=frame[["age"]]
    )  # fmt: skip
    assert_allclose(by_array.coef_, model.coef_, rtol=1e-6)
    given = {"groups": frame["who"], "concomitant": frame[["age"]]}
    assert_allclose(by_array.predict_proba(frame[["x"]], y, **given), p, atol=1e-6)
    assert_allclose(by_array.predict(frame[["x"]], concomitant=frame[["age"]]), model.predict(frame), rtol=1e-6)


def test_predictions_are_weighted_by_how_probable_classes_are():
    frame, y, _ = people(1)
    model = MixtureOfRegressions(2, concomitant="age", on="x", random_state=0).fit(frame[["x", "age"]], y)
    new = pd.DataFrame({"x": [0.5, -1.0], "age": [-1.0, 2.0]})
    each = model.intercept_ + new[["x"]].to_numpy() @ model.coef_.T
    logits = model.class_intercepts_ + new[["age"]].to_numpy() @ model.class_coefficients_.T
    weights = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_allclose(model.predict_each(new), each, rtol=1e-10)
    assert_allclose(model.predict_proba(new), weights, rtol=1e-10)
    assert_allclose(model.predict(new), (weights * each).sum(axis=1), rtol=1e-10)
    found = model.predict_dist(new)
    assert_allclose(found.mean, model.predict(new))
    assert_allclose(found.variance, (weights * (model.sigma_**2 + each**2)).sum(axis=1) - found.mean**2)


def test_offsets_and_weights():
    rng = np.random.default_rng(2)
    x, time, kind = rng.normal(size=(300, 1)), rng.uniform(1, 20, 300), rng.integers(2, size=300)
    y = rng.poisson(time * np.exp(np.where(kind == 0, 0.2 + 0.5 * x[:, 0], -1.0 - 0.5 * x[:, 0])))
    model = MixtureOfRegressions(2, response="poisson", random_state=0).fit(x, y, offset=np.log(time))
    assert_allclose(np.sort(model.coef_.ravel()), [-0.5, 0.5], atol=0.12)
    assert_allclose(
        model.predict_each(x[:2], offset=np.log([3.0, 5.0])),
        np.array([[3.0], [5.0]]) * np.exp(model.intercept_ + x[:2] @ model.coef_.T),
    )
    weights = rng.integers(1, 4, 300)
    a = MixtureOfRegressions(2, response="poisson", tol=1e-9, **{"init": model.parameters()}).fit(
        x, y, weights, offset=np.log(time)
    )  # fmt: skip
    twice = np.repeat(np.arange(300), weights)
    b = MixtureOfRegressions(2, response="poisson", tol=1e-9, **{"init": model.parameters()}).fit(
        x[twice], y[twice], offset=np.log(time[twice])
    )  # fmt: skip
    assert_allclose(a.coef_, b.coef_, atol=1e-5)
    with pytest.raises(ParameterError, match="the fit was given offset; give the same here"):
        model.predict(x)


def test_a_group_that_counts_twice_is_there_twice():
    frame, y, _ = people(3, 40)
    start = MixtureOfRegressions(2, groups="who", on="x", random_state=0).fit(frame, y)
    assert start.summary().startswith("Mixture of 2 gaussian regressions, ") and "given" not in start.summary()
    settings = {"groups": "who", "on": "x", "init": start.parameters(), "tol": 1e-9}
    weights = np.where(frame["who"].isin([f"p{i}" for i in range(10)]), 2.0, 1.0)
    a = MixtureOfRegressions(2, **settings).fit(frame, y, weights)
    again = frame[weights > 1].assign(who=lambda t: t["who"] + "'")
    b = MixtureOfRegressions(2, **settings).fit(pd.concat([frame, again]), np.concatenate([y, y[weights > 1]]))
    assert_allclose(a.coef_, b.coef_, atol=1e-5)
    weights[frame.index[frame["who"] == "p0"][0]] = 3.0
    with pytest.raises(DataError, match="sample_weight differs within a group"):
        MixtureOfRegressions(2, **settings).fit(frame, y, weights)


def test_perfect_separation_leaves_slopes_finite():
    x = np.linspace(-2, 2, 60)[:, None]
    model = MixtureOfRegressions(2, response="bernoulli", n_init=2, random_state=0).fit(x, x[:, 0] > 0.1)
    assert np.abs(model.coef_).max() < 1e3 and np.isfinite(model.predict(x)).all()
    tried = MixtureOfRegressions(1, response="binomial").fit(x, 5.0 * (x[:, 0] > 0.1), trials=np.full(60, 5))
    assert 1.0 < tried.coef_[0, 0] < 1e3


# --- files, tables, bad input ----------------------------------------------------------------------------------------


def test_saved_and_loaded(tmp_path):
    frame, y, _ = people(4, 40)
    for settings, given in (
        ({"groups": "who", "concomitant": "age"}, {}),
        ({"on": "x", "groups": "who"}, {"concomitant": frame["age"]}),
    ):
        model = MixtureOfRegressions(2, n_init=2, random_state=0, **settings).fit(frame, y, **given)
        model.save(tmp_path / "model.safetensors")
        again = emkit.load(tmp_path / "model.safetensors")
        assert np.array_equal(again.predict_proba(frame, y, **given), model.predict_proba(frame, y, **given))
        assert np.array_equal(again.predict(frame, **given), model.predict(frame, **given))
        assert again.summary() == model.summary() and list(again.feature_names_in_) == list(frame.columns)


def test_tables_of_other_kinds():
    frame, y, _ = people(5, 20)
    settings = {"groups": "who", "concomitant": "age", "n_init": 1, "random_state": 0}
    model = MixtureOfRegressions(2, **settings).fit(frame, y)
    for table in (pl.DataFrame(frame.to_dict("list")), pa.table(frame.to_dict("list"))):
        assert_allclose(MixtureOfRegressions(2, **settings).fit(table, y).predict_proba(table, y), model.predict_proba(frame, y))
    array = frame.to_numpy()
    numbered = MixtureOfRegressions(2, groups=0, concomitant=2, n_init=1, random_state=0).fit(array, y)
    assert_allclose(numbered.predict(array), model.predict(frame))


def test_bad_input_is_named():
    frame, y, _ = people(6, 20)
    plain = frame[["x", "age"]]
    with pytest.raises(ParameterError, match="concomitant='height' is no column of X"):
        MixtureOfRegressions(2, concomitant="height").fit(plain, y)
    with pytest.raises(ParameterError, match="groups='town' is no column of X"):
        MixtureOfRegressions(2, groups="town").fit(frame, y)
    with pytest.raises(ParameterError, match="response='cubic'"):
        MixtureOfRegressions(2, response="cubic").fit(plain, y)
    with pytest.raises(ParameterError, match="a binomial response needs trials"):
        MixtureOfRegressions(2, response="binomial").fit(plain, y > 0)
    with pytest.raises(ParameterError, match="groups is a column of X by the setting, and given too"):
        MixtureOfRegressions(2, groups="who").fit(frame, y, groups=frame["who"])
    with pytest.raises(DataError, match="'age' differs within a group"):
        MixtureOfRegressions(2, groups="who", concomitant="age").fit(frame.assign(age=np.arange(len(frame))), y)
    holes = plain.copy()
    holes.loc[4, "x"] = np.nan
    with pytest.raises(DataError, match=r"column 'x' row 4 is missing \(NaN\)") as caught:
        MixtureOfRegressions(2).fit(holes, y)
    assert caught.value.row == 4 and caught.value.column == "x"
    bad = y.copy()
    bad[3] = np.nan
    with pytest.raises(DataError, match=r"target y is missing \(NaN\) in row 3"):
        MixtureOfRegressions(2).fit(plain, bad)
    with pytest.raises(DataError, match=r"'y' row .* expected a count"):
        MixtureOfRegressions(2, response="poisson").fit(plain, y)
    with pytest.raises(DataError, match="the target y is 2 in all rows"):
        MixtureOfRegressions(2).fit(plain, np.full(len(plain), 2.0))
    with pytest.raises(DataError, match="X has 3 rows and offset has 2"):
        MixtureOfRegressions(2).fit(plain.iloc[:3], y[:3], offset=[0.0, 1.0])
    with pytest.raises(DataError, match="groups: row 1 has none"):
        MixtureOfRegressions(2).fit(plain.iloc[:3], y[:3], groups=["a", None, "b"])
    model = MixtureOfRegressions(2, n_init=1, random_state=0).fit(plain, y)
    with pytest.raises(DataError, match="'x' row 4 is missing"):
        model.predict(holes)
    with pytest.raises(ParameterError, match="the fit was given nothing beside X"):
        model.predict(plain, offset=np.zeros(len(plain)))
    counts = MixtureOfRegressions(1, response="poisson").fit(plain, np.arange(len(plain)))
    with pytest.raises(ParameterError, match="predict_dist is of gaussian responses"):
        counts.predict_dist(plain)
