"""K multinomial logits of one target: log probabilities, sums over rows, and a step that cannot lower the objective."""

from dataclasses import dataclass, field

import numpy as np

from emkit.core.bayes import log_sum_exp
from emkit.core.records import Stats
from emkit.families.guarded import guarded_length, solved


@dataclass(frozen=True)
class LogitSums(Stats):
    """Sums over rows times responsibilities, of K components, C = m + 1 classes, p standardised coefficients of each log odds.

    Attributes
    ----------
    mass : array of shape (K,)
        1.
    slope : array of shape (K, m, p)
        ([class] - probability) z.
    bends : array of shape (K, m p, m p)
        (diag(probability) - probability probability') times z z', of rows whose inputs are known.
    bound : array of shape (K, m p, m p)
        Of rows with missing inputs, a bound of it that holds at all coefficients: 1/2 (I - 11'/C) times z z'. Böhning (1992),
        Annals of the Institute of Statistical Mathematics 44, 197-200.
    pivot : array of shape (K, m, p)
        The coefficients that these were taken at.
    """

    mass: np.ndarray
    slope: np.ndarray
    bends: np.ndarray
    bound: np.ndarray
    pivot: np.ndarray = field(metadata={"additive": False})

    def gain(self, coefficients: np.ndarray) -> np.ndarray:
        """What Q at other coefficients is above that at the pivot, to second order, (K,)."""
        by = (coefficients - self.pivot).reshape(len(self.mass), -1)
        slope = self.slope.reshape(by.shape)
        return np.asarray((by * slope).sum(axis=1) - 0.5 * np.einsum("ki,kij,kj->k", by, self.bends + self.bound, by))


def log_classes(eta: np.ndarray) -> np.ndarray:
    """Log probabilities of classes (..., C) from log odds against the first class (..., m)."""
    whole = np.concatenate([np.zeros((*eta.shape[:-1], 1)), eta], axis=-1)
    return whole - log_sum_exp(whole)[..., None]


def curvature(p: np.ndarray, weights: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Sum of weights (n,) times (diag(p) - p p') kron z z', (m q, m q), of probabilities p (n, m), all or but the first's."""
    m, q = p.shape[1], z.shape[1]
    crossed = (p[:, :, None] * z[:, None, :]).reshape(len(z), m * q)
    out = -(crossed * weights[:, None]).T @ crossed
    for c in range(m):
        part = slice(c * q, (c + 1) * q)
        out[part, part] += (z * (weights * p[:, c])[:, None]).T @ z
    return np.asarray(out)


def furthest(step: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How far a difference of two linear predictors can change, (...), where their standardised coefficients change by a step.

    ``step`` (..., C, p), the intercept first; ``low``, ``high`` (p - 1,): ranges of the standardised columns.
    """
    between = step[..., :, None, :] - step[..., None, :, :]
    most = between[..., 0] + np.maximum(between[..., 1:] * low, between[..., 1:] * high).sum(axis=-1)
    return np.asarray(most.max(axis=(-2, -1)))


def even(m: int) -> np.ndarray:
    """I - 11'/C, (m, m): squares of log odds about their mean over classes, the first one's being 0."""
    return np.eye(m) - 1.0 / (m + 1.0)


@dataclass(frozen=True)
class LogitPrior:
    """A log prior: -ridge/2 sum_j b_j' (I - 11'/C) b_j of standardised slopes b_j (m,), and pseudo-rows at the average input.

    ``ridge`` (p,), 0 for the intercept; ``rows`` pseudo-rows with classes in the proportions ``shares`` (C,).
    """

    ridge: np.ndarray
    rows: float
    shares: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """Minus the second derivative of the ridge's part, (m p, m p)."""
        return np.kron(even(len(self.shares) - 1), np.diag(self.ridge))

    def log_density(self, standard: np.ndarray) -> np.ndarray:
        """Of each component, (K,)."""
        flat = standard.reshape(len(standard), -1)
        own = -0.5 * np.einsum("ki,ij,kj->k", flat, self.matrix, flat)
        return np.asarray(own + self.rows * log_classes(standard[:, :, 0]) @ self.shares)

    def slope(self, standard: np.ndarray) -> np.ndarray:
        """Its derivatives, (K, m, p)."""
        out = -(standard.reshape(len(standard), -1) @ self.matrix).reshape(standard.shape)
        out[:, :, 0] += self.rows * (self.shares[1:] - np.exp(log_classes(standard[:, :, 0]))[:, 1:])
        return out

    def bends(self, standard: np.ndarray) -> np.ndarray:
        """Minus the second derivative of the pseudo-rows' part, (K, m p, m p)."""
        first = np.eye(1, standard.shape[2])
        p = np.exp(log_classes(standard[:, :, 0]))[:, 1:]
        return np.stack([curvature(one[None], np.array([self.rows]), first) for one in p])


def logit_step(stats: LogitSums, prior: LogitPrior, along: np.ndarray | None, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """New standardised coefficients (K, m, p): a Newton step, each component's as long as cannot lower the objective.

    ``along`` (K, m p, D): along what they can move, if not each on its own; ``low``, ``high`` (q,): ranges of the standardised
    inputs. See ``emkit.families.guarded``: what has a curvature that is bounded everywhere needs no guard.
    """
    k, m, p = stats.pivot.shape
    bends, own = stats.bends + prior.bends(stats.pivot), stats.bound + prior.matrix
    slope = (stats.slope + prior.slope(stats.pivot)).reshape(k, -1)
    if along is None:
        step = solved(bends + own, slope)
    else:
        inner = np.einsum("kid,kij,kje->de", along, bends + own, along, optimize=True)
        step = along @ solved(inner, np.einsum("kid,ki->d", along, slope)) if along.shape[2] else np.zeros((k, m * p))
    table = np.concatenate([np.zeros((k, 1, p)), step.reshape(k, m, p)], axis=1)
    reach = furthest(table, low, high)
    curved = np.einsum("ki,kij,kj->k", step, bends, step), np.einsum("ki,kij,kj->k", step, own, step)
    length = guarded_length(*curved, reach)
    if along is not None:  # components that are held in part move together
        total = np.array([curved[0].sum()]), np.array([curved[1].sum()]), np.array([reach.max()])
        length = np.broadcast_to(guarded_length(*total), (k,))
    return np.asarray(stats.pivot + length[:, None, None] * step.reshape(k, m, p))
