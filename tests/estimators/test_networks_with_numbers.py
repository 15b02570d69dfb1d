"""``BayesianNetwork`` over columns of states and of numbers, as users meet it."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import emkit
from emkit import BayesianNetwork, DataError, NormalInverseGamma, ParameterError


@pytest.fixture(scope="module")
def rows():
    """Doses that depend on the kind, responses that depend on doses and on smoking; holes everywhere."""
    rng = np.random.default_rng(0)
    n = 1500
    smoke, kind = rng.random(n) < 0.3, np.where(rng.random(n) < 0.4, "a", "b")
    dose = rng.normal(10, 2, n) + 3 * (kind == "a")
    response = np.where(smoke, 2.0, -1.0) * dose + 5 + rng.normal(0, 1.5, n)
    frame = pd.DataFrame({"smoke": smoke.astype(object), "kind": kind, "dose": dose, "response": response})
    for name in frame:
        frame.loc[rng.random(n) < 0.2, name] = None if name in ("kind", "smoke") else np.nan
    return frame


@pytest.fixture(scope="module")
def net(rows):
    return BayesianNetwork("kind->dose, smoke->response, dose->response", random_state=0).fit(rows)


def test_columns_with_fractions_are_numbers_and_the_truth_is_found(net):
    assert net.converged_
    assert [net.structure_.graph.names[node] for node in net.structure_.gaussian] == ["dose", "response"]
    np.testing.assert_allclose(net.dose_intercept_, [13, 10], atol=0.2)
    np.testing.assert_allclose(net.response_coefficients_.ravel(), [-1, 2], atol=0.06)
    np.testing.assert_allclose(np.sqrt(net.response_variance_), 1.5, atol=0.15)
    assert net.result_.n_free == 2 * 1 + 2 * 2 + 2 * 3
    said = net.summary()
    assert "2 of them Gaussian" in said and "dose given kind: a number" in said and "weak prior of variances" in said
    assert list(net.cpd("response").columns) == ["intercept", "dose", "variance"]
    assert net.cpd("response").index.names == ["smoke"] and net.cpd("kind").shape == (1, 2)


def test_answers(net, rows):
    found = net.query("response", {"dose": 12.0})
    assert found.weights == pytest.approx(net.smoke_)
    slopes = net.response_coefficients_.ravel()
    assert found.mean == pytest.approx(net.smoke_ @ (net.response_intercept_ + 12 * slopes))
    assert found.cdf(np.array([-100.0, 100.0])) == pytest.approx([0.0, 1.0])
    assert found.sd > 0 and "2 cases" in str(found)
    np.testing.assert_allclose(net.query("smoke", {"dose": 12.0, "response": -6})[True], 0.0, atol=1e-12)
    assert net.query("dose", {"dose": 7.5}).mean == pytest.approx(7.5)
    best, log_density = net.most_probable({"response": 20})
    assert best["smoke"] is True and best["response"] == 20.0 and np.isfinite(log_density)
    drawn, hidden = net.sample(4000, {"response": 20})
    assert (drawn[:, 3] == 20.0).all() and drawn.shape == (4000, 4) and hidden.shape == (4000, 0)
    dose = net.query("dose", {"response": 20})
    assert drawn[:, 2].astype(float).mean() == pytest.approx(dose.mean, abs=5 * dose.sd / np.sqrt(4000))
    p = net.predict_proba(rows.head(3))
    assert set(p) == {"smoke", "kind"} and p["kind"].shape == (3, 2)
    whole = net.predict(rows)
    seen = rows["dose"].notna()
    np.testing.assert_array_equal(whole[seen, 2].astype(float), rows["dose"][seen])
    guess = net.predict(rows.head(5), "response")
    assert guess.dtype == np.float64 and np.isfinite(guess).all()
    table = net.table(rows)
    assert {"dose (predicted)", "sd(dose)", "kind (predicted)", "p(kind)"} <= set(table)
    assert (table["sd(dose)"][rows["dose"].notna()] == 0).all() and (table["sd(dose)"][rows["dose"].isna()] > 0).all()


def test_setting_a_number_from_outside_cuts_it_off_its_parents(net):
    done = net.do({"dose": 12.0})
    known = net.query("response", {"dose": 12.0, "kind": "a"})
    assert done.query("response").mean == pytest.approx(known.mean) and done.query("response").sd == pytest.approx(known.sd)
    assert done.query("kind", {"response": 20})["a"] == pytest.approx(net.kind_[0])
    assert net.do({"smoke": True}).query("response").mean == pytest.approx(net.query("response", {"smoke": True}).mean)


def test_holes_are_filled_with_numbers_and_states(net, rows):
    filled = net.impute(rows)
    assert filled.notna().all().all() and list(filled.columns) == list(rows.columns)
    seen = rows["dose"].notna()
    np.testing.assert_array_equal(filled["dose"][seen], rows["dose"][seen])
    one, two = net.impute(rows, n_draws=2)
    assert (one["dose"] != two["dose"]).sum() == (~seen).sum()
    spread = one["dose"][~seen] - net.table(rows)["dose (predicted)"][~seen]
    assert spread.std() == pytest.approx(net.table(rows)["sd(dose)"][~seen].mean(), rel=0.15)


def test_polars_arrays_and_files_say_the_same(net, rows, tmp_path):
    numbers = rows.assign(smoke=rows["smoke"].astype(float), kind=rows["kind"].map({"a": 0.0, "b": 1.0}))
    frames = (numbers, pl.from_pandas(numbers), numbers.to_numpy().astype(float))
    edges = ("kind->dose, smoke->response, dose->response",) * 2 + ("x1->x2, x0->x3, x2->x3",)
    values = [BayesianNetwork(e, random_state=0).fit(x).result_.log_likelihood for e, x in zip(edges, frames, strict=True)]
    assert values == pytest.approx([net.result_.log_likelihood] * 3, abs=1e-6)
    net.save(tmp_path / "net.safetensors")
    again = emkit.load(tmp_path / "net.safetensors")
    assert again.score(rows) == net.score(rows)
    assert str(again.query("response", {"dose": 12.0})) == str(net.query("response", {"dose": 12.0}))
    shuffled = rows[["response", "kind"]]
    assert np.isfinite(net.score_samples(shuffled)).all()  # columns that are left out are not observed


def test_whole_numbers_are_states_unless_said_otherwise(rows):
    whole = pd.DataFrame({"kind": ["a", "b"] * 50, "age": np.arange(100) % 37})
    states = BayesianNetwork("kind->age").fit(whole)
    numbers = BayesianNetwork("kind->age", gaussian=["age"]).fit(whole)
    assert not states.structure_.gaussian and len(numbers.structure_.gaussian) == 1
    np.testing.assert_allclose(numbers.age_intercept_, [whole["age"][::2].mean(), whole["age"][1::2].mean()], rtol=1e-9)
    assert np.isfinite(numbers.score(whole.assign(age=whole["age"] + 0.5)))


def test_a_hidden_cause_of_numbers_is_found():
    rng = np.random.default_rng(4)
    cause = rng.integers(3, size=900)
    x = np.column_stack([rng.normal(5.0 * cause, 1.0), rng.normal(-3.0 * cause, 1.0), rng.random(900) < 0.2 + 0.3 * cause])
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    frame.loc[rng.random(900) < 0.2, "a"] = np.nan
    net = BayesianNetwork("h->a, h->b, h->c", latent={"h": 3}, random_state=0).fit(frame)
    order = np.argsort(net.a_intercept_)
    np.testing.assert_allclose(net.a_intercept_[order], [0, 5, 10], atol=0.3)
    assert (np.argsort(order)[net.predict(frame, "h")] == cause).mean() > 0.97


def test_what_is_held_and_priors_of_numbers(rows):
    pair = rows[["kind", "dose"]]
    held = BayesianNetwork("kind->dose", fixed={"dose_variance": [4.0, 4.0]}).fit(pair)
    np.testing.assert_array_equal(held.dose_variance_, [4.0, 4.0])
    strong = NormalInverseGamma(df=5.0, scale=4.0, mass=1e8, mean=11.0)
    for prior in (strong, {"dose": strong, "kind": 2.0}):
        np.testing.assert_allclose(BayesianNetwork("kind->dose", prior=prior).fit(pair).dose_intercept_, 11.0, atol=1e-3)
    assert BayesianNetwork("kind->dose", prior={"dose": None}).fit(pair).result_.log_prior == 0.0


def test_what_makes_no_sense_is_refused(net, rows, tmp_path):
    with pytest.raises(ParameterError, match="discrete node 'kind' has the Gaussian parent 'dose'"):
        BayesianNetwork("dose->kind").fit(rows)
    with pytest.raises(ParameterError, match="'dose' is a Gaussian node and has no states"):
        net.predict_proba(rows, "dose")
    with pytest.raises(ParameterError, match="these formats hold tables of states only"):
        net.write(tmp_path / "net.bif")
    with pytest.raises(ParameterError, match="it is asked for alone"):
        net.query(["dose", "kind"])
    with pytest.raises(ParameterError, match="'dose' is a Gaussian node, 'much' is no number"):
        net.query("kind", {"dose": "much"})
    with pytest.raises(ParameterError, match="soft: 'dose' is a Gaussian node"):
        net.query("kind", soft={"dose": [1.0]})
    with pytest.raises(ParameterError, match="gaussian: there is no column 'weight'"):
        BayesianNetwork("kind->dose", gaussian=["weight"]).fit(rows)
    with pytest.raises(ParameterError, match="states are declared of 'dose'"):
        BayesianNetwork("kind->dose", gaussian=["dose"], states={"dose": [1, 2]}).fit(rows)
    with pytest.raises(DataError, match="'kind' row 0 is 'a', and the node is one of numbers"):
        BayesianNetwork("kind->dose", gaussian=["kind"]).fit(rows)
    with pytest.raises(DataError, match=r"'smoke' row 0 is 0\.5, which is no state of that node"):
        net.predict(rows.assign(smoke=0.5))
    with pytest.raises(DataError, match="'dose' row 0 is inf"):
        net.score(rows.assign(dose=np.inf))
    with pytest.raises(ParameterError, match="prior of 'dose' is 3"):
        BayesianNetwork("kind->dose", prior={"dose": 3}).fit(rows)


def test_columns_are_filled_in_by_name(net, rows):
    whole = net.impute(rows)
    pd.testing.assert_frame_equal(
        net.impute(rows[["response", "smoke", "dose", "kind"]]), whole[["response", "smoke", "dose", "kind"]]
    )
    some = net.impute(rows[["dose", "kind"]])
    assert list(some.columns) == ["dose", "kind"] and some.notna().all().all()
    seen = rows["dose"].notna()
    np.testing.assert_array_equal(some["dose"][seen], rows["dose"][seen])
    assert some["dose"][~seen].between(0, 25).all()
    assert net.impute(pl.from_pandas(rows[["response", "dose"]])).columns == ["response", "dose"]


@pytest.mark.parametrize("far", [1e7, 1e12, 1e100])
def test_a_far_value_in_one_state_leaves_the_others_alone(rows, far):
    clean = rows.dropna().reset_index(drop=True)
    spoilt = clean.copy()
    spoilt.loc[int(np.flatnonzero(clean["smoke"].astype(bool))[0]), "response"] = far
    one, other = (BayesianNetwork("smoke->response, dose->response").fit(frame).cpd("response") for frame in (clean, spoilt))
    np.testing.assert_allclose(other.loc[False], one.loc[False], rtol=2e-3)  # the prior's variance is the column's


def test_numbers_beyond_what_can_be_squared_are_named(net, rows):
    with pytest.raises(DataError, match=r"row 0: 'dose' is 1e\+200, too far"):
        net.predict(rows.assign(dose=1e200), "smoke")
    with pytest.raises(ParameterError, match=r"'response': 1e\+200 is too far"):
        net.query("smoke", {"response": 1e200})
    with pytest.raises(DataError, match="'dose' holds values too close to each other"):
        BayesianNetwork("kind->dose").fit(rows.assign(dose=rows["dose"] * 1e-170))
    weights = np.ones(len(rows))
    weights[5] = 0.0
    spoilt = rows.copy()
    spoilt.loc[5, "dose"] = 1e200
    one, other = (
        BayesianNetwork("kind->dose", random_state=0).fit(x, sample_weight=weights).dose_intercept_ for x in (rows, spoilt)
    )
    np.testing.assert_allclose(one, other, rtol=1e-9)
    large = BayesianNetwork("kind->dose", random_state=0).fit(rows.assign(dose=rows["dose"] * 1e100))  # all whole, as floats
    np.testing.assert_allclose(large.dose_intercept_ / 1e100, [13, 10], atol=0.2)


def test_questions_that_mean_nothing(net, rows):
    with pytest.raises(ParameterError, match="'dose' is asked for twice"):
        net.predict(rows, ["dose", "dose"])
    with pytest.raises(ParameterError, match="ICL is of models whose rows have a hidden label"):
        net.icl(rows)
    constant = net.do({"dose": 3.0})
    np.testing.assert_allclose(constant.sample(5)[0][:, 2].astype(float), 3.0, rtol=1e-14)
