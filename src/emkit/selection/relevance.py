"""EM that also decides which columns matter: the state of one run, and its two steps.

The modified EM of Green (1990) for a penalised likelihood, as Marbac and Sedki (2017) use it: an irrelevant column has one
distribution in all components; its relevance is a parameter that the M-step chooses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core import simplex
from emkit.core.bayes import add_labels, log_sum_exp, posterior, slices, weighted_sum
from emkit.core.block import Block, Source
from emkit.core.executor import Executor
from emkit.core.family import Family
from emkit.core.records import Params, Stats
from emkit.core.selected import columns_of
from emkit.families.column_parts import ColumnPart


@dataclass(frozen=True)
class Column:
    """A column, or a block of dependent ones, as a mixture sees it.

    Attributes
    ----------
    block : ColumnPart
        Its name, the numbers of its columns, and its family as it was given.
    resolved : Family
        For K components.
    alone : Params
        Of its one distribution, if it is irrelevant.
    value : float
        Log-likelihood of that, over all rows.
    reference : float
        Log prior of K distributions that are all that one: what the gain is counted from, whatever the column's unit.
    price : float
        Nats that its distributions must gain over the one: their further free parameters, paid for.
    by_steps : bool
        Whether the best distributions for given responsibilities take several M-steps.
    """

    block: ColumnPart
    resolved: Family
    alone: Any
    value: float
    reference: float
    price: float
    by_steps: bool = False


@dataclass(frozen=True)
class Hypothesis(Params):
    """``weights`` (K,), the Params of every column under K components, and which columns are relevant, (B,) booleans."""

    weights: np.ndarray
    parts: tuple[Any, ...]
    relevant: np.ndarray


@dataclass(frozen=True)
class Expected(Stats):
    """Expected ``counts`` (K,), Stats of every column, and ``told`` (B,): sum of responsibility times log density of each."""

    counts: np.ndarray
    parts: tuple[Any, ...]
    told: np.ndarray


@dataclass(frozen=True)
class EStep:
    """Bayes' rule by the relevant columns, and the statistics of all; log-likelihood of the relevant ones."""

    columns: tuple[Column, ...]
    at: Hypothesis

    def __call__(self, block: Block) -> tuple[Expected, float]:
        """Of a block of rows."""
        cells = [columns_of(block, c.block.columns).x for c in self.columns]
        total, log_likelihood = None, 0.0
        for part in slices(block.n):
            weights = None if block.weights is None else np.asarray(block.weights[part], dtype=np.float64)
            labels = None if block.labels is None else block.labels[part]
            here, value = self._slice([x[part] for x in cells], weights, labels)
            total = here if total is None else total + here
            log_likelihood += value
        assert total is not None
        return total, log_likelihood

    def _slice(self, cells: list[np.ndarray], weights: np.ndarray | None, labels: Any) -> tuple[Expected, float]:
        logs = [np.asarray(c.resolved.log_prob(p, x)) for c, p, x in zip(self.columns, self.at.parts, cells, strict=True)]
        with np.errstate(divide="ignore"):
            joint = np.zeros(logs[0].shape) + np.log(self.at.weights)
        for log, used in zip(logs, self.at.relevant, strict=True):
            if used:
                joint += log
        row = log_sum_exp(add_labels(joint, labels))
        resp = posterior(joint, row)
        if weights is not None:
            resp *= weights[:, None]
        told = np.array([np.sum(np.where(resp > 0, log, 0.0) * resp) for log in logs])
        stats = tuple(c.resolved.stats(p, x, resp) for c, p, x in zip(self.columns, self.at.parts, cells, strict=True))
        return Expected(resp.sum(axis=0), stats, told), weighted_sum(row, weights)


