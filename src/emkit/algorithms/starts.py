"""Many starts, few finished: short runs on a subsample, the best of them carried on over all the data.

"auto": where hypotheses can be advanced side by side (mixtures and HMMs of separable families, with nothing held or given), 24
starts, of categorical mixtures 64, make a few EM iterations on a subsample (6, of HMMs 8), the better half as many again, then the
best quarter. The best four, of categorical mixtures eight, are carried on, over all the data if these are no more than 20,000 rows,
until they have converged or can no longer become the best. Where many rows have a value exactly, such as zero, some starts of
mixtures set them apart. Elsewhere there are 8 starts.

A number of starts: each makes 25 iterations on a subsample; the best quarter (two at least) are carried on there until they settle;
those within 0.01 nats a row of the best that differ are carried on over all the data. If the data are no larger than the subsample,
every start makes up to 100 iterations, and is then carried on if it is among the best quarter and its estimated remaining gain
could make up for what it lacks.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emkit.algorithms.accelerated import Accelerated
from emkit.algorithms.auto import Auto
from emkit.algorithms.carry_on import HALTED, LOST, Progress, Waiting, finish, note
from emkit.algorithms.lockstep import Race, race
from emkit.algorithms.words import algorithm_of
from emkit.core.block import Source
from emkit.core.checks import count
from emkit.core.errors import CollapseError, ImpossibleSequenceError, ParameterError
from emkit.core.executor import Executor
from emkit.core.fit import Algorithm, Problem, Rules, run
from emkit.core.memory import let_go
from emkit.core.model import Model
from emkit.core.monitor import Monitor
from emkit.core.records import Params
from emkit.core.result import Result, Run, Start, Step, StopReason
from emkit.core.side_by_side import SideBySide
from emkit.core.slivers import CLOSE, slivers_at

_TOGETHER = 20_000  # rows over which they are
_MANY = 250_000  # rows to pass over beside which giving memory back takes no time
_SHORT, _LONGER = 25, 300  # iterations on the subsample: for every start, and for the best few
_WHOLE = 100  # iterations of every start on all the data, before only the best few are carried on
_FIRST_LOOK = 5  # iterations over all the data of each optimum found on the subsample, before only the best is carried on
_MARGIN = 10.0  # times the gain that is estimated: who stays below the best with it is left
_PER_ROW = 0.01  # nats a row on the subsample by which a start may trail the best and still be carried on


def fit(
    model: Model,
    source: Source,
    *,
    executor: Executor,
    algorithm: Algorithm | str | None = "auto",
    starts: int | str | Sequence[Any] = "auto",
    tol: float = 1e-3,
    max_iter: int = 1000,
    monitors: Sequence[Monitor] = (),
    rng: np.random.Generator | None = None,
    checkpoint: Any = None,
    before: Sequence[float] = (),
) -> Result:
    """Fit a model to a source.

    Parameters
    ----------
    model : Model
    source : Source
    executor : Executor
        Where E-steps run, e.g. ``emkit.Threads()``.
    algorithm : str or Algorithm, optional
        How steps are made, by a word (see ``emkit.estimators.settings.Settings``) or an object, such as ``emkit.OnlineEM()``; None
        is "auto".
    starts : "auto", int, or sequence of Params
        How many starts to try, or the starts themselves. Each is run briefly, on a subsample if there are many rows; the best few
        are carried on over all the data. "auto" is 24 for mixtures and HMMs whose components share nothing, with nothing held or
        given, and 8 elsewhere; the first ones are advanced side by side, in one pass over the data for all of them.
    tol, max_iter, monitors, checkpoint
        See ``emkit.core.fit.Rules``.
    rng : numpy Generator, optional, of every random choice
    before : sequence of float
        Objectives of an earlier fit that ended where the only start begins: the stop rule knows at which rate it was gaining.

    Returns
    -------
    Result

    Raises
    ------
    CollapseError
        Without a prior, if every start collapsed.
    ImpossibleSequenceError
        If every start gives some sequence probability zero.
    KeyboardInterrupt
        Only if it comes before there is anything to keep; otherwise the result says INTERRUPTED.
    """
    rules = Rules(tol, max_iter, monitors, checkpoint)
    rng, algorithm, watch = rng or np.random.default_rng(), algorithm_of("auto" if algorithm is None else algorithm), rules.watch
    model = model.resolve(source)
    problem = problem_of(model, source, executor)
    if algorithm.draws:
        problem = replace(problem, seed=int(rng.integers(2**62)))
    with executor.session(), np.errstate(over="ignore", invalid="ignore"):  # a run that they spoil says so itself
        watch.begin()
        _compile(model, source, watch)
        progress, stopped = checkpoint.load(model, source) if checkpoint is not None else None, None
        if progress is None:
            progress, stopped = _first_runs(problem, algorithm, starts, rules, watch, rng)
        if source.n_rows > _MANY:
            let_go()
        finish(problem, algorithm, progress, stopped, rules, watch, before)
        result = _best(problem, progress, tol)
    watch.end(result)
    return result


def _best(problem: Problem, progress: Progress, tol: float) -> Result:
    if progress.best is None:
        raise _nothing_left(problem.model, progress)
    best, source = progress.best, problem.source
    n_rows, weight, found = source.n_rows, source.total_weight, slivers_at(problem, best)
    return Result.of(problem.model, best, progress.starts, n_rows=n_rows, total_weight=weight, tolerance=float(tol), slivers=found)


def _nothing_left(model: Model, progress: Progress) -> Exception:
    """The error that says why no start is left."""
    if isinstance(progress.lost_by, ImpossibleSequenceError):
        return progress.lost_by
    if model.n_hidden is None and progress.lost_by is not None:  # no components are to blame
        return progress.lost_by
    if model.is_posterior:  # its objective is bounded: what it loses is digits
        return CollapseError(
            "no start has a lower bound that can be computed: the values of some column are too far apart for the digits of "
            "floating-point numbers, or too far from a prior; look for outliers, and at the priors that are given"
        )
    return CollapseError(
        "every start ended in a component collapsed onto a point, where the likelihood is unbounded; "
        "use the default prior, fewer components, or a simpler covariance_type"
    )


def problem_of(model: Model, source: Source, executor: Executor) -> Problem:
    """The problem of fitting a resolved model; its objective is known as well as the data's width allows."""
    return Problem(model, model.prepared(source), executor, float(np.finfo(source.width).eps), rows=source)


