"""Columns of text and categories: levels are learnt in the fit, obeyed ever after, and refused by families of numbers."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from small_models import ONE, bits, reals, symbols

from emkit import HMM, CategoricalHMM, DataError, GaussianMixture, load

CODES = symbols().ravel()
LEVELS = ("dry", "fog", "wet")
WORDS = [LEVELS[code] for code in CODES]
KINDS = {
    "pandas object": lambda w: pd.DataFrame({"sky": pd.Series(w, dtype=object)}),
    "pandas string": lambda w: pd.DataFrame({"sky": pd.Series(w, dtype="string")}),
    "pandas category": lambda w: pd.DataFrame({"sky": pd.Series(w, dtype="category")}),
    "pandas with pyarrow": lambda w: pd.DataFrame({"sky": pd.Series(w, dtype="string[pyarrow]")}),
    "pandas arrow dictionary": lambda w: pd.DataFrame(
        {"sky": pd.Series(pa.array(w).dictionary_encode(), dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())))}
    ),
    "polars Utf8": lambda w: pl.DataFrame({"sky": pl.Series(w, dtype=pl.Utf8)}),
    "polars Enum": lambda w: pl.DataFrame({"sky": pl.Series(w, dtype=pl.Enum([*LEVELS, *sorted(set(w) - {*LEVELS, None})]))}),
    "polars Categorical": lambda w: pl.DataFrame({"sky": pl.Series(w, dtype=pl.Categorical)}),
    "pyarrow": lambda w: pa.table({"sky": pa.array(w, pa.string())}),
    "pyarrow dictionary": lambda w: pa.table({"sky": pa.array(w, pa.string()).dictionary_encode()}),
    "array of str": lambda w: np.array(w)[:, None],
    "array of objects": lambda w: np.array(w, dtype=object)[:, None],
    "list of lists": lambda w: [[v] for v in w],
}
WITH_HOLES = [kind for kind in KINDS if kind not in ("array of str", "list of lists")]


def chain(**settings):
    return HMM(2, "categorical", **{**ONE, **settings})


@pytest.fixture(scope="module")
def coded():
    """The same model of the numbers of the levels."""
    return chain(n_categories=3).fit(CODES[:, None])


@pytest.mark.parametrize("kind", KINDS)
def test_levels_are_the_symbols(kind, coded):
    x = KINDS[kind](WORDS)
    model = chain().fit(x)
    np.testing.assert_array_equal(model.probs_, coded.probs_)
    assert model.columns_[0].levels == LEVELS and model.columns_[0].kind == "category"
    assert model.score(x) == coded.score(CODES[:, None]) == model.result_.log_likelihood
    few = KINDS[kind](["wet", "wet", "fog"])  # other levels, in another order, than those of the fit
    np.testing.assert_array_equal(model.predict_proba(few), coded.predict_proba([[2], [2], [1]]))


@pytest.mark.parametrize("kind", WITH_HOLES)
def test_missing_cells_are_missing(kind):
    words = [None if i % 5 == 1 else word for i, word in enumerate(WORDS)]
    holes = np.where(np.arange(40) % 5 == 1, np.nan, CODES)[:, None]
    model, right = chain().fit(KINDS[kind](words)), chain(n_categories=3).fit(holes)
    np.testing.assert_array_equal(model.probs_, right.probs_)
    np.testing.assert_array_equal(model.predict(KINDS[kind](words)), right.predict(holes))


def test_booleans_are_symbols_or_numbers():
    flags = bits(1).astype(bool)
    right = chain().fit(flags.astype(int))
    for x in (flags, pd.DataFrame(flags), pl.DataFrame(flags), pd.DataFrame({"a": pd.array(flags.ravel(), dtype="boolean")})):
        np.testing.assert_array_equal(chain().fit(x).probs_, right.probs_)
    np.testing.assert_array_equal(
        HMM(2, "bernoulli", **ONE).fit(pl.DataFrame(flags)).probs_, HMM(2, "bernoulli", **ONE).fit(flags * 1).probs_
    )
    assert np.isfinite(GaussianMixture(1).fit(np.column_stack([flags, reals(1)])).means_).all()


def test_several_columns_with_levels_of_their_own():
    frame = pd.DataFrame({"sky": WORDS, "wind": ["N" if i % 3 else "S" for i in range(40)], "n": CODES})
    numbers = np.column_stack([CODES, np.arange(40) % 3 == 0, CODES])
    model, right = chain().fit(frame), chain().fit(numbers)
    np.testing.assert_array_equal(model.predict_proba(frame), right.predict_proba(numbers))
    assert [column.levels for column in model.columns_.items] == [LEVELS, ("N", "S"), None]
    assert "sky" in model.summary()


def test_an_enums_own_order_and_unseen_levels_count():
    """A declared level that no row has is a symbol all the same, in its place."""
    sky = pl.DataFrame({"sky": pl.Series(WORDS, dtype=pl.Enum(["wet", "hail", "fog", "dry"]))})
    model = chain().fit(sky)
    assert model.columns_[0].levels == ("wet", "hail", "fog", "dry") and model.probs_.shape == (2, 4)
    np.testing.assert_allclose(model.probs_[:, 1], 0.0, atol=1e-12)


# --- levels that were not there in the fit --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["predict", "predict_proba", "score", "filter", "sequence_scores"])
def test_an_unseen_level_is_named(kind, method):
    model = chain().fit(KINDS[kind](WORDS))
    with pytest.raises(
        DataError, match=r"column .* row 2 is 'hail', a level that was not there in the fit \(it had 'dry', 'fog'"
    ) as caught:
        getattr(model, method)(KINDS[kind](["wet", "dry", "hail"]))
    assert caught.value.row == 2 and caught.value.column in ("sky", "x0")


@pytest.mark.parametrize("kind", KINDS)
def test_an_unseen_level_may_be_missing(kind):
    model = chain(unseen="missing").fit(KINDS[kind](WORDS))
    plain = (
        pd.DataFrame({"sky": ["wet", "dry", None]}) if hasattr(model, "feature_names_in_") else np.array([["wet"], ["dry"], [None]])
    )
    np.testing.assert_array_equal(model.predict_proba(KINDS[kind](["wet", "dry", "hail"])), model.predict_proba(plain))


@pytest.mark.parametrize("fit_on", ["frame", "array", "list of arrays", "list of frames", "numbered frame"])
@pytest.mark.parametrize(
    "x",
    [np.array([[0], [1]]), np.array([[0.0], [1.0]]), [np.array([[1], [0]])], pd.DataFrame({"sky": [0, 1]})],
    ids=["integers", "floats", "list", "frame"],
)
def test_numbers_are_not_taken_for_levels(fit_on, x):
    """A model of texts does not read 0 as its first level."""
    words = np.array(WORDS)[:, None]
    data = {
        "frame": pd.DataFrame({"sky": WORDS}), "array": words, "list of arrays": [words[:20], words[20:]],
        "list of frames": [pd.DataFrame({"sky": WORDS[:20]}), pd.DataFrame({"sky": WORDS[20:]})],
        "numbered frame": pd.DataFrame(words),
    }[fit_on]  # fmt: skip
    with pytest.raises(DataError, match=r"row 0 is [01](\.0)?, a level that was not there in the fit"):
        chain().fit(data).predict(x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:X (has|does not have)")
def test_texts_are_not_taken_for_numbers(kind):
    """A model of numbers does not number the levels of new texts by itself, whether data have names or not."""
    for model in (chain().fit(CODES[:, None]), chain().fit(pd.DataFrame({"sky": CODES})), chain().fit(pd.DataFrame(CODES))):
        with pytest.raises(DataError, match=r"column .* row 0 is the text 'wet', not a number") as caught:
            model.predict(KINDS[kind](["wet", "dry"]))
        assert caught.value.row == 0


@pytest.mark.filterwarnings("ignore:X (has|does not have)")
def test_levels_are_known_by_place_where_names_are_not():
    """Fitted without names, a frame's columns have the levels that their places had."""
    array, frame, numbered = np.array(WORDS)[:, None], pd.DataFrame({"sky": WORDS}), pd.DataFrame(np.array(WORDS)[:, None])
    some = ["wet", "fog"]
    right = chain().fit(frame).predict_proba(pd.DataFrame({"sky": some}))
    for fitted in (array, frame, numbered):
        model = chain().fit(fitted)
        for x in (
            np.array(some)[:, None],
            pd.DataFrame({"sky": some}),
            pd.DataFrame(np.array(some)[:, None]),
            [[some[0]], [some[1]]],
        ):
            np.testing.assert_array_equal(model.predict_proba(x), right)