@dataclass(frozen=True)
class Selector:
    """What all runs have in common.

    Attributes
    ----------
    columns : tuple of Column
    pseudo : float or array (K,)
        The prior's pseudo-counts of the weights.
    executor : Executor
    spared : float
        Nats that the weights cost, which mean nothing where no column is relevant.
    """

    columns: tuple[Column, ...]
    pseudo: Any
    executor: Executor
    spared: float = 0.0

    def start(self, x: np.ndarray, resp: np.ndarray, relevant: np.ndarray, rng: np.random.Generator) -> Hypothesis:
        """From a partition of rows (n, d), row weights multiplied in, and a first guess at the relevant columns."""
        parts = tuple(c.resolved.from_partition(np.ascontiguousarray(x[:, list(c.block.columns)]), resp, rng) for c in self.columns)
        counts = resp.sum(axis=0) + 1.0
        return Hypothesis(counts / counts.sum(), parts, relevant)

    def e_step(self, at: Hypothesis, source: Source) -> tuple[Expected, float]:
        """Statistics, and the penalised log posterior up to a constant, less what no choice of columns changes."""
        stats, value = self.executor.map_reduce(EStep(self.columns, at), source)
        for column, params, used in zip(self.columns, at.parts, at.relevant, strict=True):
            prior = column.resolved.log_prior(params) - column.reference
            value += prior - column.value - column.price if used else 0.0
        return stats, float(value) + (0.0 if at.relevant.any() else self.spared)

    def m_step(self, stats: Expected, at: Hypothesis, choose: bool = True) -> tuple[Hypothesis, np.ndarray]:
        """New parameters of all columns; those are relevant whose gain exceeds their price. Also the gains, (B,) nats.

        Irrelevant ones get a first guess, away from the edge: rows move without asking them, and must remain possible. Those whose
        best distributions take several steps go on from where they are. Without ``choose`` the relevant ones stay what they are.
        """
        weights = simplex.mode(stats.counts + self.pseudo, np.full(len(at.weights), np.nan), at.weights)
        parts = [c.resolved.update(s, p) for c, s, p in zip(self.columns, stats.parts, at.parts, strict=True)]
        gains = self.gains(stats, at, parts)
        relevant = gains > self.prices if choose else at.relevant
        each = zip(self.columns, stats.parts, parts, relevant, gains, strict=True)
        kept = (p if used or (c.by_steps and gain > -np.inf) else c.resolved.start(s) for c, s, p, used, gain in each)
        return Hypothesis(weights, tuple(kept), relevant), gains

    @property
    def prices(self) -> np.ndarray:
        """Of the columns, (B,) nats."""
        return np.array([c.price for c in self.columns])

    def gains(self, stats: Expected, at: Hypothesis, parts: Sequence[Any]) -> np.ndarray:
        """How much better K distributions describe each column than one does, given the responsibilities, (B,) nats.

        The expected log-likelihood after the M-step is that before it and what q says that was gained, or more.
        """
        out = []
        for column, own, old, new, told in zip(self.columns, stats.parts, at.parts, parts, stats.told, strict=True):
            if column.by_steps:  # its steps may go further than q asks: what is certain is where it stands
                found = told + column.resolved.log_prior(old)
            else:
                after, before = column.resolved.q(own, new), column.resolved.q(own, old)
                moved = 0.0 if after is None or before is None else after - before
                found = told + moved + column.resolved.log_prior(new)
            possible = np.isfinite(found)  # not where a column was left out a moment ago
            out.append(found - column.reference - column.value if possible else -np.inf)
        return np.array(out)


_FIRST = 5  # iterations before columns are chosen, where some take several steps to show what they are worth
_SETTLED = 0.1  # nats: what columns that take several steps still gain where a run may end


def run(selector: Selector, source: Source, at: Hypothesis, *, tol: float, max_iter: int) -> tuple[Hypothesis, float, np.ndarray]:
    """Iterate until less than ``tol`` nats are gained in a step that changes no column; the end, its value, and the gains."""
    stats, value = selector.e_step(at, source)
    gains, slow = np.zeros(len(selector.columns)), np.array([c.by_steps for c in selector.columns])
    wait = min(_FIRST, max_iter // 2) if slow.any() else 0
    for i in range(max_iter):
        before = gains
        new, gains = selector.m_step(stats, at, i >= wait)
        stats, after = selector.e_step(new, source)
        same = i >= wait and np.array_equal(new.relevant, at.relevant)
        with np.errstate(invalid="ignore"):
            at_rest = not (np.abs(gains - before)[slow & ~new.relevant] > _SETTLED).any()
        at, gained, value = new, after - value, after
        if same and at_rest and gained < tol:
            break
    return at, value, gains
