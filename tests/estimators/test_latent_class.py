"""LatentClass: what it takes, what it answers, and what it says of data that are of no use."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from emkit import DataError, Dirichlet, LatentClass, ParameterError, load

WORDS = ("agree", "neither", "reject")


def survey(n=300, seed=0, missing=0.0):
    """Four items of three levels in two classes, as codes 0, 1, 2; NaN where missing."""
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    p = np.where(label[:, None, None], [0.7, 0.2, 0.1], [0.1, 0.3, 0.6])
    x = (rng.random((n, 4, 1)) > p.cumsum(axis=2)).sum(axis=2).astype(float)
    x[rng.random(x.shape) < missing] = np.nan
    return x


CODES = survey()
NAMES = ["a", "b", "c", "d"]
TEXTS = [[WORDS[int(v)] for v in row] for row in CODES]


def kinds():
    frame = pd.DataFrame(TEXTS, columns=NAMES)
    return {
        "codes": CODES,
        "integers from 1": (CODES + 1).astype(int),
        "negative integers": CODES - 5,
        "integers with gaps": CODES * 10,
        "float32": CODES.astype(np.float32),
        "array of texts": np.array(TEXTS),
        "list of lists": TEXTS,
        "array of objects": np.array(TEXTS, dtype=object),
        "pandas texts": frame,
        "pandas categories": frame.astype("category"),
        "pandas integers": pd.DataFrame(CODES.astype(int) + 1, columns=NAMES),
        "pandas nullable integers": pd.DataFrame(CODES.astype(int) + 1, columns=NAMES).astype("Int64"),
        "polars texts": pl.DataFrame({name: [row[j] for row in TEXTS] for j, name in enumerate(NAMES)}),
        "polars integers": pl.DataFrame({name: CODES[:, j].astype(int) + 1 for j, name in enumerate(NAMES)}),
        "polars enum": pl.DataFrame(
            {name: pl.Series([row[j] for row in TEXTS], dtype=pl.Enum(["never said", *WORDS])) for j, name in enumerate(NAMES)}
        ),
        "pyarrow": pa.table({name: [row[j] for row in TEXTS] for j, name in enumerate(NAMES)}),
    }


KINDS = kinds()


@pytest.fixture(scope="module")
def model():
    return LatentClass(2, random_state=0).fit(CODES)


@pytest.mark.parametrize("kind", KINDS)
def test_levels_are_the_values_of_a_column(kind, model):
    x = KINDS[kind]
    found = LatentClass(2, random_state=0).fit(x)
    np.testing.assert_array_equal(found.probs_, model.probs_)
    np.testing.assert_array_equal(found.predict(x), model.predict(CODES))
    few = x[:5] if not isinstance(x, pa.Table) else x.slice(0, 5)  # fewer levels than in the fit
    np.testing.assert_array_equal(found.predict_proba(few), model.predict_proba(CODES[:5]))
    assert found.score(x) * 300 == pytest.approx(found.result_.log_likelihood, abs=1e-9)


def test_the_order_of_levels_is_the_one_that_is_declared():
    order = ["reject", "neither", "agree"]
    frame = pd.DataFrame(TEXTS, columns=NAMES).astype(pd.CategoricalDtype([*order, "never said"], ordered=True))
    found = LatentClass(2, random_state=0).fit(frame)
    assert found.columns_[0].levels == tuple(order)
    assert found.probs_.shape == (2, 4, 3)  # a level that nobody chose is no level


@pytest.mark.parametrize("kind", ["codes", "pandas texts", "polars texts", "pandas nullable integers", "array of objects"])
def test_missing_answers(kind):
    holes = survey(missing=0.1)
    right = LatentClass(2, random_state=0).fit(holes)
    texts = [[None if v != v else WORDS[int(v)] for v in row] for row in holes]
    frame = pd.DataFrame(texts, columns=NAMES, dtype=object)
    x = {
        "codes": holes + 3,
        "pandas texts": frame,
        "polars texts": pl.DataFrame({name: [row[j] for row in texts] for j, name in enumerate(NAMES)}),
        "pandas nullable integers": pd.DataFrame(holes, columns=NAMES).astype("Int64"),
        "array of objects": np.array(texts, dtype=object),
    }[kind]
    found = LatentClass(2, random_state=0).fit(x)
    np.testing.assert_array_equal(found.probs_, right.probs_)
    np.testing.assert_array_equal(found.predict_proba(x), right.predict_proba(holes))


def test_booleans_are_levels():
    frame = pd.DataFrame(CODES > 0, columns=NAMES)
    found, right = LatentClass(2, random_state=0).fit(frame), LatentClass(2, random_state=0).fit((CODES > 0).astype(int))
    assert found.columns_[0].levels == (False, True) and "True" in found.summary()
    np.testing.assert_array_equal(found.predict_proba(frame), right.predict_proba((CODES > 0).astype(int)))
    np.testing.assert_array_equal(found.predict(frame.iloc[:9]), found.predict(frame)[:9])


def test_missing_answers_are_summed_over(model):
    """The probability of what is observed is that of all rows that it may be completed to."""
    row = np.array([[0.0, np.nan, 2.0, np.nan]])
    whole = np.array([[0.0, b, 2.0, d] for b in range(3) for d in range(3)])
    assert model.score_samples(row)[0] == pytest.approx(np.log(np.exp(model.score_samples(whole)).sum()), abs=1e-12)
    joint = np.exp(model.score_samples(whole))[:, None] * model.predict_proba(whole)
    np.testing.assert_allclose(model.predict_proba(row)[0], joint.sum(axis=0) / joint.sum(), atol=1e-12)


def test_rows_without_an_answer_are_kept():
    x = np.vstack([CODES, np.full((5, 4), np.nan)])
    found = LatentClass(2, random_state=0, tol=1e-8).fit(x)
    np.testing.assert_allclose(found.predict_proba(x)[-5:], np.tile(found.weights_, (5, 1)), atol=1e-12)
    without = LatentClass(2, random_state=0, tol=1e-8).fit(CODES)
    assert found.result_.log_likelihood == pytest.approx(without.result_.log_likelihood, abs=1e-6)


def test_weights_are_repeated_rows():
    patterns, counts = np.unique(CODES, axis=0, return_counts=True)
    settings = {"init": {"weights": [0.5, 0.5], "probs": np.tile([[[0.5, 0.3, 0.2]], [[0.2, 0.3, 0.5]]], (1, 4, 1))}, "tol": 1e-10}
    by_weight = LatentClass(2, **settings).fit(patterns, sample_weight=counts)
    by_row = LatentClass(2, **settings).fit(CODES)
    assert by_weight.result_.log_likelihood == pytest.approx(by_row.result_.log_likelihood, abs=1e-8)
    np.testing.assert_allclose(by_weight.probs_, by_row.probs_, atol=1e-6)
    assert by_weight.bic() == pytest.approx(by_row.bic(), abs=1e-7)


def test_one_class_is_the_marginal_frequencies():
    found = LatentClass(1).fit(CODES)
    np.testing.assert_allclose(found.probs_[0], [[np.mean(CODES[:, j] == v) for v in range(3)] for j in range(4)], atol=1e-12)
    assert found.result_.n_free == 8 and found.entropy(CODES) == 1.0


def test_known_classes_and_priors():
    known = np.full(300, -1)
    known[:20] = 1
    assert (LatentClass(2, random_state=0).fit(CODES, labels=known).predict(CODES[:20]) == 1).mean() > 0.3
    smooth = LatentClass(2, prior=2.0, random_state=0).fit(CODES)
    assert smooth.result_.model.family.prior == Dirichlet(2.0) and smooth.probs_.min() > 0.005
    assert "Dirichlet of probs" in smooth.summary()


def test_levels_go_into_the_file(tmp_path):
    x = KINDS["pandas texts"]
    found = LatentClass(2, random_state=0).fit(x)
    found.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.columns_ == found.columns_ and again.summary() == found.summary()
    np.testing.assert_array_equal(again.predict_proba(x), found.predict_proba(x))


def test_samples_are_answers():
    found = LatentClass(2, random_state=0).fit(KINDS["pandas texts"])
    x, label = found.sample(4000)
    assert set(np.unique(x)) == set(WORDS) and x.shape == (4000, 4)
    np.testing.assert_allclose((x[label == 0] == "agree").mean(axis=0), found.probs_[0, :, 0], atol=0.05)
    numbers, _ = LatentClass(2, random_state=0).fit(CODES + 1).sample(50)
    assert numbers.dtype == np.int64 and set(np.unique(numbers)) <= {1, 2, 3}


def test_the_summary_shows_the_items():
    text = LatentClass(2, random_state=0).fit(KINDS["pandas texts"]).summary()
    assert text.startswith("Latent class model: 2 classes, 4 columns, 300 rows")
    assert "class size" in text and "neither" in text and "class 1" in text


def test_parameters_may_be_set_by_hand():
    found = LatentClass(2)
    found.weights_, found.probs_ = [0.3, 0.7], np.tile([[[0.9, 0.1]], [[0.2, 0.8]]], (1, 3, 1))
    assert found.predict([[0, 0, 0], [1, 1, 1]]).tolist() == [0, 1]
    assert "not fitted" in found.summary()


# --- classes that are not there -------------------------------------------------------------------------------------------


def test_equal_and_empty_classes_are_counted():
    """stepmix's issue 60: classes that were asked for and are not there."""
    p = np.array([[0.8, 0.2]] * 5), np.array([[0.3, 0.7]] * 5)
    start = {"weights": [0.3, 0.2, 0.5, 0.0], "probs": np.stack([p[0], p[0], p[1], p[1]])}
    x = (np.random.default_rng(0).random((400, 5)) < np.where(np.arange(400)[:, None] < 200, 0.2, 0.7)).astype(int)
    with pytest.warns(UserWarning, match="4 classes asked, 2 distinct: 0 and 1 are equal; 3 is empty") as caught:
        found = LatentClass(4, init=start).fit(x)
    assert len(caught) == 1
    assert found.n_distinct_ == 2 and found.distinct_classes() == ([[0, 1], [2]], [3])
    assert "4 classes asked, 2 distinct" in found.summary()


