"""From rows shared out among classes to a classification that no class deleted or split improves: EM, and the score as judge."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from emkit.selection.autoclass import em
from emkit.selection.autoclass.prepare import LEAST_WEIGHT, Prepared
from emkit.selection.autoclass.score import Score, score

CHARGE = 30.0  # nats: a row, or a class, too light is not worth it, whatever the formulas make of classes so small
_SHORT = 8  # updates of EM that a candidate is given before it is scored
_CELLS = 4_000_000  # memberships held at once


@dataclass(frozen=True)
class Classification:
    """Rows shared out among classes, heaviest class first.

    Attributes
    ----------
    memberships : ndarray of shape (n, J)
        Posterior probabilities; those under 1e-5 of the row's largest are 0.
    score : Score
    """

    memberships: np.ndarray
    score: Score

    @property
    def rank(self) -> float:
        """What is compared: the score, less a charge for each class so light that the program would drop it."""
        weights = self.score.weights
        light = int((weights <= least_weight(len(self.memberships), len(weights))).sum()) if len(weights) > 1 else 0
        return self.score.log_marginal - CHARGE * light

    @property
    def labels(self) -> np.ndarray:
        """The most probable class of each row."""
        return np.asarray(self.memberships.argmax(axis=1))


def classification(prepared: Prepared, memberships: np.ndarray) -> Classification:
    """Scored, the heaviest class first; memberships (J, n) as EM has them."""
    order = np.argsort(-memberships.sum(axis=1), kind="stable")
    own = np.ascontiguousarray(memberships[order].T)
    return Classification(own, score(prepared, own))


def least_weight(n: int, n_classes: int) -> float:
    """What a class must weigh more than, or the program drops it."""
    return max(LEAST_WEIGHT, 0.001 * n / n_classes)


def converge(
    prepared: Prepared, memberships: np.ndarray, *, drop: bool = True, enough: Callable[[], bool] = em.never
) -> np.ndarray:
    """EM from memberships (J, n) to where it stands still, or until ``enough``; classes too light are dropped if ``drop``."""
    while True:
        memberships = em.run(prepared, memberships, 200, enough=enough).memberships
        weights = memberships.sum(axis=1)
        heavy = weights > least_weight(prepared.n, len(weights))
        if not drop or heavy.all() or len(weights) == 1:
            return memberships
        heavy[np.argmax(weights)] = True
        kept = memberships[heavy]
        orphans = kept.sum(axis=0) < 0.5
        kept = kept + np.where(orphans, weights[heavy, None] / weights[heavy].sum(), 0.0)
        memberships = kept / kept.sum(axis=0)


def deletions(prepared: Prepared, memberships: np.ndarray) -> Iterator[np.ndarray]:
    """Every class deleted in turn, its rows left to others, after a few updates of EM each: some at a time, (some, J - 1, n)."""
    j = len(memberships)
    parameters = em.m_step(prepared, em.sums(prepared.features, memberships))
    others = np.array([[k for k in range(j) if k != gone] for gone in range(j)])
    for part in _parts(j, (j - 1) * prepared.n):
        yield _short(prepared, parameters.take(others[part]))


def splits(prepared: Prepared, memberships: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Every class split about two of its rows, drawn by their memberships, likewise: some at a time, (some, J + 1, n)."""
    j, n = memberships.shape
    stats = em.sums(prepared.features, memberships)
    first, second = (_drawn(memberships, rng) for _ in range(2))
    centre = stats / np.maximum(stats[:, :1], 1e-300)
    for part in _parts(j, (j + 1) * n):
        classes = np.arange(j)[part]
        seeded = np.repeat(stats[None], len(classes), axis=0)
        half = stats[classes, :1] / 3
        # A third of the class's weight is the row, a sixth its centre: the two differ, and neither is narrow
        one = (prepared.features[first[classes]] + 0.5 * centre[classes]) * half
        two = (prepared.features[second[classes]] + 0.5 * centre[classes]) * half
        seeded[np.arange(len(classes)), classes] = one
        yield _short(prepared, em.m_step(prepared, np.concatenate([seeded, two[:, None]], axis=1)))


def _drawn(memberships: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A row for each class, with its memberships as probabilities."""
    up_to = np.cumsum(memberships, axis=1)
    at = (up_to < rng.random((len(memberships), 1)) * up_to[:, -1:]).sum(axis=1)
    return np.asarray(np.minimum(at, memberships.shape[1] - 1))


def _parts(count: int, size: int) -> list[slice]:
    step = max(1, _CELLS // max(size, 1))
    return [slice(k, k + step) for k in range(0, count, step)]


def _short(prepared: Prepared, parameters: em.Parameters) -> np.ndarray:
    now = em.e_step(prepared, parameters)
    for _ in range(_SHORT):
        now = em.iterate(prepared, now)
    return now.memberships


def improve(prepared: Prepared, memberships: np.ndarray, rng: np.random.Generator, enough: Callable[[], bool]) -> Classification:
    """Classes deleted and split while that raises the score and ``enough`` says no; memberships (J, n) that EM has converged on."""
    best = classification(prepared, memberships)
    while not enough():
        then = best
        if best.score.n_classes > 1:
            best = _better(prepared, best, deletions(prepared, best.memberships.T), enough)
        if best.score.n_classes < prepared.n // 3:
            best = _better(prepared, best, splits(prepared, best.memberships.T, rng), enough)
        if best is then:
            break
    return best


def _better(
    prepared: Prepared, best: Classification, candidates: Iterator[np.ndarray], enough: Callable[[], bool]
) -> Classification:
    """The candidate of the highest score, converged, if it beats the best; one whose classes became too light loses them."""
    for candidate in _ranked(prepared, candidates, enough)[:2]:
        own = classification(prepared, converge(prepared, candidate, enough=enough))
        if own.score.log_marginal > best.score.log_marginal + 1e-6:
            return own
    return best


def _ranked(prepared: Prepared, candidates: Iterator[np.ndarray], enough: Callable[[], bool] = em.never) -> list[np.ndarray]:
    """Candidates by their scores, the highest first; what comes after ``enough`` is not looked at."""
    found = []
    for part in candidates:
        found += [(score(prepared, own.T).log_marginal, own) for own in part]
        if enough():
            break
    return [own for _, own in sorted(found, key=lambda pair: -pair[0])]


def resized(prepared: Prepared, memberships: np.ndarray, n_classes: int, rng: np.random.Generator) -> np.ndarray:
    """Memberships (J, n) with classes deleted or split, the best first, until there are ``n_classes``."""
    while len(memberships) != n_classes:
        more = len(memberships) < n_classes
        candidates = splits(prepared, memberships, rng) if more else deletions(prepared, memberships)
        memberships = _ranked(prepared, candidates)[0]
    return memberships


def exchange(prepared: Prepared, memberships: np.ndarray, rng: np.random.Generator, enough: Callable[[], bool]) -> Classification:
    """One class split and another deleted while that is better and ``enough`` says no: memberships (J, n) keep their J."""
    j = len(memberships)
    best = classification(prepared, memberships)
    while 3 * j <= prepared.n and not enough():
        other = resized(prepared, resized(prepared, best.memberships.T, j + 1, rng), j, rng)
        own = classification(prepared, converge(prepared, other, drop=False, enough=enough))
        if own.rank <= best.rank + 1e-6:
            break
        best = own
    return best
