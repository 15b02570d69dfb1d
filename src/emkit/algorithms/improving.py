"""A fit taken further: starts from elsewhere, such as the optima of other models, that may do better than its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from emkit.algorithms.carry_on import HALTED, LOST, Progress, note
from emkit.core.fit import Algorithm, Problem, Rules, run
from emkit.core.monitor import Monitor
from emkit.core.result import Result, Run, Start, Step, StopReason, aitken
from emkit.core.slivers import is_regular

_AT_LEAST = 6  # iterations of every start
_MARGIN = 1.5  # times the gain that is estimated
_WORTH = 0.02  # nats over the best that make a start worth following


def improved(
    problem: Problem, algorithm: Algorithm, result: Result | None, starts: Sequence[tuple[str, Any]], rules: Rules
) -> Result | None:
    """The result, or a better one that a start leads to; every start joins its table of starts.

    Parameters
    ----------
    result : Result or None
        None: there is nothing yet.
    starts : sequence of (kind, Params)

    Returns
    -------
    Result or None
        None if there was nothing, and every start collapsed. A sliver does not take the place of a regular optimum, however high:
        nobody looks for those.
    """
    best = None if result is None else _as_run(result)
    progress = Progress([] if result is None else list(result.starts), [], best)
    regular = best is not None and not (result is not None and result.slivers)
    for kind, params in starts:
        index = len(progress.starts)
        progress.starts.append(Start(index, kind, float("nan")))
        kept, outcome = progress.best, _followed(problem, algorithm, params, progress.best, rules)
        note(problem, progress, index, outcome)
        if outcome is not None and progress.best is outcome:
            if regular and not is_regular(problem, outcome):
                progress.best = kept
            else:
                regular = is_regular(problem, outcome)
        if outcome is not None and outcome.reason in HALTED:
            break
    if progress.best is None:
        return None
    if progress.best is best and result is not None:
        return replace(result, starts=tuple(progress.starts))
    source, slivers = problem.source, problem.model.slivers(progress.best.params, _stats(problem, progress.best))
    return Result.of(
        problem.model,
        progress.best,
        progress.starts,
        n_rows=source.n_rows,
        total_weight=source.total_weight,
        tolerance=float(rules.tol),
        slivers=slivers,
    )


def _stats(problem: Problem, found: Run) -> Any:
    return problem.evaluate(found.params).stats if found.stats is None else found.stats


def _followed(problem: Problem, algorithm: Algorithm, params: Any, best: Run | None, rules: Rules) -> Run | None:
    """A start followed to its end; None if it is lost, or left since it would not win."""
    monitor = rules.watch if best is None else _UnlessHopeless(rules.watch, best.objective)
    try:
        found = run(problem, algorithm, params, rules, monitor=monitor)
    except LOST:
        return None
    return None if best is not None and found.reason is StopReason.STOPPED and found.objective <= best.objective else found


class _UnlessHopeless(Monitor):
    """Ends a run that is not expected to gain anything over the best: one that leads to the same optimum is not worth finishing."""

    def __init__(self, watch: Monitor, best: float):
        self._watch, self._best, self._trace = watch, best, list[float]()

    def step(self, step: Step) -> StopReason | None:
        self._trace.append(step.objective)
        short = step.iteration <= _AT_LEAST
        hopeless = not short and step.objective + _MARGIN * aitken(self._trace[-4:]) < self._best + _WORTH
        return self._watch.step(step) or (StopReason.STOPPED if hopeless else None)


def _as_run(result: Result) -> Run:
    about = (result.n_iter, result.reason, result.trace, result.remaining)
    return Run(result.params, result.log_likelihood, result.log_prior, *about)
