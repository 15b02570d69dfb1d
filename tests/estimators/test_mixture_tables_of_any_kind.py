"""The Mixture estimator: families inferred and chosen, tables of every sort, what it refuses, and published numbers."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

import emkit
from emkit import Categorical, DataError, Gaussian, Mixture, ParameterError, PerColumn, Poisson

NAN = np.nan
ONE = {"n_init": 1, "random_state": 0}


@pytest.fixture(scope="module")
def people():
    """Two kinds of people in columns of every kind."""
    rng = np.random.default_rng(0)
    n = 200
    kind = rng.integers(2, size=n)
    return pd.DataFrame(
        {
            "age": rng.normal(np.array([30.0, 60.0])[kind], 5.0),
            "visits": rng.poisson(np.array([1.0, 8.0])[kind]),
            "region": np.where(rng.random(n) < np.array([0.9, 0.2])[kind], "north", "south"),
            "smokes": rng.random(n) < np.array([0.1, 0.8])[kind],
            "income": rng.integers(1000, 5000, n),
            "degrees": rng.integers(-5, 5, n),
            "owns": rng.integers(0, 2, n),
        }
    )


def families(model):
    return {part.name: (part.columns, part.family.in_words) for part in model.model_.family.parts}


# --- families ---------------------------------------------------------------------------------------------------------


def test_families_are_inferred_from_the_columns(people):
    """Whole numbers above 255, and negative ones, are numbers; smaller ones counts; 0 and 1 binary; texts categories."""
    model = Mixture(2, **ONE).fit(people)
    assert families(model) == {
        "gaussian": ((0, 4, 5), "diag Gaussian"),
        "visits": ((1,), "poisson"),
        "region": ((2,), "categorical"),
        "bernoulli": ((3, 6), "bernoulli"),
    }
    words = ["gaussian", "poisson", "categorical", "bernoulli", "gaussian", "gaussian", "bernoulli"]
    assert model.column_families() == dict(zip(people, words, strict=True))
    assert "table (3 diag Gaussian, 1 poisson, 1 categorical, 2 bernoulli)" in model.summary()
    assert model.visits_rates_.shape == (2, 1) and model.gaussian_means_.shape == (2, 3) and model.region_probs_.shape == (2, 2)


def test_the_largest_count_is_255():
    for largest, word in ((255, "poisson"), (256, "gaussian")):
        frame = pd.DataFrame({"n": [0, 1, 2, 5, largest] * 4, "m": [0.5] * 10 + [1.5] * 10})
        assert Mixture(1).fit(frame).column_families()["n"] == word


def test_what_is_said_of_columns_wins(people):
    model = Mixture(2, {"visits": "gaussian", ("age", "income"): Gaussian("full"), "owns": Categorical()}, **ONE).fit(people)
    assert families(model) == {
        "visits": ((1,), "diag Gaussian"),
        "gaussian": ((0, 4), "full Gaussian"),
        "owns": ((6,), "categorical"),
        "region": ((2,), "categorical"),
        "smokes": ((3,), "bernoulli"),
        "degrees": ((5,), "diag Gaussian"),
    }
    assert model.gaussian_covariances_.shape == (2, 2, 2)


def test_one_family_for_all_columns(people):
    assert isinstance(Mixture(2, "poisson", **ONE).fit(people[["visits", "owns"]]).model_.family, Poisson)
    same = Mixture(2, PerColumn(visits=Poisson(), owns=Poisson()), **ONE).fit(people[["visits", "owns"]])
    assert same.column_families() == {"visits": "poisson", "owns": "poisson"}
    numbers = people[["age", "income"]]
    assert Mixture(2, **ONE).fit(numbers).model_.family.in_words == "diag Gaussian"
    assert Mixture(2, **ONE).fit(numbers).column_families() == {"age": "gaussian", "income": "gaussian"}


def test_columns_of_arrays_go_by_number(people):
    x = people[["visits", "age"]].to_numpy()
    model = Mixture(2, {0: "poisson"}, **ONE).fit(x)
    assert families(model) == {"0": ((0,), "poisson"), "1": ((1,), "diag Gaussian")}
    assert model.parameters()["0_rates"].shape == (2, 1)


def test_codes_that_are_made_categorical_have_the_levels_that_are_seen():
    """3, 6 and 7 are three levels, not eight symbols; new data are read with them."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"thal": rng.choice([3, 6, 7], 100), "x": rng.normal(size=100)})
    for data in (frame, frame.astype({"thal": float}).mask(rng.random((100, 2)) < 0.1), frame.to_numpy()):
        model = Mixture(1, {0: "categorical"}).fit(data)
        assert model.columns_[0].levels == (3, 6, 7) and model.parameters()["0_probs"].shape == (1, 3)
        assert np.isfinite(model.score(data))
    with pytest.raises(DataError, match="'thal' row 1 is 4, a level that was not there in the fit"):
        Mixture(1, {"thal": "categorical"}).fit(frame).predict(frame.assign(thal=[3, 4] + [7] * 98))
    declared = Mixture(1, {"thal": Categorical(9)}).fit(frame)
    assert declared.thal_probs_.shape == (1, 9) and declared.columns_[0].levels is None
    holes = frame.astype({"thal": "Int8"})
    holes.loc[4, "thal"] = pd.NA
    filled = Mixture(1, {"thal": "categorical"}).fit(frame).impute(holes)
    assert filled["thal"][4] == frame["thal"].mode()[0] and str(filled["thal"].dtype) == "Int8"


