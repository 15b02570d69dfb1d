"""Many starts, few finished: short runs on a subsample, the best of them carried on over all the data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from emkit.algorithms.em import EM
from emkit.core.block import Source
from emkit.core.errors import CollapseError, ParameterError
from emkit.core.fit import Algorithm, Problem, run
from emkit.core.model import Executor, Model
from emkit.core.monitor import Monitor, Monitors
from emkit.core.records import Params
from emkit.core.result import Result, Run, Start, Step, StopReason

_SHORT, _LONGER = 25, 300  # iterations on the subsample: for every start, and for the best few
_WHOLE = 100  # iterations of every start on all the data, before only the best few go on
_PER_ROW = 0.01  # nats a row on the subsample by which a start may trail the best and still be carried on
_HALTED = (StopReason.INTERRUPTED, StopReason.TIME_LIMIT, StopReason.STOPPED)  # somebody's wish: no further start is begun


@dataclass
class Waiting:
    """A start still to be carried on over all the data."""

    index: int
    params: Any
    trace: tuple[float, ...] = ()
    """Objectives of its iterations before ``params``, on all the data."""
    limit: int | None = None
    """Iterations after which it waits for the others, to see whether it is among the best; None: it goes on to the end."""
    value: float = -math.inf
    """Objective at ``params``, once it has reached its limit."""


@dataclass
class Progress:
    """Where a fit with several starts has got to: what a checkpoint holds."""

    starts: list[Start]
    queue: list[Waiting]
    """The first one may be under way."""
    best: Run | None = None
    most: int | None = None
    """How many go on once all have reached their limit; None when that is decided."""


class CheckpointStore(Protocol):
    """Where Progress is kept between interruptions; ``emkit.io.checkpoint.Checkpoint`` is one."""

    def load(self, model: Model[Any, Any], source: Source) -> Progress | None:
        """What was saved, or None. Raises if it belongs to another fit."""
        ...

    def due(self) -> bool:
        """Whether it is time to save again; called once an iteration."""
        ...

    def save(self, model: Model[Any, Any], source: Source, progress: Progress) -> None:
        """Write it so that a crash leaves either the old or the new one."""
        ...


def fit(
    model: Model[Any, Any],
    source: Source,
    *,
    executor: Executor,
    algorithm: Algorithm | None = None,
    starts: int | Sequence[Any] = 8,
    tol: float = 1e-3,
    max_iter: int = 1000,
    monitors: Sequence[Monitor] = (),
    rng: np.random.Generator | None = None,
    checkpoint: CheckpointStore | None = None,
) -> Result:
    """Fit a model to a source.

    Parameters
    ----------
    model : Model
    source : Source
    executor : Executor
        Where E-steps run, e.g. ``emkit.Threads()``.
    algorithm : Algorithm, optional
        Default: ``EM()``.
    starts : int, or sequence of Params
        How many starts to try, or the starts themselves. Each makes 25 iterations on a subsample; the best quarter (two at
        least) go on there until they settle; those within 0.01 nats a row of the best that differ are carried on over all the data.
        Where the data are no larger than the subsample, every start makes up to 100 iterations; those that have not met the stop rule by
        then go on only if they are among the best quarter, and their estimated gain to come could make up for what they lack.
    tol : float
        Stop when the estimated gain still to come is under so many nats in total. 0: exactly ``max_iter`` iterations.
    max_iter : int
        Iterations at most, for each start.
    monitors : sequence of Monitor
        Told of every iteration on all the data; may ask to stop.
    rng : numpy Generator, optional
        Of every random choice.
    checkpoint : CheckpointStore, optional
        Saves progress as it goes, and takes up a fit that was cut off; the outcome has the same bits.

    Returns
    -------
    Result

    Raises
    ------
    CollapseError
        Without a prior, if every start collapsed.
    KeyboardInterrupt
        Only if it comes before there is anything to keep; otherwise the result says INTERRUPTED.
    """
    if not isinstance(max_iter, int | np.integer) or isinstance(max_iter, bool) or max_iter < 0:
        raise ParameterError(f"max_iter={max_iter!r}: give an integer of at least 0")
    if not (isinstance(tol, int | float | np.number) and math.isfinite(tol) and tol >= 0):
        raise ParameterError(f"tol={tol!r}: give a number of nats, at least 0")
    rng = rng if rng is not None else np.random.default_rng()
    algorithm = algorithm or EM()
    model = model.resolve(source)
    watch = Monitors(monitors)
    precision = float(np.finfo(_width(source)).eps)
    problem = Problem(model, source, executor, precision)
    watch.begin()
    with executor.session():
        _compile(model, source, watch)
        progress = checkpoint.load(model, source) if checkpoint is not None else None
        stopped: StopReason | None = None
        if progress is None:
            progress, stopped = _short_runs(problem, algorithm, starts, tol, max_iter, watch, rng)
        _finish(problem, algorithm, progress, stopped, tol, max_iter, watch, checkpoint)
    best = progress.best
    if best is None:
        raise CollapseError(
            "every start ended in a component collapsed onto a point, where the likelihood is unbounded; "
            "use the default prior, fewer components, or a simpler covariance_type"
        )
    result = Result(
        model, best.params, best.log_likelihood, best.log_prior, best.n_iter, best.reason, best.trace,
        best.remaining, tuple(progress.starts), source.n_rows, source.total_weight, float(tol),
    )  # fmt: skip
    watch.end(result)
    return result


def _width(source: Source) -> Any:
    dtype = getattr(next(iter(source)).x, "dtype", np.dtype(np.float64))
    return dtype if dtype == np.float32 else np.float64


def _compile(model: Model[Any, Any], source: Source, watch: Monitor) -> None:
    """Load or compile kernels now; if it takes more than a moment, say why nothing else happens."""
    import threading

    timer = threading.Timer(0.7, watch.say, ("compiling the E-step for this machine (once; it is cached) ...",))
    timer.daemon = True
    timer.start()
    try:
        model.compile(source)
    finally:
        timer.cancel()


def subsample_size(k_like: int, d: int) -> int:
    """Rows for short runs: fifty for each free number of a component, between 2,000 and 20,000."""
    return int(min(max(2000, 50 * k_like * (d + 1)), 20000))


def _short_runs(
    problem: Problem,
    algorithm: Algorithm,
    starts: int | Sequence[Any],
    tol: float,
    max_iter: int,
    watch: Monitor,
    rng: np.random.Generator,
) -> tuple[Progress, StopReason | None]:
    """Try every start briefly; returns what is worth carrying on, and the reason if somebody asked to stop."""
    model, source = problem.model, problem.source
    if isinstance(starts, str) or not isinstance(starts, int | np.integer | Sequence):
        raise ParameterError(f"n_init={starts!r}: give an integer of at least 1")
    if not isinstance(starts, int | np.integer):
        if not all(isinstance(params, Params) for params in starts) or not starts:
            raise ParameterError(f"starts={starts!r}: give a number of starts, or a sequence of Params")
        given = [Start(i, "given", math.nan) for i in range(len(starts))]
        return Progress(given, [Waiting(i, params) for i, params in enumerate(starts)]), None
    if isinstance(starts, bool) or starts < 1:
        raise ParameterError(f"n_init={starts!r}: give an integer of at least 1")
    k = int(getattr(model, "n_components", getattr(model, "n_states", 1)))
    sample = source.sample(subsample_size(k, source.n_features), rng)
    seeds = rng.spawn(int(starts))
    kind = getattr(model, "kind_of_start", lambda attempt: "start")
    if starts == 1:
        return Progress([Start(0, kind(0), math.nan)], [Waiting(0, model.init(sample, seeds[0], 0))]), None
    whole = sample is source
    small = problem if whole else replace(problem, source=sample)
    loose = tol if whole else max(tol, 1e-2)
    progress = Progress([], [])
    tried: list[tuple[int, Run]] = []
    stopped: StopReason | None = None
    asked = _OnlyAsked(watch)
    for i, seed in enumerate(seeds):
        outcome: Run | None = None
        try:
            watch.say(f"start {i + 1} of {starts}")
            first = model.init(sample, seed, i)
            outcome = run(small, algorithm, first, tol=loose, max_iter=min(_SHORT, max_iter), monitor=asked)
        except CollapseError:
            pass
        except KeyboardInterrupt:
            if not tried:
                raise
            stopped = StopReason.INTERRUPTED
        lost = outcome is None or outcome.reason is StopReason.COLLAPSED
        value = outcome.objective if outcome is not None else -math.inf
        progress.starts.append(Start(i, kind(i), value, reason=StopReason.COLLAPSED if lost and not stopped else None))
        if outcome is not None and not lost:
            tried.append((i, outcome))
            if outcome.reason in _HALTED:
                stopped = outcome.reason
        if stopped is not None:
            break
    tried.sort(key=lambda item: (-item[1].objective, item[0]))
    if whole:
        _carry_on_all(progress, tried, tol, max_iter)
        progress.most = max(2, int(starts) // 4)
    else:
        most = 1 if stopped else max(2, int(starts) // 4)
        stopped = _carry_on_best(progress, tried, small, algorithm, loose, most, asked) or stopped
    return progress, stopped


class _OnlyAsked(Monitor):
    """Short runs are nobody's iterations, but a request to stop counts in them too."""

    def __init__(self, watch: Monitor):
        self._watch = watch

    def step(self, step: Step) -> StopReason | None:
        return self._watch.asked()


