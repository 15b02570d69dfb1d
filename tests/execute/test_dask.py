"""E-steps on a Dask cluster: what one process gives, to rounding, also when a worker is killed in the middle."""

import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.base import clone

from emkit import (
    HMM,
    Checkpoint,
    DataError,
    FiniteMixture,
    Gaussian,
    GaussianMixture,
    LatentClass,
    LogScale,
    Mixture,
    Monitor,
    ParameterError,
    Threads,
    fit,
    load,
)
from emkit.core.errors import ClusterError
from emkit.estimators.elsewhere import elsewhere
from support.cluster import MODELS, Files, Mortal, agree, problem, rows

distributed = pytest.importorskip("distributed", reason="needs the extra emkit[dask]")
da = pytest.importorskip("dask.array", reason="needs the extra emkit[dask]")

from emkit import DaskExecutor  # noqa: E402


@pytest.fixture(scope="module")
def client():
    """Two worker processes of one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def executor(client):
    return DaskExecutor(client, local_rows=0)


@pytest.mark.parametrize("kind", MODELS)
def test_statistics_are_those_of_one_process(executor, kind):
    agree(executor, kind)


def test_sequences_in_files_are_read_where_the_e_steps_run(executor, tmp_path):
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), rng.integers(500, 1500, 40))
    table = pa.table({"who": who, "x": rng.normal(3.0 * (np.arange(len(who)) // 50 % 2), 1.0)})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=900)
    settings = {"sequence": "who", "n_init": 1, "random_state": 0}
    here, there = HMM(2, **settings).fit(str(tmp_path)), HMM(2, executor=executor, **settings).fit(str(tmp_path))
    np.testing.assert_allclose(there.means_, here.means_, rtol=1e-10)


def test_blocks_are_mapped_in_order_and_errors_come_out(executor):
    _, source = problem("mixture")
    assert list(executor.map(lambda block: block.start, source)) == [block.start for block in source]

    def fails(block):
        raise DataError("no such luck", row=block.start)

    with pytest.raises(DataError, match="no such luck") as caught:
        executor.map_reduce(fails, source)
    assert caught.value.row is not None


def test_to_many_workers_parameters_are_sent_once_and_sums_are_added_on_the_way(executor, monkeypatch):
    """Many being more than one, here: two sums are added on a worker."""
    from emkit.execute import futures

    monkeypatch.setattr(futures, "FAN_IN", 1)
    asked = []
    monkeypatch.setattr(futures, "level", lambda sums, add_up: [asked.append(len(sums)), add_up(sums)][1:])
    agree(executor, "mixture")
    assert asked == [2, 2]


def test_small_sources_stay_in_this_process(client):
    step, source = problem("mixture")
    here = []
    DaskExecutor(client).map_reduce(lambda block: (here.append(block.start), step(block))[1], source)
    assert len(here) == len(list(source))


def test_a_worker_killed_in_the_middle_of_an_e_step_changes_nothing(executor, tmp_path):
    """Dask reads the share again on the other worker, or on the one that takes the place of the dead one."""
    source = Files(tmp_path, np.array_split(rows(), 6))
    armed = tmp_path / "armed"

    class Arm(Monitor):
        def step(self, step):
            if step.iteration == 2:
                armed.touch()

    how = {"tol": 0, "max_iter": 6, "algorithm": "em"}
    start = FiniteMixture(Gaussian(), 2).resolve(source).init(source, np.random.default_rng(0))
    expected = fit(FiniteMixture(Gaussian(), 2), source, executor=Threads(1), starts=[start], **how)
    found = fit(Mortal(Gaussian(), 2, armed=str(armed)), source, executor=executor, starts=[start], monitors=[Arm()], **how)
    assert not armed.exists()  # somebody has died of it
    for name, value in expected.params.flatten().items():
        np.testing.assert_allclose(found.params.flatten()[name], value, rtol=1e-10)
    assert found.n_iter == expected.n_iter == 6


def test_all_workers_killed_at_once_are_waited_for(client, executor):
    """Those that take their places read everything again; the sums have the same bits."""
    step, source = problem("mixture")
    with executor.session():
        stats, _ = executor.map_reduce(step, source)
        for pid in client.run(os.getpid).values():
            os.kill(pid, signal.SIGKILL)
        again, _ = executor.map_reduce(step, source)
    assert again.pack().tobytes() == stats.pack().tobytes()


def test_a_cluster_that_goes_away_leaves_a_checkpoint_to_go_on_from(tmp_path):
    (tmp_path / "rows").mkdir()
    source = Files(tmp_path / "rows", np.array_split(rows(), 6))
    model, path = FiniteMixture(Gaussian(), 2), tmp_path / "run.ckpt"
    start = model.resolve(source).init(source, np.random.default_rng(0))
    how = {"tol": 0, "max_iter": 8, "algorithm": "em", "starts": [start]}
    cluster = distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0", silence_logs=logging.CRITICAL)
    client = distributed.Client(cluster, set_as_default=False)

    class Away(Monitor):
        def step(self, step):
            if step.iteration == 4:
                cluster.close()

    executor = DaskExecutor(client, local_rows=0)
    with pytest.raises(ClusterError, match=r"is gone \(.*kept in checkpoint '.*run\.ckpt': fit again"):
        fit(model, source, executor=executor, monitors=[Away()], checkpoint=Checkpoint(path, seconds=1e6), **how)
    client.close()
    seen = []

    class Seen(Monitor):
        def step(self, step):
            seen.append(step.iteration)

    found = fit(model, source, executor=Threads(1), monitors=[Seen()], checkpoint=Checkpoint(path), **how)
    assert seen == [4, 5, 6, 7, 8]
    expected = fit(model, source, executor=Threads(1), **how)
    np.testing.assert_allclose(found.params.components.means, expected.params.components.means, rtol=1e-10)


def test_other_versions_on_workers_are_refused(executor, monkeypatch):
    from emkit.execute import futures

    here = futures.versions()
    monkeypatch.setattr(futures, "versions", lambda: {**here, "numba": "0.1", "emkit": "99.0"})
    with pytest.raises(ClusterError, match=rf"worker tcp.*emkit {here['emkit']} where .* has emkit 99.0, numba .* has numba 0.1"):
        agree(executor, "mixture")


def close_to(found: GaussianMixture, expected: GaussianMixture) -> None:
    for name in ("weights_", "means_", "covariances_"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_dask_collections_are_fitted_where_they_are(executor, weighted):
    import dask.dataframe as dd
    import pandas as pd

    x = rows()
    weights = np.random.default_rng(0).integers(1, 3, size=len(x)).astype(float) if weighted else None
    settings = {"n_components": 2, "random_state": 0, "n_init": 1, "max_iter": 8, "tol": 0}
    expected = GaussianMixture(**settings).fit(x, sample_weight=weights)
    X, w = da.from_array(x, chunks=(700, 1)), None if weights is None else da.from_array(weights, chunks=700)
    close_to(GaussianMixture(**settings, executor=executor).fit(X, sample_weight=w), expected)
    frame = dd.from_pandas(pd.DataFrame(x, columns=["a", "b"]), npartitions=4)
    w = None if weights is None else dd.from_pandas(pd.Series(weights), npartitions=4)
    found = GaussianMixture(**settings, executor=executor).fit(frame, sample_weight=w)
    close_to(found, expected)
    assert found.result_.n_rows == len(x) and found.feature_names_in_.tolist() == ["a", "b"]


def mixed(n: int = 900):
    """A table of a number, a count, a code and a text, each with holes but the count and the code."""
    import pandas as pd

    rng = np.random.default_rng(0)
    z = rng.integers(2, size=n)
    city = np.array(["Rome", "Oslo", "Lima"])[rng.integers(0, 2 + z)]
    frame = pd.DataFrame({"a": rng.normal(5.0 * z), "visits": rng.poisson(1 + 5 * z), "code": 3 + 4 * z, "city": city})
    frame.loc[::7, "a"] = np.nan
    frame.loc[::9, "city"] = None
    return frame


@pytest.mark.parametrize("family", [None, {"a": "student_t", "visits": LogScale(Gaussian(), -1.0), "code": "categorical"}])
def test_tables_of_any_kind_are_fitted_where_they_are(executor, family, monkeypatch):
    """No block comes to this process. Texts are numbered by the workers, and so are whole numbers that are to be categories."""
    import dask.dataframe as dd

    from emkit.data.chunks import ChunkPart

    settings = {"family": family, "n_components": 2, "random_state": 0, "n_init": 1, "max_iter": 5, "tol": 0}
    expected = Mixture(**settings).fit(mixed())
    monkeypatch.setattr(ChunkPart, "read", None)
    found = Mixture(**settings, executor=executor).fit(dd.from_pandas(mixed(), npartitions=3))
    assert found.columns_ == expected.columns_ and found.column_families() == expected.column_families()
    for name, value in expected.parameters().items():
        np.testing.assert_allclose(found.parameters()[name], value, rtol=1e-7, atol=1e-9)


def test_latent_classes_and_incremental_em_where_the_rows_are(executor):
    import dask.dataframe as dd

    answers = mixed()[["code", "city"]].assign(sure=mixed()["a"] > 2.5)
    settings = {"random_state": 0, "n_init": 1, "max_iter": 4, "tol": 0}
    found = LatentClass(2, **settings, executor=executor).fit(dd.from_pandas(answers, npartitions=3))
    expected = LatentClass(2, **settings).fit(answers)
    assert found.columns_ == expected.columns_  # equal answers are not merged here, so the starts are others
    assert found.score(answers) == pytest.approx(expected.score(answers), abs=0.05)
    X = da.from_array(rows(), chunks=(700, 2))
    one, other = (GaussianMixture(2, **settings, algorithm=word, executor=executor).fit(X) for word in ("incremental", "em"))
    close_to(one, other)


def test_a_collection_finds_its_cluster_by_itself(client):
    """That of the client made last; a small one is read into memory, and so is one whose fit searches for its size."""
    large = da.random.default_rng(0).normal(size=(30_000, 2), chunks=(7_000, 2))
    face = GaussianMixture(1, random_state=0)
    _, _, source = elsewhere(large, None, face, True)
    assert source.usual_executor.client is client
    assert source.n_rows == 30_000 and [block.start for block in source] == [0, 7000, 14000, 21000, 28000]
    found = face.fit(large)
    np.testing.assert_allclose(found.means_[0], np.asarray(large).mean(axis=0), rtol=1e-9, atol=1e-12)
    small = large[:500]
    assert elsewhere(small, None, face, True)[2] is None
    assert GaussianMixture("auto", random_state=0).fit(small).n_components_ >= 1


def test_an_executor_is_a_setting(executor, tmp_path):
    x, settings = rows(), {"n_components": 2, "random_state": 0, "n_init": 1, "max_iter": 5, "tol": 0}
    face = clone(GaussianMixture(**settings, executor=executor)).fit(x)
    assert face.executor is executor
    close_to(face, GaussianMixture(**settings).fit(x))
    face.save(tmp_path / "model.safetensors")
    assert load(tmp_path / "model.safetensors").executor is None
    with pytest.raises(ParameterError, match="executor=3: give one, such as"):
        GaussianMixture(2, executor=3).fit(x)


def test_data_that_cannot_be_used_are_named(client):
    import dask.dataframe as dd
    import pandas as pd

    x = rows()
    x[900, 1] = np.inf
    with pytest.raises(DataError, match="partition 1: column 'x1' row 200 is inf") as caught:
        GaussianMixture(2).fit(da.from_array(x, chunks=(700, 2)))
    assert caught.value.row == 200
    x[:, 1] = np.nan
    with pytest.raises(DataError, match="has no observed value"):
        GaussianMixture(2).fit(da.from_array(x, chunks=(700, 2)))
    texts = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0], "city": ["Rome", "Oslo"]}), npartitions=1)
    with pytest.raises(DataError, match="column 'city' holds"):
        GaussianMixture(2).fit(texts)
    days = dd.from_pandas(pd.DataFrame({"a": [1.0, 2.0], "day": pd.to_datetime(["2020-01-01", "2020-01-02"])}), npartitions=1)
    with pytest.raises(DataError, match=r"column 'day' holds datetime.*must be numbers or texts"):
        Mixture(2).fit(days)
    names = dd.from_pandas(pd.DataFrame({"name": [f"id {i}" for i in range(60)]}), npartitions=2)
    with pytest.raises(DataError, match="column 'name' holds 60 different texts"):
        Mixture(2).fit(names)
    with pytest.raises(DataError, match=r"sample_weight has 1 partition\(s\) and X 5"):
        GaussianMixture(2).fit(da.from_array(rows(), chunks=(700, 2)), sample_weight=da.ones(3000, chunks=3000))


def test_without_a_cluster_a_collection_is_read_into_memory(monkeypatch):
    """In a thread of its own: the client of this one is not to be seen."""

    def no_client():
        raise ValueError("No clients found")

    monkeypatch.setattr(distributed, "default_client", no_client)
    x = rows()
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: GaussianMixture(2, random_state=0, n_init=1).fit(da.from_array(x, chunks=700))).result()
    assert found.score(x) == GaussianMixture(2, random_state=0, n_init=1).fit(x).score(x)


def test_what_is_no_client_is_refused():
    with pytest.raises(ParameterError, match=r"client=7: give a distributed\.Client"):
        DaskExecutor(7)
    with pytest.raises(ClusterError, match="no Dask scheduler at 'nowhere://1'"):
        DaskExecutor("nowhere://1")


def test_the_command_line_finds_a_cluster_by_its_address(client, tmp_path):
    from typer.testing import CliRunner

    from emkit.cli.app import app

    x = np.random.default_rng(0).normal([3.0, -1.0], size=(25_000, 2))
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "model.safetensors"
    asked = ["fit", str(tmp_path / "x.npy"), "-k", "1", "--quiet"]
    done = CliRunner().invoke(app, [*asked, "--out", str(out), "--scheduler", client.scheduler.address])
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(load(out).means_[0], x.mean(axis=0), rtol=1e-9)
    refused = CliRunner().invoke(app, [*asked, "--scheduler", "nowhere://1"])
    assert refused.exit_code == 2 and "there is no Dask scheduler at 'nowhere://1'" in refused.output
