"""Starts carried on over all the data, best first: where a fit with several starts has got to, and how it is taken to the end."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emkit.algorithms.shared_reads import Runner, follow
from emkit.core.errors import ClusterError, CollapseError, EmkitError, ImpossibleSequenceError
from emkit.core.fit import Algorithm, CheckpointStore, Problem, Rules, run
from emkit.core.monitor import Monitor
from emkit.core.result import Run, Start, Step, StopReason
from emkit.core.slivers import CLOSE, better

HALTED = (StopReason.INTERRUPTED, StopReason.TIME_LIMIT, StopReason.STOPPED)
"""Somebody's wish: no further start is begun."""

LOST = (CollapseError, ImpossibleSequenceError)
"""What loses a start: others may do better."""


@dataclass
class Waiting:
    """A start still to be carried on over all the data."""

    index: int
    params: Any
    trace: tuple[float, ...] = ()
    """Objectives of its iterations before ``params``, on all the data."""
    limit: int | None = None
    """Iterations after which it waits for the others, to see whether it is among the best; None: it is followed to the end."""
    value: float = -math.inf
    """Objective at ``params``, once it has reached its limit."""
    carried: Mapping[str, np.ndarray] = field(default_factory=dict)
    """What the algorithm remembers."""


@dataclass
class Progress:
    """Where a fit with several starts has got to: what a checkpoint holds."""

    starts: list[Start]
    queue: list[Waiting]
    """The first one may be under way."""
    best: Run | None = None
    most: int | None = None
    """How many are carried on once all have reached their limit; None when that is decided."""
    lost_by: EmkitError | None = None
    """What the last start that was lost was lost by, should none remain."""


def finish(
    problem: Problem,
    algorithm: Algorithm,
    progress: Progress,
    stopped: StopReason | None,
    rules: Rules,
    watch: Monitor,
    before: Sequence[float] = (),
) -> None:
    """Carry on what is queued, best first; keep the best run. After a stop only evaluate the first, if nothing is known yet."""
    if stopped is not None and progress.best is not None:
        progress.best = replace(progress.best, reason=stopped)
        return
    while progress.queue:
        if progress.most is not None and all(waiting.limit is None for waiting in progress.queue):
            progress.queue.sort(key=lambda waiting: (-waiting.value, waiting.index))
            del progress.queue[progress.most :]
            progress.most = None
        if len(progress.queue) > 1 and stopped is None and not problem.source.in_memory:
            halted = _carry_on_together(problem, algorithm, progress, rules, watch)
        else:
            halted = _carry_on_first(problem, algorithm, progress, stopped, rules, watch, before)
        if halted is not None:
            if progress.best is not None:
                progress.best = replace(progress.best, reason=halted)
            return


def _carry_on_first(
    problem: Problem,
    algorithm: Algorithm,
    progress: Progress,
    stopped: StopReason | None,
    rules: Rules,
    watch: Monitor,
    before: Sequence[float],
) -> StopReason | None:
    """Carry on the first of the queue; returns the reason if a monitor ended the fit meanwhile."""
    store, under_way = rules.checkpoint, progress.queue[0]

    class Watch(Monitor):
        def step(self, step: Step) -> StopReason | None:
            return stopped or watch.step(step)

    def save() -> None:
        # Stopped in the short runs: some starts were never tried. A fit taken up again tries them all, as if nothing had happened.
        if store is not None and stopped is None:
            store.save(problem.model, problem.source, progress)

    def keep(step: Step, trace: Sequence[float]) -> None:
        if store is not None:
            progress.queue[0] = replace(under_way, params=step.params, trace=tuple(trace[:-1]), carried=step.carried)
            if store.due():
                save()

    outcome: Run | None = None
    try:
        outcome = run(
            problem, algorithm, under_way.params, replace(rules, max_iter=min(under_way.limit or rules.max_iter, rules.max_iter)),
            monitor=Watch(), trace=under_way.trace, carried=under_way.carried, keep=keep, before=before,
        )  # fmt: skip
    except LOST as error:
        progress.lost_by = error
    except ClusterError as error:
        save()
        raise ClusterError(f"{error}. {_how_to_resume(store)}") from error
    except KeyboardInterrupt:
        if progress.best is None:
            raise
        save()
        return StopReason.INTERRUPTED
    if outcome is not None and outcome.reason in HALTED:
        progress.queue[0] = replace(under_way, params=outcome.params, trace=outcome.trace[:-1], carried=outcome.carried)
        save()
        note(problem, progress, under_way.index, outcome)
        return outcome.reason
    progress.queue.pop(0)
    if outcome is not None and outcome.reason is StopReason.MAX_ITER and outcome.n_iter < rules.max_iter:
        _wait(progress, under_way.index, outcome)
    else:
        note(problem, progress, under_way.index, outcome)
    return None