@pytest.mark.parametrize(
    ("family", "error", "message"),
    [
        ({"region": "poisson"}, DataError, "column 'region' row 0 is the text '(north|south)', not a count"),
        ({"degrees": "poisson"}, DataError, "column 'degrees' row [0-9]+ is -[0-9], expected a count"),
        ({"age": "poisson"}, DataError, "column 'age' row 0 is 5[0-9.]+, expected a count"),
        ({"age": "categorical"}, DataError, "column 'age' row 0 is 5[0-9.]+, expected a category"),
        ({"visits": "bernoulli"}, DataError, "column 'visits' row 0 is [0-9]+, expected 0 or 1"),
        ({"agee": "poisson"}, DataError, "no column 'agee' for a Poisson family; the columns are 'age', 'visits'"),
        ({99: "poisson"}, DataError, "no column 99"),
        ({"age": "poison"}, ParameterError, "family 'poison' is unknown: choose one of 'gaussian', 'categorical'"),
        ({"age": 3}, ParameterError, "family 3 is unknown"),
        (["poisson"], ParameterError, "give a family, the name of one, or a mapping"),
        ({"age": "gaussian", ("age", "degrees"): "gaussian"}, ParameterError, "column 'age' has two families"),
        ({"age": "gaussian", 0: "gaussian"}, ParameterError, "a column has two families"),
        (PerColumn(age=Gaussian()), DataError, "column 'visits' has no family; give it one, or drop it"),
        (
            {"region": Categorical(1)},
            DataError,
            "column 'region' row [0-9]+ holds 'south', of 2 levels, but n_categories=1 allows 1",
        ),
        ({"owns": Categorical(1)}, DataError, "column 'owns' row [0-9]+ holds the symbol 1, but n_categories=1 allows 0 to 0"),
    ],
)
def test_refused_families(people, family, error, message):
    with pytest.raises(error, match=message):
        Mixture(2, family, **ONE).fit(people)


# --- hard tables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["x", 3, 0, True])
def test_constant_columns_of_texts_and_counts_are_fitted(people, value):
    model = Mixture(2, **ONE).fit(people.assign(c=value))
    assert model.converged_ and np.isfinite(model.score(people.assign(c=value)))


def test_a_constant_number_and_a_column_without_cells_are_named(people):
    with pytest.raises(DataError, match="column 'c' is constant"):
        Mixture(2, **ONE).fit(people.assign(c=1.5))
    for nothing in (NAN, None, pd.Categorical([None] * len(people))):
        with pytest.raises(DataError, match="column 'c' has no observed value"):
            Mixture(2, **ONE).fit(people.assign(c=nothing))


def test_in_new_rows_a_column_may_be_missing_throughout(people):
    model = Mixture(2, **ONE).fit(people)
    nothing = people.assign(region=None, age=NAN)
    assert np.isfinite(model.score(nothing)) and model.predict(nothing).shape == (200,)


def test_more_components_than_rows_are_refused(people):
    with pytest.raises(DataError, match="n_components=201 is more than the 200 row"):
        Mixture(201).fit(people)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Mixture(40, n_init=1, max_iter=3, random_state=0).fit(people).weights_.sum() == pytest.approx(1.0)


def test_a_level_that_is_seen_once(people):
    model = Mixture(2, random_state=0).fit(people.assign(region=["rare", *people["region"][1:]]))
    assert model.columns_[2].levels == ("north", "rare", "south")
    np.testing.assert_allclose(model.weights_ @ model.region_probs_[:, 1], 1 / 200, rtol=1e-3)


def test_rows_with_nothing_observed_are_kept_and_have_the_weights(people):
    holes = people.astype(object)
    holes.iloc[5] = None
    model = Mixture(2, random_state=0).fit(holes)
    assert model.result_.n_rows == 200
    np.testing.assert_allclose(model.predict_proba(holes)[5], model.weights_)
    assert model.score_samples(holes)[5] == 0.0


def test_a_column_of_names_is_refused(people):
    with pytest.raises(DataError, match="an identifier"):
        Mixture(2).fit(people.assign(name=[f"a{i}" for i in range(200)]))


# --- new rows ---------------------------------------------------------------------------------------------------------


