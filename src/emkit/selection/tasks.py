"""The pieces of work of a search over models: each a function of what it is given, so that it can be done anywhere, once."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from emkit.algorithms.improving import improved
from emkit.algorithms.starts import fit, problem_of
from emkit.algorithms.words import algorithm_of
from emkit.core.errors import EmkitError
from emkit.core.executor import Executor
from emkit.core.fit import Rules
from emkit.core.model import EStep
from emkit.core.monitor import Monitor, Monitors
from emkit.core.result import Result, StopReason
from emkit.core.warn import quietly
from emkit.selection.candidates import Candidate, Outcome
from emkit.selection.criteria import criteria
from emkit.selection.cross_validation import CutOff, cross_validated
from emkit.selection.neighbours import starts_from


@dataclass(frozen=True)
class Task:
    """One piece of work.

    Attributes
    ----------
    key : str
        Tells it from all others of the search.
    kind : {"own", "further", "sure", "held out"}
        A fit from the candidate's own starts; starts from neighbours' optima; those that are as good as these optima; fits to parts
        of the data.
    seed : tuple of int
        Of its random numbers.
    current : Outcome
        What there is so far.
    neighbours : sequence of Result
    folds : int
        For "held out".
    by : str
        The criterion of the search.
    """

    key: str
    kind: str
    candidate: Candidate
    seed: tuple[int, ...]
    current: Outcome = field(default_factory=Outcome)
    neighbours: Sequence[Result] = ()
    folds: int = 0
    by: str = "bic"


class Deadline(Monitor):
    """Ends a fit at a time of the clock, which all processes share."""

    def __init__(self, at: float):
        self.at = at

    def asked(self) -> StopReason | None:
        """TIME_LIMIT from then on."""
        return StopReason.TIME_LIMIT if time.time() >= self.at else None

    def step(self, step: Any) -> StopReason | None:
        """As ``asked``."""
        return self.asked()


def perform(task: Task, executor: Executor, monitors: Sequence[Monitor]) -> Outcome:
    """Do it. An error that the data or the settings make becomes the outcome's note."""
    began = time.perf_counter()
    try:
        with quietly():
            found = _KINDS[task.kind](task, executor, Monitors(monitors))
    except CutOff:
        text = "; ".join(filter(None, (task.current.note, "cut off before it was cross-validated")))
        found = replace(task.current, note=text)
    except EmkitError as error:
        text = " ".join(str(error).split())
        found = replace(task.current, note=task.current.note or text)
    cut = Monitors(monitors).asked() is not None
    return replace(found, seconds=task.current.seconds + time.perf_counter() - began, cut=cut)


def _own(task: Task, executor: Executor, watch: Monitor) -> Outcome:
    candidate = task.candidate
    result = fit(
        candidate.model,
        candidate.source,
        executor=executor,
        algorithm=candidate.algorithm,
        starts=candidate.starts,
        tol=candidate.tol,
        max_iter=candidate.max_iter,
        monitors=[_Quiet(watch)],
        rng=np.random.default_rng(np.random.SeedSequence(task.seed)),
    )
    return measured(task, result, executor)


class _Quiet(Monitor):
    """Passes on what may stop a fit, and nothing else: a search has lines of its own."""

    def __init__(self, watch: Monitor):
        self._watch = watch

    def asked(self) -> StopReason | None:
        return self._watch.asked()

    def step(self, step: Any) -> StopReason | None:
        return self._watch.asked()


def _further(task: Task, executor: Executor, watch: Monitor) -> Outcome:
    candidate, current = task.candidate, task.current.result
    rng = np.random.default_rng(np.random.SeedSequence(task.seed))
    model = candidate.model.resolve(candidate.source) if current is None else current.model
    starts = [
        start
        for neighbour in task.neighbours
        for start in starts_from(model, candidate.source, neighbour, rng, sure=task.kind == "sure")
    ]
    if not starts:
        return task.current
    problem, rules = problem_of(model, candidate.source, executor), Rules(candidate.tol, candidate.max_iter, [_Quiet(watch)])
    with executor.session(), np.errstate(over="ignore", invalid="ignore"):
        found = improved(problem, algorithm_of(candidate.algorithm or "auto"), current, starts, rules)
    if found is None:
        return task.current
    if current is not None and found.params is current.params:
        return replace(task.current, result=found)
    return measured(task, found, executor)


def _held_out(task: Task, executor: Executor, watch: Monitor) -> Outcome:
    candidate, rng = task.candidate, np.random.default_rng(np.random.SeedSequence(task.seed))
    how = {"starts": candidate.starts, "tol": candidate.tol, "max_iter": candidate.max_iter, "algorithm": candidate.algorithm}
    how["monitors"] = [_Quiet(watch)]
    found = cross_validated(candidate.model, candidate.rows, folds=task.folds, executor=executor, rng=rng, **how)
    each = found.folds[0] / found.weights[0]
    spread = float(each.std(ddof=1) / math.sqrt(len(each))) if np.isfinite(each).all() else math.nan
    note = "; ".join(filter(None, (task.current.note, *found.reasons[:1])))
    return replace(task.current, criteria={**task.current.criteria, "cv": found.per_row, "cv_se": spread}, note=note)


_KINDS = {"own": _own, "further": _further, "sure": _further, "held out": _held_out}


def measured(task: Task, result: Result, executor: Executor) -> Outcome:
    """A fit with its criteria."""
    source = task.candidate.source
    found = criteria(result, source, executor, marginal=task.by == "cheeseman_stutz")
    values = {name: value for name, value in asdict(found).items() if value is not None and name != "n"}
    values |= _of_labels(result, source, executor)
    kept: Mapping[str, float] = {name: value for name, value in task.current.criteria.items() if name in ("cv", "cv_se")}
    note = "" if result.converged or result.tolerance == 0 else result.reason.value
    return Outcome(result, {**values, **kept}, note=note)


def _of_labels(result: Result, source: Any, executor: Executor) -> dict[str, float]:
    """The smallest expected share of the rows that a label has, and how many labels have their spread from the prior."""
    model = result.model
    if model.n_hidden is None:
        return {"smallest": math.nan, "floor": 0.0}
    stats = executor.map_reduce(EStep(model, result.params), source)[0]
    counts = model.label_counts(stats)
    smallest = math.nan if counts is None or not counts.sum() > 0 else float(counts.min() / counts.sum())
    return {"smallest": smallest, "floor": float(len(model.floored(result.params, stats)))}