def _compile(model: Model, source: Source, watch: Monitor) -> None:
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


def _first_runs(
    problem: Problem,
    algorithm: Algorithm,
    starts: int | str | Sequence[Any],
    rules: Rules,
    watch: Monitor,
    rng: np.random.Generator,
) -> tuple[Progress, StopReason | None]:
    """What is worth carrying on: of an algorithm that follows one start, the best that EM finds on a sample."""
    several = isinstance(starts, str) or (isinstance(starts, int | np.integer) and starts > 1)
    if not (algorithm.one_start and several):
        return _short_runs(problem, algorithm, starts, rules, watch, rng)
    source, model = problem.source, problem.model
    n_free = model.n_free(model.null(model.n_hidden or 1, source.n_features))
    small = replace(problem, source=source.sample(min(max(2000, 20 * n_free), _TOGETHER), rng))
    loose = replace(rules, tol=max(rules.tol, 1e-2), max_iter=min(rules.max_iter, _LONGER), checkpoint=None)
    asked = _OnlyAsked(watch)
    progress, stopped = _short_runs(small, Auto(), starts, loose, asked, rng)
    finish(small, Auto(), progress, stopped, loose, asked)
    best = progress.best
    if best is None:
        return progress, stopped
    tried = [start if start.objective is None else replace(start, short_objective=start.objective) for start in progress.starts]
    table = [replace(start, objective=None, n_iter=0, reason=None) for start in tried]
    at = min(range(len(tried)), key=lambda i: abs((tried[i].objective or math.inf) - best.objective))
    return Progress(table, [Waiting(table[at].index, model.widened(best.params))]), stopped


