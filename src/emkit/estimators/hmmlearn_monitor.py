"""hmmlearn's monitor of a fit, and what tells it of the engine's iterations."""

import sys
from collections import deque
from typing import Any

from emkit.core.monitor import Monitor
from emkit.core.result import Result, Step, StopReason


class ConvergenceMonitor:
    """hmmlearn's ``monitor_``: ``tol``, ``n_iter``, ``iter``, ``history`` of objectives, ``converged``, ``report``.

    A subclass with a ``converged`` of its own, put into ``monitor_`` before ``fit``, ends the fit; it follows a single start.
    """

    def __init__(self, tol: float, n_iter: int, verbose: bool = False):
        self.tol, self.n_iter, self.verbose = tol, n_iter, verbose
        self.history: deque[float] = deque()
        self.iter = 0
        self._result: Result | None = None

    def report(self, log_prob: float) -> None:
        """One iteration more."""
        if self.verbose:
            gain = log_prob - self.history[-1] if self.history else float("nan")
            print(f"{self.iter + 1:>10d} {log_prob:>16.8f} {gain:>+16.8f}", file=sys.stderr)
        self.history.append(log_prob)
        self.iter += 1

    @property
    def converged(self) -> bool:
        """Whether the stop rule was met."""
        return self._result is not None and self._result.converged

    def _reset(self) -> None:
        self.iter = 0
        self.history.clear()

    @classmethod
    def of(cls, result: Result, n_iter: int, verbose: bool) -> "ConvergenceMonitor":
        """What became of a fit."""
        monitor = cls(result.tolerance, n_iter, verbose)
        monitor.history.extend(result.trace)
        monitor.iter, monitor._result = result.n_iter, result
        return monitor


class Follow(Monitor):
    """Tells hmmlearn's kind of monitor of each iteration, and asks it whether that is enough."""

    def __init__(self, theirs: Any):
        self._theirs = theirs

    def step(self, step: Step) -> StopReason | None:
        """Pass it on."""
        self._theirs.report(step.objective)
        return StopReason.STOPPED if self._theirs.converged else None
