"""The EM loop. ``iterate`` is a generator and owns nothing; ``run`` drains it until the stop rule is met."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import CollapseError
from emkit.core.model import Executor, Model
from emkit.core.monitor import Monitor
from emkit.core.result import Run, Step, StopReason, aitken


@dataclass(frozen=True)
class Problem:
    """A model, the data, and where to compute."""

    model: Model[Any, Any]
    source: Source
    executor: Executor
    precision: float = float(np.finfo(np.float64).eps)
    """Machine epsilon of the data's width: how well the objective can be known."""

    def evaluate(self, params: Any, iteration: int = 0) -> Step:
        """E-step over all data: the value of ``params``, with the statistics that the next M-step needs."""
        stats, log_likelihood = self.executor.map_reduce(lambda block: self.model.e_step(params, block), self.source)
        return Step(iteration, params, float(log_likelihood), float(self.model.log_prior(params)), stats)

    def rounding(self, objective: float) -> float:
        """A difference in the objective that rounding alone can make.

        Each row's log-likelihood carries a relative error of a few epsilon; n of them add up like a random walk, but for a small
        part that rows have in common (a tenth of an epsilon is three times what was measured), and the float64 sum adds its own.
        """
        n = max(self.source.n_rows, 1)
        size = abs(objective) + n
        return self.precision * size * (16.0 / math.sqrt(n) + 0.1) + 16.0 * float(np.finfo(np.float64).eps) * size


class Algorithm(ABC):
    """How E and M are put together. You implement ``advance``; you get the loop, the stop rule, restarts and checkpoints."""

    def begin(self, problem: Problem, params: Any, iteration: int = 0) -> Step:
        """The first step, and the one a resumed fit takes up from: nothing but the parameters is needed."""
        return problem.evaluate(params, iteration)

    @abstractmethod
    def advance(self, problem: Problem, step: Step) -> Step:
        """From one evaluated hypothesis to the next."""


def iterate(problem: Problem, algorithm: Algorithm, params: Any, iteration: int = 0) -> Iterator[Step]:
    """Yield the start, then one Step an iteration, for ever: callers own the loop.

    >>> import numpy as np
    >>> from emkit.core.fit import Problem, iterate
    >>> from emkit.algorithms.em import EM
    >>> from emkit.data.rows import ArraySource
    >>> from emkit.execute.threads import Threads
    >>> from emkit.families.gaussian.family import Gaussian
    >>> from emkit.models.mixture import Mixture
    >>> source = ArraySource(np.array([[0.0], [0.2], [4.0], [4.1]]))
    >>> model = Mixture(Gaussian(), 2).resolve(source)
    >>> start = model.init(source, np.random.default_rng(0))
    >>> for step in iterate(Problem(model, source, Threads()), EM(), start):
    ...     if step.iteration == 3:
    ...         break
    >>> step.iteration
    3
    """
    step = algorithm.begin(problem, params, iteration)
    while True:
        yield step
        step = algorithm.advance(problem, step)


def run(
    problem: Problem,
    algorithm: Algorithm,
    params: Any,
    *,
    tol: float = 1e-3,
    max_iter: int = 1000,
    monitor: Monitor | None = None,
    trace: Sequence[float] = (),
    keep: Callable[[Step, Sequence[float]], None] | None = None,
) -> Run:
    """Follow one start until the estimated gain still to come is under ``tol`` nats, or something else ends it.

    Parameters
    ----------
    tol : float
        In nats of the total objective. 0: exactly ``max_iter`` updates.
    max_iter : int
        Updates (M-steps) at most.
    trace : sequence of float
        Objectives before ``params``, when a run is taken up again; the iteration count goes on from there.
    keep : callable
        Called with each step and the trace so far: where checkpoints are written.

    Raises
    ------
    KeyboardInterrupt
        Only if it comes before there is anything to keep.
    """
    monitor = monitor or Monitor()
    history = list(trace)
    best: Step | None = None
    remaining = math.inf
    reason = StopReason.MAX_ITER
    try:
        for step in iterate(problem, algorithm, params, len(history)):
            if best is not None and _fell(problem, step, best):
                reason = StopReason.DECREASED
                break
            history.append(step.objective)
            best = step
            if keep is not None:
                keep(step, history)
            asked = monitor.step(step)
            remaining = aitken(history)
            if asked is not None:
                reason = asked
                break
            if tol > 0 and _settled(problem, history, remaining, tol):
                reason = StopReason.CONVERGED
                break
            if step.iteration >= max_iter:
                break
    except KeyboardInterrupt:
        if best is None:
            raise
        reason = StopReason.INTERRUPTED
    except CollapseError:
        if best is None:
            raise
        reason = StopReason.COLLAPSED
    assert best is not None
    return Run(best.params, best.log_likelihood, best.log_prior, best.iteration, reason, tuple(history), remaining)


def _fell(problem: Problem, step: Step, best: Step) -> bool:
    """Whether the objective fell by more than rounding, or is not a number."""
    return not step.objective >= best.objective - problem.rounding(best.objective)


def _settled(problem: Problem, history: Sequence[float], remaining: float, tol: float) -> bool:
    if len(history) < 2:
        return False
    if remaining < tol:
        return True
    # A gain that rounding could have made says nothing about a rate: two in a row are the end of the road.
    limit = problem.rounding(history[-1])
    return len(history) >= 3 and max(abs(history[-1] - history[-2]), abs(history[-2] - history[-3])) <= limit