def _short_runs(
    problem: Problem,
    algorithm: Algorithm,
    starts: int | str | Sequence[Any],
    rules: Rules,
    watch: Monitor,
    rng: np.random.Generator,
) -> tuple[Progress, StopReason | None]:
    """Try every start briefly; returns what is worth carrying on, and the reason if a monitor asked to stop."""
    model, source = problem.model, problem.source
    if isinstance(starts, Sequence) and not isinstance(starts, str):
        if not all(isinstance(params, Params) for params in starts) or not starts:
            raise ParameterError(f"starts={starts!r}: give a number of starts, or a sequence of Params")
        given = [Start(i, "given", math.nan) for i in range(len(starts))]
        return Progress(given, [Waiting(i, model.put_back(params)) for i, params in enumerate(starts)]), None
    side = model.side_by_side(source) if starts == "auto" and model.n_hidden != 1 else None
    if side is not None:
        return _race(problem, side, algorithm, rules, watch, rng)
    if isinstance(starts, str) and starts != "auto":
        raise ParameterError(f"n_init={starts!r}: give 'auto' or a number of starts", parameter="n_init")
    if starts == "auto":
        starts = model.one_by_one(source) if model.n_hidden != 1 else 1
    starts = count(starts, "n_init")
    sample = source.sample(subsample_size(model.n_hidden or 1, source.n_features), rng)
    seeds = rng.spawn(starts)
    if starts == 1:
        return Progress([Start(0, model.kind_of_start(0), math.nan)], [Waiting(0, model.init(sample, seeds[0], 0))]), None
    whole = sample is source
    small = problem if whole else replace(problem, source=sample)
    loose = rules.tol if whole else max(rules.tol, 1e-2)
    asked = _OnlyAsked(watch)
    progress, tried, stopped = _try_all(small, algorithm, sample, seeds, replace(rules, tol=loose), asked, watch)
    tried.sort(key=lambda item: (-item[1].objective, item[0]))
    few = max(2, starts // 4)
    if whole:
        _carry_on_all(problem, progress, tried, rules)
        progress.most = few
    else:
        stopped = _carry_on_best(progress, tried, small, algorithm, loose, 1 if stopped else few, asked) or stopped
    return progress, stopped


def _race(
    problem: Problem, side: SideBySide, algorithm: Algorithm, rules: Rules, watch: Monitor, rng: np.random.Generator
) -> tuple[Progress, StopReason | None]:
    """Many starts side by side: returns what is worth carrying on over all the data."""
    model, source, asked = problem.model, problem.source, _OnlyAsked(watch)
    n_free = model.n_free(model.null(model.n_hidden or 1, source.n_features))
    sample = source.sample(min(max(2000, 20 * n_free), _TOGETHER), rng)
    whole = source.n_rows <= _TOGETHER
    many = side.plan(sample)[0]
    watch.say(f"{many} starts, side by side")
    accelerate = isinstance(algorithm, Auto | Accelerated) and rules.tol > 0
    small = problem if sample is source else replace(problem, source=sample)
    loose = rules if whole else replace(rules, tol=max(rules.tol, 1e-2))
    seeds = side.seeds(sample, rng.spawn(many))
    kinds = seeds.kinds
    try:
        found = race(small, problem if whole else small, side, seeds, loose, asked, accelerate, side.kept(kinds))
    except CollapseError:
        return Progress([Start(i, kind, -math.inf, reason=StopReason.COLLAPSED) for i, kind in enumerate(kinds)], []), None
    lost = dict.fromkeys(found.collapsed, StopReason.COLLAPSED)
    progress = Progress([Start(i, kinds[i], value, reason=lost.get(i)) for i, value in enumerate(found.short)], [])
    if sample is source:
        for i, made in found.ended.items():
            progress.starts[i] = replace(progress.starts[i], objective=found.short[i], n_iter=made, reason=StopReason.CONVERGED)
    if not whole:  # what the sample's optima are worth, all the data say after a few iterations
        tried = [(racer.index, racer.run()) for racer in found.racers]
        done = [(i, outcome) for i, outcome in tried if outcome.converged or not found.accelerated] or tried[:1]
        few = 1 if found.stopped else len(done)
        stopped = _carry_on_best(progress, done, small, algorithm, loose.tol, few, asked) or found.stopped
        progress.queue = [replace(waiting, limit=_FIRST_LOOK) for waiting in progress.queue]
        progress.most = 1
        return progress, stopped
    _carry_on_racers(problem, progress, found, rules)
    return progress, found.stopped


def _try_all(
    problem: Problem,
    algorithm: Algorithm,
    sample: Source,
    seeds: Sequence[np.random.Generator],
    rules: Rules,
    asked: Monitor,
    watch: Monitor,
) -> tuple[Progress, list[tuple[int, Run]], StopReason | None]:
    """A short run of every start: the table so far, the runs by number, and the reason if a monitor asked to stop."""
    model, progress = problem.model, Progress([], [])
    tried: list[tuple[int, Run]] = []
    stopped: StopReason | None = None
    for i, seed in enumerate(seeds):
        outcome: Run | None = None
        try:
            watch.say(f"start {i + 1} of {len(seeds)}")
            first = model.init(sample, seed, i)
            outcome = run(problem, algorithm, first, replace(rules, max_iter=min(_SHORT, rules.max_iter)), monitor=asked)
        except LOST as error:
            progress.lost_by = error
        except KeyboardInterrupt:
            if not tried:
                raise
            stopped = StopReason.INTERRUPTED
        lost = outcome is None or outcome.reason is StopReason.COLLAPSED
        value = outcome.objective if outcome is not None else -math.inf
        reason = StopReason.COLLAPSED if lost and not stopped else None
        progress.starts.append(Start(i, model.kind_of_start(i), value, reason=reason))
        if outcome is not None and not lost:
            tried.append((i, outcome))
            if outcome.reason in HALTED:
                stopped = outcome.reason
        if stopped is not None:
            break
    return progress, tried, stopped


class _OnlyAsked(Monitor):
    """Iterations of short runs are not reported, but a request to stop counts in them too."""

    def __init__(self, watch: Monitor):
        self._watch = watch

    def step(self, step: Step) -> StopReason | None:
        return self._watch.asked()


def _may_win(outcome: Run, best: float, tol: float) -> bool:
    """Whether ten times what EM is estimated to gain still would make up for what a start lacks."""
    return not outcome.objective + _MARGIN * outcome.remaining < best - tol


def _carry_on_all(problem: Problem, progress: Progress, tried: list[tuple[int, Run]], rules: Rules) -> None:
    """The short runs were on all the data: those that met the stop rule are done, the others continue where they stand."""
    best = max((outcome.objective for _, outcome in tried), default=-math.inf)
    for i, outcome in tried:
        if outcome.reason is StopReason.MAX_ITER and outcome.n_iter < rules.max_iter:
            if _may_win(outcome, best, rules.tol):
                progress.queue.append(Waiting(i, outcome.params, outcome.trace[:-1], _WHOLE, carried=outcome.carried))
        else:
            note(problem, progress, i, outcome)


def _carry_on_racers(problem: Problem, progress: Progress, found: Race, rules: Rules) -> None:
    """The race was over all the data: the best, and those that may be preferred to it, are evaluated once more, each alone.

    What is reported is then exactly what ``score`` says. Those that the accelerated method cannot end are followed by EM.
    """
    later, best = [], found.racers[0].value
    for racer in found.racers:
        outcome = racer.run()
        waiting = Waiting(racer.index, outcome.params, outcome.trace[:-1], carried=outcome.carried)
        if racer.by_em and found.stopped is None and outcome.n_iter < rules.max_iter:
            if _may_win(outcome, best, rules.tol):
                later.append(replace(waiting, limit=_WHOLE))
        elif racer is found.racers[0] or (outcome.converged and outcome.objective >= best - CLOSE):
            progress.queue.append(waiting)
        elif outcome.reason is not StopReason.MAX_ITER:
            note(problem, progress, racer.index, outcome)
    progress.queue += later
    progress.most = 2 if later else None


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
            outcome = run(
                small, algorithm, outcome.params, Rules(tol, _LONGER),
                trace=outcome.trace[:-1], carried=outcome.carried, monitor=asked,
            )  # fmt: skip
            stopped = outcome.reason if outcome.reason in HALTED else None
        settled.append((i, outcome))
    settled.sort(key=lambda item: (-item[1].objective, item[0]))
    best = settled[0][1].objective if settled else math.nan
    last = math.inf
    for i, outcome in settled:
        same = last - outcome.objective <= max(10.0 * tol, 1e-9 * abs(best))
        if not same and best - outcome.objective <= _PER_ROW * small.source.total_weight:
            progress.queue.append(Waiting(i, small.model.widened(outcome.params)))
        last = outcome.objective
    return stopped
