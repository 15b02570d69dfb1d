"""Whether a cell is missing is an outcome too, which may tell components apart: missing not at random, given the component."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.block import Block
from emkit.core.child import Child
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.core.parameters import Parameter, Unit
from emkit.core.records import Params, Stats
from emkit.families.bernoulli import BetaPrior, rest_times
from emkit.families.coded import tallied
from emkit.families.marginals import JEFFREYS, of_probabilities
from emkit.families.over_another import ShareBeside
from emkit.families.sums import logs_times, ratio

_INDICATOR = 2.0  # of a missing cell among points for seeding: 0 and 2 are a standard deviation of 1 apart from their middle


@dataclass(frozen=True)
class WithMissingParams(Params):
    """``missing`` (K, d), and the parameters of the family."""

    missing: np.ndarray
    values: Any


@dataclass(frozen=True)
class WithMissingStats(Stats):
    """``missing`` and ``there`` (K, d): expected rows with the cell missing, and not; and the family's of what is there."""

    missing: np.ndarray
    there: np.ndarray
    values: Any


@dataclass(frozen=True)
class WithMissing(ShareBeside):
    """A family some of whose cells are missing, each with probability "missing"; the others are distributed as the family says.

    Elsewhere in emkit a missing cell says nothing. Here it speaks for the components in which the column is often missing, as an
    unanswered question does: given the component, that the cell is missing depends neither on what it would have been nor on the
    other cells. Missing cells are still filled in as the family does it. Numbers that may be missing have no distribution function,
    so there are no pseudo-residuals.

    Parameters
    ----------
    family : Family
        Of the cells that are there, such as ``Gaussian()``, ``Poisson()`` or ``Categorical()``.
    prior : BetaPrior or None
        The prior of each probability that a cell is missing. Without one, a column that has no missing cells in the fit is taken
        never to have any: a row in which it is missing has probability 0.
    fixed, start_values : mapping, optional
        "missing" (K, d).

    References
    ----------
    Little and Rubin (2019), Statistical Analysis with Missing Data, 3rd edition, section 15.2 (mixtures over patterns). AutoClass's
    term "single_normal_cm": Cheeseman and Stutz (1996), Bayesian Classification (AutoClass): Theory and Results.
    """

    Params = WithMissingParams
    parameters = (Parameter("missing", "K d", Unit(), BetaPrior),)
    children: ClassVar[tuple[Child, ...]] = (Child("values", "family"),)
    missing_counts = True  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if not isinstance(self.family, Family) or self.family.missing_counts:
            given = f"WithMissing({self.family!r})"
            raise ParameterError(f"{given}: give the family of the cells that are there, such as Gaussian()", parameter="family")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Of real numbers, correlated ones, counts with a prior, and symbols; held in part."""
        from emkit.families.categorical import Categorical
        from emkit.families.gaussian.family import Gaussian
        from emkit.families.poisson import Poisson

        some = {"missing": [[0.3, np.nan], [np.nan, np.nan]]}
        return [
            cls(Gaussian("diag")),
            cls(Gaussian("full"), BetaPrior(2.0, 3.0)),
            cls(Poisson(), BetaPrior([1.5, 2.0], [1.5, 1.0])),
            cls(Categorical(), fixed=some),
        ]

    # --- what the family says -----------------------------------------------------------------------------------------

    @property
    def columnwise(self) -> bool:  # type: ignore[override]
        """As the family has it."""
        return self.family.columnwise

    @property
    def independent(self) -> bool:  # type: ignore[override]
        """As the family has it."""
        return self.family.independent

    @property
    def race(self) -> tuple[int, int]:  # type: ignore[override]
        """As the family has it."""
        return self.family.race

    @property
    def separable(self) -> bool:
        """If the family's are, and no probability is held or given."""
        prior = [] if self.prior is None else [np.ndim(self.prior.a), np.ndim(self.prior.b)]
        return self.family.separable and not (self.fixed or self.start_values) and all(n < 2 for n in prior)

    def blocks(self, columns: Columns) -> tuple[tuple[tuple[int, ...], Family], ...]:
        """The family's."""
        return tuple((inner, replace(self, family=family)) for inner, family in self.family.blocks(columns))

    def anchor(self, k: int, d: int) -> Any:
        """Half of the cells missing."""
        return self.put_back(self.Params(np.full((k, d), 0.5), self.family.anchor(k, d)))

    def embed(self, x: Any) -> np.ndarray | None:
        """The family's points, and which cells are missing."""
        points = self.family.embed(x)
        if points is None:
            return None
        missing = np.isnan(np.asarray(x, dtype=np.float64))
        return np.concatenate([points, _INDICATOR * missing], axis=1)

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """The family's, and sum_j log p_j of missing cells, log (1 - p_j) of others, (n, K)."""
        missing = np.isnan(np.asarray(x, dtype=np.float64)).astype(np.float64)
        p = params.missing
        if ((p > 0) & (p < 1)).all():
            whether = missing @ np.log(p).T + (1.0 - missing) @ np.log1p(-p).T
        else:
            whether = (logs_times(missing[:, None, :], p) + rest_times(1.0 - missing[:, None, :], p)).sum(axis=2)
        return np.asarray(whether + self.family.log_prob(params.values, x))

    def stats(self, params: Any, x: Any, resp: Any) -> WithMissingStats:
        """Expected rows with each cell missing and not, and the family's of what is there."""
        missing = np.isnan(np.asarray(x, dtype=np.float64))
        r = np.asarray(resp, dtype=np.float64).T
        return WithMissingStats(r @ missing, r @ ~missing, self.family.stats(params.values, x, resp))

    def stats_block(self, params: Any, block: Block, resp: np.ndarray) -> Any:
        """By distinct values, where the family's columns have few; otherwise each its own way."""
        found = tallied(self, params, block, resp) if self.columnwise else None
        if found is not None:
            return found
        missing = np.isnan(np.asarray(block.x, dtype=np.float64))
        r = np.asarray(resp, dtype=np.float64).T
        return WithMissingStats(r @ missing, r @ ~missing, self.family.stats_block(params.values, block, resp))

    def log_prob_block(self, params: Any, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """By distinct values, where the family's columns have few."""
        return super().log_prob_block(params, block, out) if self.columnwise else Family.log_prob_block(self, params, block, out)

    def m_step(self, stats: WithMissingStats, params: Any) -> Any:
        """Shares of missing cells, with the prior's pseudo-counts; the family's M-step from what is there."""
        prior = self.prior or BetaPrior()
        some = stats.missing + (prior.a - 1.0)
        mass = stats.missing + stats.there + (prior.a + prior.b - 2.0)
        share = np.clip(some / np.where(mass > 0, mass, 1.0), 0.0, 1.0)
        return self.Params(np.where(mass > 0, share, params.missing), self.family.update(stats.values, params.values))

    def first_guess(self, stats: WithMissingStats) -> Any:
        """Shares of missing cells with one pseudo-row."""
        missing = (stats.missing + 0.5) / (stats.missing + stats.there + 1.0)
        return self.Params(missing, self.family.start(stats.values))

    def q(self, stats: WithMissingStats, params: Any) -> float | None:
        """Of whether cells are missing, and of the family."""
        values = self.family.q(stats.values, params.values)
        own = logs_times(stats.missing, params.missing) + rest_times(stats.there, params.missing)
        return None if values is None else float(own.sum()) + values

    def complete_marginal(self, stats: WithMissingStats, params: Any) -> float | None:
        """Of whether cells are missing, by default with Jeffreys' prior, and of the family."""
        values = self.family.complete_marginal(stats.values, params.values)
        return None if values is None or self.fixed else self._marginal(stats.missing, stats.there, params) + values

    def marginal_of_missing(self, params: Any, x: Any, resp: np.ndarray) -> float | None:
        """The first of the two parts of ``complete_marginal``: of which cells of rows (n, d) are missing."""
        missing, r = np.isnan(np.asarray(x, dtype=np.float64)), np.asarray(resp, dtype=np.float64).T
        return None if self.fixed else self._marginal(r @ missing, r @ ~missing, params)

    def _marginal(self, missing: np.ndarray, there: np.ndarray, params: Any) -> float:
        a, b = (JEFFREYS, JEFFREYS) if self.prior is None else (self.prior.a, self.prior.b)
        a, b = (np.broadcast_to(value, missing.shape) for value in (a, b))
        counts, probs = np.stack([missing, there], axis=-1), np.stack([params.missing, 1.0 - params.missing], axis=-1)
        return of_probabilities(counts, probs, np.stack([a, b], axis=-1))

    def gradient(self, stats: WithMissingStats, params: Any) -> dict[str, np.ndarray]:
        """Missing cells over their probability less the others over theirs."""
        return {"missing": ratio(stats.missing, params.missing) - ratio(stats.there, 1.0 - params.missing)}

    def curvature(self, stats: WithMissingStats, params: Any) -> dict[str, np.ndarray]:
        """Of so many rows."""
        return {"missing": ratio(stats.missing + stats.there, params.missing * (1.0 - params.missing))}

    def log_priors(self, params: Any) -> np.ndarray:
        """Of the probabilities and of the family, (K,)."""
        return np.asarray(super().log_priors(params) + self.family.log_priors(params.values))

    # --- what follows -------------------------------------------------------------------------------------------------

    def column_words(self, d: int) -> list[str]:
        """Those of the cells that are there."""
        return self.family.column_words(d)

    def slivers(self, params: Any, counts: np.ndarray) -> dict[int, str]:
        """Where there are too few rows for the probabilities, or for the family."""
        return {**super().slivers(params, counts), **self.family.slivers(params.values, counts)}

    def narrowest(self, params: Any) -> np.ndarray | None:
        """Of the cells that are there."""
        return self.family.narrowest(params.values)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Every cell as the family has it, then some of them missing (NaN)."""
        drawn = self.family.sample(params.values, component, rng)
        return np.where(rng.random(drawn.shape) < params.missing[component], np.nan, drawn)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Of cells that are there: the family's."""
        return self.family.moments(params.values)

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """As the family has it."""
        return self.family.filled(params.values, x, resp)

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As the family has it."""
        return self.family.drawn(params.values, x, component, rng)

    def profile(self, params: Any, weights: np.ndarray, columns: Columns) -> list[tuple[np.ndarray, list[str]]]:
        """As the family has it, or by how often the column is missing, whichever differs more."""
        overall = weights @ params.missing
        away = np.abs(params.missing - overall) / np.sqrt(np.maximum(overall * (1.0 - overall), 1e-12))
        out = []
        for j, (found, texts) in enumerate(self.family.profile(params.values, weights, columns)):
            name, share = columns[j].name, 100 * params.missing[:, j]
            more = [f"{name} missing {p:.0f} % ({100 * overall[j]:.0f} % overall)" for p in share]
            first = away[:, j] > found
            out.append(
                (np.where(first, away[:, j], found), [b if one else a for one, a, b in zip(first, texts, more, strict=True)])
            )
        return out

    @property
    def in_words(self) -> str:
        """As "gaussian, missing or not"."""
        return f"{self.family.in_words}, missing or not"
