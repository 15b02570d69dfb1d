"""Class weights as a multinomial logit of concomitant columns: what additive statistics say of the coefficients."""

from dataclasses import dataclass, field

import numpy as np

from emkit.core.bayes import log_sum_exp
from emkit.core.records import Stats
from emkit.core.summary import ColumnSummary
from emkit.families.experts.logits import curvature, furthest
from emkit.families.guarded import guarded_length, solved
from emkit.families.regression.quadratic import directions
from emkit.families.regression.units import StandardUnits, standard_units


@dataclass(frozen=True)
class LogitStats(Stats):
    """Sums over units, with weights, about standardised coefficients; K classes, p coefficients, the intercept first.

    ``slope`` (K, p): sum of (posterior - prior) u; ``bends`` (K, p, K, p): sum of (diag(prior) - prior prior') times u u';
    ``pivot`` (K, p): the coefficients that the priors were taken at.
    """

    slope: np.ndarray
    bends: np.ndarray
    pivot: np.ndarray = field(metadata={"additive": False})

    def aligned(self, to: "LogitStats") -> "LogitStats":
        """About the pivot of ``to``: slopes at other coefficients are moved there, to second order of the likelihood."""
        if np.array_equal(self.pivot, to.pivot):
            return self
        moved = self.slope - np.einsum("kilj,lj->ki", self.bends, to.pivot - self.pivot)
        return LogitStats(moved, self.bends, to.pivot)

    def gain(self, coefficients: np.ndarray) -> float:
        """What Q at other coefficients is above that at the pivot, to second order."""
        by = coefficients - self.pivot
        return float((by * self.slope).sum() - 0.5 * np.einsum("ki,kilj,lj->", by, self.bends, by))


@dataclass(frozen=True)
class ClassUnits(StandardUnits):
    """Units of the concomitant columns."""

    @classmethod
    def of(cls, summary: ColumnSummary) -> "ClassUnits":
        """Of columns of which this is known."""
        return cls(*standard_units(summary, len(summary.mean)))

    def design(self, u: np.ndarray) -> np.ndarray:
        """[1, standardised columns], (n, 1 + c)."""
        return np.concatenate([np.ones((len(u), 1)), (np.asarray(u, dtype=np.float64) - self.centre) / self.scale], axis=1)

    def plain(self, standard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inverse, centred to the last bit: intercepts (K,) and coefficients (K, c)."""
        intercepts, coefficients = super().plain(standard)
        return intercepts - intercepts.mean(), coefficients - coefficients.mean(axis=0)


def log_priors(design: np.ndarray, standard: np.ndarray) -> np.ndarray:
    """Log class probabilities of each unit, (n, K)."""
    eta = design @ standard.T
    return np.asarray(eta - log_sum_exp(eta)[:, None])


def logit_stats(
    design: np.ndarray, log_prior: np.ndarray, posterior: np.ndarray, weights: np.ndarray, pivot: np.ndarray
) -> LogitStats:
    """Of units with designs (n, p), log priors and posteriors (n, K), and weights (n,)."""
    prior, (k, p) = np.exp(log_prior), pivot.shape
    slope = (weights[:, None] * (posterior - prior)).T @ design
    return LogitStats(slope, curvature(prior, weights, design).reshape(k, p, k, p), pivot)


def class_directions(k: int, held: np.ndarray, units: ClassUnits) -> np.ndarray:
    """Along what the standardised coefficients can move, (K, p, m), without what all classes have in common.

    ``held`` (p,): coefficients in the user's units that are held; an intercept that is held ties slopes to the standardised one.
    """
    p = len(held)
    contrasts = np.linalg.qr(np.eye(k)[:, :-1] - 1.0 / k)[0] if k > 1 else np.zeros((1, 0))
    one = directions(held[None], np.zeros(p, dtype=bool), units.centre, units.scale)
    each = np.eye(p) if one is None else one[0]
    return np.einsum("pj,kc->kpjc", each, contrasts).reshape(k, p, each.shape[1] * contrasts.shape[1])


def newton(stats: LogitStats, ridge: float, along: np.ndarray, units: ClassUnits) -> np.ndarray:
    """New standardised coefficients by one Newton step that cannot lower the objective: see ``emkit.families.guarded``.

    ``ridge`` is the weight of the log prior -ridge / 2 times the squared standardised slopes.
    """
    if not along.shape[2]:
        return stats.pivot
    weights = np.full(stats.pivot.shape, ridge)
    weights[:, 0] = 0.0
    slope = stats.slope - weights * stats.pivot
    inner = np.einsum("kim,kilj,ljn->mn", along, stats.bends, along, optimize=True)
    inner += np.einsum("kim,ki,kin->mn", along, weights, along)
    step = along @ solved(inner, np.einsum("kim,ki->m", along, slope))
    bend = np.einsum("ki,kilj,lj->", step, stats.bends, step)
    length = guarded_length(np.array([bend]), np.array([(weights * step**2).sum()]), furthest(step[None], units.low, units.high))
    return np.asarray(stats.pivot + length * step)
