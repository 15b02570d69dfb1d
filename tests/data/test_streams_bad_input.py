"""What streams do about files that are not as they should be, and data that come in other ways than files do."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from emkit import HMM, DataError, FiniteMixture, Gaussian, GaussianMixture, LogScale, Mixture, ParameterError
from emkit.data.rows import ArraySource
from emkit.data.stream import stream

SETTINGS = {"n_components": 2, "random_state": 0, "n_init": 1}


def table(n=12_000, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.integers(2, size=n)
    return pa.table({"a": rng.normal(size=n) + 5 * z, "b": rng.normal(size=n) + 5 * z, "w": 1 + 3 * z})


def folder(home, tables):
    home.mkdir()
    for i, one in enumerate(tables):
        parquet.write_table(one, home / f"part-{i}.parquet", row_group_size=4_000)
    return home


@pytest.fixture(scope="module")
def model():
    return GaussianMixture(**SETTINGS).fit(table().select(["a", "b"]).to_pandas())


@pytest.mark.parametrize("odd", [0, 1])
def test_the_file_that_lacks_a_column_is_named_wherever_it_comes(odd, tmp_path):
    tables = [table(seed=i) for i in range(3)]
    tables[odd] = tables[odd].drop_columns(["b"])
    home = folder(tmp_path / "in", tables)
    with pytest.raises(DataError, match=rf"part-{odd}\.parquet' has no column 'b'"):
        stream(home, columns=["a", "b"])
    with pytest.warns(UserWarning, match=rf"skipped.*part-{odd}\.parquet' has no column 'b'"):
        assert stream(home, columns=["a", "b"], on_error="skip").n_rows == 24_000
    if odd == 0:
        with pytest.raises(DataError, match=r"part-1\.parquet' has a column 'b', which the files before it have not; say columns"):
            stream(home)
    with pytest.raises(DataError, match=r"none of the 3 files can be read: .*has no column 'zz'"):
        stream(home, columns=["a", "zz"], on_error="skip")


@pytest.fixture
def damaged(tmp_path):
    """Three files of three row groups: one is cut short, another has a row group with infinity."""
    broken = table(seed=1)
    a = broken["a"].to_numpy().copy()
    a[5_000] = np.inf
    home = folder(tmp_path / "in", [table(), broken.set_column(0, "a", pa.array(a)), table(seed=2)])
    whole = (home / "part-2.parquet").read_bytes()
    (home / "part-2.parquet").write_bytes(whole[: len(whole) // 2])
    return home


@pytest.mark.parametrize("asked", ["method", "stream"])
def test_predictions_skip_what_fits_skip_and_count_it(asked, damaged, model, tmp_path):
    data, how = (damaged, "skip") if asked == "method" else (stream(damaged, columns=["a", "b"], on_error="skip"), "stop")
    with pytest.warns(UserWarning, match=r"^4000 rows and an unknown number in others were skipped, of 2 .*part-2"):
        assert model.predict_to(data, tmp_path / "out", on_error=how) == 20_000
    written = {path.name: parquet.read_metadata(path).num_rows for path in (tmp_path / "out").iterdir()}
    assert written == {"part-0.parquet": 12_000, "part-1.parquet": 8_000}
    with pytest.raises(DataError, match=r"part-2\.parquet"):
        model.predict_to(damaged, tmp_path / "out")


def test_a_full_disk_ends_a_copy_and_not_the_fit(tmp_path, monkeypatch, model):
    """Found in the middle of the first pass; an iterator, which is gone then, says so. Predictions leave nothing half-written."""
    from emkit.data import cache

    class Full:
        def __init__(self, path, schema):
            self.inner, self.left = pa.ipc.new_file(str(path), schema), 1

        def write_batch(self, batch):
            if not self.left:
                raise OSError(28, "No space left on device")
            self.left -= 1
            self.inner.write_batch(batch)

        def close(self):
            self.inner.close()

    monkeypatch.setattr(cache, "open_writer", Full)
    home = folder(tmp_path / "in", [table(40_000), table(10, seed=1)])
    with pytest.warns(UserWarning, match="cannot be written .No space left on device.; the data are read from where they are"):
        found = GaussianMixture(**SETTINGS).fit(stream(home, columns=["a", "b"], cache=tmp_path / "copy"))
    assert found.converged_ and found.result_.n_rows == 40_010 and not list((tmp_path / "copy").iterdir())
    rows = np.split(np.random.default_rng(0).normal(size=(40_000, 2)), 2)
    with pytest.raises(DataError, match=r"No space left on device\), and the iterator has been read"):
        GaussianMixture(2).fit(stream(iter(rows), cache=tmp_path / "copy"))

    def no_space(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet.ParquetWriter, "write_table", no_space)
    with pytest.raises(ParameterError, match=r"cannot write '.*part-0\.parquet': No space left on device"):
        model.predict_to(home, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_callables_are_data_and_iterators_say_how(model):
    """Given to ``fit`` as they are, too."""
    frame = table(40_000).select(["a", "b"]).to_pandas()
    pieces = [frame[:15_000], frame[15_000:]]
    found = GaussianMixture(**SETTINGS).fit(lambda: iter(pieces))
    assert found.result_.n_rows == 40_000 and found.feature_names_in_.tolist() == ["a", "b"]
    for fit in (GaussianMixture(2).fit, GaussianMixture(2).partial_fit, model.partial_fit):
        with pytest.raises(DataError, match=r"one-shot iterator has been read.*give cache=.*partial_fit"):
            fit(piece for piece in pieces)
    with pytest.raises(DataError, match=r"a callable must return an iterator of Blocks.*; it returned 3"):
        GaussianMixture(2).fit(lambda: 3)
    changed = iter([0, 0, 1, 1])
    again = stream(lambda: [frame.to_numpy() + next(changed)])
    with pytest.raises(DataError, match="has changed since the first pass: it has as many rows as before, with other cells"):
        GaussianMixture(**SETTINGS, tol=0).fit(again)


def test_arrow_files_may_be_of_the_streaming_format(tmp_path):
    rows = table(40_000)
    for name, opened in (("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
        with opened(str(tmp_path / f"{name}.arrow"), rows.schema) as writer:
            writer.write_table(rows, max_chunksize=7_000)
    one, other = (GaussianMixture(**SETTINGS).fit(tmp_path / f"{name}.arrow") for name in ("file", "stream"))
    assert one.result_.log_likelihood == other.result_.log_likelihood
    whole = (tmp_path / "stream.arrow").read_bytes()
    (tmp_path / "stream.arrow").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cannot read '.*stream\.arrow'.*cut short"):
        stream(tmp_path / "stream.arrow")


def test_partial_fit_learns_from_streams(tmp_path, model):
    home = folder(tmp_path / "in", [table(), table(seed=1)])
    learnt = Mixture(**SETTINGS).partial_fit(home, sample_weight="w").partial_fit(home, sample_weight="w")
    np.testing.assert_allclose(np.sort(learnt.weights_), [0.2, 0.8], atol=0.01)
    few = folder(tmp_path / "few", [table(30)])
    with pytest.raises(DataError, match=r"begins with 40 rows; this stream has 30"):
        GaussianMixture(**SETTINGS).partial_fit(stream(few, columns=["a", "b"]))
    begun = GaussianMixture(**SETTINGS)
    with pytest.warns(UserWarning, match="are kept until then"):
        begun.partial_fit(np.zeros((5, 2)))
    with pytest.raises(DataError, match=r"5 row.s. of earlier calls wait for more, and a stream cannot be added"):
        begun.partial_fit(home)
    shifted = folder(tmp_path / "far", [table(40_000).set_column(1, "b", pa.array(np.full(40_000, 30.0)))])
    with pytest.warns(UserWarning, match="far from those before in column 'b'"):
        GaussianMixture(**SETTINGS).fit(table().select(["a", "b"]).to_pandas()).partial_fit(stream(shifted, columns=["a", "b"]))


def test_sequences_in_files_are_not_learnt_as_they_arrive(tmp_path):
    """What ``fit`` reads as a stream is refused in so many words; an iterator of sequences is a list of them, as ever."""
    for data in (tmp_path, lambda: iter([table(100)])):
        with pytest.raises(DataError, match="partial_fit of sequences needs them in memory"):
            HMM(2, sequence="w").partial_fit(data)
    rows = [np.random.default_rng(i).normal(size=(40, 1)) for i in range(5)]
    one, other = (HMM(1, random_state=0).fit(given) for given in (iter(rows), rows))
    assert one.result_.log_likelihood == other.result_.log_likelihood


def test_weights_that_go_with_the_values_are_no_order_of_rows():
    frame = table(30_000).to_pandas()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GaussianMixture(**SETTINGS, algorithm="online").fit(frame[["a", "b"]], sample_weight=frame["w"])
        learnt = GaussianMixture(**SETTINGS)
        for begin in range(0, 30_000, 10_000):
            some = frame[begin : begin + 10_000]
            learnt.partial_fit(some[["a", "b"]], sample_weight=some["w"])
    with pytest.warns(UserWarning, match="far from those before"):
        learnt.partial_fit(frame[["a", "b"]].sort_values("a")[:2_000], sample_weight=np.arange(2_000) % 4)


def test_logarithms_of_a_stream_are_never_joined(tmp_path):
    x = np.exp(np.random.default_rng(0).normal(size=(40_000, 2)))
    np.save(tmp_path / "x.npy", x)
    source = stream(tmp_path / "x.npy")
    source.joined = None
    found, expected = (FiniteMixture(LogScale(Gaussian("full")), 2).resolve(one) for one in (source, ArraySource(x)))
    for one, other in zip(found.family.family.seen.__dict__.values(), expected.family.family.seen.__dict__.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_frames_of_pandas_in_a_stream_are_read_by_column(model):
    frame = pd.DataFrame(table(100).select(["b", "a"]).to_pandas())
    np.testing.assert_array_equal(model.predict(lambda: [frame]), model.predict(frame[["a", "b"]]))