def test_distinct_classes_are_not_remarked_upon():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = LatentClass(2, random_state=0).fit(CODES)
    assert found.n_distinct_ == 2 and "distinct" not in found.summary()


# --- data and settings that are refused -----------------------------------------------------------------------------------


def test_an_unseen_level_is_named_or_missing():
    for x, new, shown in ((KINDS["pandas texts"], pd.DataFrame([["agree", "agree", "maybe", "agree"]], columns=NAMES), "'maybe'"),
                          (CODES + 1, np.array([[1, 1, 9, 1]]), "9")):  # fmt: skip
        found = LatentClass(2, random_state=0).fit(x)
        with pytest.raises(DataError, match=rf"column .* row 0 is {shown}, a level that was not there in the fit"):
            found.predict(new)
        hole = new.mask(new == "maybe") if isinstance(new, pd.DataFrame) else np.array([[1, 1, np.nan, 1]])
        np.testing.assert_array_equal(found.set_params(unseen="missing").predict_proba(new), found.predict_proba(hole))


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.column_stack([CODES, CODES[:, 0] + 0.5]), r"column 4 row 0 is .*\.5, a number with a fraction"),
        (pd.DataFrame({"a": CODES[:, 0], "age": CODES[:, 1] * 1.1}), r"column 'age' row .* is .*, a number with a fraction"),
        (np.where(CODES == 2, np.inf, CODES), r"column 0 row \d+ is inf"),
        (np.column_stack([CODES, np.full(300, np.nan)]), "column 4 has no observed value"),
        (pd.DataFrame({"a": CODES[:, 0], "b": [None] * 300}), "column 'b' has no observed value"),
        (pd.DataFrame({"a": CODES[:, 0], "day": pd.date_range("2020-01-01", periods=300)}), "date or time"),
        (pd.DataFrame({"a": CODES[:, 0], "id": [f"r{i}" for i in range(300)]}), "identifier"),
        (CODES[:, 0], "2-D"),
        (CODES[:1], "at least 2"),
        (np.empty((0, 3)), "0 row"),
    ],
)
def test_data_of_no_use_are_refused(x, says):
    with pytest.raises(DataError, match=says):
        LatentClass(2).fit(x)


