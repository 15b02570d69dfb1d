"""Missing cells filled in by fitted models: mixtures, hidden Markov models, every kind of table."""

from itertools import pairwise, product

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.exceptions import NotFittedError

import emkit
from emkit import HMM, DataError, GaussianMixture, Mixture, ParameterError

NAN = np.nan


@pytest.fixture(scope="module")
def people():
    """Two kinds of people: age, visits, region, whether they smoke; nothing missing."""
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=300)
    return pd.DataFrame(
        {
            "age": rng.normal(np.array([30.0, 60.0])[kind], 5.0),
            "visits": rng.poisson(np.array([1.0, 8.0])[kind]),
            "region": np.where(rng.random(300) < np.array([0.9, 0.2])[kind], "north", "south"),
            "smokes": rng.random(300) < np.array([0.1, 0.8])[kind],
        }
    )


@pytest.fixture(scope="module")
def model(people):
    return Mixture(2, random_state=0).fit(people)


def with_holes(frame, at):
    """The frame as objects, with None in the given cells."""
    cells = frame.astype(object)
    for row, name in at:
        cells.loc[frame.index[row], name] = None
    return cells


# --- what is filled in ------------------------------------------------------------------------------------------------


def test_numbers_are_conditional_means():
    """Brute force: Bayes' rule and the regression of the missing column on the other, for each component."""
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [rng.multivariate_normal(m, c, 300) for m, c in (([0, 0], [[1, 0.8], [0.8, 1]]), ([4, 0], [[1, -0.5], [-0.5, 2]]))]
    )
    model = GaussianMixture(2, random_state=0).fit(x)
    new = np.array([[1.0, NAN], [NAN, 2.0], [3.0, 1.0], [NAN, NAN]])
    filled = model.impute(new)
    w, mu, s = model.weights_, model.means_, model.covariances_
    for row, got in zip(new[:2], filled[:2], strict=True):
        m, o = int(np.flatnonzero(np.isnan(row))[0]), int(np.flatnonzero(~np.isnan(row))[0])
        density = w * np.exp(-0.5 * (row[o] - mu[:, o]) ** 2 / s[:, o, o]) / np.sqrt(s[:, o, o])
        expected = mu[:, m] + s[:, m, o] / s[:, o, o] * (row[o] - mu[:, o])
        assert got[m] == pytest.approx(density @ expected / density.sum(), rel=1e-10)
        assert got[o] == row[o]
    np.testing.assert_array_equal(filled[2], new[2])
    np.testing.assert_allclose(filled[3], w @ mu)


def test_categories_and_truths_are_the_most_probable_ones(model, people):
    new = with_holes(people, [(0, "region"), (1, "smokes"), (2, "visits")])
    filled = model.impute(new)
    resp = model.predict_proba(new)
    north = resp[0] @ model.region_probs_[:, list(model.columns_[2].levels).index("north")].ravel()
    assert filled["region"][0] == ("north" if north > 0.5 else "south")
    assert bool(filled["smokes"][1]) is bool(resp[1] @ model.smokes_probs_.ravel() > 0.5)
    assert filled["visits"][2] == pytest.approx(resp[2] @ model.visits_rates_.ravel())


def test_a_row_with_nothing_observed_is_imputed_from_the_weights(model, people):
    filled = model.impute(with_holes(people.iloc[:3], [(1, name) for name in people]))
    assert filled["age"][1] == pytest.approx(model.weights_ @ model.age_means_.ravel())
    assert filled["visits"][1] == pytest.approx(model.weights_ @ model.visits_rates_.ravel())


def test_nothing_missing_comes_back_as_it_is(model, people):
    filled = model.impute(people)
    pd.testing.assert_frame_equal(filled, people)
    assert filled is not people
    assert len(model.impute(people, n_draws=3)) == 3
    x = np.arange(12).reshape(6, 2)
    same = GaussianMixture(1).fit(x).impute(x)
    assert same.dtype == x.dtype and (same == x).all() and same is not x


