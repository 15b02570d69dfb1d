"""A search over models: candidates fitted, tried again from their neighbours' optima, the hopeless ones left out, the best chosen.

Candidates that differ only in the number of components are a line. Work goes up in that number, all lines side by side: own starts
first, then components of the next smaller optimum split in two, and optima of models that a candidate contains. A line that has
clearly become worse is left. Then it goes down once, components being merged, and up again where a model is still worse than one
that it contains. What is done depends on outcomes alone, and the random numbers of a task on its name, so that neither the number
of processes nor an interruption changes any of them.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol

from emkit.algorithms.carry_on import HALTED
from emkit.core.monitor import Monitor
from emkit.core.result import StopReason
from emkit.selection.candidates import Candidate, Found, Outcome
from emkit.selection.tasks import Task

CLEARLY = 10.0
"""On the scale of BIC: very strong evidence, in the words of Kass and Raftery (1995), J. Am. Stat. Assoc. 90, 773-795."""
_PATIENCE = 2  # candidates of a line, one after the other, that are clearly worse than its best
_SLACK = 1e-2  # nats by which a candidate may stay below one that it contains


class Workers(Protocol):
    """Whoever does the tasks."""

    def done(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Each task with its outcome, in any order; ends early, without an error, once somebody asked to stop."""
        ...

    @property
    def stopped(self) -> StopReason | None:
        """Who asked to stop."""
        ...


class Journal(Protocol):
    """Where outcomes are kept, so that a search that was cut off can be taken up again."""

    def known(self, task: Task) -> Outcome | None:
        """The outcome of a task that is done already."""
        ...

    def keep(self, task: Task, outcome: Outcome) -> None:
        """Keep it."""
        ...

    def flush(self) -> None:
        """Write what is kept."""
        ...


@dataclass(frozen=True)
class Plan:
    """How to search.

    Attributes
    ----------
    by : str
        The criterion: one of ``emkit.selection.candidates.BY``.
    drop : bool
        Whether lines that have become clearly worse are left.
    folds : int
        Above 0: log-likelihoods of held-out parts of the data too.
    entropy : tuple of int
        What all random numbers come from.
    neighbours : bool
        Whether candidates are tried from their neighbours' optima.
    """

    by: str = "bic"
    drop: bool = True
    folds: int = 0
    entropy: tuple[int, ...] = (0,)
    neighbours: bool = True


def sweep(
    candidates: Sequence[Candidate], plan: Plan, workers: Workers, watch: Monitor | None = None, journal: Journal | None = None
) -> Found:
    """Search.

    A KeyboardInterrupt ends it: what was found so far is returned with the reason INTERRUPTED, unless there is nothing yet.
    """
    search = _Search(list(candidates), plan, workers, watch or Monitor(), journal)
    try:
        for size in search.sizes:
            search.fit_size(size)
        for size in reversed(search.sizes):
            search.from_above(size)
        for size in search.sizes:
            search.put_in_order(size)
    except KeyboardInterrupt:
        if not any(outcome.fitted for outcome in search.outcomes):
            raise
        search.reason = StopReason.INTERRUPTED
    except _Stopped as stopped:
        search.reason = stopped.reason
    finally:
        if journal is not None:
            journal.flush()
    return search.found()


def best_of(candidates: Sequence[Candidate], outcomes: Sequence[Outcome], by: str) -> int | None:
    """The candidate to be chosen: by the criterion, among regular optima if there are any; of equal ones the first."""
    values = [outcome.value(by, _weight(c)) for c, outcome in zip(candidates, outcomes, strict=True)]
    order = sorted(range(len(values)), key=lambda i: (not outcomes[i].regular, values[i], i))
    return order[0] if order and values[order[0]] < math.inf else None


def _weight(candidate: Candidate) -> float:
    return 1.0 if candidate.source is None else float(candidate.source.total_weight)


class _Stopped(Exception):
    def __init__(self, reason: StopReason):
        self.reason = reason


