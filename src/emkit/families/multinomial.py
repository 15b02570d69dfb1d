"""Multinomial rows: so many trials, and how many of them fell into each column."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.block import Block, Source
from emkit.core.checks import count
from emkit.core.errors import DataError, ParameterError
from emkit.core.family import Family
from emkit.core.parameters import Parameter, Simplex
from emkit.core.prior import Dirichlet
from emkit.core.records import Stats
from emkit.core.support import Counts
from emkit.families.marginals import JEFFREYS, of_probabilities
from emkit.families.sums import logs_times, ratio


@dataclass(frozen=True)
class TrialCounts(Stats):
    """``counts`` (K, d): expected number of trials that fell into each column."""

    counts: np.ndarray


@dataclass(frozen=True)
class Multinomial(Family):
    """Counts of the outcomes of n independent trials, a column for each outcome. n is not modelled: it is given with each row.

    Without ``n_trials``, n is the row's sum, and where cells are missing the sum of the others: given that sum, they are
    multinomial with probabilities in proportion to their own; what the sum might say of the missing ones is not used. With
    ``n_trials`` the trials that the observed cells leave are known to lie in the missing ones. A row with nothing observed
    contributes nothing, and a row of zeros, without ``n_trials``, has probability 1.

    Parameters
    ----------
    n_trials : int, optional
        What every row adds up to; one that does not has probability 0, and is refused in a fit. Default: the row's sum; ``sample``
        and ``moments`` then take the average sum of the rows of the fit, rounded.
    prior : Dirichlet or None
        The prior of each component's probabilities.
    fixed, start_values : mapping, optional
        "probs" (K, d).

    References
    ----------
    Dempster, Laird and Rubin (1977), J. R. Statist. Soc. B 39, 1-38: section 4.2 for missing cells.
    """

    n_trials: int | None = None
    prior: Dirichlet | None = None

    parameters = (Parameter("probs", "K d", Simplex(), Dirichlet),)
    support = Counts()

    def __post_init__(self) -> None:
        if self.n_trials is not None:
            count(self.n_trials, "n_trials")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, with priors, a number of trials that is known, partly fixed."""
        fixed = {"probs": [[0.3, np.nan], [np.nan, np.nan]]}
        return [cls(), cls(prior=Dirichlet([2.0, 1.5])), cls(9), cls(9, Dirichlet(2.0), fixed=fixed), cls(fixed=fixed)]

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """Counts; if ``n_trials`` is known, so many trials with probabilities in proportion to such counts."""
        x = self.support.draw(rng, n, d)
        if self.n_trials is not None:
            x = rng.multinomial(self.n_trials, (x + 0.5) / (x + 0.5).sum(axis=1, keepdims=True)).astype(np.float64)
        return Block(x)

    def check(self, source: Source) -> None:
        """Also refuses a single column, and rows that do not add up to ``n_trials``."""
        super().check(source)
        if source.n_features == 1:
            raise DataError(
                "multinomial rows have a column of counts for each outcome, but the data have n_features=1, into which every trial "
                "falls; symbols 0, 1, 2, ... in one column are categorical",
                column=source.columns[0].name,
            )
        row = 0
        for block in source if self.n_trials is not None else ():
            x = np.asarray(block.x, dtype=np.float64)
            total, complete = np.nansum(x, axis=1), ~np.isnan(x).any(axis=1)
            bad = np.flatnonzero(np.where(complete, total != self.n_trials, total > self.n_trials))
            if len(bad):
                i = int(bad[0])
                raise DataError(
                    f"{source.place(row + i)} adds up to {total[i]:.15g}, but n_trials={self.n_trials}",
                    row=source.user_row(row + i),
                )
            row += block.n

    def embed(self, x: Any) -> np.ndarray:
        """Square roots of the shares of the columns; a missing cell has its average share."""
        x, mean = np.asarray(x, dtype=np.float64), self._resolved().mean
        average = mean / max(mean.sum(), simplex.TINY)
        seen = ~np.isnan(x)
        total = np.nansum(x, axis=1, keepdims=True)
        share = x / np.maximum(total, 1.0) * (seen @ average)[:, None]
        return np.asarray(np.sqrt(np.where(seen & (total > 0), share, average)))

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """Log n! - sum_j log x_j! + x_j log p_j, (n, K); -inf for what is no count, and for rows that ``n_trials`` excludes.

        Missing cells count as one. With ``n_trials`` it has the trials that are left; otherwise no trial fell into it, and each p_j
        is divided by the sum of those of the observed cells.
        """
        from scipy.special import gammaln

        seen, filled = _observed(x)
        good = np.asarray(self.support.holds(filled).all(axis=1))
        filled = np.where(good[:, None], filled, 0.0)
        p, total = params.probs, filled.sum(axis=1)
        out = filled @ np.log(np.where(p > 0, p, 1.0)).T - gammaln(filled + 1.0).sum(axis=1)[:, None]
        if self.n_trials is None:
            out += gammaln(total + 1.0)[:, None]
            some = ~seen.all(axis=1)
            out[some] -= logs_times(total[some, None], seen[some] @ p.T)
        else:
            good &= total <= self.n_trials
            left = np.maximum(self.n_trials - total, 0.0)
            out += (gammaln(self.n_trials + 1.0) - gammaln(left + 1.0))[:, None] + logs_times(left[:, None], ~seen @ p.T)
        out[((filled > 0) @ (p == 0).T.astype(np.float64)) > 0] = -np.inf
        out[~good] = -np.inf
        return np.asarray(out)

    def stats(self, params: Any, x: Any, resp: Any) -> TrialCounts:
        """Expected counts.

        Missing cells are filled in: with ``n_trials`` by what is left. Otherwise the row is taken as the trials that were not
        lost of a number that is not known; of those lost there are sum_missing p_j / sum_seen p_j for each that was not.
        """
        seen, filled = _observed(x)
        p, r = params.probs, np.asarray(resp)
        counts = r.T @ filled
        some = ~seen.all(axis=1) & seen.any(axis=1)
        if some.any():
            seen, total = seen[some], filled[some].sum(axis=1, keepdims=True)
            known = (total, seen) if self.n_trials is None else (self.n_trials - total, ~seen)
            rate = np.where(known[0] > 0, ratio(known[0], known[1] @ p.T), 0.0)
            counts = counts + ((r[some] * rate).T @ ~seen) * p
        return TrialCounts(counts)

    def m_step(self, stats: TrialCounts, params: Any) -> Any:
        """Relative frequencies, with the prior's pseudo-counts; where nothing was counted, as before."""
        counts = stats.counts if self.prior is None else stats.counts + self.prior.pseudo
        return self.Params(simplex.mode(counts, self.held("probs", counts.shape), params.probs))

    def first_guess(self, stats: TrialCounts) -> Any:
        """Observed frequencies of each part, one pseudo-count spread over the columns."""
        counts = stats.counts + 1.0 / stats.counts.shape[1]
        return self.Params(counts / counts.sum(axis=1, keepdims=True))

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Counts, one row for each entry of ``component``. Raises ParameterError if nothing says of how many trials."""
        n = self._trials()
        if n is None:
            raise ParameterError(
                "the probabilities do not say how many trials a row has, and there was no fit: give n_trials", parameter="n_trials"
            )
        return rng.multinomial(n, params.probs[component])

    def _trials(self) -> int | None:
        """Trials of a row that is yet to come."""
        if self.n_trials is None and self.seen is not None:
            return int(np.rint(self.seen.mean.sum()))
        return self.n_trials

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """Expected counts given the observed ones: with ``n_trials`` of the trials that are left, otherwise as in ``stats``.

        A row with nothing observed gets n p, where n is ``n_trials`` or the average sum of the rows of the fit.
        """
        seen, filled = _observed(x)
        p, n = params.probs, self._known_trials(seen)
        total = filled.sum(axis=1, keepdims=True)
        left, among = seen @ p.T, ~seen @ p.T  # (n, K): probability of the observed columns, and of the missing ones
        rate = ratio(total, left) if self.n_trials is None else ratio(n[:, None] - total, among)
        rate = np.where(seen.any(axis=1, keepdims=True), rate, n[:, None])
        return np.where(seen, filled, (resp * rate) @ p)

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Counts given the observed ones: multinomial.

        Without ``n_trials`` the number of lost trials is negative binomial, as of a number of trials N with prior in proportion
        to 1 / N; its mean is that of ``filled``.
        """
        seen, filled = _observed(x)
        p, n, total = params.probs[component], self._known_trials(seen), filled.sum(axis=1)
        hidden = np.where(seen, 0.0, p)
        among, some = hidden.sum(axis=1), seen.any(axis=1)
        if self.n_trials is None:
            lost = rng.negative_binomial(np.maximum(total, 1.0), np.clip(1.0 - among, 1e-12, 1.0))
            lost = np.where(some, np.where(total > 0, lost, 0), n)
        else:
            lost = n - total
        share = ratio(hidden, among[:, None])
        return np.where(seen, filled, rng.multinomial(np.where(among > 0, lost, 0).astype(np.int64), share))

    def _known_trials(self, seen: np.ndarray) -> np.ndarray:
        """Trials of rows with nothing observed, (n,), and with ``n_trials`` of all. Raises ParameterError if nothing says."""
        n = self._trials()
        if n is None and not seen.any(axis=1).all():
            raise ParameterError(
                "nothing says how many trials a row without observed cells has, and there was no fit: give n_trials",
                parameter="n_trials",
            )
        return np.full(len(seen), n or 0.0)

    def q(self, stats: TrialCounts, params: Any) -> float:
        """Sum of counts log p."""
        return float(logs_times(stats.counts, params.probs).sum())

    def complete_marginal(self, stats: TrialCounts, params: Any) -> float | None:
        """Of trials; by default with Jeffreys' prior."""
        if self.fixed:
            return None
        return of_probabilities(stats.counts, params.probs, JEFFREYS if self.prior is None else self.prior.concentration)

    def gradient(self, stats: TrialCounts, params: Any) -> dict[str, np.ndarray]:
        """Counts / p."""
        return {"probs": simplex.gradient(stats.counts, params.probs)}

    def curvature(self, stats: TrialCounts, params: Any) -> dict[str, np.ndarray]:
        """Of as many trials as were counted."""
        return {"probs": simplex.curvature(stats.counts, params.probs, self.held("probs", params.probs.shape))}

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """N p, and n p (1 - p); None if nothing says what n is."""
        n, p = self._trials(), params.probs
        return None if n is None else (n * p, n * p * (1.0 - p))


def _observed(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Which cells are there, and the cells with 0 where they are not."""
    x = np.asarray(x, dtype=np.float64)
    seen = ~np.isnan(x)
    return seen, np.where(seen, x, 0.0)