def test_draws_have_the_distribution_that_the_model_gives(model, people):
    """The law of large numbers: a row with its age alone, drawn many times."""
    new = with_holes(people.iloc[:1], [(0, "visits"), (0, "region"), (0, "smokes")]).assign(age=45.0)
    many = pd.concat([new] * 20_000, ignore_index=True)
    drawn = model.set_params(random_state=1).impute(many, n_draws=1)[0]
    resp = model.predict_proba(new)[0]
    rates = model.visits_rates_.ravel()
    assert drawn["visits"].mean() == pytest.approx(resp @ rates, abs=0.1)
    assert drawn["visits"].var() == pytest.approx(resp @ (rates + rates**2) - (resp @ rates) ** 2, rel=0.05)
    assert (drawn["visits"] == drawn["visits"].round()).all()
    assert drawn["smokes"].astype(float).mean() == pytest.approx(resp @ model.smokes_probs_.ravel(), abs=0.015)
    north = list(model.columns_[2].levels).index("north")
    assert (drawn["region"] == "north").mean() == pytest.approx(resp @ model.region_probs_[:, north], abs=0.015)
    # Columns are drawn with one component: they go together as the mixture has them.
    together = drawn["visits"].corr(drawn["smokes"].astype(float))
    assert together > 0.2


def test_draws_differ_and_are_repeated_with_their_seed(people):
    model = Mixture(2, random_state=3).fit(people)
    new = with_holes(people, [(i, "visits") for i in range(50)])
    first, second = model.impute(new, n_draws=2)
    assert not first["visits"].equals(second["visits"])
    again = model.impute(new, n_draws=2)
    pd.testing.assert_frame_equal(first, again[0])
    pd.testing.assert_frame_equal(second, again[1])


# --- kinds of tables --------------------------------------------------------------------------------------------------


def test_pandas_keeps_index_order_and_types(people):
    frame = people.assign(region=people["region"].astype("category")).astype({"visits": "Int64", "smokes": "boolean"})
    frame.index = frame.index * 2 + 7
    model = Mixture(2, random_state=0).fit(frame)
    holes = frame.copy()
    for i, name in enumerate(frame):
        holes.loc[frame.index[i], name] = pd.NA
    filled, drawn = model.impute(holes), model.impute(holes, n_draws=1)[0]
    for out in (filled, drawn):
        assert list(out.columns) == list(frame.columns) and out.index.equals(frame.index)
        assert not out.isna().any().any()
        assert out["region"].dtype == frame["region"].dtype and str(out["smokes"].dtype) == "boolean"
    assert str(drawn["visits"].dtype) == "Int64" and str(filled["visits"].dtype) == "float64"
    pd.testing.assert_series_equal(filled["age"].iloc[1:], holes["age"].iloc[1:])


def test_polars_keeps_types(people):
    frame = pl.from_pandas(people).with_columns(
        pl.col("region").cast(pl.Enum(["north", "south", "west"])), pl.col("visits").cast(pl.Int16), pl.col("age").cast(pl.Float32)
    )
    model = Mixture(2, random_state=0).fit(frame)
    gone = [
        pl.when(pl.int_range(pl.len()) == i).then(None).otherwise(pl.col(name)).alias(name) for i, name in enumerate(frame.columns)
    ]
    holes = frame.with_columns(gone)
    drawn = model.impute(holes, n_draws=1)[0]
    assert drawn.schema == frame.schema and drawn.null_count().sum_horizontal()[0] == 0
    filled = model.impute(holes)
    assert filled.schema == {**frame.schema, "visits": pl.Float64()}
    assert filled[10:].with_columns(pl.col("visits").cast(pl.Int16)).equals(frame[10:])


def test_pyarrow_keeps_types(people):
    table = pa.Table.from_pandas(people, preserve_index=False)
    table = table.set_column(2, "region", table["region"].cast(pa.string()).dictionary_encode())
    model = Mixture(2, random_state=0).fit(table)
    holes = table
    for i, name in enumerate(table.column_names):
        column = pa.array([None if row == i else v for row, v in enumerate(table[name].to_pylist())], table[name].type)
        holes = holes.set_column(i, name, column)
    drawn = model.impute(holes, n_draws=1)[0]
    assert isinstance(drawn, pa.Table) and drawn.column_names == table.column_names
    assert [drawn[name].null_count for name in drawn.column_names] == [0] * 4
    assert drawn.schema.field("visits").type == pa.int64() and pa.types.is_dictionary(drawn.schema.field("region").type)
    assert drawn[20:].to_pylist() == table[20:].to_pylist()
    batch = holes.combine_chunks().to_batches()[0]
    assert isinstance(model.impute(batch), pa.RecordBatch)