def test_more_classes_than_rows():
    with pytest.raises(DataError, match=r"n_classes=5 is more than the 4 row\(s\)"):
        LatentClass(5).fit(CODES[:4])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n_classes": 0}, "n_classes=0"),
        ({"n_classes": 2.5}, "n_classes=2.5"),
        ({"prior": -1.0}, "prior=-1.0"),
        ({"unseen": "drop"}, "unseen='drop'"),
        ({"free_items": "all"}, "say groups"),
        ({"groups": "sex"}, "groups='sex': there is no such column"),
        ({"groups": 7}, "groups=7: there is no such column"),
        ({"groups": 0, "free_items": [0]}, "0 is not an item"),
        ({"groups": 0, "free_items": ["q"]}, "'q' is not an item; the items are 1, 2, 3"),
        ({"groups": 0, "free_items": "some"}, "free_items='some'"),
        ({"init": {"means": [1]}}, "the parameters are 'weights', 'probs'"),
    ],
)
def test_settings_of_no_use_are_refused(settings, says):
    with pytest.raises(ParameterError, match=says):
        LatentClass(**settings).fit(CODES)


def test_a_column_that_tells_rows_apart_is_doubted():
    with pytest.warns(UserWarning, match="column 4 has a different value in each of its 300 rows"):
        LatentClass(2, n_init=1, random_state=0).fit(np.column_stack([CODES, np.arange(300)]))


