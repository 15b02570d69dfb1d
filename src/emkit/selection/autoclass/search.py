"""AutoClass's search: how many classes, and which rows in them.

A try starts from a random number of classes about random rows, converged by EM; its hard labels are then annealed (rows moved,
classes split and merged by the score itself, ``labels``); EM shares the rows out again, and classes are deleted and split while
that raises the score (``refine``). Later tries anneal longer, every other one from the best classification so far. Of more than
4000 rows a sample of 2000 is annealed where a try starts afresh: the classes of all rows are then a matter of EM.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.monitor import Monitor
from emkit.core.result import StopReason
from emkit.kernels.class_values import Rows
from emkit.selection.autoclass import em, labels, refine
from emkit.selection.autoclass.prepare import Prepared
from emkit.selection.autoclass.refine import Classification

__all__ = ["Classification", "Found", "search"]

_MANY, _SAMPLE = 4000, 2000  # rows
_FEW = 10  # classes that are worth deleting or splitting one by one
_COLD = 0.2  # nats: where a row that is better off elsewhere by one nat moves there


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    best : tuple of Classification
        Distinct ones, the highest score first; never empty. Where the number of classes was given, a class too light for the
        program (it drops those of 2.1 rows and fewer) counts 30 nats against them.
    tries : int
        Tries that were completed.
    reason : StopReason
    """

    best: tuple[Classification, ...]
    tries: int
    reason: StopReason


def search(
    prepared: Prepared,
    rng: np.random.Generator,
    *,
    start_classes: tuple[int, int] = (8, 36),
    n_classes: int | None = None,
    time_limit: float | None = None,
    max_tries: int | None = None,
    agree: int | None = None,
    monitor: Monitor | None = None,
    keep: int = 10,
) -> Found:
    """Search for the classifications of highest score.

    Parameters
    ----------
    prepared : Prepared
    rng : numpy.random.Generator
        The same generator and ``max_tries``, without a time limit, give the same classifications.
    start_classes : tuple of two ints, default=(8, 36)
        Fewest and most classes that a try starts from; never more than a third of the rows.
    n_classes : int, optional
        Look only for classifications with so many classes.
    time_limit : float, optional
        Seconds, kernels' compiling (once a machine) left out. A try that is under way when it is up is finished in short.
    max_tries : int, optional
    agree : int, optional
        End once so many tries came to the best classification. Those that began from it do not count.
    monitor : Monitor, optional
        Told that a search begins when kernels are compiled, so that its clock starts then; ``asked`` many times in every try; told
        of every try that is the best so far.
    keep : int, default=10
        How many classifications to keep.

    Raises
    ------
    ParameterError
        Nothing would end the search; more classes than rows; a number that makes no sense.
    """
    _check(prepared, start_classes, n_classes, time_limit, max_tries, monitor, keep)
    from threadpoolctl import threadpool_limits

    monitor = monitor or Monitor()
    rows = labels.rows_of(prepared)
    monitor.say("loading compiled code (some seconds, the first time on a machine)")
    labels.anneal(rows, np.zeros(prepared.n, dtype=np.int64), np.zeros(1), 1, np.random.default_rng(0))
    monitor.begin()
    stop = _Stop(monitor, prepared.n, None if time_limit is None else time.monotonic() + time_limit)
    bench = _Bench(keep)
    # Threads of the BLAS wait for each other longer than they work, and change last bits, which a search magnifies
    with threadpool_limits(1, user_api="blas"):
        bench.add(refine.classification(prepared, _shares(np.arange(prepared.n) % (n_classes or 1))))

        def one(number: int) -> Classification:
            if n_classes is None:
                return _try(prepared, rows, rng, number, start_classes, bench.best[0], stop)
            return _try_fixed(prepared, rows, rng, number, n_classes, stop)

        try:
            _tries(one, bench, stop, max_tries, agree, afresh=n_classes is not None)
        except KeyboardInterrupt:
            stop.reason = StopReason.INTERRUPTED
            # A first try that is cut leaves the labels that it had come to, which are better than no classes at all
            if bench.tries == 0 and stop.labels is not None and n_classes in (None, int(stop.labels.max()) + 1):
                bench.add(refine.classification(prepared, _shares(stop.labels)))
    return Found(tuple(bench.best), bench.tries, stop.reason or StopReason.MAX_TRIES)