def test_a_level_that_the_frame_does_not_list(people):
    """The new frame has only rows of one region; the other is the best guess for a row."""
    model = Mixture(2, random_state=0).fit(people)
    old = people[(people["region"] == "north") & (people["age"] < 40)].iloc[:5]
    likely = model.impute(with_holes(people[people["age"] > 55].iloc[:1], [(0, "region")]))
    assert likely["region"].iloc[0] == "south"
    new = pd.concat([old, people[people["age"] > 55].iloc[:1].assign(region=None)], ignore_index=True)
    for kind in ("category", object):
        out = model.impute(new.astype({"region": kind}))
        assert list(out["region"]) == ["north"] * 5 + ["south"]
    enum = pl.from_pandas(new).with_columns(pl.col("region").cast(pl.Enum(["north"])))
    assert model.impute(enum)["region"].to_list() == ["north"] * 5 + ["south"]


def test_arrays_stay_arrays(people):
    x = people[["age", "visits"]].to_numpy()
    x[3, 0] = NAN
    for array in (x, x.astype(np.float32)):
        model = GaussianMixture(2, random_state=0).fit(array)
        out = model.impute(array)
        assert isinstance(out, np.ndarray) and out.dtype == array.dtype and not np.isnan(out).any()
        np.testing.assert_array_equal(np.delete(out, 3, axis=0), np.delete(array, 3, axis=0))
    masked = np.ma.masked_invalid(x)
    np.testing.assert_allclose(
        GaussianMixture(2, random_state=0).fit(x).impute(masked), GaussianMixture(2, random_state=0).fit(x).impute(x)
    )
    texts = people.to_numpy(dtype=object)
    texts[0, 2] = None
    filled = Mixture(2, random_state=0).fit(texts).impute(texts)
    assert filled.dtype == object and filled[0, 2] in ("north", "south") and (filled[1:] == texts[1:]).all()


def test_an_unseen_level_is_observed_and_stays(people):
    model = Mixture(2, random_state=0, unseen="missing").fit(people)
    new = people.iloc[:3].assign(region=["east", "north", None])
    assert list(model.impute(new)["region"])[:2] == ["east", "north"]
    assert model.impute(new)["region"].iloc[2] in ("north", "south")


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_refusals(model, people):
    with pytest.raises(NotFittedError):
        Mixture(2).impute(people)
    with pytest.raises(DataError, match="feature names"):
        model.impute(people.drop(columns="age"))
    with pytest.raises(ParameterError, match="n_draws"):
        model.impute(people, n_draws=0)
    with pytest.raises(DataError, match="'visits' row 1 is -2"):
        model.impute(people.assign(visits=[3, -2] + [1] * 298))
    with pytest.raises(DataError, match="'region' row 0 is 'east', a level that was not there"):
        model.impute(people.iloc[:2].assign(region="east"))


def test_a_row_that_no_component_can_produce_is_named():
    x = np.array([[0, 1], [0, 2], [0, 3], [0, 0], [0, 5]])
    model = Mixture(1, {(0, 1): "poisson"}, fixed={"poisson_rates": [[0.0, NAN]]}).fit(x)
    with pytest.raises(DataError, match="row 1 has observed cells that no component can produce"):
        model.impute(np.array([[0, NAN], [4, NAN]]))


# --- hidden Markov models ---------------------------------------------------------------------------------------------


def small_hmm():
    model = HMM(2, emission="poisson", random_state=0)
    model.startprob_, model.transmat_, model.rates_ = [0.6, 0.4], [[0.8, 0.2], [0.3, 0.7]], [[1.0, 2.0], [6.0, 4.0]]
    return model


def test_an_hmm_against_all_paths():
    """Posterior expectation of each missing cell, by adding up every path of states."""
    from scipy import stats

    model = small_hmm()
    x = np.array([[1.0, 2.0], [NAN, 5.0], [NAN, NAN], [7.0, NAN], [2.0, 1.0]])
    start, trans, rates = (np.asarray(v, dtype=float) for v in (model.startprob_, model.transmat_, model.rates_))
    total, expected = 0.0, np.zeros_like(x)
    for path in product(range(2), repeat=len(x)):
        p = start[path[0]] * np.prod([trans[a, b] for a, b in pairwise(path)])
        cells = stats.poisson.pmf(np.nan_to_num(x), rates[list(path)])
        p *= np.where(np.isnan(x), 1.0, cells).prod()
        total += p
        expected += p * np.where(np.isnan(x), rates[list(path)], x)
    np.testing.assert_allclose(model.impute(x), expected / total, rtol=1e-10)


