"""E-steps on Spark's Python workers: what one process gives, to rounding, also when a worker is killed in the middle."""

import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from emkit import FiniteMixture, Gaussian, GaussianMixture, Mixture, Monitor, ParameterError, Threads, fit
from emkit.core.errors import ClusterError, DataError
from support.cluster import MODELS, Files, Mortal, Names, agree, rows

pyspark = pytest.importorskip("pyspark", reason="needs the extra emkit[spark]")
if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
    pytest.skip("Spark needs Java 17", allow_module_level=True)

from emkit import SparkExecutor  # noqa: E402

# pyspark warns of pandas versions, and leaves sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def spark():
    """Two cores of this machine; a task may be lost three times."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # Its workers are processes of their own, which find the sources that the tests define as pytest does here.
    tests, given = str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = tests if not given else os.pathsep.join([tests, given])
    builder = pyspark.sql.SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        session = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def executor(spark):
    return SparkExecutor(spark, local_rows=0)


@pytest.mark.parametrize("kind", MODELS)
def test_statistics_are_those_of_one_process(executor, kind):
    agree(executor, kind)


def test_a_worker_killed_in_the_middle_of_an_e_step_changes_nothing(executor, tmp_path):
    """Spark gives the share to another Python worker, which reads it again."""
    source = Files(tmp_path, np.array_split(rows(), 6))
    armed = tmp_path / "armed"

    class Arm(Monitor):
        def step(self, step):
            if step.iteration == 1:
                armed.touch()

    how = {"tol": 0, "max_iter": 4, "algorithm": "em"}
    start = FiniteMixture(Gaussian(), 2).resolve(source).init(source, np.random.default_rng(0))
    expected = fit(FiniteMixture(Gaussian(), 2), source, executor=Threads(1), starts=[start], **how)
    found = fit(Mortal(Gaussian(), 2, armed=str(armed)), source, executor=executor, starts=[start], monitors=[Arm()], **how)
    assert not armed.exists()  # somebody has died of it
    for name, value in expected.params.flatten().items():
        np.testing.assert_allclose(found.params.flatten()[name], value, rtol=1e-10)


def test_errors_of_ours_come_out_as_they_were_raised(executor, tmp_path):
    source = Files(tmp_path, np.array_split(rows(), 3))

    def fails(block):
        raise DataError("no such luck", row=block.start)

    with pytest.raises(DataError, match=r"^no such luck$") as caught:
        executor.map_reduce(fails, source)
    assert caught.value.row == 0


def test_many_shares_are_added_sixteen_at_a_time_in_their_order(spark, tmp_path):
    source = Files(tmp_path, np.array_split(rows(180), 18))
    found, total = SparkExecutor(spark, shares=18, local_rows=0).map_reduce(lambda block: (Names(f"{block.start} "), 1.0), source)
    assert found.names.split() == [str(10 * i) for i in range(18)] and total == 18.0


def test_a_data_frame_is_fitted_where_it_is(spark, executor):
    x = rows(1200)
    weights = np.where(np.arange(len(x)) % 3, 1.0, 2.0)
    table = [(*(None if np.isnan(v) else float(v) for v in row), float(w), "Rome") for row, w in zip(x, weights, strict=True)]
    frame = spark.createDataFrame(table, "a double, b double, w double, city string").cache()
    settings = {"n_components": 2, "random_state": 0, "n_init": 1, "max_iter": 2, "tol": 0}
    found = GaussianMixture(**settings, executor=executor).fit(frame.drop("city"), sample_weight="w")
    expected = GaussianMixture(**settings).fit(x, sample_weight=weights)
    np.testing.assert_allclose(found.means_, expected.means_, rtol=1e-9)
    assert found.feature_names_in_.tolist() == ["a", "b"]
    with pytest.raises(DataError, match="column 'city' holds string"):
        GaussianMixture(2).fit(frame)
    with pytest.raises(DataError, match="sample_weight='v': give the name of a column"):
        GaussianMixture(2).fit(frame.drop("city"), sample_weight="v")


def test_a_table_of_any_kind_is_fitted_where_it_is(spark, executor):
    """Texts are numbered by the workers, and so are whole numbers that are to be categories."""
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=900)
    city = np.where(rng.random(900) < 0.2 + 0.6 * z, "Rome", "Oslo")
    numbers = zip(
        rng.normal(5.0 * z).tolist(), rng.poisson(1 + 5 * z).tolist(), (3 + 4 * z).tolist(), (z > 0).tolist(), strict=True
    )
    table = [
        (None if i % 7 == 0 else a, visits, code, sure, None if i % 9 == 0 else str(city[i]))
        for i, (a, visits, code, sure) in enumerate(numbers)
    ]
    frame = spark.createDataFrame(table, "a double, visits int, code bigint, sure boolean, city string").cache()
    settings = {"n_components": 2, "random_state": 0, "n_init": 1, "max_iter": 2, "tol": 0, "family": {"code": "categorical"}}
    found, expected = Mixture(**settings, executor=executor).fit(frame), Mixture(**settings).fit(frame.toPandas())
    assert found.columns_ == expected.columns_ and found.column_families() == expected.column_families()
    for name, value in expected.parameters().items():
        np.testing.assert_allclose(found.parameters()[name], value, rtol=1e-7, atol=1e-9)
    days = frame.selectExpr("a", "current_date() as day")
    with pytest.raises(DataError, match="column 'day' holds date, which is neither number nor string"):
        Mixture(2).fit(days)


def test_other_versions_on_workers_are_refused(executor, monkeypatch):
    from emkit.execute import futures

    here = futures.versions()
    monkeypatch.setattr(futures, "versions", lambda: {**here, "emkit": "99.0"})
    with pytest.raises(ClusterError, match=rf"worker 0 on .* has emkit {here['emkit']} where this process has emkit 99.0"):
        agree(executor, "mixture")


def test_a_session_that_was_stopped(spark, executor, tmp_path):
    """The last test here: nothing can be done with the session afterwards."""
    source = Files(tmp_path, np.array_split(rows(), 3))
    with executor.session():
        spark.stop()
        with pytest.raises(ClusterError, match="the Spark session was stopped"):
            executor.map_reduce(lambda block: (1.0, 1.0), source)
    with pytest.raises(ParameterError, match=r"spark=3: give a pyspark\.sql\.SparkSession"):
        SparkExecutor(3)