def test_a_level_that_was_not_there(people):
    new = people.iloc[:3].assign(region=["north", "east", None])
    model = Mixture(2, **ONE).fit(people)
    message = r"column 'region' row 1 is 'east', a level that was not there in the fit \(it had 'north', 'south'\)"
    for method in (model.predict, model.predict_proba, model.score, model.impute):
        with pytest.raises(DataError, match=message) as caught:
            method(new)
        assert caught.value.column == "region" and caught.value.row == 1 and caught.value.parameter == "unseen"
    lenient = Mixture(2, unseen="missing", **ONE).fit(people)
    np.testing.assert_array_equal(lenient.predict_proba(new), model.predict_proba(new.assign(region=["north", None, None])))
    with pytest.raises(ParameterError, match="unseen='x'"):
        Mixture(2, unseen="x").fit(people)


def test_levels_that_a_frame_declares_are_known(people):
    frame = pl.from_pandas(people).with_columns(pl.col("region").cast(pl.Enum(["west", "south", "north"])))
    model = Mixture(2, **ONE).fit(frame)
    assert model.columns_[2].levels == ("west", "south", "north")
    west = frame[:1].with_columns(pl.lit("west").alias("region"))
    assert model.score(west) == -np.inf  # known, but never seen: without a prior its probability is 0
    kind = Mixture(2, {"region": Categorical(prior=emkit.Dirichlet(1.5))}, **ONE).fit(frame)
    assert np.isfinite(kind.score(west))


def test_columns_must_be_those_of_the_fit(people):
    model = Mixture(2, **ONE).fit(people)
    with pytest.raises(DataError, match="now missing"):
        model.predict(people.drop(columns="age"))
    with pytest.raises(DataError, match="same order"):
        model.predict(people[people.columns[::-1]])


# --- kinds of tables and faces ----------------------------------------------------------------------------------------


def test_every_kind_of_frame_gives_the_same_fit(people):
    fits = [Mixture(2, **ONE).fit(f) for f in (people, pl.from_pandas(people), pl.from_pandas(people).to_arrow())]
    for fit in fits[1:]:
        assert fit.column_families() == fits[0].column_families()
        assert fit.result_.log_likelihood == fits[0].result_.log_likelihood


@pytest.mark.parametrize(
    "family",
    [
        None,
        {"visits": "poisson", ("age", "income"): Gaussian("full")},
        PerColumn(
            {
                ("age", "income", "degrees"): Gaussian("diag"),
                "visits": Poisson(),
                ("region", "smokes", "owns"): Categorical(prior=emkit.Dirichlet(2.0)),
            }
        ),
    ],
)
def test_saved_and_loaded_it_says_the_same(people, family, tmp_path):
    model = Mixture(2, family, unseen="missing", **ONE).fit(people)
    model.save(tmp_path / "m.safetensors")
    again = emkit.load(tmp_path / "m.safetensors")
    new = people.assign(region="elsewhere")
    np.testing.assert_array_equal(again.predict_proba(new), model.predict_proba(new))
    assert again.get_params() == model.get_params() and again.columns_ == model.columns_
    assert again.summary() == model.summary() and again.column_families() == model.column_families()


def test_settings_are_scikit_learn_s():
    model = Mixture(3, {"visits": Poisson()}, unseen="missing")
    assert clone(model).get_params() == model.get_params()
    assert model.get_params()["family"] == {"visits": Poisson()}
    assert repr(Mixture(2, {"visits": "poisson"})) == "Mixture(family={'visits': 'poisson'}, n_components=2)"


def test_fixed_values_go_by_column(people):
    model = Mixture(2, fixed={"visits_rates": [[1.0], [NAN]], "weights": [0.5, 0.5]}, **ONE).fit(people)
    assert model.visits_rates_[0, 0] == 1.0 and model.weights_.tolist() == [0.5, 0.5]
    with pytest.raises(ParameterError, match="visit_rates"):
        Mixture(2, fixed={"visit_rates": [[1.0], [NAN]]}).fit(people)


# --- published numbers ------------------------------------------------------------------------------------------------


def test_heart_disease_against_varsellcm():
    """Statlog (Heart), 270 x 12: VarSelLCM 2.1.3.1 (R) reaches a log-likelihood of -6394.329491 with 45 free parameters."""
    heart = pd.read_csv(Path(__file__).parents[1] / "support" / "data" / "heart.csv").drop(columns="Class")
    normal = ("RestBloodPressure", "SerumCholestoral", "MaxHeartRate")
    family = {"Age": "poisson", **dict.fromkeys(normal, "gaussian")}
    family |= {name: "categorical" for name in heart if name not in family}
    model = Mixture(2, family, random_state=0).fit(heart)
    assert model.result_.log_likelihood >= -6394.329490 - 1e-4
    assert model.result_.n_free == 45
    assert model.bic() == pytest.approx(2 * 6520.294, abs=0.01)
