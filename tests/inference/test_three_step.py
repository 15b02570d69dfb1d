"""Three-step analyses: unbiased where the naive one is not; against optimisers, weights and the likelihood written out."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from emkit import DataError, LatentClass, ParameterError
from emkit.inference.class_regression import Assigned, regress
from emkit.inference.three_step import three_step


@pytest.fixture(scope="module")
def simulated():
    """The problem of the benchmark: data, and the model of its answers."""
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parents[2]))
    try:
        from benchmarks import three_step as problem
    finally:
        del sys.path[0]
    return problem


@pytest.fixture(scope="module")
def case(simulated):
    data = simulated.draw(0)
    return {**data, "model": simulated.fitted(data["answers"])}


def test_corrections_are_unbiased_where_the_naive_estimates_are_not(simulated):
    """15 data sets here; ``python -m benchmarks latent_class --only three-step`` takes 200."""
    ways = ((None, "modal"), ("BCH", "modal"), ("ML", "modal"), ("ML", "proportional"))
    found = [simulated.estimates(seed, ways) for seed in range(15)]
    for way in ways:
        off = np.array([one[way][0] for one in found]) - simulated.TRUTH
        z = off.mean(axis=0) / (off.std(axis=0, ddof=1) / np.sqrt(len(found)))
        weakened = [0, 1, 2, 4, 5, 7]  # slopes, and the outer classes' means and shares
        if way[0] is None:
            assert (np.abs(z[weakened]) > 6).all()
        else:
            assert (np.abs(z) < 4.2).all()  # t with 14 degrees of freedom: once in a thousand


@pytest.mark.parametrize("assignment", ["modal", "proportional"])
def test_ml_maximises_the_likelihood_with_known_errors(case, assignment):
    data, w = case, np.random.default_rng(1).uniform(0.5, 1.5, 2000)
    found = case["model"].three_step(data["answers"], covariates=data["z"], assignment=assignment, sample_weight=w)
    p = case["model"].predict_proba(data["answers"])
    shares = p if assignment == "proportional" else np.eye(3)[p.argmax(axis=1)]
    errors = found.errors
    design = np.column_stack([np.ones(2000), data["z"]])

    def loss(theta):
        eta = np.column_stack([np.zeros(2000), design @ theta.reshape(2, 2).T])
        prior = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
        return -(w[:, None] * shares * np.log(prior @ errors)).sum()

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-3})
    assert loss(found.effects.coefficients.ravel()) <= best.fun + 1e-6
    np.testing.assert_allclose(found.effects.coefficients.ravel(), best.x, atol=1e-3)


def test_without_errors_it_is_logistic_regression(case):
    z = np.column_stack([case["z"], np.random.default_rng(9).normal(5, 100, 2000)])
    label = case["model"].predict(case["answers"])
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(z / [1, 100], label)
    right = (theirs.coef_[1:] - theirs.coef_[0]) / [1, 100]
    one = np.eye(3)[label]
    for assigned in (Assigned(one, None, one, np.ones(2000)), Assigned(one, np.eye(3), None, np.ones(2000))):
        found = regress(assigned, z, ("a", "b"), 0)
        np.testing.assert_allclose(found.coefficients[:, 1:], right, rtol=2e-3, atol=1e-6)


def test_bch_weights_undo_the_errors(case):
    """Expected over the errors, a row counts where it belongs."""
    found = case["model"].three_step(case["answers"], outcome=case["outcome"], correction="BCH")
    weights = np.linalg.inv(found.errors)
    np.testing.assert_allclose(found.errors @ weights, np.eye(3), atol=1e-12)
    label = case["model"].predict(case["answers"])
    pulls = weights[label]
    right = (pulls * case["outcome"][:, None]).sum(axis=0) / pulls.sum(axis=0)
    np.testing.assert_allclose(found.outcome.estimates, right, atol=1e-12)
    naive = case["model"].three_step(case["answers"], outcome=case["outcome"], correction=None).outcome
    np.testing.assert_allclose(naive.estimates, [case["outcome"][label == k].mean() for k in range(3)], atol=1e-12)
    np.testing.assert_allclose(
        naive.standard_errors, [case["outcome"][label == k].std() / np.sqrt((label == k).sum()) for k in range(3)], rtol=1e-10
    )


def test_ml_outcomes_maximise_their_likelihood(case):
    found = case["model"].three_step(case["answers"], outcome=case["bought"])
    label = case["model"].predict(case["answers"])

    def loss(theta):
        size = np.exp(np.append(0.0, theta[:2])) / np.exp(np.append(0.0, theta[:2])).sum()
        p = 1 / (1 + np.exp(-theta[2:]))
        return -np.log((size * found.errors[:, label].T * np.where(case["bought"][:, None], p, 1 - p)).sum(axis=1)).sum()

    best = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-3})
    np.testing.assert_allclose(found.outcome.estimates[:, 1], 1 / (1 + np.exp(-best.x[2:])), atol=1e-3)
    np.testing.assert_allclose(found.outcome.estimates.sum(axis=1), 1.0)
    assert found.outcome.levels == (False, True) and found.outcome.test.df == 2 and found.outcome.test.p < 1e-6


@pytest.mark.parametrize("correction", [None, "BCH", "ML"])
def test_weight_two_is_the_row_twice(case, correction):
    model, rows = case["model"], np.arange(500)
    w = np.random.default_rng(3).integers(1, 3, 500)
    twice = np.repeat(rows, w)
    how = {"correction": correction, "assignment": "modal"}
    data = {name: case[name] for name in ("answers", "z", "outcome")}
    a = model.three_step(data["answers"][rows], covariates=data["z"][rows], outcome=data["outcome"][rows], sample_weight=w, **how)
    b = model.three_step(data["answers"][twice], covariates=data["z"][twice], outcome=data["outcome"][twice], **how)
    np.testing.assert_allclose(a.effects.coefficients, b.effects.coefficients, atol=1e-5)
    np.testing.assert_allclose(a.effects.standard_errors, b.effects.standard_errors, rtol=1e-4)
    np.testing.assert_allclose(a.outcome.estimates, b.outcome.estimates, atol=1e-4)
    np.testing.assert_allclose(a.outcome.standard_errors, b.outcome.standard_errors, rtol=1e-3)


def test_tables_texts_and_missing_values(case):
    model, answers = case["model"], case["answers"]
    town = np.array(["a", "b", "c"])[np.random.default_rng(0).integers(3, size=2000)]
    z = case["z"].copy()
    z[:7] = np.nan
    frame = pd.DataFrame({"age": z, "town": town})
    with pytest.warns(UserWarning, match="7 of 2000 rows lack covariates"):
        found = model.three_step(answers, covariates=frame)
    assert found.effects.names == ("intercept", "age", "town=b", "town=c") and found.effects.n_left_out == 7
    with pytest.warns(UserWarning, match="7 of 2000"):
        again = model.three_step(answers, covariates=pl.from_pandas(frame))
    np.testing.assert_array_equal(again.effects.coefficients, found.effects.coefficients)
    text = str(found)
    assert "three-step, modal assignment, ML correction" in text and "town=c: Wald" in text and "7 rows without" in text
    by_town = model.three_step(answers, outcome=pd.Series(town), correction="BCH")
    assert by_town.outcome.levels == ("a", "b", "c") and by_town.outcome.estimates.shape == (3, 3)
    assert by_town.outcome.test.df == 4 and by_town.outcome.test.p > 1e-3
    np.testing.assert_allclose(by_town.outcome.estimates.sum(axis=1), 1.0)
    assert "probabilities, standard errors in brackets" in str(by_town)


def test_what_is_refused(case):
    model, x, z = case["model"], case["answers"], case["z"]
    for settings, error, says in (
        ({}, ParameterError, "give covariates"),
        ({"covariates": z, "correction": "bch"}, ParameterError, "correction='bch'"),
        ({"covariates": z, "assignment": "soft"}, ParameterError, "assignment='soft'"),
        ({"covariates": z[:5]}, DataError, "5 rows"),
        ({"outcome": z[:5]}, DataError, "5 entries"),
        ({"covariates": np.ones(2000)}, DataError, "constant"),
        ({"covariates": np.column_stack([z, 2 * z + 1])}, DataError, "collinear"),
        ({"outcome": np.full(2000, np.nan)}, DataError, "no row has"),
        ({"outcome": np.column_stack([z, z])}, DataError, "shape"),
    ):
        with pytest.raises(error, match=says):
            model.three_step(x, **settings)
    with pytest.raises(ParameterError, match="single class"):
        LatentClass(1).fit(x).three_step(x, covariates=z)
    nobody = np.tile([0.7, 0.3], (50, 1))
    with pytest.raises(ParameterError, match="no row is put into class 1"):
        three_step(nobody, np.ones(50), z[:50], None, "ML", "modal")
    with pytest.raises(ParameterError, match="cannot be told apart"):
        three_step(nobody, np.ones(50), z[:50], None, "BCH", "proportional")


def test_separation_is_said(case):
    label = case["model"].predict(case["answers"])
    with pytest.warns(UserWarning, match="separates classes"):
        case["model"].three_step(case["answers"], covariates=(label == 2).astype(float), correction=None)
