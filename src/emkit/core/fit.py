"""The EM loop. ``iterate`` is a generator and owns nothing; ``run`` drains it until the stop rule is met."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import count, number
from emkit.core.errors import CollapseError, ImpossibleSequenceError
from emkit.core.executor import Executor
from emkit.core.model import EStep, Model
from emkit.core.monitor import Monitor, Monitors
from emkit.core.result import SETTLED, Run, Step, StopReason, aitken, still_to_gain
from emkit.core.warn import warn


@dataclass(frozen=True)
class Problem:
    """A model, the data, and where to compute."""

    model: Model
    source: Source
    executor: Executor
    precision: float = float(np.finfo(np.float64).eps)
    """Machine epsilon of the data's width: how well the objective can be known."""
    tol: float = 1e-3
    """Nats: a smaller gain is not worth going for; see ``Rules``, which a run takes it from."""
    rows: Source | None = None
    """The data as they were given, where ``source`` is what the model made of them for its E-steps."""
    seed: int = 0
    """Of an algorithm's own random choices."""
    said: set[str] = field(default_factory=set, compare=False, repr=False)
    """Warnings given already, by whichever start came first."""

    def evaluate(self, params: Any, iteration: int = 0, carried: Mapping[str, np.ndarray] | None = None) -> Step:
        """E-step over all data: the value of ``params``, with the statistics that the next M-step needs."""
        stats, log_likelihood = self.executor.map_reduce(EStep(self.model, params), self.source)
        return Step(iteration, params, float(log_likelihood), float(self.model.log_prior(params)), stats, carried or {})

    def warn_once(self, text: str) -> None:
        """Warn, unless another start of the same fit has done so in the same words."""
        if text not in self.said:
            self.said.add(text)
            warn(text)

    def rounding(self, objective: float) -> float:
        """A difference in the objective that rounding alone can make.

        Each row's log-likelihood carries a relative error of a few epsilon; n of them add up like a random walk, but for a small
        part that rows have in common (a tenth of an epsilon is three times what was measured), and float64 sums add their own: the
        larger of what adding up costs and of what ``emkit.families.gaussian.features`` may lose.
        """
        n = max(self.source.n_rows, 1)
        size = abs(objective) + n
        return self.precision * size * (16.0 / math.sqrt(n) + 0.1) + 64.0 * float(np.finfo(np.float64).eps) * size


class Algorithm(ABC):
    """How E and M are put together. You implement ``advance``; you get the loop, the stop rule, restarts, checkpoints.

    You may add: ``remaining`` and ``at_rest``, where Aitken's rule does not tell how near the end is; ``ended``, a stop rule of its
    own; ``finished``, where steps on the way do not have the log-likelihood of all data; ``passes``, where a step is no pass.
    """

    monotone = True
    """False: a fall of the objective is no error."""
    one_start = False
    """True: starts are compared by EM on a sample, and only the best of them is followed."""
    by_e_steps = True
    """Whether E-steps are all that it asks of the data, so that these may lie on a device."""
    draws = False
    """True: it makes random choices of its own, by ``Problem.seed``."""

    def begin(self, problem: Problem, params: Any, iteration: int = 0, carried: Mapping[str, np.ndarray] | None = None) -> Step:
        """The first step, and the one a resumed fit takes up from, with what the algorithm carried then."""
        return problem.evaluate(params, iteration, carried)

    @abstractmethod
    def advance(self, problem: Problem, step: Step) -> Step:
        """From one evaluated hypothesis to the next; what must be remembered goes into ``Step.carried``."""

    def remaining(self, problem: Problem, step: Step, trace: Sequence[float]) -> float:
        """Estimated gain still to come, nats; inf where nothing can be said. ``trace``: objectives so far, that of ``step`` last.

        A run ends when it is below ``tol``. By default Aitken's rule, which is right for algorithms that converge linearly.
        """
        return still_to_gain(trace)

    def ended(self, problem: Problem, step: Step) -> StopReason | None:
        """Why there is nothing more to do after this step, by a rule of its own; None: there is, or ``remaining`` tells."""
        return None

    def passes(self, step: Step) -> int:
        """Passes over the data so far, which ``max_iter`` limits."""
        return step.iteration

    def finished(self, problem: Problem, step: Step) -> Step:
        """The last step with the log-likelihood and the statistics of all data at its parameters, which stay as they are."""
        return step

    def at_rest(self, problem: Problem, step: Step, trace: Sequence[float]) -> bool:
        """Whether nothing is gained any more: by default, after changes that rounding could have made."""
        if len(trace) < 3:
            return False
        # A gain that rounding could have made says nothing about a rate: two in a row are the end of the road. So is one after a
        # gain under ``tol`` that rounding cannot have made: the rate is then below a half.
        limit = problem.rounding(trace[-1])
        last, before = abs(trace[-1] - trace[-2]), abs(trace[-2] - trace[-3])
        return last <= limit and (before <= limit or 4.0 * limit < before < problem.tol)


class CheckpointStore(Protocol):
    """Where progress is kept between interruptions; ``emkit.io.checkpoint.Checkpoint`` is one."""

    def load(self, model: Model, source: Source) -> Any:
        """What was saved, or None. Raises if it belongs to another fit."""
        ...

    def due(self) -> bool:
        """Whether it is time to save again; called once an iteration."""
        ...

    def save(self, model: Model, source: Source, progress: Any) -> None:
        """Write it so that a crash leaves either the old or the new one."""
        ...


