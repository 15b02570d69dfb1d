"""A fit taken further: starts from elsewhere, such as the optima of other models, that may do better than its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from emkit.algorithms.carry_on import HALTED, LOST, Progress, note
from emkit.core.fit import Algorithm, Problem, Rules, run
from emkit.core.result import Result, Run, Start, StopReason
from emkit.core.slivers import is_regular

_SHORT = 25  # iterations, after which a start is left if it cannot be expected to win
_MARGIN = 10.0  # times the gain that is estimated


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
    about = {"n_rows": source.n_rows, "total_weight": source.total_weight, "tolerance": float(rules.tol), "slivers": slivers}
    return Result.of(problem.model, progress.best, progress.starts, **about)


def _stats(problem: Problem, found: Run) -> Any:
    return problem.evaluate(found.params).stats if found.stats is None else found.stats


def _followed(problem: Problem, algorithm: Algorithm, params: Any, best: Run | None, rules: Rules) -> Run | None:
    """A start followed to the end, or until it is clear that it will not win; None if it is lost."""
    try:
        short = replace(rules, max_iter=min(_SHORT, rules.max_iter))
        found = run(problem, algorithm, params, short, monitor=rules.watch)
        hopeless = best is not None and found.objective + _MARGIN * found.remaining < best.objective - rules.tol
        if found.reason is StopReason.MAX_ITER and found.n_iter < rules.max_iter and not hopeless:
            go_on = {"trace": found.trace[:-1], "carried": found.carried}
            found = run(problem, algorithm, found.params, rules, monitor=rules.watch, **go_on)  # type: ignore[arg-type]
        return found
    except LOST:
        return None


def _as_run(result: Result) -> Run:
    about = (result.n_iter, result.reason, result.trace, result.remaining)
    return Run(result.params, result.log_likelihood, result.log_prior, *about)
