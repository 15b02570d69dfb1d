"""Columns and partition chosen together by the integrated complete-data likelihood: MICL.

Every parameter is integrated out under a conjugate prior, so what is compared are a partition of the rows and a set of columns, and
more parameters need no further price. Columns are independent given the partition: each is chosen by itself, exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import CollapseError, ParameterError
from emkit.core.family import Family
from emkit.core.selected import SelectedColumns
from emkit.families.marginals import JEFFREYS, of_probabilities
from emkit.families.with_missing import WithMissing
from emkit.selection.relevance import Column

_NOTHING = 1e-9  # nats: what rounding makes of no gain
_STEPS = 200  # of one search, at most


@dataclass(frozen=True)
class Classified:
    """A partition, the columns that matter to it, and what it is worth.

    Attributes
    ----------
    labels : int array (n,)
    relevant : bool array (B,)
    gains : array (B,)
        Nats by which a distribution for each class describes a column better than one for all, parameters integrated out.
    value : float
        Log of the integrated complete-data likelihood, nats, higher is better.
    """

    labels: np.ndarray
    relevant: np.ndarray
    gains: np.ndarray
    value: float


def marginal(family: Family, params: Any, cells: np.ndarray, resp: np.ndarray) -> float | None:
    """A family's ``complete_marginal`` of rows (n, d) with classes (n, K), of the cells that are there.

    Of one column this is exact; where cells of a correlated block are missing, they enter as expected at ``params``.
    """
    if isinstance(family, WithMissing):
        own, values = family.marginal_of_missing(params, cells, resp), marginal(family.family, params.values, cells, resp)
        return None if values is None or own is None else own + values
    if cells.shape[1] == 1 and not family.missing_counts:
        resp = resp * ~np.isnan(cells)
    return family.complete_marginal(family.stats(params, cells, resp), params)


class Integrated:
    """The integrated complete-data likelihood of partitions of some rows, and how to raise it.

    Parameters
    ----------
    columns : sequence of Column
    source : Source
        Rows with equal values, if they are merged with added weights, stay together.
    k : int
        Number of classes.
    concentration : float or array (K,), optional
        Of the Dirichlet prior of the classes' weights; Jeffreys' by default. Columns have the priors of their families'
        ``complete_marginal``.

    Raises
    ------
    ParameterError
        For a family whose marginal probability has no closed form, naming the column.
    """

    def __init__(self, columns: Sequence[Column], source: Source, k: int, concentration: Any = None):
        block = source.joined()
        self.columns, self.k = tuple(columns), k
        self.concentration = JEFFREYS if concentration is None else concentration
        self.weights = np.ones(block.n) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        self.known = np.zeros(block.n, dtype=bool) if block.labels is None else np.asarray(block.labels) >= 0
        x = np.asarray(block.x)
        self.cells = [np.ascontiguousarray(x[:, list(c.block.columns)]) for c in columns]
        rng = np.random.default_rng(0)
        self.common: list[Any] = []  # the same distribution for every class: at it, no partition changes the density
        base, singles = 0.0, []
        for column, cells in zip(columns, self.cells, strict=True):
            one = column.block.family.resolve(SelectedColumns(source, column.block.columns), 1)
            params = one.from_partition(cells, self.weights[:, None], rng)
            self.common.append(column.resolved.from_partition(cells, np.repeat(self.weights[:, None] / k, k, axis=1), rng))
            alone = marginal(one, params, cells, self.weights[:, None])
            if alone is None:
                raise ParameterError(
                    f"by='micl': {column.block.name!r} is {column.block.family.called}, whose marginal probability has no closed "
                    "form; take by='bic', or a family such as gaussian, poisson, categorical or bernoulli with nothing held",
                    parameter="by",
                )
            density = self.weights @ np.asarray(one.log_prob(params, cells))[:, 0]
            base += float(density) + alone
            # By one distribution for all, but at the density of the distribution that all classes have here
            here = self.weights @ np.asarray(column.resolved.log_prob(self.common[-1], cells))[:, 0]
            singles.append(float(density) + alone - float(here))
        self.base, self.singles = base, np.array(singles)

    def at(self, labels: np.ndarray, relevant: np.ndarray | None = None) -> Classified:
        """What a partition is worth, with the columns that are best for it, or with these (B,)."""
        resp = self._resp(labels)
        counts, even = resp.sum(axis=0), np.full(self.k, 1.0 / self.k)
        each = zip(self.columns, self.common, self.cells, strict=True)
        marginals = [marginal(c.resolved, params, cells, resp) for c, params, cells in each]
        gains = np.array(marginals, dtype=np.float64) - self.singles
        used = gains > _NOTHING if relevant is None else relevant
        partition = of_probabilities(counts, even, self.concentration) + float(counts @ np.log(even))
        return Classified(labels, used, gains, self.base + partition + float(gains[used].sum()))

    def best_from(self, labels: np.ndarray, relevant: np.ndarray | None = None) -> Classified:
        """From a partition on, as long as moves of rows raise the value, with columns chosen anew for each or these.

        Rows are to move where the most probable parameters of the classes say so; of these moves all are made or, where that
        lowers the value, the half of them that promises most, and so on down to one.
        """
        best = self.at(labels, relevant)
        for _ in range(_STEPS):
            try:
                target, promise = self._moves(best)
            except CollapseError:
                break
            rows = np.flatnonzero(promise > 0)
            rows = rows[np.argsort(-promise[rows], kind="stable")]
            better = None
            while len(rows) and better is None:
                moved = best.labels.copy()
                moved[rows] = target[rows]
                tried = self.at(moved, relevant)
                better = tried if tried.value > best.value + 1e-9 else None
                rows = rows[: len(rows) // 2]
            if better is None:
                break
            best = better
        return best

    def _moves(self, at: Classified) -> tuple[np.ndarray, np.ndarray]:
        """The most probable class of each row at the parameters that fit the partition, and the nats gained by moving there."""
        resp = self._resp(at.labels)
        weights = resp.sum(axis=0) + self.concentration
        joint = np.tile(np.log(weights / weights.sum()), (len(resp), 1))
        for column, params, cells, used in zip(self.columns, self.common, self.cells, at.relevant, strict=True):
            if used:
                fitted = column.resolved.start(column.resolved.stats(params, cells, resp))
                joint += np.asarray(column.resolved.log_prob(fitted, cells))
        target = joint.argmax(axis=1)
        rows = np.arange(len(joint))
        promise = np.where(self.known, 0.0, joint[rows, target] - joint[rows, at.labels])
        return target, promise

    def _resp(self, labels: np.ndarray) -> np.ndarray:
        resp = np.zeros((len(labels), self.k))
        resp[np.arange(len(labels)), labels] = self.weights
        return resp

    def partition(self, weights: np.ndarray, parts: Sequence[Any], relevant: np.ndarray) -> np.ndarray:
        """The most probable class of each row under parameters of the columns that matter, (n,)."""
        with np.errstate(divide="ignore"):
            joint = np.tile(np.log(weights), (len(self.weights), 1))
        for column, params, cells, used in zip(self.columns, parts, self.cells, relevant, strict=True):
            if used:
                joint += np.asarray(column.resolved.log_prob(params, cells))
        return joint.argmax(axis=1)

    def parts(self, at: Classified, rng: np.random.Generator) -> tuple[np.ndarray, tuple[Any, ...]]:
        """Weights of the classes (K,), and parameters of every column from the partition."""
        resp = self._resp(at.labels)
        counts = resp.sum(axis=0) + 1.0
        fitted = (c.resolved.from_partition(cells, resp, rng) for c, cells in zip(self.columns, self.cells, strict=True))
        return counts / counts.sum(), tuple(fitted)