def _how_to_resume(store: CheckpointStore | None) -> str:
    if store is None:
        return "With checkpoint=path a fit can be taken up again where it was"
    return f"The fit so far is kept in {store}: fit again with the same settings, on whatever executor, to take it up from there"


def _carry_on_together(
    problem: Problem, algorithm: Algorithm, progress: Progress, rules: Rules, watch: Monitor
) -> StopReason | None:
    """Carry on several of the queue, which share each reading of the data: those that have a limit, or else all.

    Without a limit, those are left that have no hope of becoming the best.
    """
    store = rules.checkpoint
    limited = [waiting for waiting in progress.queue if waiting.limit is not None]
    chosen = limited or list(progress.queue)
    runners = [Runner(one.params, one.trace, one.carried, one.limit) for one in chosen]
    told = -1

    def each_round() -> StopReason | None:
        nonlocal told
        places = {id(waiting): i for i, waiting in enumerate(progress.queue)}
        for i, (waiting, runner) in enumerate(zip(chosen, runners, strict=True)):
            if runner.latest is not None:
                step, trace = runner.latest
                now = replace(waiting, params=step.params, trace=trace[:-1], carried=step.carried)
                progress.queue[places[id(waiting)]] = chosen[i] = now
        if store is not None and store.due():
            store.save(problem.model, problem.source, progress)
        step = max((runner.latest[0] for runner in runners if runner.latest is not None), key=lambda step: step.objective)
        if step.iteration == told:
            return watch.asked()
        told = step.iteration
        return watch.step(step)

    follow(problem, algorithm, runners, rules, each_round, drop=not limited)
    halted = None
    for waiting, runner in sorted(zip(chosen, runners, strict=True), key=lambda pair: pair[0].index):
        outcome = runner.outcome
        if outcome is not None and outcome.reason in HALTED and not runner.hopeless:
            halted = outcome.reason
            note(problem, progress, waiting.index, outcome)
            continue
        progress.queue = [other for other in progress.queue if other is not waiting]
        if outcome is None and isinstance(runner.error, EmkitError):
            progress.lost_by = runner.error
        if outcome is not None and runner.hopeless:
            at = next(i for i, start in enumerate(progress.starts) if start.index == waiting.index)
            progress.starts[at] = replace(progress.starts[at], short_objective=outcome.objective)
        elif outcome is not None and outcome.reason is StopReason.MAX_ITER and outcome.n_iter < rules.max_iter:
            _wait(progress, waiting.index, outcome)
        else:
            note(problem, progress, waiting.index, outcome)
    if halted is not None and store is not None:
        store.save(problem.model, problem.source, progress)
    return halted


def _wait(progress: Progress, index: int, outcome: Run) -> None:
    """A start at its limit moves to the end of the queue; what it has found so far counts, should nothing better come.

    Beside one that is done it must be a nat ahead: only its end shows whether it is a sliver.
    """
    at = next(i for i, start in enumerate(progress.starts) if start.index == index)
    progress.starts[at] = replace(progress.starts[at], short_objective=outcome.objective)
    progress.queue.append(Waiting(index, outcome.params, outcome.trace[:-1], None, outcome.objective, outcome.carried))
    best = progress.best
    lead = CLOSE if best is not None and best.reason is StopReason.CONVERGED else 0.0
    if best is None or outcome.objective > best.objective + lead or best.reason is StopReason.COLLAPSED:
        progress.best = outcome


def note(problem: Problem, progress: Progress, index: int, outcome: Run | None) -> None:
    """Enter the outcome of a start in the table, and keep it if it is the best so far."""
    at = next(i for i, start in enumerate(progress.starts) if start.index == index)
    if outcome is None:
        progress.starts[at] = replace(progress.starts[at], reason=StopReason.COLLAPSED)
        return
    about = {name: getattr(outcome, name) for name in ("objective", "n_iter", "reason", "trace")}
    progress.starts[at] = replace(progress.starts[at], **about)
    best = progress.best
    if best is None or best.reason is StopReason.COLLAPSED:
        progress.best = outcome
        return
    spoiled = outcome.reason is StopReason.COLLAPSED
    if not spoiled and (better(problem, outcome, best) or _goes_on(problem, outcome, best)):
        progress.best = outcome


def _goes_on(problem: Problem, outcome: Run, best: Run) -> bool:
    """Whether a run goes on where the best one had its limit, and has lost nothing but rounding: this is what that came to."""
    before = tuple(best.trace[:-1])
    same = len(before) > 0 and tuple(outcome.trace[: len(before)]) == before
    return same and outcome.objective >= best.objective - problem.rounding(best.objective)