# --- files and lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_levels_survive_a_file(kind, tmp_path):
    x = KINDS[kind](WORDS)
    model = chain().fit(x)
    model.save(tmp_path / "m.safetensors")
    back = load(tmp_path / "m.safetensors")
    assert back.columns_ == model.columns_
    np.testing.assert_array_equal(back.predict_proba(x), model.predict_proba(x))
    with pytest.raises(DataError, match="'hail', a level that was not there"):
        back.predict(KINDS[kind](["hail"]))


@pytest.mark.parametrize(
    "make", [lambda w: pd.DataFrame({"sky": w}), lambda w: pl.DataFrame({"sky": w}), lambda w: np.array(w)[:, None]]
)
def test_a_list_whose_parts_have_different_levels(make, coded):
    """The levels are those of all of them together."""
    parts = [WORDS[:9], WORDS[9:17], WORDS[17:]]
    assert len({tuple(sorted(set(part))) for part in parts}) > 1
    codes = np.split(CODES[:, None], [9, 17])
    model, right = chain().fit([make(part) for part in parts]), chain(n_categories=3).fit(codes)
    assert model.columns_[0].levels == LEVELS
    np.testing.assert_array_equal(model.probs_, right.probs_)
    np.testing.assert_array_equal(model.predict([make(part) for part in parts]), right.predict(codes))
    with pytest.raises(DataError, match=r"sequence 1: column .* row 1 is 'hail'") as caught:
        model.predict([make(["wet"]), make(["wet", "hail"])])
    assert (caught.value.sequence, caught.value.row) == (1, 1)


