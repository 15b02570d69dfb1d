"""Who does the tasks of a search: this process, one after the other, or several."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from emkit.core.executor import Executor
from emkit.core.monitor import Monitor, Monitors
from emkit.core.result import StopReason
from emkit.execute.processes import ProcessPool
from emkit.execute.threads import Threads
from emkit.selection.candidates import Outcome
from emkit.selection.tasks import Deadline, Task, perform

SMALL = 2**20
"""Cells of a table up to which processes share out tasks; beyond, a single fit has work enough for all threads."""


class Alone:
    """One task after the other, with an executor's threads."""

    def __init__(self, executor: Executor, watch: Monitor, time_limit: float | None = None):
        self._executor, self._watch = executor, watch
        self._deadline = None if time_limit is None else Deadline(time.time() + time_limit)
        self.stopped: StopReason | None = None
        self._begun = False

    def done(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """See ``emkit.selection.sweep.Workers``. The first of all tasks is begun whatever the time."""
        monitors: list[Monitor] = [self._watch, *([] if self._deadline is None else [self._deadline])]
        for task in tasks:
            asked = Monitors(monitors).asked()
            if asked is not None and (self._begun or asked is not StopReason.TIME_LIMIT):
                self.stopped = asked
                return
            self._begun = True
            outcome = perform(task, self._executor, monitors)
            self.stopped = Monitors(monitors).asked()
            yield task, outcome
            if self.stopped is not None:
                return


class Processes:
    """Several processes, each with one thread: for data so small that a fit is mostly Python."""

    def __init__(self, n: int, watch: Monitor, time_limit: float | None = None):
        self._n, self._watch = n, watch
        self._until = None if time_limit is None else time.time() + time_limit
        self._alone = Alone(Threads(1), watch, time_limit)
        self.stopped: StopReason | None = None

    def done(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """See ``emkit.selection.sweep.Workers``."""
        from concurrent.futures import FIRST_COMPLETED, wait

        if len(tasks) < 2:
            yield from self._alone.done(tasks)
            self.stopped = self._alone.stopped
            return
        with ProcessPool(self._n) as pool:
            waiting: dict[Any, Task] = {pool.submit(_elsewhere, task, self._until): task for task in tasks}
            while waiting:
                finished, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield waiting.pop(future), future.result()
                late = self._until is not None and time.time() >= self._until
                self.stopped = self._watch.asked() or (StopReason.TIME_LIMIT if late else None)
                if self.stopped is not None:
                    for future in list(waiting):
                        if future.cancel():
                            del waiting[future]


def _elsewhere(task: Task, until: float | None) -> Outcome:
    """In a process of its own."""
    return perform(task, Threads(1), [] if until is None else [Deadline(until)])