def _tries(
    one: Callable[[int], Classification], bench: "_Bench", stop: "_Stop", max_tries: int | None, agree: int | None, *, afresh: bool
) -> None:
    """Tries until ``stop`` or their number says so, or so many agree; ``afresh``: none of them begins from the best so far."""
    while (max_tries is None or bench.tries < max_tries) and not stop.now():
        from_best = not afresh and _from_best(bench.tries, bench.best[0])
        own = one(bench.tries)
        bench.add(own)
        if stop.reason is None:
            bench.count(own, from_best)
        if bench.best[0] is own:
            found = f"{own.score.n_classes} classes, log marginal {own.score.log_marginal:.2f}"
            stop.monitor.say(f"try {bench.tries}: {found}, the best so far")
        if agree is not None and bench.agreed >= agree and stop.reason is None:
            stop.reason = StopReason.TRIES_AGREED


def _check(
    prepared: Prepared,
    start_classes: tuple[int, int],
    n_classes: int | None,
    time_limit: float | None,
    max_tries: int | None,
    monitor: Monitor | None,
    keep: int,
) -> None:
    if time_limit is None and max_tries is None and monitor is None:
        raise ParameterError("a search needs an end: give time_limit, max_tries or a monitor", parameter="time_limit")
    for name, value in (("n_classes", n_classes), ("max_tries", max_tries), ("keep", keep)):
        if value is not None and value < 1:
            raise ParameterError(f"{name} is {value}; it must be at least 1", parameter=name)
    if time_limit is not None and not time_limit > 0:
        raise ParameterError(f"time_limit is {time_limit}; it must be a positive number of seconds", parameter="time_limit")
    if not 1 <= start_classes[0] <= start_classes[1]:
        raise ParameterError(
            f"start_classes is {start_classes}; give the fewest and the most, at least 1", parameter="start_classes"
        )
    if n_classes is not None and n_classes > prepared.n:
        raise ParameterError(f"n_classes is {n_classes}, and the table has only {prepared.n} rows", parameter="n_classes")


@dataclass
class _Stop:
    """Whether to stop, and why: once there is a reason it stays."""

    monitor: Monitor
    n: int
    deadline: float | None
    reason: StopReason | None = None
    labels: np.ndarray | None = None
    """The labels of all ``n`` rows that the try had last."""

    def now(self) -> bool:
        if self.reason is None:
            self.reason = self.monitor.asked()
        if self.reason is None and self.deadline is not None and time.monotonic() >= self.deadline:
            self.reason = StopReason.TIME_LIMIT
        return self.reason is not None


@dataclass
class _Bench:
    """The best distinct classifications, best first."""

    keep: int
    best: list[Classification] = field(default_factory=list)
    agreed: int = 0
    """Tries that came to the first of them."""
    tries: int = 0
    """Tries that were completed."""

    def add(self, own: Classification) -> None:
        """Keep it if it is among the best, and not there yet under other names of its classes."""
        if any(_same(own, other) for other in self.best):
            return
        self.best = sorted([*self.best, own], key=lambda c: -c.rank)[: self.keep]

    def count(self, own: Classification, from_best: bool) -> None:
        """A try is over: whether it agrees with the others on the best."""
        self.tries += 1
        if own is self.best[0]:
            self.agreed = 1
        elif not from_best and _same(own, self.best[0]):
            self.agreed += 1


def _same(a: Classification, b: Classification) -> bool:
    """Whether both put the same rows together."""
    if a.score.n_classes != b.score.n_classes or abs(a.score.log_marginal - b.score.log_marginal) > 0.01:
        return False
    pairs = np.unique(np.stack([a.labels, b.labels]), axis=1)
    return pairs.shape[1] == len(np.unique(pairs[0])) == len(np.unique(pairs[1]))


def _from_best(number: int, best: Classification) -> bool:
    """Whether a try of this number begins from the best classification so far."""
    return number % 2 == 1 and best.score.n_classes > 1