@dataclass(frozen=True)
class Rules:
    """When a fit ends, and who is told on the way.

    Parameters
    ----------
    tol : float
        Stop when the estimated remaining gain is below ``tol`` nats of the total objective. 0: exactly ``max_iter`` iterations.
    max_iter : int
        Iterations at most, for each start.
    monitors : sequence of Monitor
        Told of every iteration on all the data; may ask to stop.
    checkpoint : CheckpointStore, optional
        Saves progress as it goes, and takes up a fit that was cut off; the outcome has the same bits.

    Raises
    ------
    ParameterError
        Naming the setting.
    """

    tol: float = 1e-3
    max_iter: int = 1000
    monitors: Sequence[Monitor] = ()
    checkpoint: CheckpointStore | None = None

    def __post_init__(self) -> None:
        number(self.tol, "tol", "a number of nats")
        count(self.max_iter, "max_iter", 0)

    @property
    def watch(self) -> Monitor:
        """The monitors as one."""
        return Monitors(self.monitors)


def iterate(
    problem: Problem, algorithm: Algorithm, params: Any, iteration: int = 0, carried: Mapping[str, np.ndarray] | None = None
) -> Iterator[Step]:
    """Yield the start, then one Step an iteration, for ever: callers own the loop.

    >>> import numpy as np
    >>> from emkit.core.fit import Problem, iterate
    >>> from emkit.algorithms.em import EM
    >>> from emkit.data.rows import ArraySource
    >>> from emkit.execute.threads import Threads
    >>> from emkit import Gaussian
    >>> from emkit.models.mixture import FiniteMixture
    >>> source = ArraySource(np.array([[0.0], [0.2], [4.0], [4.1]]))
    >>> model = FiniteMixture(Gaussian(), 2).resolve(source)
    >>> start = model.init(source, np.random.default_rng(0))
    >>> for step in iterate(Problem(model, source, Threads()), EM(), start):
    ...     if step.iteration == 3:
    ...         break
    >>> step.iteration
    3
    """
    step = algorithm.begin(problem, params, iteration, carried)
    while True:
        yield step
        step = algorithm.advance(problem, step)


def run(
    problem: Problem,
    algorithm: Algorithm,
    params: Any,
    rules: Rules,
    *,
    monitor: Monitor | None = None,
    trace: Sequence[float] = (),
    carried: Mapping[str, np.ndarray] | None = None,
    keep: Callable[[Step, Sequence[float]], None] | None = None,
    before: Sequence[float] = (),
) -> Run:
    """Follow one start until the estimated remaining gain is below ``rules.tol`` nats, or something else ends it.

    Parameters
    ----------
    monitor : Monitor, optional
        Told of each step; ``rules.monitors`` are not.
    trace : sequence of float
        Objectives before ``params``, when a run is taken up again; iterations are counted from there.
    carried : mapping of arrays
        What the algorithm carried then.
    keep : callable
        Called with each step and the trace so far: where checkpoints are written.
    before : sequence of float
        Objectives of an earlier fit that ended at ``params``: the stop rule takes its rate into account, if it is the same problem.

    Raises
    ------
    CollapseError
        If it comes before there is anything to keep; also where the objective at ``params`` is not a number.
    ImpossibleSequenceError
        If ``params`` give a sequence probability zero. Later on that is a fall of the objective.
    KeyboardInterrupt
        Only if it comes before there is anything to keep.
    """
    monitor, problem = monitor or Monitor(), replace(problem, tol=rules.tol)
    history, remaining, reason = list(trace), math.inf, StopReason.MAX_ITER
    best: Step | None = None
    try:
        for step in iterate(problem, algorithm, params, len(history), carried):
            if best is None and math.isnan(step.objective):
                raise CollapseError("the objective at the starting values is not a number")
            if best is not None and algorithm.monotone and _fell(problem, step, best):
                reason = StopReason.DECREASED
                break
            history.append(step.objective)
            best = step
            if keep is not None:
                keep(step, history)
            asked = monitor.step(step) or algorithm.ended(problem, step)
            known = [*before[:-1], *history] if len(before) and before[-1] == history[0] else history
            remaining = algorithm.remaining(problem, step, known)
            if asked is None and rules.tol > 0 and (remaining < rules.tol or algorithm.at_rest(problem, step, known)):
                asked = StopReason.CONVERGED
            if asked is not None:
                reason = asked
                break
            if algorithm.passes(step) >= rules.max_iter:
                break
        assert best is not None
        best = algorithm.finished(problem, best)
    except (KeyboardInterrupt, CollapseError, ImpossibleSequenceError) as error:
        if best is None:
            raise
        reason = next(reason for kind, reason in _ENDED_BY.items() if isinstance(error, kind))
        if reason is not StopReason.INTERRUPTED:
            best = algorithm.finished(problem, best)
    history[-1] = best.objective
    if reason is StopReason.MAX_ITER and remaining == math.inf and len(history) <= SETTLED:
        remaining = aitken(history)  # too soon to stop by, and all that can be said
    return Run.ended(best, reason, history, remaining)


_ENDED_BY: dict[type[BaseException], StopReason] = {
    KeyboardInterrupt: StopReason.INTERRUPTED,
    CollapseError: StopReason.COLLAPSED,
    ImpossibleSequenceError: StopReason.DECREASED,
}


def _fell(problem: Problem, step: Step, best: Step) -> bool:
    """Whether the objective fell by more than rounding, or is not a number."""
    return not step.objective >= best.objective - problem.rounding(best.objective)
