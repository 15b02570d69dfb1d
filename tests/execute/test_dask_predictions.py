"""What fitted models say of Dask collections: lazily, with their partitions, what they say of the same rows in memory."""

import logging
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from emkit import (
    HMM,
    AutoClass,
    BayesianNetwork,
    DataError,
    GaussianMixture,
    GaussianMixtureRegressor,
    LatentClass,
    Mixture,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    MixtureOfRegressions,
    Monitor,
    ParameterError,
    RBFClassifier,
    RBFRegressor,
)
from emkit.estimators.partitions import _answering

dask = pytest.importorskip("dask", reason="needs the extra emkit[dask]")
distributed = pytest.importorskip("distributed", reason="needs the extra emkit[dask]")
da = pytest.importorskip("dask.array", reason="needs the extra emkit[dask]")
dd = pytest.importorskip("dask.dataframe", reason="needs the extra emkit[dask]")

from emkit import DaskExecutor  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def client():
    """Two worker processes of one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def mixed(n: int = 900) -> pd.DataFrame:
    """A number, a count and a text, with holes; the last partition of three lacks a level that the others have."""
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=n)
    city = np.where(np.arange(n) < 2 * n // 3, np.array(["Rome", "Oslo", "Lima"])[rng.integers(0, 2 + z)], "Oslo")
    frame = pd.DataFrame({"a": rng.normal(5.0 * z), "visits": rng.poisson(1 + 5 * z), "city": city})
    frame.loc[::7, "a"] = np.nan
    frame.loc[::9, "city"] = None
    return frame


SETTINGS = {"random_state": 0, "n_init": 1, "max_iter": 8, "tol": 0}
NUMBERS = mixed()[["a", "visits"]].astype(float)
FITTED = {
    "gaussians": (lambda: GaussianMixture(2, **SETTINGS), NUMBERS),
    "noise": (lambda: GaussianMixture(2, noise=True, **SETTINGS), NUMBERS),
    "without names": (lambda: GaussianMixture(2, **SETTINGS), NUMBERS.to_numpy()),
    "float32": (lambda: GaussianMixture(2, **SETTINGS), NUMBERS.fillna(0.5).astype(np.float32)),
    "kinds": (lambda: Mixture(2, **SETTINGS), mixed()),
    "classes": (lambda: LatentClass(2, **SETTINGS), mixed()[["city"]].assign(sure=mixed()["visits"] > 3)),
    "groups": (
        lambda: LatentClass(2, groups="city", **SETTINGS),
        mixed()[["city"]].fillna("Rome").assign(sure=mixed()["visits"] > 3, few=mixed()["visits"] < 2),
    ),
    "autoclass": (lambda: AutoClass(max_tries=1, random_state=0), NUMBERS),
}


def collections(data) -> list:
    """The rows with a partition that is empty, and as an array whose chunks cut columns, too, where they are an array."""
    if isinstance(data, np.ndarray):
        return [
            da.from_array(data, chunks=((400, 0, 500), 1)),
            dd.from_pandas(pd.DataFrame(data, columns=["x0", "x1"]), npartitions=3),
        ]
    parts = [data[:300], data[300:300], data[300:]]
    return [dd.from_map(lambda i: parts[i], range(3), meta=data[:0])]


@pytest.mark.filterwarnings("ignore:.*feature names")
@pytest.mark.parametrize("kind", FITTED)
def test_answers_are_lazy_and_lie_where_the_rows_do(kind):
    make, data = FITTED[kind]
    model = make().fit(data)
    for X in collections(data):
        for name in ("predict", "predict_proba", "score_samples"):
            expected, found = getattr(model, name)(data), getattr(model, name)(X)
            assert isinstance(found, da.Array) and found.numblocks[0] == 3
            assert found.dtype == expected.dtype and found.ndim == expected.ndim and found.shape[1:] == expected.shape[1:]
            there = found.compute()
            assert there.dtype == expected.dtype
            np.testing.assert_allclose(there, expected, rtol=1e-12, atol=1e-12)
        added, expected = model.table(X), model.table(data)
        assert list(added) == list(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(added[name].compute(), values, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["gaussians", "kinds", "classes", "groups"])
def test_likelihoods_and_criteria_are_sums_over_partitions(kind):
    make, data = FITTED[kind]
    model = make().fit(data)
    (X,) = collections(data)
    assert model.score(X) == pytest.approx(model.score(data), rel=1e-12)
    for criterion in ("bic", "aic", "icl"):
        assert getattr(model, criterion)(X) == pytest.approx(getattr(model, criterion)(data), rel=1e-12)
    model.check_cells(X)
    cut = dd.from_pandas(data, npartitions=3)
    w = np.where(np.arange(len(data)) < 300, 0.0, 1.0 + np.arange(len(data)) % 3)  # those of the first partition weigh nothing
    there = dd.from_pandas(pd.Series(w), npartitions=3)
    assert model.score(cut, sample_weight=there) == pytest.approx(model.score(data, sample_weight=w), rel=1e-12)


def test_the_cluster_of_the_executor_is_asked_where_there_is_one(client):
    data = NUMBERS.to_numpy()
    model = GaussianMixture(2, executor=DaskExecutor(client, local_rows=0), **SETTINGS).fit(da.from_array(data, chunks=(300, 2)))
    X = da.from_array(data, chunks=(300, 2))
    assert model.score(X) == pytest.approx(model.score(data), rel=1e-12)
    np.testing.assert_array_equal(model.fit_predict(X).compute(), model.predict(data))


def test_nothing_is_computed_before_it_is_asked_for_and_only_the_model_travels():
    from dask import delayed

    def fails():
        raise ValueError("computed")

    class Heavy(Monitor):
        ballast = np.zeros(10**6)

        def __init__(self):
            self.rows = np.zeros(10**6)

    model = GaussianMixture(2, monitors=[Heavy()], **SETTINGS).fit(NUMBERS.to_numpy())
    X = da.from_delayed(delayed(fails)(), shape=(10, 2), dtype=float)
    lazy = [model.predict(X), model.predict_proba(X), model.score_samples(X)]
    assert [one.shape for one in lazy] == [(10,), (10, 2), (10,)]
    with pytest.raises(ValueError, match="computed"):
        lazy[0].compute()
    sent = _answering(model, model.columns_)
    assert len(pickle.dumps(sent)) < 10_000 and sent.monitors is None and sent.executor is None
    np.testing.assert_array_equal(sent.predict(NUMBERS.to_numpy()), model.predict(NUMBERS.to_numpy()))


def test_parameters_that_were_set_count():
    model = GaussianMixture(2, **SETTINGS).fit(NUMBERS.to_numpy())
    model.means_ = model.means_[::-1]
    X = da.from_array(NUMBERS.to_numpy(), chunks=(300, 2))
    np.testing.assert_array_equal(model.predict(X).compute(), model.predict(NUMBERS.to_numpy()))


def test_partitions_become_files(tmp_path):
    data = mixed().assign(name=[f"row {i}" for i in range(900)])
    model = Mixture(2, **SETTINGS).fit(data.drop(columns="name"))
    parts = [data[:300], data[300:300], data[300:]]
    X = dd.from_map(lambda i: parts[i], range(3), meta=data[:0])
    assert model.predict_to(X, tmp_path / "out", prefix="em_") == 900
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["part-00000.parquet", "part-00002.parquet"]
    result = pd.concat(parquet.read_table(path).to_pandas() for path in sorted((tmp_path / "out").iterdir()))
    assert list(result["name"]) == list(data["name"]) and list(result.columns[:4]) == list(data.columns)
    for name, values in model.table(data.drop(columns="name")).items():
        np.testing.assert_allclose(result[f"em_{name}"], values, rtol=1e-12, atol=1e-12)
    matrix = GaussianMixture(2, **SETTINGS).fit(NUMBERS.to_numpy())
    assert matrix.predict_to(da.from_array(NUMBERS.to_numpy(), chunks=(500, 1)), tmp_path / "rows") == 900
    assert parquet.read_schema(tmp_path / "rows" / "part-00000.parquet").names == ["x0", "x1", "label", "p0", "p1"]
    with pytest.raises(ParameterError, match="column 'label' already; give the added columns a prefix"):
        model.predict_to(X.rename(columns={"name": "label"}), tmp_path / "out")


def supervised():
    """Inputs of two kinds of rows, a number and a text to predict."""
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=300)
    X = pd.DataFrame({"a": rng.normal(3.0 * z), "b": rng.normal(size=300)})
    return X, 2.0 * X["a"].to_numpy() - z + rng.normal(0, 0.1, 300), np.where(rng.random(300) < 0.8, z, 1 - z)


X, Y, Z = supervised()
PREDICTING = {
    "experts": (MixtureOfExpertsRegressor(2, random_state=0, n_init=1), Y, ("predict", "predict_proba", "gate")),
    "classes of experts": (
        MixtureOfExpertsClassifier(2, random_state=0, n_init=1),
        np.array(["no", "yes"])[Z],
        ("predict", "predict_proba", "predict_log_proba"),
    ),
    "regressions": (MixtureOfRegressions(2, random_state=0, n_init=1), Y, ("predict", "predict_each", "predict_proba")),
    "Gaussians": (GaussianMixtureRegressor(2, random_state=0, n_init=1), Y, ("predict",)),
    "two targets": (GaussianMixtureRegressor(2, random_state=0, n_init=1), np.column_stack([Y, Y**2]), ("predict",)),
    "network": (RBFRegressor(3, random_state=0), Y, ("predict",)),
    "network of two": (RBFRegressor(3, random_state=0), np.column_stack([Y, Y**2]), ("predict",)),
    "classes of a network": (RBFClassifier(3, random_state=0), Z, ("predict", "predict_proba", "decision_function")),
}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("kind", PREDICTING)
def test_what_predicts_a_target_answers_lazily(kind, named):
    face, target, methods = PREDICTING[kind]
    rows = X if named else X.to_numpy()
    model = clone(face).fit(rows, target)
    for there in (dd.from_pandas(X, npartitions=3), da.from_array(X.to_numpy(), chunks=((100, 0, 200), 1))):
        for name in methods:
            expected = getattr(model, name)(rows)
            found = getattr(model, name)(there)
            assert isinstance(found, da.Array) and found.dtype == expected.dtype and found.shape[1:] == expected.shape[1:]
            with warnings.catch_warnings(), dask.config.set(scheduler="synchronous"):
                warnings.simplefilter("error")
                there_too = found.compute()
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(there_too, expected, rtol=1e-10, atol=1e-12)
            else:
                np.testing.assert_array_equal(there_too, expected)
    if kind in ("Gaussians", "network"):
        with pytest.raises(ParameterError, match="of a Dask collection predict takes nothing beside X"):
            model.predict(there, return_std=True)
    with pytest.raises(NotFittedError):
        clone(face).predict(there)


class TestRefusals:
    def test_partition_column_and_row_are_named(self, tmp_path):
        data = mixed()
        model = Mixture(2, **SETTINGS).fit(data)
        data.loc[700, "city"] = "Cairo"
        X = dd.from_pandas(data, npartitions=3)
        for ask in (
            lambda: model.predict(X).compute(),
            lambda: model.score(X),
            lambda: model.check_cells(X),
            lambda: model.predict_to(X, tmp_path / "out"),
        ):
            with pytest.raises(DataError, match=r"partition 2: .*row 100.*'Cairo', a level that was not there in the fit"):
                ask()
        assert not (tmp_path / "out" / "part-00002.parquet").exists()
        x = NUMBERS.to_numpy().copy()
        plain = GaussianMixture(2, **SETTINGS).fit(x)
        x[450, 1] = np.inf
        with pytest.raises(DataError, match="partition 1: column 1 row 150 is inf"):
            plain.predict_proba(da.from_array(x, chunks=(300, 2))).compute()

    def test_other_columns_are_refused_at_once(self, tmp_path):
        model = Mixture(2, **SETTINGS).fit(mixed())
        X = dd.from_pandas(mixed(), npartitions=2)
        for other in (X.drop(columns="a"), X.assign(more=1.0)):
            with pytest.raises(ValueError, match="feature names"):
                model.predict(other)
        with pytest.raises(ValueError, match="feature names"):
            model.predict_to(X.drop(columns="a"), tmp_path / "out")
        plain = GaussianMixture(2, **SETTINGS).fit(NUMBERS.to_numpy())
        with pytest.raises(ValueError, match="3 features"):
            plain.predict(da.zeros((10, 3)))
        with pytest.raises(DataError, match="no table"):
            plain.predict(da.zeros(10))
        with pytest.raises(DataError, match="no table"):
            plain.score(X["a"])
        with pytest.raises(DataError, match=r"sample_weight has 1 partition\(s\) and X 2"):
            model.score(X, sample_weight=da.ones(900, chunks=900))

    def test_what_needs_other_things_of_each_row(self):
        make, data = FITTED["classes"]
        model = make().fit(data)
        X = dd.from_pandas(data, npartitions=2)
        with pytest.raises(ParameterError, match="groups beside a Dask collection"):
            model.predict(X, groups=np.zeros(len(data)))
        with pytest.raises(DataError, match="or take its partitions one at a time"):
            model.impute(X)
        for ask in (HMM(2).fit, HMM(2).fit(NUMBERS).predict):
            for rows in (X, da.zeros((10, 2))):
                with pytest.raises(DataError, match="write it to a folder of Parquet, sorted, and give the path"):
                    ask(rows)
        network = BayesianNetwork([("city", "sure")]).fit(data)
        assert network.score(X) == pytest.approx(network.score(data), rel=1e-12)
        with pytest.raises(DataError, match="or take its partitions one at a time"):
            network.predict(X)


def test_workers_warn_of_nothing_that_was_said_already():
    data = NUMBERS.to_numpy()
    model = GaussianMixture(2, **SETTINGS).fit(data)
    X = dd.from_pandas(NUMBERS, npartitions=2)
    with pytest.warns(UserWarning, match="X has feature names"):
        found = model.predict(X)
    with warnings.catch_warnings(), dask.config.set(scheduler="synchronous"):
        warnings.simplefilter("error")
        found.compute()
