"""What sets each component apart: column by column, how far its rows are from all rows."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from emkit.report.subject import Labelled, Subject, number, percent

MOST = 12
"""Components that are described one by one."""
_COLUMNS = 6  # of each
_LEVELS = 1000  # of a category: more are not compared
_CHUNK = 1 << 16
_ROUNDING = 1e-12  # of a column's size: a mean that is nearer to 0 is 0
_FLOOR = 1e-6  # of a column's variance
_WORTH = 0.05  # nats: less is not worth a word


@dataclass(frozen=True)
class Trait:
    """One column in one component: there, in all rows, and how much the two differ, nats."""

    column: str
    own: str
    overall: str
    influence: float
    words: str


@dataclass(frozen=True)
class Described:
    """A component: its share, expected rows, mean posterior of the rows that are assigned to it, and its traits, largest first."""

    name: str
    index: int
    share: float
    rows: float
    sure: float
    traits: tuple[Trait, ...]

    @property
    def words(self) -> str:
        """A sentence."""
        worth = [trait.words for trait in self.traits if trait.influence >= _WORTH][:3]
        return f"Set apart by {'; '.join(worth)}." if worth else "Much like all rows together, column by column."

    @property
    def sure_words(self) -> str:
        """How sure the rows that are assigned to it are."""
        return (
            "no row is assigned to it" if np.isnan(self.sure) else f"its rows are in it with probability {self.sure:.2f} on average"
        )


def described(subject: Subject, labels: Labelled) -> list[Described]:
    """The components, largest first; ``MOST`` of them.

    A column's influence on a component is the Kullback-Leibler divergence of its distribution there from that in all rows, by
    means and variances (numbers), or by shares of levels (categories): AutoClass's measure (Cheeseman and Stutz 1996, in Advances
    in Knowledge Discovery and Data Mining), from the rows as the posteriors share them out.
    """
    share = labels.posteriors * subject.row_weights[:, None]
    rows = share.sum(axis=0)
    best = labels.posteriors.argmax(axis=1)
    weights = subject.row_weights
    assigned = np.bincount(best, weights=weights, minlength=labels.k)
    sure = np.bincount(best, weights=weights * labels.posteriors.max(axis=1), minlength=labels.k)
    chosen = np.argsort(-rows, kind="stable")[:MOST]
    traits = _traits(subject, share[:, chosen])
    total = float(rows.sum()) or 1.0
    out = []
    for place, k in enumerate(chosen):
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = float(sure[k] / assigned[k])
        mine = sorted(traits[place], key=lambda trait: -trait.influence)[:_COLUMNS]
        out.append(Described(labels.names[k], int(k), float(rows[k]) / total, float(rows[k]), mean, tuple(mine)))
    return out


def _traits(subject: Subject, share: np.ndarray) -> list[list[Trait]]:
    """Of each component; ``share`` (n, K): weights of rows in it."""
    out: list[list[Trait]] = [[] for _ in range(share.shape[1])]
    numbers = [j for j, kind in enumerate(subject.kinds) if kind == "number"]
    if numbers:
        _of_numbers(subject, share, numbers, out)
    for j in (j for j, kind in enumerate(subject.kinds) if kind == "category"):
        _of_levels(subject, share, j, out)
    return out


def _of_numbers(subject: Subject, share: np.ndarray, numbers: list[int], out: list[list[Trait]]) -> None:
    mean, variance, overall, spread = moments(subject.x[:, numbers], share, subject.row_weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.maximum(variance, _FLOOR * spread) / spread
        apart = (mean - overall) / np.sqrt(spread)
        influence = 0.5 * (ratio + apart**2 - 1.0 - np.log(ratio))
    for k, mine in enumerate(out):
        for i, j in enumerate(numbers):
            if not np.isfinite(influence[k, i]):
                continue
            name = subject.columns[j].name
            own, all_rows = (
                f"{number(m)} ±\u00a0{number(np.sqrt(v))}" for m, v in ((mean[k, i], variance[k, i]), (overall[i], spread[i]))
            )
            how = "high" if apart[k, i] > 0.25 else "low" if apart[k, i] < -0.25 else "narrow" if ratio[k, i] < 1 else "wide"
            here, there = (mean[k, i], overall[i]) if how in ("high", "low") else np.sqrt([variance[k, i], spread[i]])
            what = "" if how in ("high", "low") else "spread "
            words = f"{how} {name} ({what}{number(here)}, in all rows {number(there)})"
            mine.append(Trait(name, own, all_rows, float(influence[k, i]), words))


def moments(x: np.ndarray, share: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Means and variances of columns (d) in each component, (K, d) each, and in all rows, (d,); missing cells are left out."""
    k, d = share.shape[1], x.shape[1]
    seen = np.isfinite(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (weights @ np.where(seen, x, 0.0)) / (weights @ seen)
        held, first, second = np.zeros((k + 1, d)), np.zeros((k + 1, d)), np.zeros((k + 1, d))
        for begin in range(0, len(x), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            both = np.column_stack([share[part], weights[part]]).T
            away = np.where(seen[part], x[part] - centre, 0.0)
            held += both @ seen[part]
            first += both @ away
            second += both @ away**2
        mean = first / held
        variance = np.maximum(second / held - mean**2, 0.0)
    found, size = mean[:-1] + centre, np.abs(centre) + np.sqrt(variance[-1])
    return np.where(np.abs(found) <= _ROUNDING * size, 0.0, found), variance[:-1], centre, variance[-1]


def _of_levels(subject: Subject, share: np.ndarray, j: int, out: list[list[Trait]]) -> None:
    seen = np.isfinite(subject.x[:, j])
    codes = subject.x[seen, j].astype(np.int64)
    if not len(codes) or codes.min() < 0 or codes.max() >= _LEVELS:
        return
    own = np.column_stack([share[seen], subject.row_weights[seen]])
    counts = sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes))))) @ own
    with np.errstate(divide="ignore", invalid="ignore"):
        p = counts / counts.sum(axis=0)
        terms = np.where(p[:, :-1] > 0, p[:, :-1] * np.log(p[:, :-1] / p[:, -1:]), 0.0)
    name = subject.columns[j].name
    for k, mine in enumerate(out):
        if not np.isfinite(terms[:, k]).all() or not np.isfinite(p[:, k]).all():
            continue
        most = int(np.argmax(terms[:, k]))
        here, there = percent(float(p[most, k])), percent(float(p[most, -1]))
        level = subject.level(j, most)
        words = f"{name}: {level} ({here}, in all rows {there})"
        mine.append(Trait(name, f"{level}: {here}", f"{level}: {there}", float(terms[:, k].sum()), words))
