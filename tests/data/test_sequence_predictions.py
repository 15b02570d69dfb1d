"""Predictions of sequences that are read block by block: folder in, folder out, as if everything were in memory."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from emkit import HMM, DataError, GaussianMixture, Mixture, ParameterError, SequenceSource, load, stream
from emkit.core.errors import ImpossibleSequenceError
from emkit.data import parts
from emkit.data import sequence_stream as sequences
from emkit.data import stream as streams
from emkit.estimators import sequences_written, written

rng = np.random.default_rng(1)
LENGTHS = np.concatenate([rng.integers(1, 30, 60), [700], rng.integers(1, 30, 60), [1]])
WHO = np.repeat(rng.permutation(len(LENGTHS)), LENGTHS)
N = len(WHO)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 100 rows, and nothing is so small that it had better be in memory."""
    monkeypatch.setattr(sequences, "ROWS", 100)
    monkeypatch.setattr(parts, "ROWS", 100)
    monkeypatch.setattr(written, "ROWS", 70)
    monkeypatch.setattr(sequences, "HELD", 0)
    monkeypatch.setattr(streams, "HELD", 0)


@pytest.fixture(scope="module")
def table():
    """Sequences of two columns with holes, one of them long; a column that the model does not know."""
    state = np.repeat(rng.integers(0, 2, N // 5 + 1), 5)[:N]
    x = np.column_stack([rng.normal(3.0 * state, 1), rng.normal(-state, 1)])
    x[rng.random(N) < 0.05, 0] = np.nan
    return pd.DataFrame({"a": x[:, 0], "note": [f"row {i}" for i in range(N)], "who": WHO, "b": x[:, 1]})


@pytest.fixture(scope="module")
def model(table):
    return HMM(2, sequence="who", n_init=1, random_state=0).fit(table[["a", "b", "who"]])


def put(folder, table, files, group):
    """The table in so many files with row groups of so many rows."""
    folder.mkdir()
    for i, (a, b) in enumerate(pairwise(np.linspace(0, len(table), files + 1).astype(int))):
        part = pa.Table.from_pandas(table[a:b], preserve_index=False)
        parquet.write_table(part, folder / f"{i:02d}.parquet", row_group_size=group)
    return folder


def same(found, expected):
    """To 1e-12; labels exactly."""
    assert list(found) == list(expected)
    for name, values in expected.items():
        there = np.asarray(found[name])
        assert there.dtype == values.dtype
        np.testing.assert_allclose(there, values, rtol=0, atol=0 if values.dtype.kind == "i" else 1e-12)


@pytest.mark.parametrize(("files", "group"), [(1, 10**6), (1, 50), (7, 333), (40, 11)])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_a_folder_becomes_a_folder(tmp_path, small_blocks, table, model, files, group, n_jobs):
    """However the rows are cut: each file has its own rows, and sequences that cross files are decoded as wholes."""
    home = put(tmp_path / "in", table, files, group)
    model.set_params(n_jobs=n_jobs)
    assert model.predict_to(home, tmp_path / "out") == N
    there = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in there] == [f"{i:02d}.parquet" for i in range(files)]
    for path in there:
        assert parquet.read_table(path)["note"].equals(parquet.read_table(home / path.name)["note"])
    result = pd.concat(parquet.read_table(path).to_pandas() for path in there).reset_index(drop=True)
    pd.testing.assert_frame_equal(result[table.columns], table)
    same({name: result[name] for name in ("state", "p0", "p1")}, model.table(table[["a", "b", "who"]]))


def test_what_is_read_from_files_is_what_is_read_from_memory(tmp_path, small_blocks, table, model):
    home, inside = str(put(tmp_path / "in", table, 7, 90)), table[["a", "b", "who"]]
    same(model.table(home), model.table(inside))
    for name in ("predict", "predict_proba", "filter", "sequence_scores", "occupancy"):
        np.testing.assert_allclose(getattr(model, name)(home), getattr(model, name)(inside), rtol=1e-12, atol=1e-12)
    for algorithm in ("viterbi", "map"):
        (value, path), (expected, states) = (model.decode(x, algorithm=algorithm) for x in (home, inside))
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_array_equal(path, states)
    assert model.score_samples(home)[0] == pytest.approx(model.score(inside), rel=1e-12)
    assert model.score(home) == pytest.approx(model.score(inside), rel=1e-12)
    model.check_cells(home)
    np.testing.assert_array_equal(model.predict(stream(home, columns=["b", "who", "a"])), model.predict(inside))
    source = SequenceSource(table[["a", "b"]].to_numpy(), LENGTHS)
    with pytest.warns(UserWarning, match="valid feature names"):
        np.testing.assert_array_equal(model.predict(source), model.predict(inside))


def test_one_column_of_float32_stays_float32(tmp_path, small_blocks, table):
    narrow = table[["a", "who"]].astype(np.float32)
    model = HMM(2, sequence="who", n_init=1, random_state=0).fit(narrow)
    home = put(tmp_path / "in", narrow, 3, 90)
    assert model.predict_proba(str(home)).dtype == np.float32
    model.predict_to(home, tmp_path / "out")
    assert parquet.read_schema(tmp_path / "out" / "00.parquet").field("p0").type == pa.float32()


@pytest.mark.parametrize("dictionary", [False, True])
def test_texts_name_sequences_and_symbols_of_more_sequences_than_a_category_has_levels(tmp_path, monkeypatch, dictionary):
    """Names are compared, never listed beforehand; symbols have the numbers of the fit."""
    from emkit.data import scanning

    monkeypatch.setattr(scanning, "MOST_LEVELS", 20)
    lengths = rng.integers(1, 9, 50)
    frame = pd.DataFrame({"who": np.repeat([f"{7 * i % 50}x" for i in range(50)], lengths)})
    frame["says"] = rng.choice(["yes", "no", "perhaps"], len(frame))
    if dictionary:
        frame["who"] = frame["who"].astype("category")
    model = HMM(2, emission="categorical", sequence="who", n_init=1, max_iter=3, tol=0, random_state=0).fit(frame)
    home = put(tmp_path / "in", frame[frame["says"] != "no"].reset_index(drop=True), 3, 20)
    model.predict_to(home, tmp_path / "out")
    result = parquet.read_table(tmp_path / "out").to_pandas()
    same({name: result[name] for name in ("state", "p0", "p1")}, model.table(frame[frame["says"] != "no"].astype({"who": str})))
    new = put(tmp_path / "new", frame.replace("yes", "maybe").astype({"who": str}), 1, 20)
    with pytest.raises(DataError, match=r"row \d+ of .*new/00.parquet.*'maybe', a level that was not there in the fit"):
        model.predict_to(new, tmp_path / "out")


@pytest.mark.parametrize("kind", ["npy", "callable of frames", "callable of matrices", "iterator", "csv", "cache"])
def test_whatever_can_be_read_block_by_block(tmp_path, small_blocks, table, kind):
    """The rows are read once, so that an iterator will do."""
    cells = table[["a", "who", "b"]]
    model = HMM(2, sequence="x1" if kind in ("npy", "callable of matrices") else "who", n_init=1, random_state=0)
    model.fit(cells.rename(columns={"a": "x0", "who": "x1", "b": "x2"}) if model.sequence == "x1" else cells)
    np.save(tmp_path / "rows.npy", cells.to_numpy())
    cells.to_csv(tmp_path / "rows.csv", index=False)
    put(tmp_path / "in", cells, 2, 90)
    cut = list(pairwise(range(0, N + 333, 333)))
    data = {
        "npy": str(tmp_path / "rows.npy"),
        "callable of frames": lambda: (cells[a:b] for a, b in cut),
        "callable of matrices": lambda: (cells.to_numpy()[a:b] for a, b in cut),
        "iterator": (cells[a:b] for a, b in cut),
        "csv": str(tmp_path / "rows.csv"),
        "cache": stream(str(tmp_path / "in"), columns=["who", "b", "a"], cache=tmp_path / "cache"),
    }[kind]
    assert model.predict_to(data, tmp_path / "out") == N
    result = pd.concat(parquet.read_table(path).to_pandas() for path in sorted((tmp_path / "out").iterdir()))
    expected = model.table(cells.rename(columns={"a": "x0", "who": "x1", "b": "x2"}) if model.sequence == "x1" else cells)
    assert list(result.columns[:3]) == (["x0", "x1", "x2"] if model.sequence == "x1" else ["a", "who", "b"])
    same({name: result[name] for name in ("state", "p0", "p1")}, expected)


def test_rows_wait_for_the_end_of_their_sequence_and_no_longer(tmp_path, small_blocks, table, model, monkeypatch):
    """What is in memory is bounded by the longest sequence, and by a few blocks."""
    passed = {"read": 0, "written": 0, "most": 0}
    tables_of, with_added = sequences_written.tables_of, sequences_written.with_added

    def read(part):
        for rows, before in tables_of(part):
            passed["read"] += len(rows)
            passed["most"] = max(passed["most"], passed["read"] - passed["written"])
            yield rows, before

    def add(rows, *more):
        passed["written"] += len(rows)
        return with_added(rows, *more)

    monkeypatch.setattr(sequences_written, "tables_of", read)
    monkeypatch.setattr(sequences_written, "with_added", add)
    many = pd.concat(
        [table[table["who"] != table["who"].mode()[0]].assign(who=lambda t, i=i: t["who"] + 1000 * i) for i in range(8)]
    )
    put(tmp_path / "in", many, 1, 10**6)
    for n_jobs in (1, 2):
        passed.update(read=0, written=0, most=0)
        model.set_params(n_jobs=n_jobs).predict_to(tmp_path / "in", tmp_path / "out")
        assert passed["read"] == passed["written"] == len(many)
        assert passed["most"] <= (n_jobs + 2) * (100 + 70 + 30)


def test_a_model_from_a_file_knows_the_column(tmp_path, small_blocks, table, model):
    home = put(tmp_path / "in", table, 2, 400)
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").predict_to(home, tmp_path / "out", prefix="em_") == N
    assert parquet.read_schema(tmp_path / "out" / "00.parquet").names == [*table.columns, "em_state", "em_p0", "em_p1"]


class TestRefusals:
    def test_sequences_in_two_places_and_rows_without_one(self, tmp_path, small_blocks, table, model):
        torn = put(tmp_path / "torn", pd.concat([table, table[:3]]), 2, 200)
        with pytest.raises(
            DataError, match=rf"sequence {table['who'][0]} goes on in row \d+ of .*torn/01.parquet.* after rows of others"
        ):
            model.predict_to(torn, tmp_path / "out")
        texts = put(tmp_path / "texts", pd.concat([table, table[:3]]).astype({"who": str}), 2, 200)
        with pytest.raises(DataError, match=rf"sequence '{table['who'][0]}' goes on in .*texts/01.parquet"):
            model.predict_to(texts, tmp_path / "out")
        assert not [path for path in (tmp_path / "out").iterdir() if path.suffix != ".parquet"]
        for kind in (float, "str"):
            gone = table.astype({"who": kind})
            gone.loc[len(gone) - 2, "who"] = np.nan
            home = put(tmp_path / f"gone {kind}", gone, 2, 200)
            with pytest.raises(DataError, match=r"row \d+ of .*01.parquet.* has no 'who'; every row belongs to a sequence"):
                model.predict_to(home, tmp_path / "out")

    @pytest.mark.parametrize("texts", [False, True])
    def test_an_impossible_sequence_is_called_by_its_key(self, tmp_path, small_blocks, texts):
        model = HMM(2, emission="categorical", sequence="who", n_categories=3)
        model.startprob_, model.transmat_ = [1.0, 0.0], np.eye(2)
        model.probs_ = [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
        who = np.repeat([5, 3, 8, 2], [80, 90, 4, 60])
        frame = pd.DataFrame(
            {"x0": np.where((who == 8) & (np.arange(len(who)) == 172), 2, 1), "who": who.astype(str) if texts else who}
        )
        home = put(tmp_path / "in", frame, 3, 50)
        name = "'8'" if texts else "8"
        for ask in (
            lambda: model.predict_to(home, tmp_path / "out"),
            lambda: model.predict(str(home)),
            lambda: model.filter(str(home)),
        ):
            with pytest.raises(ImpossibleSequenceError, match=f"sequence {name} has probability zero") as caught:
                ask()
            assert caught.value.sequence == 2
        assert model.score(str(home)) == -np.inf

    def test_what_cannot_be_written(self, tmp_path, small_blocks, table, model):
        home = put(tmp_path / "in", table.assign(p1=0.0), 2, 400)
        with pytest.raises(ParameterError, match="column 'p1' already; give the added columns a prefix"):
            model.predict_to(home, tmp_path / "out")
        with pytest.raises(ParameterError, match="is among the data: write to another folder"):
            model.predict_to(home, home, prefix="em_")
        with pytest.raises(ParameterError, match="of rows in memory take table"):
            model.predict_to(SequenceSource(table[["a", "b"]].to_numpy(), LENGTHS), tmp_path / "out")
        with pytest.raises(ParameterError, match="on_error='never'"):
            model.predict_to(home, tmp_path / "out", on_error="never")
        with pytest.raises(DataError, match="no column 'b'"):
            model.predict_to(put(tmp_path / "less", table.drop(columns="b"), 1, 400), tmp_path / "out")
        with pytest.raises(DataError, match="no column 'who'"):
            model.predict(str(put(tmp_path / "without", table.drop(columns="who"), 1, 400)))
        plain = HMM(2, n_init=1, random_state=0).fit(table[["a", "b"]])
        for ask in (lambda: plain.predict_to(home, tmp_path / "out"), lambda: plain.predict(str(home))):
            with pytest.raises(ParameterError, match="set sequence="):
                ask()
        ordered = HMM(2, sequence="who", order="b", gaps="ignore", n_init=1, random_state=0).fit(table[["a", "b", "who"]][:50])
        with pytest.raises(ParameterError, match="order= beside a stream"):
            ordered.predict_to(home, tmp_path / "out")

    def test_needed_in_memory(self, tmp_path, table, model):
        home = str(put(tmp_path / "in", table, 2, 400))
        for name in ("impute", "sample_paths", "forecast", "k_best"):
            with pytest.raises(ParameterError, match="needs the sequences in memory"):
                getattr(model, name)(home)
        with pytest.raises(ParameterError, match="states beside a stream"):
            model.predict(home, states=[0])
        with pytest.raises(DataError, match="rows without sequences"):
            model.predict(GaussianMixture(1).fit(table[["b"]])._source(table[["b"]]))


@pytest.mark.parametrize("asked", ["method", "stream"])
def test_what_cannot_be_read_is_left_out_and_counted(tmp_path, small_blocks, table, model, asked):
    """As if the rows were not there; a first pass finds them."""
    home = put(tmp_path / "in", table, 3, 200)
    whole = (home / "01.parquet").read_bytes()
    (home / "01.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"01\.parquet"):
        model.predict_to(home, tmp_path / "out")
    data = home if asked == "method" else stream(str(home), columns=["a", "b", "who"], on_error="skip")
    with pytest.warns(UserWarning, match=r"rows.* were skipped, of 1 .*01\.parquet"):
        rows = model.predict_to(data, tmp_path / "out", on_error="skip" if asked == "method" else "stop")
    a, b = np.linspace(0, N, 4).astype(int)[1:3]
    left = pd.concat([table[:a], table[b:]]).reset_index(drop=True)
    result = pd.concat(parquet.read_table(path).to_pandas() for path in sorted((tmp_path / "out").iterdir()))
    assert rows == len(left) and list(result["note"]) == list(left["note"])
    same({name: result[name] for name in ("state", "p0", "p1")}, model.table(left[["a", "b", "who"]]))


@pytest.mark.parametrize("sequences", [False, True])
def test_a_cell_that_the_model_cannot_describe_is_named_by_file_and_row(tmp_path, small_blocks, sequences):
    """As in memory, instead of an answer that means nothing."""
    frame = pd.DataFrame({"n": np.random.default_rng(0).poisson(4, 600).astype(float), "who": np.repeat(np.arange(6), 100)})
    settings = {"sequence": "who"} if sequences else {}
    model = (HMM if sequences else Mixture)(2, "poisson", n_init=1, random_state=0, **settings)
    model.fit(frame if sequences else frame[["n"]])
    frame.loc[310, "n"] = -1
    home = put(tmp_path / "in", frame, 2, 100)
    with pytest.raises(DataError, match=r"column 'n' row 10 of '.*/01.parquet', row group 0 is -1, expected a count") as caught:
        model.predict_to(home, tmp_path / "out")
    assert caught.value.column == "n" and not (tmp_path / "out" / "01.parquet").exists()