def test_draws_of_an_hmm_follow_the_posterior():
    model = small_hmm()
    x = np.array([[1.0, 2.0], [NAN, 5.0], [NAN, NAN], [7.0, NAN]])
    draws = np.stack(model.impute(x, n_draws=6000))
    assert (draws == np.round(draws)).all()
    np.testing.assert_allclose(draws.mean(axis=0), model.impute(x), atol=0.2)
    np.testing.assert_array_equal(model.impute(x, n_draws=6000)[5], draws[5])


@pytest.fixture(scope="module")
def visits():
    rng = np.random.default_rng(2)
    n = rng.poisson(np.repeat([2, 9, 2, 9], 15)).astype(float)
    frame = pd.DataFrame({"t": np.tile(np.arange(20), 3), "n": n, "id": np.repeat(["a", "b", "c"], 20)})
    frame.loc[[3, 25, 59], "n"] = NAN
    return frame


def test_sequences_in_frames_keep_their_keys(visits):
    model = HMM(2, emission="poisson", sequence="id", order="t", random_state=0).fit(visits)
    filled = model.impute(visits)
    assert list(filled.columns) == list(visits.columns)
    pd.testing.assert_frame_equal(filled[["t", "id"]], visits[["t", "id"]])
    shuffled = visits.sample(frac=1.0, random_state=0)
    pd.testing.assert_frame_equal(model.impute(shuffled).loc[visits.index], filled)
    gaps = visits.drop(index=[10, 11])
    out = model.set_params(gaps="missing").impute(gaps)
    assert out.index.equals(gaps.index) and not out["n"].isna().any()
    counts = model.impute(pl.from_pandas(visits).with_columns(pl.col("n").cast(pl.Int64)), n_draws=2)
    assert [c["n"].dtype for c in counts] == [pl.Int64, pl.Int64]


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_lists_of_sequences_come_back_as_lists(visits):
    x = visits["n"].to_numpy()[:, None]
    model = HMM(2, emission="poisson", random_state=0).fit(x, lengths=[20, 20, 20])
    expected = model.impute(x, lengths=[20, 20, 20])
    parts = model.impute(list(x.reshape(3, 20, 1)))
    assert isinstance(parts, list) and [p.shape for p in parts] == [(20, 1)] * 3
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    flat = model.impute([x[:25, 0], x[25:, 0]])
    assert [p.shape for p in flat] == [(25,), (35,)]
    cube = model.impute(x.reshape(3, 20, 1))
    np.testing.assert_array_equal(cube, expected.reshape(3, 20, 1))
    np.testing.assert_array_equal(np.concatenate(model.impute(iter(list(x.reshape(3, 20, 1))))), expected)
    frames = model.impute([pd.DataFrame({"x0": s[:, 0]}) for s in x.reshape(3, 20, 1)])
    np.testing.assert_array_equal(pd.concat(frames)["x0"], expected[:, 0])


@pytest.mark.filterwarnings("ignore")
def test_every_other_hmm_imputes_too(visits):
    x = visits["n"].to_numpy()[:, None]
    hmmlearn = emkit.PoissonHMM(2, random_state=0).fit(x)
    assert not np.isnan(hmmlearn.impute(x)).any() and len(hmmlearn.impute(x, n_draws=2)) == 2
    bayes = emkit.VariationalGaussianHMM(2, random_state=0).fit(x)
    assert not np.isnan(bayes.impute(x)).any() and not np.isnan(bayes.impute(x, n_draws=1)[0]).any()
    texts = pd.DataFrame({"w": ["rain", "sun", None, "sun", "rain", "rain", None, "sun"] * 4})
    symbols = emkit.HMM(2, emission="categorical", random_state=0).fit(texts)
    assert set(symbols.impute(texts)["w"]) == {"rain", "sun"}


def test_an_hmm_refuses(visits):
    model = small_hmm()
    with pytest.raises(NotFittedError):
        HMM(2).impute(np.ones((3, 1)))
    with pytest.raises(DataError, match="3 features"):
        model.impute(np.full((4, 3), NAN))
    with pytest.raises(DataError, match="-1"):
        model.impute(np.array([[1.0, NAN], [-1.0, 2.0]]))
    model.rates_ = [[0.0, 2.0], [0.0, 4.0]]
    with pytest.raises(DataError, match="sequence 0"):
        model.impute(np.array([[1.0, NAN], [1.0, 2.0]]))
