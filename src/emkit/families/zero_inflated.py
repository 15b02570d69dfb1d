"""Counts with more zeros than their distribution has: some rows can only be zero."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.child import Child
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.core.parameters import Parameter, Unit
from emkit.core.records import Params, Stats, column_of, columns_joined
from emkit.families.bernoulli import BetaPrior
from emkit.families.over_another import ShareBeside
from emkit.families.sums import logs_times, ratio


@dataclass(frozen=True)
class ZeroInflatedParams(Params):
    """``zeros`` (K, d), and the parameters of the family of counts."""

    zeros: np.ndarray
    counts: Any


@dataclass(frozen=True)
class ZeroInflatedStats(Stats):
    """``mass`` (K, d): expected rows with the cell observed; ``zeros`` (K, d): those that could only be 0; the others'."""

    mass: np.ndarray
    zeros: np.ndarray
    counts: Any


@dataclass(frozen=True)
class ZeroInflated(ShareBeside):
    """Columns of counts that are 0 with probability "zeros", and otherwise as a family of counts has them, which may be 0 too.

    A missing cell contributes nothing. A probability of structural zeros that runs to 0 leaves the family as it is.

    Parameters
    ----------
    family : Family
        Of independent columns of counts, such as ``Poisson()`` or ``NegativeBinomial()``.
    prior : BetaPrior or None
        The prior of each probability.
    fixed, start_values : mapping, optional
        "zeros" (K, d): probabilities of a structural zero.

    References
    ----------
    Lambert (1992), Zero-inflated Poisson regression, Technometrics 34, 1-14.
    """

    Params = ZeroInflatedParams
    parameters = (Parameter("zeros", "K d", Unit(), BetaPrior),)
    children: ClassVar[tuple[Child, ...]] = (Child("counts", "family"),)
    columnwise = True

    def __post_init__(self) -> None:
        good = isinstance(self.family, Family) and self.family.columnwise and self.family.support.whole
        if not good:
            given = f"ZeroInflated({self.family!r})"
            raise ParameterError(f"{given}: give a family of independent columns of counts, such as Poisson()", parameter="family")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Of Poisson and negative binomial counts; with a prior, and held in part."""
        from emkit.families.negative_binomial import NegativeBinomial
        from emkit.families.poisson import Poisson

        some = {"zeros": [[0.3, np.nan], [np.nan, np.nan]]}
        return [cls(Poisson()), cls(NegativeBinomial(), BetaPrior(2.0, 3.0)), cls(Poisson(), fixed=some)]

    def anchor(self, k: int, d: int) -> Any:
        """Half of the zeros."""
        return self.put_back(self.Params(np.full((k, d), 0.5), self.family.anchor(k, d)))

    def _cells(self, params: Any, x: np.ndarray, j: int) -> tuple[np.ndarray, np.ndarray]:
        """Log probability of column j under the whole, and that of being a structural zero or 0 for a count, (n, K) each."""
        zeros = params.zeros[:, j]
        with np.errstate(divide="ignore"):
            other = np.log1p(-zeros) + self.family.log_prob(column_of(params.counts, j), x[:, j : j + 1])
            structural = np.where(x[:, j : j + 1] == 0, np.log(zeros), -np.inf)
        seen = ~np.isnan(x[:, j : j + 1])
        with np.errstate(invalid="ignore"):
            whole = np.where(seen, np.logaddexp(structural, other), 0.0)
            share = np.where(seen & (structural > -np.inf), np.exp(structural - whole), 0.0)
        return whole, share

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """Sum over the columns, (n, K)."""
        x = np.asarray(x, dtype=np.float64)
        return np.sum([self._cells(params, x, j)[0] for j in range(x.shape[1])], axis=0)

    def stats(self, params: Any, x: Any, resp: Any) -> ZeroInflatedStats:
        """Each cell's rows, divided between structural zeros and counts."""
        x, resp = np.asarray(x, dtype=np.float64), np.asarray(resp, dtype=np.float64)
        zeros, counts = [], []
        for j in range(x.shape[1]):
            share = resp * self._cells(params, x, j)[1]
            zeros.append(share.sum(axis=0))
            counts.append(self.family.stats(column_of(params.counts, j), x[:, j : j + 1], resp - share))
        return ZeroInflatedStats(resp.T @ ~np.isnan(x), np.stack(zeros, axis=1), columns_joined(counts))

    def m_step(self, stats: ZeroInflatedStats, params: Any) -> Any:
        """Shares of structural zeros; the family's M-step from the other rows."""
        prior = self.prior or BetaPrior()
        some, mass = stats.zeros + (prior.a - 1.0), stats.mass + (prior.a + prior.b - 2.0)
        zeros = np.where(mass > 0, np.minimum(some / np.where(mass > 0, mass, 1.0), 1.0), params.zeros)
        return self.Params(zeros, self.family.update(stats.counts, params.counts))

    def first_guess(self, stats: ZeroInflatedStats) -> Any:
        """The M-step, away from the edge."""
        return self.Params((stats.zeros + 0.5) / (stats.mass + 1.0), self.family.start(stats.counts))

    def q(self, stats: ZeroInflatedStats, params: Any) -> float | None:
        """Of structural zeros and of the family."""
        counts = self.family.q(stats.counts, params.counts)
        own = logs_times(stats.zeros, params.zeros) + logs_times(stats.mass - stats.zeros, 1.0 - params.zeros)
        return None if counts is None else float(own.sum()) + counts

    def gradient(self, stats: ZeroInflatedStats, params: Any) -> dict[str, np.ndarray]:
        """Structural zeros over their probability less the others over theirs."""
        return {"zeros": ratio(stats.zeros, params.zeros) - ratio(stats.mass - stats.zeros, 1.0 - params.zeros)}

    def curvature(self, stats: ZeroInflatedStats, params: Any) -> dict[str, np.ndarray]:
        """Of so many rows."""
        return {"zeros": ratio(stats.mass, params.zeros * (1.0 - params.zeros))}

    def slivers(self, params: Any, counts: np.ndarray) -> dict[int, str]:
        """Where there are too few rows for the probabilities, or for the family."""
        return {**self.family.slivers(params.counts, counts), **super().slivers(params, counts)}

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A count for each cell, then zeros."""
        drawn = self.family.sample(params.counts, component, rng)
        return np.where(rng.random(drawn.shape) < params.zeros[component], 0, drawn)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Those of the family, times the share of counts, and what the zeros add to the variance."""
        found = self.family.moments(params.counts)
        if found is None:
            return None
        (mean, variance), rest = found, 1.0 - params.zeros
        return rest * mean, rest * (variance + params.zeros * mean**2)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
        """A step at 0, and that of the family."""
        found = self.family.cdf(params.counts, x, upper=upper)
        if found is None:
            return None
        zeros = params.zeros[:, 0]
        steps = (x <= 0, x < 0) if upper else (x > 0, x >= 0)
        below, at = (zeros * step + (1.0 - zeros) * value for step, value in zip(steps, found, strict=True))
        return below, at

    @property
    def in_words(self) -> str:
        """As "zero-inflated poisson"."""
        return f"zero-inflated {self.family.in_words}"
