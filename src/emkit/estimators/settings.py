"""Settings that mean one thing in every estimator."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from emkit.core.block import Source
from emkit.core.checks import mapping
from emkit.core.errors import ParameterError
from emkit.core.executor import Executor
from emkit.core.monitor import Monitor
from emkit.estimators.progress import progress
from emkit.execute.threads import Threads
from emkit.execute.torch_source import TensorSource


@dataclass(kw_only=True, eq=False, repr=False)
class Settings(BaseEstimator):  # type: ignore[misc]
    """Settings that every estimator has, with the same meaning.

    Parameters
    ----------
    init : dict, optional
        Starting values of any parameter by name, in the shapes of the fitted attributes. If every parameter is given, there is
        one start.
    fixed : dict, optional
        Parameters that are held at these values, in the same shapes. NaN marks entries that stay free; a boolean mask holds the
        marked entries at their starting values.
    order_by : None, "auto" or callable
        How components or states are numbered. None leaves them as they were found. "auto" numbers them by the mean of the first
        column, ascending, unless starting values, fixed values, labels or ties tell them apart. A callable takes the family and
        its parameters, and returns a value for each component.
    tol : float
        Stop when the estimated remaining gain is below ``tol`` nats of the total objective. With 0 every start that is
        carried on makes exactly ``max_iter`` iterations.
    max_iter : int
        The largest number of iterations of each start. Each is a pass over the data.
    algorithm : str or Algorithm
        "auto" is expectation-maximization, accelerated where it would take long; see ``emkit.Auto``. "em" is plain.
        "accelerated" is so from the first iteration on; see ``emkit.Accelerated``. With ``tol=0`` all three are plain.
        For many rows "online", one pass (``emkit.OnlineEM``), and "online-then-batch" (``emkit.OnlineThenBatch``). Also
        "incremental" (``emkit.IncrementalEM``), "annealing" (``emkit.Annealing``), "stochastic" (``emkit.StochasticEM``) and
        "classification" (``emkit.ClassificationEM``).
    n_init : "auto" or int
        The number of starts. "auto": 24 short ones, of categorical mixtures 64, of many Gaussians on small data up to 96, of which
        the best are carried on, where these can be advanced side by side (mixtures and HMMs with nothing held or given), and 8
        elsewhere; see ``emkit.fit``. ``result_.starts`` tells what became of each.
    init_params : {"auto", "kmeans", "k-means++", "random_from_data", "hierarchical", "random"}
        How starts guess a partition; "auto" mixes them, hierarchical clusterings only in mixtures of Gaussians.
    random_state : int, RandomState, Generator or None
        The source of every random choice.
    warm_start : bool
        Start from the last fit, or from the attributes as they were set since. After a change of settings or columns the fit
        begins afresh.
    n_jobs : int or None
        The number of threads; None or -1 for all cores. The result does not depend on it.
    executor : Executor, optional
        Where a fit runs, such as ``emkit.DaskExecutor(client)``, ``emkit.SparkExecutor(spark)`` or
        ``emkit.TorchExecutor("cuda")``; by default in this process on ``n_jobs`` threads, of a Dask collection on its cluster, of
        a tensor on its device. Predictions run in this process, those of a tensor on its device, those of a Dask collection where
        its partitions are; searches for a size or a structure run in this process.
    verbose, verbose_interval : int
        Whether to print a line on stderr, every ``verbose_interval`` iterations.
    monitors : list of Monitor, optional
        See ``emkit.Monitor``, ``emkit.TimeLimit``.
    checkpoint : Checkpoint or path, optional
        See ``emkit.Checkpoint``.
    """

    init: Any = None
    fixed: Any = None
    order_by: Any = None
    tol: float = 1e-3
    max_iter: int = 1000
    algorithm: Any = "auto"
    n_init: Any = "auto"
    init_params: str = "auto"
    random_state: Any = None
    warm_start: bool = False
    n_jobs: int | None = None
    executor: Any = None
    verbose: int = 0
    verbose_interval: int = 10
    monitors: Any = None
    checkpoint: Any = None

    def _starting_values(self) -> dict[str, Any]:
        """``init``, and the settings ``means_init``, ``weights_init``, ... that a face has beside it."""
        given = mapping(self.init, "init")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_init") and field.name != "n_init" and value is not None:
                name = field.name.removesuffix("_init")
                if name in given:
                    raise ParameterError(f"{name} is given in init and as {field.name}; give one of them", parameter=name)
                given[name] = value
        return given

    def _executor(self) -> Threads:
        return Threads(self.n_jobs)

    def _executor_near(self, source: Source) -> Executor:
        """Where predictions run: in this process, on the device that has the rows, if one does."""
        there = source.usual_executor if isinstance(source, TensorSource) else None
        return there or self._executor()

    def _executor_of(self, source: Source) -> Executor:
        """Where E-steps of a fit to the source run. Raises ParameterError if the setting is no executor."""
        if self.executor is None:
            return source.usual_executor or self._executor()
        if not isinstance(self.executor, Executor):
            raise ParameterError(f"executor={self.executor!r}: give one, such as emkit.DaskExecutor(client)", parameter="executor")
        return self.executor

    def _monitors(self) -> list[Monitor]:
        given: Sequence[Monitor] = self.monitors or ()
        for monitor in given:
            if not isinstance(monitor, Monitor):
                raise ParameterError(f"monitors holds {monitor!r}, which is not an emkit.Monitor", parameter="monitors")
        return [*given, *([progress(self.verbose_interval)] if self.verbose else [])]

    def _store(self) -> Any:
        """What ``checkpoint`` gives: a Checkpoint, or a path for one."""
        if isinstance(self.checkpoint, str | os.PathLike):
            from emkit.io.checkpoint import Checkpoint

            return Checkpoint(self.checkpoint)
        return self.checkpoint


def make_rng(random_state: Any) -> np.random.Generator:
    """A Generator from None, an int, a RandomState or a Generator. Raises ParameterError for anything else."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(0, 2**31 - 1, size=4))
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"random_state={random_state!r}: give a nonnegative integer, a Generator, a RandomState or None",
            parameter="random_state",
        ) from error
