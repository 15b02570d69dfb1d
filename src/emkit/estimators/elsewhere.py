"""Data that a fit may leave where they are: Dask collections with the workers of a cluster, Spark data frames with Spark."""

from typing import Any


def elsewhere(X: Any, sample_weight: Any, face: Any, may_stay: bool) -> tuple[Any, Any, Any]:
    """``X`` and ``sample_weight`` in memory, or a source of them where they lie; as they are if they are in memory.

    ``may_stay`` says whether the fit could do with a source. Without a cluster, or where the fit searches for its size, a Dask
    collection is computed into memory.
    """
    kind = type(X).__module__.split(".")[0]
    if kind in ("dask", "dask_expr"):
        from emkit.execute.dask_source import dask_source

        source = dask_source(X, sample_weight, face.executor) if may_stay and not face._searches() else None
        if source is not None:
            return X, sample_weight, source
        return X.compute(), sample_weight.compute() if hasattr(sample_weight, "compute") else sample_weight, None
    if kind == "pyspark":
        from emkit.execute.spark_source import SparkSource

        if may_stay and not face._searches():
            return X, sample_weight, SparkSource(X, sample_weight)
        table = X.toPandas()
        return (table, None, None) if sample_weight is None else (table.drop(columns=sample_weight), table[sample_weight], None)
    return X, sample_weight, None
