"""Ctrl-C: end a fit and keep what there is."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from emkit.core.monitor import Monitor, Monitors
from emkit.core.result import Result, Step, StopReason


class Interrupts(Monitor):
    """Watches SIGINT while it is open; holds the other monitors, so that an interrupt cannot cut one of them in two.

    The first Ctrl-C raises KeyboardInterrupt, which the engine turns into a result, except while a monitor talks or a file is
    written (``hold``): then it is only noted, and the next step ends the fit. A second one always raises.
    """

    def __init__(self) -> None:
        self._others = Monitors()
        self._asked = 0
        self._held = 0
        self._before: Any = None

    def __enter__(self) -> Self:
        # A process started with SIGINT ignored (nohup, a background job) keeps ignoring it.
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def carry(self, monitors: Sequence[Monitor]) -> None:
        """The monitors to pass everything on to."""
        self._others = Monitors(monitors)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1
        if self._asked > 1 or not self._held:
            raise KeyboardInterrupt

    @contextmanager
    def hold(self) -> Iterator[None]:
        """A stretch that the first Ctrl-C must not cut."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    def begin(self) -> None:
        """Pass on."""
        with self.hold():
            self._others.begin()

    def asked(self) -> StopReason | None:
        """Pass on; INTERRUPTED if Ctrl-C came."""
        with self.hold():
            reason = self._others.asked()
        return StopReason.INTERRUPTED if self._asked else reason

    def say(self, text: str) -> None:
        """Pass on."""
        with self.hold():
            self._others.say(text)

    def step(self, step: Step) -> StopReason | None:
        """Pass on; INTERRUPTED if Ctrl-C came."""
        with self.hold():
            reason = self._others.step(step)
        return StopReason.INTERRUPTED if self._asked else reason

    def end(self, result: Result) -> None:
        """Pass on."""
        with self.hold():
            self._others.end(result)
