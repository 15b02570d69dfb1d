"""Data that a fit may leave where they are: Dask collections with the workers of a cluster, Spark data frames with Spark, tensors
on a device.
"""

from typing import Any

from emkit.algorithms.words import algorithm_of
from emkit.data.tensors import is_tensor, on_cpu, on_host


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
    if is_tensor(X):
        algorithm = algorithm_of("auto" if face.algorithm is None else face.algorithm)
        may_stay = may_stay and face.fits_on_device and algorithm.by_e_steps
        return on_device(X, sample_weight, face.executor, face.build(None).on_arrays if may_stay else False)
    return X, sample_weight, None


def on_device(X: Any, sample_weight: Any, executor: Any, on_arrays: bool) -> tuple[Any, Any, Any]:
    """A tensor as it is, and a source of its rows where they lie; or in host memory, and no source.

    In host memory compiled code is quicker than torch: a tensor there is left to it, unless the executor is a ``TorchExecutor``.
    Few rows come there from a device, too; those whose E-steps cannot be made on the device (``on_arrays``) are refused.
    """
    from emkit.execute.torch import SMALL, TorchExecutor
    from emkit.execute.torch_source import TensorSource

    given = executor if isinstance(executor, TorchExecutor) else None
    if not on_arrays or (on_cpu(X) and (given is None or bool(X.sum().isnan()))):
        return on_host(X), on_host(sample_weight), None
    if X.ndim != 2 or len(X) <= SMALL:
        return on_host(X.cpu()), sample_weight.cpu() if is_tensor(sample_weight) else sample_weight, None
    return X, sample_weight, TensorSource(X, sample_weight, executor=given or TorchExecutor(X.device))


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