def _carry_on_all(progress: Progress, tried: list[tuple[int, Run]], tol: float, max_iter: int) -> None:
    """The short runs were on all the data: those that met the stop rule are done, the others go on where they stand."""
    best = max((outcome.objective for _, outcome in tried), default=-math.inf)
    for i, outcome in tried:
        if outcome.reason is StopReason.MAX_ITER and outcome.n_iter < max_iter:
            if outcome.objective + 10.0 * outcome.remaining >= best - tol:
                progress.queue.append(Waiting(i, outcome.params, outcome.trace[:-1], _WHOLE))
        else:
            _note(progress, i, outcome)


def _carry_on_best(
    progress: Progress,
    tried: list[tuple[int, Run]],
    small: Problem,
    algorithm: Algorithm,
    tol: float,
    most: int,
    asked: Monitor,
) -> StopReason | None:
    """Let the best few settle on the subsample; of those close to the best, one for each value reached."""
    settled: list[tuple[int, Run]] = []
    stopped: StopReason | None = None
    for i, outcome in tried[:most]:
        if most > 1 and outcome.reason is StopReason.MAX_ITER and stopped is None:
            outcome = run(small, algorithm, outcome.params, tol=tol, max_iter=_LONGER, trace=outcome.trace[:-1], monitor=asked)
            stopped = outcome.reason if outcome.reason in _HALTED else None
        settled.append((i, outcome))
    settled.sort(key=lambda item: (-item[1].objective, item[0]))
    best = settled[0][1].objective if settled else math.nan
    last = math.inf
    for i, outcome in settled:
        same = last - outcome.objective <= max(10.0 * tol, 1e-9 * abs(best))
        if not same and best - outcome.objective <= _PER_ROW * small.source.total_weight:
            progress.queue.append(Waiting(i, outcome.params))
        last = outcome.objective
    return stopped


