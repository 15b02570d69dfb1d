"""Sequences that are read block by block: hidden Markov models of what is larger than memory."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from emkit import HMM, DataError, GaussianMixture, ParameterError, SequenceSource, load, stream
from emkit.data import parts
from emkit.data import sequence_stream as module
from emkit.data import stream as streams
from emkit.data.sequence_stream import sequence_stream

LENGTHS = np.concatenate([np.random.default_rng(1).integers(1, 30, 60), [700], np.random.default_rng(2).integers(1, 30, 60)])


@pytest.fixture(scope="module")
def table():
    """Sequences of two columns with holes, named by numbers that do not rise, one of them long; a weight each."""
    rng, n = np.random.default_rng(0), int(LENGTHS.sum())
    names = np.repeat(rng.permutation(len(LENGTHS)), LENGTHS)
    state = np.repeat(rng.integers(0, 2, n // 5 + 1), 5)[:n]
    x = np.column_stack([rng.normal(4.0 * state, 1), rng.normal(-state, 1)])
    x[rng.random(n) < 0.05, 0] = np.nan
    return pd.DataFrame({"a": x[:, 0], "who": names, "b": x[:, 1], "w": 1.0 + names % 2})


def written(folder, table, files, group):
    """The table in so many files with row groups of so many rows."""
    folder.mkdir()
    cuts = np.linspace(0, len(table), files + 1).astype(int)
    for i in range(files):
        part = pa.Table.from_pandas(table[cuts[i] : cuts[i + 1]], preserve_index=False)
        parquet.write_table(part, folder / f"{i:02d}.parquet", row_group_size=group)
    return folder


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 100 rows, and nothing is so small that it had better be in memory."""
    monkeypatch.setattr(module, "ROWS", 100)
    monkeypatch.setattr(parts, "ROWS", 100)
    monkeypatch.setattr(module, "HELD", 0)
    monkeypatch.setattr(streams, "HELD", 0)


@pytest.mark.parametrize(("files", "group"), [(1, 10**6), (1, 50), (7, 333), (40, 11)])
def test_however_it_is_cut_the_sequences_are_whole(tmp_path, small_blocks, table, files, group):
    found = sequence_stream(str(written(tmp_path / "data", table, files, group)), "who", "w")
    np.testing.assert_array_equal(found.lengths, LENGTHS)
    assert found.columns.names == ("a", "b") and found.n_rows == len(table)
    blocks = list(found)
    joined = np.concatenate([block.x for block in blocks])
    np.testing.assert_array_equal(joined, table[["a", "b"]].to_numpy())
    np.testing.assert_array_equal(np.concatenate([block.lengths for block in blocks]), LENGTHS)
    np.testing.assert_array_equal([block.start for block in blocks], np.cumsum([0, *(block.units for block in blocks)])[:-1])
    weights = np.concatenate([block.weights for block in blocks])
    np.testing.assert_array_equal(weights, table.groupby("who", sort=False)["w"].first())
    assert found.total_weight == pytest.approx(weights @ LENGTHS)
    assert len(blocks) > 3 and max(block.n for block in blocks) < 800 + 131
    again = pickle.loads(pickle.dumps(found.parts()[-1])).read()
    np.testing.assert_array_equal(again.x, joined[-again.n :])
    assert found.place(3).startswith("'") or "row" in found.place(3)


@pytest.mark.parametrize("weights", [None, "w"])
def test_a_fit_is_that_of_the_table_in_memory(tmp_path, small_blocks, table, weights):
    folder = written(tmp_path / "data", table.drop(columns=[] if weights else ["w"]), 3, 400)
    here = table.drop(columns="w")
    each = None if weights is None else table.groupby("who", sort=False)["w"].first().to_numpy()
    settings = {"sequence": "who", "n_init": 1, "tol": 1e-7, "random_state": 0}
    inside = HMM(2, **settings).fit(here, sample_weight=each)
    start = {"means": inside.means_ + 0.1, "transmat": [[0.6, 0.4], [0.4, 0.6]]}
    inside = HMM(2, init=start, **settings).fit(here, sample_weight=each)
    streamed = HMM(2, init=start, **settings).fit(str(folder), sample_weight=weights)
    assert streamed.score(str(folder), sample_weight=weights) == pytest.approx(inside.result_.log_likelihood, rel=1e-10)
    np.testing.assert_allclose(streamed.means_, inside.means_, rtol=1e-6)
    np.testing.assert_allclose(streamed.transmat_, inside.transmat_, rtol=1e-6)
    assert streamed.bic(str(folder)) == pytest.approx(inside.bic(here), rel=1e-9)
    errors = streamed.standard_errors(str(folder), weights)
    np.testing.assert_allclose(errors["means"], inside.standard_errors(here, each)["means"], rtol=1e-3)