def test_a_part_in_which_nothing_was_observed():
    nothing = pd.DataFrame({"sky": pd.Series([None, None], dtype=object)})
    model = chain().fit([nothing, pd.DataFrame({"sky": WORDS}), nothing])
    assert model.columns_[0].levels == LEVELS
    assert model.predict_proba([nothing]).shape == (2, 2)


def test_parts_of_texts_and_of_numbers():
    with pytest.raises(DataError, match="column 'sky' holds numbers in sequence 1, texts before") as caught:
        chain().fit([pd.DataFrame({"sky": WORDS}), pd.DataFrame({"sky": CODES})])
    assert (caught.value.column, caught.value.sequence) == ("sky", 1)
    with pytest.raises(DataError, match="column 0 holds texts in sequence 1, numbers before"):
        chain().fit([CODES[:, None], np.array(WORDS)[:, None]])


def test_sequence_and_order_columns_are_no_data():
    frame = pd.DataFrame({"sky": WORDS, "who": ["a"] * 24 + ["b"] * 16, "t": pd.date_range("2020", periods=40)})
    model = chain(sequence="who", order="t").fit(frame.sample(frac=1.0, random_state=0))
    right = chain(n_categories=3).fit(CODES[:, None], lengths=[24, 16])
    np.testing.assert_allclose(model.probs_, right.probs_, atol=1e-3)
    assert model.columns_.names == ("sky",)


def test_hmmlearns_face_takes_texts_too():
    frame = pd.DataFrame({"sky": WORDS})
    model = CategoricalHMM(2, **ONE).fit(frame)
    np.testing.assert_allclose(model.emissionprob_.sum(axis=1), 1.0)
    assert model.predict(frame).shape == (40,)


# --- refused ----------------------------------------------------------------------------------------------------------------

NUMBERS = [
    ("GaussianMixture", lambda: GaussianMixture(2)),
    ("gaussian", lambda: HMM(2)),
    ("poisson", lambda: HMM(2, "poisson")),
    ("bernoulli", lambda: HMM(2, "bernoulli")),
]


@pytest.mark.parametrize(("name", "make"), NUMBERS, ids=[name for name, _ in NUMBERS])
@pytest.mark.parametrize("kind", KINDS)
def test_families_of_numbers_refuse_texts(name, make, kind):
    words = [None, *WORDS[1:]] if kind in WITH_HOLES else WORDS
    row = 1 if kind in WITH_HOLES else 0
    with pytest.raises(DataError, match=rf"column .* row {row} is the text '\w+', not .*categorical family") as caught:
        make().fit(KINDS[kind](words))
    assert caught.value.row == row and caught.value.column in ("sky", "x0")


@pytest.mark.parametrize("make", [make for _, make in NUMBERS] + [chain], ids=[*(name for name, _ in NUMBERS), "categorical"])
@pytest.mark.parametrize("bad", ["n/a", "12", "1,5"])
def test_one_bad_cell_in_a_column_of_numbers(make, bad):
    values = [*range(20), bad, *range(19)]
    frames = [pd.DataFrame({"age": pd.Series(values, dtype=object)}), np.array(values, dtype=object)[:, None]]
    for x in frames:
        with pytest.raises(
            DataError, match=rf"column .* row 20 is the text '{bad}', not a number; drop the column, or encode it"
        ) as caught:
            make().fit(x)
        assert caught.value.row == 20 and caught.value.column in ("age", "x0")


DATES = {
    "datetime": pd.DataFrame({"day": pd.date_range("2020", periods=40), "sky": WORDS}),
    "objects": pd.DataFrame({"day": pd.Series([date(2020, 1, 1)] * 40, dtype=object), "sky": WORDS}),
    "categories": pd.DataFrame({"day": pd.Series(pd.date_range("2020", periods=40)).astype("category"), "sky": WORDS}),
    "polars": pl.DataFrame({"day": [date(2020, 1, 1)] * 40, "sky": WORDS}),
    "periods": pd.DataFrame({"day": pd.period_range("2020", periods=40, freq="D"), "sky": WORDS}),
}


@pytest.mark.parametrize("kind", DATES)
@pytest.mark.parametrize("make", [chain, lambda: GaussianMixture(2)], ids=["HMM", "GaussianMixture"])
def test_dates_are_refused_with_advice(kind, make):
    with pytest.raises(DataError, match=r"column 'day' row 0 is .*date or time, not a number.*if it is named as order") as caught:
        make().fit(DATES[kind])
    assert (caught.value.column, caught.value.row) == ("day", 0)


def test_identifiers_are_refused_with_advice():
    frame = pd.DataFrame({"id": [f"no {i}" for i in range(200)], "sky": WORDS * 5})
    with pytest.raises(
        DataError, match=r"column 'id' holds 200 different texts, one in each row: an identifier.*drop the column"
    ) as caught:
        chain().fit(frame)
    assert caught.value.column == "id"
    assert chain().fit(frame.drop(columns="id")).columns_.names == ("sky",)
