"""Data that a fit may leave where they are: Dask collections with the workers of a cluster, Spark data frames with Spark."""

from typing import Any


def elsewhere(X: Any, sample_weight: Any, face: Any, may_stay: bool) -> tuple[Any, Any, Any]:
    """``X`` and ``sample_weight`` in memory, and no source; or a source of them where they lie.

    ``may_stay`` says whether the fit could do with a source. What is small is read into memory all the same, and so is a Dask
    collection without a cluster; and what a search for the size of the model is about.
    """
    kind = type(X).__module__.split(".")[0]
    may_stay = may_stay and not face._searches()
    if kind in ("dask", "dask_expr"):
        source = _dask(X, sample_weight, face) if may_stay else None
        if source is None:
            return X.compute(), sample_weight.compute() if hasattr(sample_weight, "compute") else sample_weight, None
        return X, sample_weight, source
    if kind == "pyspark":
        source = _spark(X, sample_weight, face) if may_stay else None
        if source is None:
            table = X.toPandas()
            return (table, None, None) if sample_weight is None else (table.drop(columns=sample_weight), table[sample_weight], None)
        return X, sample_weight, source
    return X, sample_weight, None


def _dask(X: Any, sample_weight: Any, face: Any) -> Any:
    """On the cluster of the estimator's executor, if it is of Dask, or else of the client made last."""
    from distributed import default_client

    from emkit.execute.dask import DaskExecutor
    from emkit.execute.dask_source import DaskSource

    executor = face.executor
    if not isinstance(executor, DaskExecutor):
        try:
            executor = DaskExecutor(default_client())
        except ValueError:  # there is no client
            return None
    source = DaskSource(X, sample_weight, executor, face.takes_texts())
    return source if source.n_rows > executor.local_rows else None


def _spark(frame: Any, sample_weight: Any, face: Any) -> Any:
    from emkit.execute.spark import SparkExecutor
    from emkit.execute.spark_source import SparkSource

    executor = face.executor if isinstance(face.executor, SparkExecutor) else SparkExecutor(frame.sparkSession)
    source = SparkSource(frame, sample_weight, executor, face.takes_texts())
    return source if source.n_rows > executor.local_rows else None