def test_any_number_of_threads_has_the_same_bits(tmp_path, small_blocks, table):
    folder = str(written(tmp_path / "data", table, 5, 70))
    fits = [
        HMM(2, sequence="who", n_init=2, max_iter=5, tol=0, random_state=0, n_jobs=n).fit(folder, sample_weight="w") for n in (1, 3)
    ]
    np.testing.assert_array_equal(fits[0].means_, fits[1].means_)


def test_few_rows_are_read_into_memory_and_a_stream_of_ones_own_is_taken(tmp_path, table):
    folder = written(tmp_path / "data", table, 2, 500)
    model = HMM(2, sequence="who", n_init=2, random_state=0).fit(str(folder), sample_weight="w")
    plain = HMM(2, sequence="who", n_init=2, random_state=0).fit(
        table.drop(columns="w"), sample_weight=table.groupby("who", sort=False)["w"].first()
    )
    np.testing.assert_array_equal(model.means_, plain.means_)
    own = stream(str(folder), columns=["who", "b"], cache=tmp_path / "cache")
    narrow = HMM(2, sequence="who", n_init=1, random_state=0).fit(own)
    assert list(narrow.feature_names_in_) == ["b"]
    narrow.save(tmp_path / "model")
    assert load(tmp_path / "model").score(str(folder)) == pytest.approx(narrow.result_.log_likelihood)
    source = SequenceSource(table[["b"]].to_numpy(), LENGTHS)
    assert HMM(2, n_init=1, random_state=0).fit(source).result_.log_likelihood == pytest.approx(narrow.result_.log_likelihood)


def test_texts_name_sequences_and_symbols(tmp_path, small_blocks):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"who": np.repeat(["ann", "bob", "cy"], [40, 200, 9]), "says": rng.choice(["yes", "no"], 249)})
    folder = written(tmp_path / "data", frame, 2, 64)
    settings = {"emission": "categorical", "sequence": "who", "n_init": 1, "max_iter": 3, "tol": 0, "random_state": 0}
    streamed = HMM(2, **settings).fit(str(folder))
    assert streamed.probs_.shape == (2, 2) and streamed.columns_[0].levels == ("no", "yes")
    assert streamed.score(str(folder)) == pytest.approx(streamed.score(frame), rel=1e-12)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("kind", ["file", "callable", "cache"])
def test_any_column_of_a_matrix_may_tell_sequences_apart(tmp_path, small_blocks, table, place, kind):
    """Matrices have no names by which their columns could be put in order."""
    cells = table[["a", "b"]].to_numpy()
    matrix = np.insert(cells, place, table["who"], axis=1)
    np.save(tmp_path / "rows.npy", matrix)
    data = (lambda: iter(np.array_split(matrix, 7))) if kind == "callable" else str(tmp_path / "rows.npy")
    found = sequence_stream(stream(data, cache=tmp_path / "cache") if kind == "cache" else data, f"x{place}")
    np.testing.assert_array_equal(found.lengths, LENGTHS)
    assert found.columns.names == tuple(f"x{j}" for j in range(3) if j != place)
    np.testing.assert_array_equal(np.concatenate([block.x for block in found]), cells)
    again = sequence_stream(data, f"x{place}", like=found.columns)
    np.testing.assert_array_equal(again.lengths, LENGTHS)
    np.testing.assert_array_equal(np.concatenate([block.x for block in again]), cells)