@dataclass
class _Search:
    candidates: list[Candidate]
    plan: Plan
    workers: Workers
    watch: Monitor
    journal: Journal | None
    outcomes: list[Outcome] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    """Lines that are left, and why."""
    reason: StopReason | None = None

    def __post_init__(self) -> None:
        self.index = {candidate.name: i for i, candidate in enumerate(self.candidates)}
        self.outcomes = [Outcome(note=candidate.refused) for candidate in self.candidates]
        self.sizes = sorted({c.size for c in self.candidates}, key=lambda size: (size is not None, size or 0))
        self.tried = 0

    # --- the parts of a search ----------------------------------------------------------------------------------------

    def fit_size(self, size: int | None) -> None:
        """Fit the candidates of a size, try their neighbours' optima, and leave the lines that have become hopeless."""
        here = []
        for i in self._of_size(size):
            if self.candidates[i].line in self.left:
                self.outcomes[i] = Outcome(note=f"not tried: {self.left[self.candidates[i].line]}")
            else:
                here.append(i)
        self._do([self._task("own", i) for i in here])
        for some in self._by_rank(here):
            below = {i: [*self._contained(i, here), *self._next_to(i, -1)] for i in some}
            self._do([self._task("further", i, below[i], "up") for i in some if below[i]])
        if self.plan.folds:
            self._do([self._task("held out", i) for i in here if self.outcomes[i].fitted])
        for i in here:
            self._report(i)
            self._leave_if_hopeless(i)

    def from_above(self, size: int | None) -> None:
        """Try the optima of the next larger candidates, components merged."""
        if size == 1:  # it has one optimum only
            return
        above = {i: self._next_to(i, +1) for i in self._of_size(size)}
        self._do([self._task("further", i, found, "down") for i, found in above.items() if found])

    def put_in_order(self, size: int | None) -> None:
        """No candidate is worse than one that it contains: where it is, it starts from that one's optimum itself."""
        for some in self._by_rank(self._of_size(size)):
            tasks = []
            for i in some:
                own = self.outcomes[i].result
                below = [*self._contained(i, self._of_size(size)), *self._next_to(i, -1)]
                worse = [j for j in below if own is not None and self._log_likelihood(j) > own.log_likelihood + _SLACK]
                if worse:
                    tasks.append(self._task("sure", i, worse, "order"))
            self._do(tasks)

    def found(self) -> Found:
        """What there is, candidates that were not reached included."""
        if self.reason is not None:
            why = {StopReason.TIME_LIMIT: "time limit", StopReason.INTERRUPTED: "interrupted"}.get(self.reason, "stopped")
            self.outcomes = [
                replace(outcome, note=f"not tried: {why}") if outcome.result is None and not outcome.note else outcome
                for outcome in self.outcomes
            ]
        return Found(self.candidates, self.outcomes, best_of(self.candidates, self.outcomes, self.plan.by), self.reason)

    # --- neighbours ---------------------------------------------------------------------------------------------------

    def _of_size(self, size: int | None) -> list[int]:
        return [i for i, c in enumerate(self.candidates) if c.size == size and not c.refused]

    def _next_to(self, i: int, step: int) -> list[int]:
        """The next candidate of the line, if it is larger or smaller by one."""
        me = self.candidates[i]
        if me.size is None or not self.plan.neighbours:
            return []
        return [
            j
            for j, other in enumerate(self.candidates)
            if other.line == me.line and other.size == me.size + step and self.outcomes[j].regular
        ]

    def _contained(self, i: int, among: Sequence[int]) -> list[int]:
        """Candidates whose models this one's contains directly: no third lies between."""
        if not self.plan.neighbours:
            return []
        below = [j for j in among if self._contains(i, j) and self.outcomes[j].regular]
        return [j for j in below if not any(self._contains(k, j) for k in below)]

    def _contains(self, i: int, j: int) -> bool:
        a, b = self.candidates[i], self.candidates[j]
        strictly = i != j and a.source is b.source and a.model.contains(b.model) and not b.model.contains(a.model)
        return bool(strictly)

    def _by_rank(self, some: Sequence[int]) -> list[list[int]]:
        """In an order in which whatever a candidate contains comes before it; those of one rank may go side by side."""
        below = {i: [j for j in some if self._contains(i, j)] for i in some}
        ranks: dict[int, int] = {}
        for i in sorted(some, key=lambda i: len(below[i])):
            ranks[i] = 1 + max((ranks[j] for j in below[i]), default=-1)
        return [[i for i in some if ranks[i] == rank] for rank in sorted(set(ranks.values()))]

    def _log_likelihood(self, i: int) -> float:
        result = self.outcomes[i].result
        return -math.inf if result is None else result.log_likelihood

    # --- work ---------------------------------------------------------------------------------------------------------

    def _task(self, kind: str, i: int, neighbours: Sequence[int] = (), way: str = "") -> Task:
        candidate = self.candidates[i]
        key = " ".join(filter(None, (kind, way, candidate.name)))
        digest = hashlib.sha256(key.encode()).digest()
        seed = (*self.plan.entropy, *(int.from_bytes(digest[at : at + 4], "big") for at in range(0, 16, 4)))
        results: list[Any] = [self.outcomes[j].result for j in neighbours]
        if kind == "held out":  # the same parts for all, so that they can be compared
            seed = self.plan.entropy
        return Task(key, kind, candidate, seed, self.outcomes[i], results, self.plan.folds, self.plan.by)

    def _do(self, tasks: Sequence[Task]) -> None:
        """Do tasks that do not wait for each other; what is known already is not done again."""
        rest = []
        for task in tasks:
            known = None if self.journal is None else self.journal.known(task)
            if known is None:
                rest.append(task)
            else:
                self.outcomes[self.index[task.candidate.name]] = known
        for task, outcome in self.workers.done(rest):
            self.outcomes[self.index[task.candidate.name]] = outcome
            cut = outcome.cut or (outcome.result is not None and outcome.result.reason in HALTED)
            if self.journal is not None and not cut and self.workers.stopped is None:
                self.journal.keep(task, outcome)
            if cut and outcome.result is not None and outcome.result.reason is StopReason.INTERRUPTED:
                raise KeyboardInterrupt
        if self.workers.stopped is not None:
            raise _Stopped(self.workers.stopped)

    def _report(self, i: int) -> None:
        self.tried += 1
        candidate, outcome, by = self.candidates[i], self.outcomes[i], self.plan.by
        if by in outcome.criteria and outcome.fitted:
            text = f"{by} {outcome.criteria[by]:.6g}" + ("" if outcome.regular else ", a sliver")
        else:
            text = outcome.note or "no fit"
        self.watch.say(f"{self.tried} of {len(self.candidates)}: {candidate.name}: {text}")

    def _leave_if_hopeless(self, i: int) -> None:
        """Leave a line that has become clearly worse, or is too far from the best of all to reach it."""
        line, by, size = self.candidates[i].line, self.plan.by, self.candidates[i].size
        if not self.plan.drop or size is None:
            return
        all_sizes = sorted((c.size or 0, j) for j, c in enumerate(self.candidates) if c.line == line and not c.refused)
        so_far = [(k, self._value(j), self.outcomes[j].regular) for k, j in all_sizes if k <= size]
        values = [value for _, value, _ in so_far]
        best = min((value for _, value, regular in so_far if regular), default=math.inf)
        if best == math.inf or len(so_far) < _PATIENCE:
            return
        overall = min(self._value(j) for j, outcome in enumerate(self.outcomes) if outcome.regular)
        behind = best > overall + CLEARLY
        if all(value > best + (0.0 if behind else CLEARLY) for value in values[-_PATIENCE:]):
            at = next(k for k, value, regular in so_far if regular and value == best)
            worse = " and ".join(str(k) for k, _, _ in so_far[-_PATIENCE:])
            how = "worse" if behind else f"more than {CLEARLY:g} worse"
            more = ", itself clearly behind the best of all" if behind else ""
            self.left[line] = f"{by} was {how} with {worse} than with {at}{more}"
            return
        gains = [before - after for before, after in pairwise(values[-_PATIENCE - 1 :])]
        steps = sum(k > size for k, _ in all_sizes)
        if len(gains) == _PATIENCE and min(gains) > 0.0 and values[-1] - steps * max(gains) > overall + CLEARLY:
            self.left[line] = f"with {size} it was too far from the best {by} of all to reach it at its latest gains"

    def _value(self, i: int) -> float:
        return self.outcomes[i].value(self.plan.by, _weight(self.candidates[i]))
