"""First guesses at a partition of the rows, from which a model takes its starting values."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emkit.core.errors import DataError
from emkit.core.hierarchy import hierarchical_labels
from emkit.core.points import lloyd, nearest, spread_out

_MANY, _TIMES, _OTHERS = 0.1, 5, 10  # see values_that_stand_out
_FAR = 100.0  # where columns are scaled to a standard deviation of 1
KINDS_OF_START = ("auto", "kmeans", "k-means++", "random_from_data", "hierarchical", "random")


def kind_of_start(seeding: str, attempt: int, *, more: Sequence[str] = ()) -> str:
    """What start number ``attempt`` does: "auto" is "kmeans" first, then "k-means++", "random_from_data" and ``more`` in turn."""
    if seeding != "auto":
        return seeding
    kinds = ("k-means++", "random_from_data", *more)
    return "kmeans" if attempt == 0 else kinds[(attempt - 1) % len(kinds)]


def kind_of_many(seeding: str, attempt: int, *, repeated: bool = False, more: Sequence[str] = ()) -> str:
    """What start number ``attempt`` of many does: "auto" is "k-means++", greedy and plain, and "random_from_data" in turn.

    Where columns have values that stand out (see ``values_that_stand_out``), every other of the last is "repeated values". Every
    fourth start is one of ``more``, in turn.
    """
    if seeding != "auto":
        return seeding
    if more:
        if attempt % 4 == 3:
            return more[attempt // 4 % len(more)]
        attempt -= attempt // 4
    return "repeated values" if repeated and attempt % 3 == 2 else ("k-means++", "plain k-means++", "random_from_data")[attempt % 3]


@dataclass(frozen=True)
class Seeds:
    """Of many starts: the random numbers of each, and how it guesses a partition.

    ``stand_out``: where a kind is "repeated values", these values (see ``values_that_stand_out``).
    """

    rngs: Sequence[np.random.Generator]
    kinds: Sequence[str]
    stand_out: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.rngs)


def seeds_of_many(
    seeding: str,
    rngs: Sequence[np.random.Generator],
    stand_out: np.ndarray | None = None,
    *,
    more: Sequence[str] = (),
    few: bool = True,
) -> Seeds:
    """A start for each generator, of the kinds that ``kind_of_many`` names; ``stand_out`` has NaN where no value does.

    Where starts are ``few``, only the last is one of ``more``.
    """
    values = np.zeros(0) if stand_out is None else stand_out
    repeated = not np.isnan(values).all()
    kinds = [kind_of_many(seeding, i, repeated=repeated, more=() if few else more) for i in range(len(rngs))]
    if few and more and seeding == "auto":
        kinds[-1:] = more[:1]
    return Seeds(rngs, kinds, values)


def values_that_stand_out(x: np.ndarray) -> np.ndarray:
    """Of each column, a value that many rows have exactly, as zero in counts or amounts of what most have none of; NaN if none.

    It is that of a tenth of the rows at least, five times as many as have any other value; ten others occur.
    """
    found = np.full(x.shape[1], np.nan)
    for j, column in enumerate(x.T):
        values, counts = np.unique(column[np.isfinite(column)], return_counts=True)
        if len(values) > _OTHERS:
            most = int(counts.argmax())
            others = np.delete(counts, most)
            if counts[most] >= max(_MANY * len(x), _TIMES * others.max()):
                found[j] = values[most]
    return found


def apart_where_repeated(
    points: np.ndarray, x: np.ndarray, values: np.ndarray, turn: int, k: int, rng: np.random.Generator
) -> np.ndarray:
    """Points with further coordinates, by which rows that have a value that stands out lie far from those that do not.

    In turn they say which of these values a row has; whether it has all of them; whether it has a certain one, each once; then
    which it has of as many, drawn at random, as make about K groups.
    """
    has = x[:, ~np.isnan(values)] == values[~np.isnan(values)]
    n = has.shape[1]
    if turn == 1:
        has = has.all(axis=1, keepdims=True)
    elif 2 <= turn < n + 2:
        has = has[:, [turn - 2]]
    elif turn >= n + 2:
        has = has[:, rng.permutation(n)[: max(1, round(np.log2(k)))]]
    return np.concatenate([points, _FAR * has], axis=1)


def seed_labels(
    points: np.ndarray | None,
    n: int,
    weights: np.ndarray | None,
    k: int,
    rng: np.random.Generator,
    kind: str,
    turn: int | None = None,
) -> np.ndarray:
    """Responsibilities (n, K) of a first guess.

    Parameters
    ----------
    points : array of shape (n, p) or None
        Rows as points (see ``Family.embed``); None leaves only "random".
    kind : {"kmeans", "k-means++", "plain k-means++", "random_from_data", "hierarchical", "random"}
        "plain k-means++": centres drawn with probability proportional to the squared distance to the nearest one so far (Arthur and
        Vassilvitskii 2007), rows given to the nearest. "k-means++": each centre is the best of a few so drawn. "kmeans": ten Lloyd
        steps from there. "random_from_data": K distinct rows as centres. "hierarchical": see
        ``emkit.core.hierarchy``. "random": responsibilities drawn uniformly.
    turn : int, optional
        Which of the hierarchical clusterings; by default one drawn at random.

    Raises
    ------
    DataError
        If the rows have fewer than K distinct values.
    """
    if kind == "random" or points is None:
        resp = rng.uniform(size=(n, k))
        return np.asarray(resp / resp.sum(axis=1, keepdims=True))
    w = np.ones(n) if weights is None else weights
    if kind == "hierarchical":
        _distinct_rows(points, w, k, rng)  # there must be as many
        return _as_responsibilities(hierarchical_labels(points, w, k, int(rng.integers(1000)) if turn is None else turn, rng), k)
    if kind == "random_from_data":
        centres = _distinct_rows(points, w, k, rng)
    else:
        centres = _plus_plus(points, w, k, rng, 1 if kind == "plain k-means++" else 2 + int(np.log(k)))
    return _as_responsibilities(lloyd(points, w, centres, 10)[1] if kind == "kmeans" else nearest(points, centres), k)


def _as_responsibilities(labels: np.ndarray, k: int) -> np.ndarray:
    """1 for each row's group, 0 elsewhere."""
    resp = np.zeros((len(labels), k))
    resp[np.arange(len(labels)), labels] = 1.0
    return resp


def _plus_plus(points: np.ndarray, w: np.ndarray, k: int, rng: np.random.Generator, tries: int) -> np.ndarray:
    """Centres by k-means++. Raises DataError if there are fewer than K distinct points."""
    chosen = spread_out(points, w, k, rng, tries)
    if len(chosen) < k:
        raise too_few_distinct(k, len(np.unique(points[w > 0], axis=0)))
    return points[chosen]


def _distinct_rows(points: np.ndarray, w: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    usable = np.flatnonzero(w)
    picked = points[rng.choice(usable, min(4 * k, len(usable)), replace=False)]
    _, first = np.unique(picked, axis=0, return_index=True)
    if len(first) < k:
        distinct = np.unique(points[usable], axis=0)
        if len(distinct) < k:
            raise too_few_distinct(k, len(distinct))
        return np.asarray(distinct[rng.choice(len(distinct), k, replace=False)])
    return np.asarray(picked[np.sort(first)[:k]])


def too_few_distinct(k: int, found: int) -> DataError:
    """The error for more components than there are different rows."""
    return DataError(f"n_components={k}, but the data have only {found} distinct row(s); ask for at most {found} components")