def test_columns_of_a_matrix_are_found_by_the_names_of_the_fit(tmp_path, small_blocks):
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(6.0 * rng.integers(0, 2, 500), 1), rng.normal(100, 1, 500)])
    np.save(tmp_path / "rows.npy", x)
    frame = pd.DataFrame({"x1": x[:, 1], "x0": x[:, 0]})
    model = GaussianMixture(2, random_state=0).fit(frame)
    path = str(tmp_path / "rows.npy")
    assert model.score(path) == pytest.approx(model.score(frame), rel=1e-12)
    assert model.predict_to(path, tmp_path / "out") == 500
    written = parquet.read_table(tmp_path / "out" / "rows.parquet").to_pandas()
    np.testing.assert_array_equal(written["label"], model.predict(frame))
    np.testing.assert_array_equal(written[["x0", "x1"]], x)
    np.testing.assert_array_equal(np.concatenate([block.x for block in stream(path, columns=["x1"])]), x[:, 1:])
    assert list(stream(path, columns=["speed", "height"]).columns.names) == ["speed", "height"]
    with pytest.raises(DataError, match="columns names 1 columns; the rows have 2"):
        stream(path, columns=["speed"])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_sequences_called_by_numbers_that_cannot_be_told_apart_are_refused(tmp_path, suffix):
    """Numbers of a text file are read as floating-point ones: twenty patients became two."""
    frame = pd.DataFrame({"who": np.repeat(10**17 + np.arange(20), 5), "x": np.random.default_rng(0).normal(size=100)})
    write = pd.DataFrame.to_csv if suffix == "csv" else pd.DataFrame.to_parquet
    for i in range(2):
        write(frame[50 * i : 50 * i + 50], tmp_path / f"{i}.{suffix}", index=False)
    with pytest.raises(DataError, match=rf"'who' row 0 of '.*0.{suffix}'.* is 100000000000000000: .* 2\*\*53 cannot be told apart"):
        HMM(2, sequence="who", random_state=0).fit(str(tmp_path))
    small = frame.assign(who=np.repeat(np.arange(20), 5))
    model = HMM(2, sequence="who", random_state=0).fit(small)
    with pytest.raises(DataError, match=rf"'who' row 0 of '.*0.{suffix}'.*cannot be told apart"):
        model.predict_to(str(tmp_path), tmp_path / "out")


def test_texts_may_name_any_number_of_sequences(tmp_path, small_blocks, monkeypatch):
    """A category has 50,000 levels at most, and not one in each row: of sequences there may be more, and each may be one row."""
    from emkit.data import layout, scanning

    monkeypatch.setattr(scanning, "MOST_LEVELS", 20)
    monkeypatch.setattr(layout, "_MANY", 10)
    rng = np.random.default_rng(0)
    for lengths in (rng.integers(1, 9, 70), np.ones(70, dtype=int)):
        who = np.repeat([f"{9 * i % 70}x" for i in range(70)], lengths)
        frame = pd.DataFrame({"who": who, "a": rng.normal(size=len(who))})
        home = str(written(tmp_path / f"{len(who)}", frame, 3, 20))
        np.testing.assert_array_equal(sequence_stream(home, "who").lengths, lengths)
        settings = {"sequence": "who", "n_init": 1, "max_iter": 2, "tol": 0, "random_state": 0}
        model = HMM(2, **settings).fit(home)
        assert model.score(home) == pytest.approx(model.score(frame), rel=1e-12)
        assert sequence_stream(home, "who").called(3) == "sequence '27x'"
        with pytest.raises(DataError, match="an identifier"):
            GaussianMixture(1).fit(home)


def test_a_sample_is_of_whole_sequences(tmp_path, small_blocks, table):
    found = sequence_stream(str(written(tmp_path / "data", table, 4, 90)), "who", "w")
    rng = np.random.default_rng(0)
    some = found.sample(300, rng)
    assert isinstance(some, SequenceSource) and 300 <= some.n_rows < 1100
    whole = np.split(table["b"].to_numpy(), np.cumsum(LENGTHS)[:-1])
    for piece in np.split(some.x[:, 1], some.offsets[1:-1]):
        assert any(len(one) == len(piece) and (one == piece).all() for one in whole)
    assert found.sample(10**6, rng) is found
    lone = sequence_stream(str(written(tmp_path / "one", table[table["who"] == table["who"].mode()[0]], 3, 90)), "who", "w")
    stretch = lone.sample(50, rng)
    assert stretch.n_rows == 50 and len(stretch.lengths) == 1


