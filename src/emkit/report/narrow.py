"""Densities that only a prior keeps from running away: columns whose spread within a component is nearly 0."""

from dataclasses import dataclass

import numpy as np

from emkit.report.subject import Labelled, Subject
from emkit.report.traits import moments

_SAME = 1e-9  # of a column's variance: less within a component, and its rows all have one value
_NARROW = 0.05  # of a column's variance
_OF_THE_PRIOR = 8.0  # rows of the component times rows times variance, over the column's: weak priors alone make it 2
_VERY = 1e-2  # of a column's variance
_ROWS = 1.5  # fewer, and that the component is tiny is what is to be said
_FEW_VALUES = 12


@dataclass(frozen=True)
class Narrow:
    """A column without a spread of its own in some components.

    Attributes
    ----------
    column : int
    components : tuple of int
        Their numbers.
    every : bool
        Whether these are all that hold rows.
    same : bool
        Whether all rows of each have one value in the column; otherwise other columns tell the column exactly.
    values : tuple of float
        The values that the column takes, if they are few.
    """

    column: int
    components: tuple[int, ...]
    every: bool
    same: bool
    values: tuple[float, ...]


def narrow_columns(subject: Subject) -> list[Narrow]:
    """Columns whose density is unbounded but for the prior, first those with one value in each of these components.

    Rows tell the first kind: within a component the column's variance, as posteriors share out the rows, is 0. Parameters tell the
    second: given the component's other columns its variance is no larger than a weak prior alone would leave it.
    """
    if subject.narrowest is None or not subject.n:
        return []
    own, counts = subject.narrowest
    share = np.ones((subject.n, 1)) if subject.labels is None else subject.labels.posteriors
    _, within, _, spread = moments(subject.x, share * subject.row_weights[:, None], subject.row_weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        known, size = (spread > 0) & (counts >= _ROWS), own / spread
        same = known & (within <= _SAME * spread) & (size <= _NARROW)
        exact = known & ~same & (size <= _VERY) & (size * counts * subject.row_weights.sum() <= _OF_THE_PRIOR)
        exact &= own <= _NARROW * within
    held = _named_already(subject)
    found = []
    for is_same, which in ((True, same), (False, exact)):
        which[held] = False
        for j in np.flatnonzero(which.any(axis=0)):
            labels = tuple(int(k) for k in np.flatnonzero(which[:, j]))
            every = len(labels) == int((counts[:, j] >= _ROWS).sum())
            found.append(Narrow(int(j), labels, every, is_same, _values(subject.x[:, j])))
    return found


def _named_already(subject: Subject) -> list[int]:
    """Components that are slivers."""
    labels: Labelled | None = subject.labels
    slivers = () if subject.result is None or labels is None else subject.result.slivers
    return [sliver.index for sliver in slivers]


def _values(column: np.ndarray) -> tuple[float, ...]:
    found = np.unique(column[np.isfinite(column)])
    return tuple(map(float, found)) if len(found) <= _FEW_VALUES else ()