def _try(
    prepared: Prepared,
    rows: Rows,
    rng: np.random.Generator,
    number: int,
    start_classes: tuple[int, int],
    best: Classification,
    stop: _Stop,
) -> Classification:
    """One try, numbered from 0; cut short where ``stop`` says so."""
    if not _from_best(number, best):
        count = int(rng.integers(start_classes[0], start_classes[1] + 1))
        own = _fresh(prepared, rows, rng, number, max(1, min(count, prepared.n // 3)), stop)
    else:
        own = _annealed(rows, best.labels, _heats(prepared.n, number), rng, stop)
    shares = refine.converge(prepared, _shares(own), enough=stop.now)
    return refine.improve(prepared, shares, rng, stop.now)


def _try_fixed(
    prepared: Prepared, rows: Rows, rng: np.random.Generator, number: int, n_classes: int, stop: _Stop
) -> Classification:
    """One try at a given number of classes: with as many all the way, or from the best of any number, whichever the try's turn."""
    count = min(n_classes, max(1, prepared.n // 3))
    heats = _heats(prepared.n, number)
    if number % 2 or n_classes == 1 or 3 * n_classes > prepared.n:
        own = _start(prepared, count, rng, stop)
    else:
        own = _fresh(prepared, rows, rng, number, count, stop)
        if abs(int(own.max()) + 1 - n_classes) <= _FEW:
            own = refine.resized(prepared, _shares(own), n_classes, rng).argmax(axis=0)
            heats = np.geomspace(1.0, _COLD, max(4, len(heats) // 4))
    own = _annealed(rows, _filled(own, n_classes, rng), heats, rng, stop, fixed=True)
    return refine.exchange(prepared, refine.converge(prepared, _shares(own), drop=False, enough=stop.now), rng, stop.now)


def _shares(own: np.ndarray) -> np.ndarray:
    """Memberships (J, n) of hard labels."""
    return np.eye(int(own.max()) + 1)[:, own]


def _fresh(prepared: Prepared, rows: Rows, rng: np.random.Generator, number: int, count: int, stop: _Stop) -> np.ndarray:
    """Annealed labels from a fresh start. Of many rows a sample is annealed, and its classes then shared out among all rows."""
    if prepared.n <= _MANY:
        return _annealed(rows, _start(prepared, count, rng, stop), _heats(prepared.n, number), rng, stop)
    sample = replace(prepared, features=prepared.features[np.sort(rng.choice(prepared.n, _SAMPLE, replace=False))])
    own = _fresh(sample, labels.rows_of(sample), rng, number, count, stop)
    spread = em.e_step(prepared, em.m_step(prepared, em.sums(sample.features, _shares(own))))
    return np.asarray(spread.memberships.argmax(axis=0))


def _start(prepared: Prepared, count: int, rng: np.random.Generator, stop: _Stop) -> np.ndarray:
    """Labels by EM from classes about random rows."""
    about = rng.choice(prepared.n, size=count, replace=False)
    stats = prepared.features[about] + 0.5 * prepared.features.mean(axis=0)
    first = em.e_step(prepared, em.m_step(prepared, stats)).memberships
    return np.asarray(em.run(prepared, first, max_iter=60, tol=0.1, enough=stop.now).memberships.argmax(axis=0))


def _filled(own: np.ndarray, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Labels 0 .. n_classes - 1 with no class empty: those that are get a row from the others; labels too large become 0."""
    own = np.where(own < n_classes, own, 0)
    for j in np.setdiff1d(np.arange(n_classes), own):
        crowded = np.flatnonzero(np.bincount(own, minlength=n_classes)[own] > 1)
        own[rng.choice(crowded)] = j
    return own


def _heats(n: int, number: int) -> np.ndarray:
    """Temperatures, in nats, of a try's sweeps: longer with every try, and cold at the end."""
    sweeps = int(np.clip(200_000 // n, 4, 50)) * 2 ** min(number, 6)
    return np.concatenate([np.geomspace(4.0 if number % 2 == 0 else 2.5, _COLD, sweeps), np.zeros(3)])


def _annealed(
    rows: Rows, own: np.ndarray, heats: np.ndarray, rng: np.random.Generator, stop: _Stop, *, fixed: bool = False
) -> np.ndarray:
    """Annealed in chunks of a fraction of a second, between which ``stop`` is asked; the best labels met."""
    chunk = max(1, 20_000 // len(own))
    best, top = own, -np.inf
    for first in range(0, len(heats), chunk):
        part = labels.anneal(rows, own, heats[first : first + chunk], 20, rng, fixed=fixed)
        own = part.last
        if part.value > top:
            best, top = part.best, part.value
            stop.labels = best if len(best) == stop.n else stop.labels
        if stop.now():
            break
    return best