def test_online_em_takes_it_too(tmp_path, small_blocks, table):
    folder = str(written(tmp_path / "data", table.drop(columns="w"), 4, 300))
    settings = {"sequence": "who", "random_state": 0}
    once = HMM(2, algorithm="online-then-batch", **settings).fit(folder)
    batch = HMM(2, n_init=4, **settings).fit(folder)
    assert once.result_.log_likelihood == pytest.approx(batch.result_.log_likelihood, abs=0.1)


class TestRefusals:
    def fitted(self, data, **more):
        return HMM(2, **{"sequence": "who", "n_init": 1, **more}).fit(data)

    def test_sequences_in_two_places_are_named(self, tmp_path, table):
        torn = pd.concat([table, table[:3]])
        who = table["who"][0]
        with pytest.raises(DataError, match=rf"sequence {who} goes on in .*data/01.parquet.* after rows of others"):
            self.fitted(str(written(tmp_path / "data", torn.drop(columns="w"), 2, 200)))

    def test_rows_without_a_sequence_are_named(self, tmp_path, table):
        gone = table.drop(columns="w").astype({"who": float})
        gone.loc[len(gone) - 2, "who"] = np.nan
        with pytest.raises(DataError, match=r"column 'who', .*01.parquet.* is missing; every row belongs to a sequence"):
            self.fitted(str(written(tmp_path / "data", gone, 2, 200)))

    @pytest.mark.parametrize("row", [5, 1000])
    def test_weights_differ(self, tmp_path, table, row):
        other = table.copy()
        inner = int(np.flatnonzero(other["who"].to_numpy()[1:] == other["who"].to_numpy()[:-1])[row // 2])
        other.loc[inner + 1, "w"] = 9.0
        with pytest.raises(DataError, match="a sequence has one weight"):
            HMM(2, sequence="who").fit(str(written(tmp_path / "data", other, 3, 77)), sample_weight="w")

    def test_what_goes_with_arrays_only(self, tmp_path, table):
        folder = str(written(tmp_path / "data", table, 1, 5000))
        with pytest.raises(ParameterError, match="set sequence="):
            HMM(2).fit(folder)
        with pytest.raises(DataError, match="no column 'whom'"):
            HMM(2, sequence="whom").fit(folder)
        with pytest.raises(ParameterError, match="lengths beside a stream"):
            HMM(2, sequence="who").fit(folder, lengths=[3, 4])
        with pytest.raises(ParameterError, match="states beside a stream"):
            HMM(2, sequence="who").fit(folder, states=[0])
        with pytest.raises(ParameterError, match="order= beside a stream"):
            self.fitted(folder, order="a")
        with pytest.raises(ParameterError, match="name of the column that holds them"):
            HMM(2, sequence="who").fit(folder, sample_weight=[1.0])
        with pytest.raises(DataError, match="rows without sequences"):
            HMM(2).fit(GaussianMixture(1).fit(table[["b"]])._source(table[["b"]]))
        model = self.fitted(folder)
        with pytest.raises(ParameterError, match="needs the sequences in memory"):
            model.impute(folder)
        with pytest.raises(DataError, match="'b'"):
            model.score(str(written(tmp_path / "less", table.drop(columns="b"), 1, 5000)))

    def test_files_that_change_are_noticed(self, tmp_path, small_blocks, table):
        folder = written(tmp_path / "data", table.drop(columns="w"), 2, 200)
        model = HMM(2, sequence="who", n_init=1, max_iter=2, tol=0, random_state=0).fit(str(folder))
        found = model._again(str(folder))
        assert found.n_rows == len(table) and len(found.parts())
        parquet.write_table(pa.Table.from_pandas(table[:50], preserve_index=False), folder / "01.parquet")
        with pytest.raises(DataError, match="has changed since it was first read"):
            list(found)
