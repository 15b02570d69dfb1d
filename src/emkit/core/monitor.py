"""Monitors: whoever watches a fit, and may stop it."""

import sys
import time
from collections.abc import Sequence

from emkit.core.result import Result, Step, StopReason


class Monitor:
    """Override what you need. ``step`` may return a StopReason to end the fit; the best parameters so far are kept."""

    def begin(self) -> None:
        """A fit begins."""

    def say(self, text: str) -> None:
        """Something takes a while (compiling, restarts): a line for a person."""

    def asked(self) -> StopReason | None:
        """Whether to stop now: consulted in short runs, and where starts are advanced side by side, which ``step`` does not see."""
        return None

    def step(self, step: Step) -> StopReason | None:
        """After each iteration, starting with iteration 0."""
        return None

    def end(self, result: Result) -> None:
        """The fit is over."""


class TimeLimit(Monitor):
    """Stops a fit when ``seconds`` have passed since it began; the short runs of several starts count too."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._deadline: float | None = None

    def begin(self) -> None:
        """The clock starts."""
        self._deadline = time.monotonic() + self.seconds

    def asked(self) -> StopReason | None:
        """TIME_LIMIT once the time is up."""
        if self._deadline is None:
            self.begin()
        assert self._deadline is not None
        return StopReason.TIME_LIMIT if time.monotonic() >= self._deadline else None

    def step(self, step: Step) -> StopReason | None:
        """As ``asked``."""
        return self.asked()


class Trace(Monitor):
    """Keeps every step that monitors see, parameters included: for teaching, plots and tests. With ``n_init=1`` that is all."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def step(self, step: Step) -> StopReason | None:
        """Keep it, without the statistics."""
        self.steps.append(Step(step.iteration, step.params, step.log_likelihood, step.log_prior))
        return None


class Monitors(Monitor):
    """Several monitors as one; the first reason to stop wins."""

    def __init__(self, monitors: Sequence[Monitor] = ()):
        self.monitors = tuple(monitors)

    def begin(self) -> None:
        """Pass on."""
        for monitor in self.monitors:
            monitor.begin()

    def asked(self) -> StopReason | None:
        """The first reason that any of them has."""
        return next((reason for reason in (monitor.asked() for monitor in self.monitors) if reason is not None), None)

    def say(self, text: str) -> None:
        """Pass on."""
        for monitor in self.monitors:
            monitor.say(text)

    def step(self, step: Step) -> StopReason | None:
        """Pass on to all, then answer."""
        reasons = [monitor.step(step) for monitor in self.monitors]
        return next((reason for reason in reasons if reason is not None), None)

    def end(self, result: Result) -> None:
        """Pass on."""
        for monitor in self.monitors:
            monitor.end(result)


class PrintProgress(Monitor):
    """A line on stderr every ``interval`` iterations."""

    def __init__(self, interval: int = 10):
        self.interval = max(1, interval)
        self._last: float | None = None

    def say(self, text: str) -> None:
        """Print it."""
        print(f"emkit: {text}", file=sys.stderr, flush=True)

    def step(self, step: Step) -> StopReason | None:
        """Print now and then."""
        if step.iteration % self.interval == 0:
            gain = "" if self._last is None or step.iteration == 0 else f"  gain {step.objective - self._last:.3g}"
            self.say(f"iteration {step.iteration}  objective {step.objective:.6f}{gain}")
        self._last = step.objective
        return None

    def end(self, result: Result) -> None:
        """Say how it ended."""
        self.say(f"{result.reason.value} ({result.n_iter} iterations, objective {result.objective:.6f})")
        self._last = None