def _finish(
    problem: Problem,
    algorithm: Algorithm,
    progress: Progress,
    stopped: StopReason | None,
    tol: float,
    max_iter: int,
    watch: Monitor,
    checkpoint: CheckpointStore | None,
) -> None:
    """Carry on what is queued, best first; keep the best run. After a stop only evaluate the first, if nothing is known yet."""

    class Watch(Monitor):
        def step(self, step: Step) -> StopReason | None:
            return stopped or watch.step(step)

    def save() -> None:
        # Stopped in the short runs: some starts were never tried. A fit taken up again tries them all, as if nothing had happened.
        if checkpoint is not None and stopped is None:
            checkpoint.save(problem.model, problem.source, progress)

    if stopped is not None and progress.best is not None:
        progress.best = replace(progress.best, reason=stopped)
        return
    while progress.queue:
        if progress.most is not None and all(waiting.limit is None for waiting in progress.queue):
            progress.queue.sort(key=lambda waiting: (-waiting.value, waiting.index))
            del progress.queue[progress.most :]
            progress.most = None
        under_way = progress.queue[0]

        def keep(step: Step, trace: Sequence[float], under_way: Waiting = under_way) -> None:
            if checkpoint is not None and checkpoint.due():
                progress.queue[0] = replace(under_way, params=step.params, trace=tuple(trace[:-1]))
                save()

        outcome: Run | None = None
        try:
            outcome = run(
                problem, algorithm, under_way.params,
                tol=tol, max_iter=min(under_way.limit or max_iter, max_iter), monitor=Watch(), trace=under_way.trace, keep=keep,
            )  # fmt: skip
        except CollapseError:
            pass
        except KeyboardInterrupt:
            if progress.best is None:
                raise
            save()
            progress.best = replace(progress.best, reason=StopReason.INTERRUPTED)
            return
        if outcome is not None and outcome.reason in _HALTED:
            progress.queue[0] = replace(under_way, params=outcome.params, trace=outcome.trace[:-1])
            save()
            _note(progress, under_way.index, outcome)
            if progress.best is not None:
                progress.best = replace(progress.best, reason=outcome.reason)
            return
        progress.queue.pop(0)
        if outcome is not None and outcome.reason is StopReason.MAX_ITER and outcome.n_iter < max_iter:
            _wait(progress, under_way.index, outcome)
        else:
            _note(progress, under_way.index, outcome)


def _wait(progress: Progress, index: int, outcome: Run) -> None:
    """A start at its limit goes to the end of the queue; what it has found so far counts, should nothing better come."""
    at = next(i for i, start in enumerate(progress.starts) if start.index == index)
    progress.starts[at] = replace(progress.starts[at], short_objective=outcome.objective)
    progress.queue.append(Waiting(index, outcome.params, outcome.trace[:-1], None, outcome.objective))
    best = progress.best
    if best is None or outcome.objective > best.objective or best.reason is StopReason.COLLAPSED:
        progress.best = outcome


def _note(progress: Progress, index: int, outcome: Run | None) -> None:
    """Enter the outcome of a start in the table, and keep it if it is the best so far."""
    at = next(i for i, start in enumerate(progress.starts) if start.index == index)
    if outcome is None:
        progress.starts[at] = replace(progress.starts[at], reason=StopReason.COLLAPSED)
        return
    progress.starts[at] = replace(progress.starts[at], objective=outcome.objective, n_iter=outcome.n_iter, reason=outcome.reason)
    best = progress.best
    spoiled = outcome.reason is StopReason.COLLAPSED
    if best is None or (outcome.objective > best.objective and not spoiled) or best.reason is StopReason.COLLAPSED:
        progress.best = outcome
