"""Several runs over data that must be read: each goes its own way, and one reading of the data serves them all.

A run knows nothing of the others: it asks its executor for an E-step over all data, and waits. Once all that are under way have
asked, the data are read once, and each block sees the hypotheses of all. So any algorithm shares reads, and each run has the bits
that it would have alone.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emkit.core.errors import CollapseError, EmkitError, ImpossibleSequenceError
from emkit.core.fit import Algorithm, Problem, Rules, run
from emkit.core.monitor import Monitor
from emkit.core.result import Run, Step, StopReason

_MARGIN = 10.0  # times the gain that is estimated: who stays below the best with it is left
_AT_LEAST = 6  # iterations before that
_LOST = (CollapseError, ImpossibleSequenceError)


@dataclass(frozen=True)
class _Lost:
    """Instead of statistics, where an E-step raised: the other hypotheses go on."""

    error: EmkitError

    def __add__(self, other: Any) -> "_Lost":
        return self

    __radd__ = __add__


@dataclass(frozen=True)
class _All:
    """The statistics of several hypotheses."""

    each: tuple[Any, ...]

    def __add__(self, other: "_All") -> "_All":
        both = zip(self.each, other.each, strict=True)
        return _All(tuple(b if isinstance(b, _Lost) else a + b for a, b in both))


@dataclass(frozen=True)
class Several:
    """E-steps of several hypotheses as one function of a block."""

    steps: tuple[Any, ...]

    def __call__(self, block: Any) -> tuple[_All, Any]:
        """Their statistics, and log-likelihoods (S,)."""
        found = [self._one(step, block) for step in self.steps]
        return _All(tuple(stats for stats, _ in found)), np.array([value for _, value in found])

    @staticmethod
    def _one(step: Any, block: Any) -> tuple[Any, float]:
        try:
            stats, value = step(block)
            return stats, float(value)
        except _LOST as error:
            return _Lost(error), 0.0


@dataclass
class Runner:
    """A run under way.

    Attributes
    ----------
    params, trace, carried, limit
        Where it begins: as ``emkit.core.fit.run`` has them; ``limit``: iterations at most.
    latest : (Step, trace) or None
        Where it is.
    outcome : Run or None
        Where it has ended; None while it is under way, and if it was lost.
    hopeless : bool
        Whether it was left because others are better.
    """

    params: Any
    trace: Sequence[float] = ()
    carried: Any = None
    limit: int | None = None
    latest: tuple[Step, tuple[float, ...]] | None = None
    outcome: Run | None = None
    error: BaseException | None = None
    hopeless: bool = False
    done: bool = False
    _asked: Any = field(default=None, repr=False)
    _answer: Any = field(default=None, repr=False)


class _Seat:
    """The executor of one run: it asks the table for a pass, and waits."""

    def __init__(self, table: "_Table", runner: Runner):
        self._table, self._runner = table, runner

    def map_reduce(self, fn: Any, source: Any) -> tuple[Any, float]:
        return self._table.ask(self._runner, fn)

    def map(self, fn: Any, source: Any) -> Iterator[Any]:
        raise NotImplementedError("algorithms ask for sums")

    @contextmanager
    def session(self) -> Iterator["_Seat"]:
        yield self


class _Table:
    """Where runs wait for each other."""

    def __init__(self, runners: Sequence[Runner]):
        self._runners, self._turn = runners, threading.Condition()

    def ask(self, runner: Runner, step: Any) -> tuple[Any, float]:
        """What a pass says of a step. Raises what lost it, and KeyboardInterrupt where that came."""
        with self._turn:
            runner._asked, runner._answer = step, None
            self._turn.notify_all()
            while runner._answer is None:
                self._turn.wait()
            answer = runner._answer
        if isinstance(answer, BaseException):
            raise answer
        found: tuple[Any, float] = answer
        return found

    def leave(self, runner: Runner) -> None:
        """A run has ended."""
        with self._turn:
            runner.done = True
            self._turn.notify_all()

    def all_asked(self) -> list[Runner]:
        """Those that are under way, once all of them wait."""
        with self._turn:
            while any(not runner.done and runner._asked is None for runner in self._runners):
                self._turn.wait()
            return [runner for runner in self._runners if not runner.done]

    def answer(self, runners: Sequence[Runner], answers: Sequence[Any]) -> None:
        """They go on."""
        with self._turn:
            for runner, found in zip(runners, answers, strict=True):
                runner._asked, runner._answer = None, found
            self._turn.notify_all()


def follow(
    problem: Problem,
    algorithm: Algorithm,
    runners: Sequence[Runner],
    rules: Rules,
    each_round: Callable[[], StopReason | None],
    drop: bool,
) -> None:
    """Follow several runs to their ends; what became of each stands in it.

    Parameters
    ----------
    each_round : callable
        Called after each reading of the data; may give the reason why all are to stop.
    drop : bool
        Whether runs are left that ten times their estimated gain would not bring up to the best.
    """
    table = _Table(runners)
    best = {"value": -np.inf, "stopped": None}
    threads = [
        threading.Thread(target=copy_context().run, args=(_go, table, problem, algorithm, one, rules, best, drop), daemon=True)
        for one in runners
    ]
    for thread in threads:
        thread.start()
    try:
        while waiting := table.all_asked():
            table.answer(waiting, _one_reading(problem, runners, waiting, best, each_round))
    except BaseException as error:  # each of them ends as it would alone
        while waiting := table.all_asked():
            table.answer(waiting, [error] * len(waiting))
    for thread in threads:
        thread.join()
    for one in runners:
        if one.error is not None and not isinstance(one.error, _LOST):
            raise one.error


def _one_reading(
    problem: Problem,
    runners: Sequence[Runner],
    waiting: Sequence[Runner],
    best: dict[str, Any],
    each_round: Callable[[], StopReason | None],
) -> list[Any]:
    """What each of those that wait is told: its statistics and log-likelihood, or what it is lost by."""
    # What one run knows of the others is what was known before this reading: the order of threads means nothing.
    values = [one.latest[0].objective for one in runners if one.latest is not None]
    best["value"] = max(values, default=-np.inf)
    if values:
        best["stopped"] = best["stopped"] or each_round()
    found: tuple[_All, Any] = problem.executor.map_reduce(Several(tuple(one._asked for one in waiting)), problem.source)
    return [s.error if isinstance(s, _Lost) else (s, float(v)) for s, v in zip(found[0].each, found[1], strict=True)]


def _go(
    table: _Table, problem: Problem, algorithm: Algorithm, runner: Runner, rules: Rules, best: dict[str, Any], drop: bool
) -> None:
    """One run, in a thread of its own."""

    class Watch(Monitor):
        def step(self, step: Step) -> StopReason | None:
            if best["stopped"] is not None:
                return best["stopped"]  # type: ignore[no-any-return]
            if drop and _hopeless(problem, algorithm, step, trace, best["value"], rules):
                runner.hopeless = True
                return StopReason.STOPPED
            return None

    trace: list[float] = []

    def keep(step: Step, history: Sequence[float]) -> None:
        trace[:] = history
        runner.latest = step, tuple(history)

    own = replace(problem, executor=_Seat(table, runner))
    limit = min(runner.limit or rules.max_iter, rules.max_iter)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            runner.outcome = run(
                own, algorithm, runner.params, replace(rules, max_iter=limit), monitor=Watch(), trace=runner.trace,
                carried=runner.carried, keep=keep,
            )  # fmt: skip
    except BaseException as error:
        runner.error = error
    finally:
        table.leave(runner)


def _hopeless(problem: Problem, algorithm: Algorithm, step: Step, trace: Sequence[float], best: float, rules: Rules) -> bool:
    """Whether a run is not expected to reach the best of the round before."""
    if len(trace) <= _AT_LEAST or step.objective >= best:
        return False
    return bool(step.objective + _MARGIN * algorithm.remaining(problem, step, trace) < best - rules.tol)