def test_constant_columns_and_levels_seen_once_are_no_trouble():
    once = CODES.copy()
    once[7, 2] = 99
    found = LatentClass(2, random_state=0).fit(np.column_stack([once, np.ones(300)]))
    assert found.converged_ and found.columns_[2].levels == (0, 1, 2, 99) and found.columns_[4].levels == (1,)
    assert found.result_.n_free == 1 + 2 * (2 + 2 + 3 + 2 + 0)
    assert np.isnan(found.bivariate_residuals(np.column_stack([once, np.ones(300)])).values[4]).all()


# --- groups ---------------------------------------------------------------------------------------------------------------


def grouped(n=600, seed=3):
    """The items, and a group on which the class sizes and the first item depend."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    label = rng.random(n) < np.where(sex == "f", 0.3, 0.6)
    p = np.where(label, 0.85, 0.2)[:, None]
    x = (rng.random((n, 5)) < p).astype(int)
    x[sex == "m", 0] = rng.random((sex == "m").sum()) < 0.5
    return pd.DataFrame(x, columns=list("abcde")).assign(sex=sex)


def test_groups_free_in_everything_are_fits_of_their_own():
    data = grouped()
    found = LatentClass(2, groups="sex", free_items="all", random_state=0, tol=1e-8).fit(data)
    each = [LatentClass(2, random_state=0, tol=1e-8).fit(part.drop(columns="sex")) for _, part in data.groupby("sex")]
    sizes = data["sex"].value_counts().sort_index().to_numpy()
    alone = sum(one.result_.log_likelihood for one in each) + sizes @ np.log(sizes / sizes.sum())
    assert found.result_.log_likelihood == pytest.approx(alone, abs=1e-5)
    assert found.result_.n_free == sum(one.result_.n_free for one in each) + 1
    for g, one in enumerate(each):
        np.testing.assert_allclose(np.sort(found.group_weights_[g]), np.sort(one.weights_), atol=2e-3)


def test_the_item_that_differs_shows_and_is_set_free():
    data = grouped()
    equal = LatentClass(2, groups="sex", random_state=0).fit(data)
    free = LatentClass(2, groups="sex", free_items=["a"], random_state=0).fit(data)
    assert free.result_.n_free == equal.result_.n_free + 2
    assert 2 * (free.result_.log_likelihood - equal.result_.log_likelihood) > 30
    worst = equal.bivariate_residuals(data)
    assert {worst.names[j] for j in worst.pairs[0]} == {"a", "sex"}
    text = free.summary()
    assert "a (f)" in text and "a (m)" in text and "in m" in text
    assert [entry["group"] for entry in free.item_probabilities()][:4] == ["f", "f", "m", "m"]


def test_groups_beside_the_data_or_in_a_column():
    data = grouped()
    x, sex = data.drop(columns="sex"), data["sex"]
    beside = LatentClass(2, free_items=["b"], random_state=0).fit(x, groups=sex)
    inside = LatentClass(2, free_items=["b"], groups="sex", random_state=0).fit(data)
    np.testing.assert_array_equal(beside.probs_, inside.probs_)
    np.testing.assert_array_equal(beside.predict_proba(x, groups=sex), inside.predict_proba(data))
    assert beside.score(x, groups=sex) == inside.score(data)
    unknown = data.assign(sex=None)
    np.testing.assert_allclose(beside.predict_proba(x), inside.predict_proba(unknown), atol=1e-12)
    assert beside.fit_statistics(x, groups=sex) == inside.fit_statistics(data)
    with pytest.raises(DataError, match="need the group of every row"):
        beside.fit_statistics(x)


def test_groups_that_are_of_no_use():
    data = grouped()
    with pytest.raises(DataError, match=r"column 'sex' row 4 is missing"):
        LatentClass(2, groups="sex").fit(data.assign(sex=data["sex"].where(data.index != 4)))
    with pytest.raises(DataError, match="groups has shape"):
        LatentClass(2).fit(data.drop(columns="sex"), groups=["a"])
    with pytest.raises(ParameterError, match="give one of them"):
        LatentClass(2, groups="sex").fit(data, groups=data["sex"])
    with pytest.raises(ParameterError, match="fitted without"):
        LatentClass(2, random_state=0).fit(CODES).predict(CODES, groups=np.ones(300))


def test_groups_survive_the_file(tmp_path):
    data = grouped()
    found = LatentClass(2, groups="sex", free_items=["a"], random_state=0).fit(data)
    found.save(tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict_proba(data), found.predict_proba(data))
    assert again.summary() == found.summary() and again.group_names() == ("f", "m")
