"""Q as a function of the coefficients, from additive statistics: exact for normal responses, to second order for others."""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from emkit.core.records import Stats
from emkit.families.guarded import guarded_length, solved

_WIDE = 16  # columns of a design up to which products of pairs of them are formed at once


@dataclass(frozen=True)
class Quadratic(Stats):
    """Weighted sums over rows, for K components, about coefficients of the standardised design z = [1, (x - centre) / scale].

    With e = y - mean(z) and w = -d2 log p / d eta2 (1 for a normal response), sums over rows times responsibilities of

    Attributes
    ----------
    mass : array of shape (K,)
        1.
    bends : array of shape (K, p, p)
        w z z'.
    slope : array of shape (K, p)
        e z.
    square : array of shape (K,)
        e^2, which only normal responses need.
    pivot : array of shape (K, p)
        The coefficients that e and w were taken at.
    """

    mass: np.ndarray
    bends: np.ndarray
    slope: np.ndarray
    square: np.ndarray
    pivot: np.ndarray = field(metadata={"additive": False})

    def about(self, pivot: np.ndarray) -> Self:
        """The same about other coefficients: e becomes e - w z (pivot - own pivot)."""
        by = pivot - self.pivot
        moved = np.einsum("kij,kj->ki", self.bends, by)
        square = self.square - 2.0 * (by * self.slope).sum(axis=1) + (by * moved).sum(axis=1)
        return replace(self, slope=self.slope - moved, square=square, pivot=pivot)

    def aligned(self, to: Self) -> Self:
        """About the pivot of ``to``."""
        return self if np.array_equal(self.pivot, to.pivot) else self.about(to.pivot)

    def gain(self, coefficients: np.ndarray) -> np.ndarray:
        """What the expected log-likelihood at other coefficients is above that at the pivot, (K,); for a variance of 1."""
        by = coefficients - self.pivot
        return np.asarray((by * self.slope).sum(axis=1) - 0.5 * np.einsum("ki,kij,kj->k", by, self.bends, by))


def weighted_products(z: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_i weights_ik z_i z_i', (K, p, p), of rows z (n, p) and weights (n, K)."""
    p = z.shape[1]
    if p > _WIDE:
        return np.stack([(z * w[:, None]).T @ z for w in weights.T])
    i, j = np.triu_indices(p)
    found = weights.T @ (z[:, i] * z[:, j])
    out = np.empty((len(found), p, p))
    out[:, i, j] = found
    out[:, j, i] = found
    return out


@dataclass(frozen=True)
class Penalty:
    """A quadratic log prior of the slopes, -weight/2 times the squared standardised slopes, for each component.

    ``weights`` (K, p) are those weights, of all coefficients: 0 for the intercept.
    """

    weights: np.ndarray

    def slope(self, coefficients: np.ndarray) -> np.ndarray:
        """Its derivatives, (K, p)."""
        return -self.weights * coefficients


def directions(held: np.ndarray, shared: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray | None:
    """Along what the standardised coefficients can move, (K, p, m); None if each can on its own.

    Parameters
    ----------
    held : bool array of shape (K, p)
        Coefficients in the user's units, the intercept first, that are held.
    shared : bool array of shape (p,)
        Those that are the same in all components.
    centre, scale : arrays of shape (q,)

    Notes
    -----
    An intercept at x = 0 that is held, or shared, ties the standardised intercept to the slopes: a slope that grows by 1 / scale
    lifts the line at the centre by centre / scale.
    """
    if not (held.any() or shared.any()):
        return None
    k, p = held.shape
    lift = np.concatenate([[0.0], centre / scale])
    tied = held[:, 0] | shared[0]
    found: list[np.ndarray] = []
    for j in range(p):
        whole = np.zeros((k, p))
        whole[:, j] = 1.0
        if j:
            whole[:, 0] += np.where(tied, lift[j], 0.0)
        free = np.flatnonzero(~held[:, j])
        if shared[j]:
            found += [whole] if len(free) else []
            continue
        for component in free:
            one = np.zeros((k, p))
            one[component] = whole[component]
            found.append(one)
    return np.stack(found, axis=-1) if found else np.zeros((k, p, 0))


def newton_step(stats: Quadratic, penalty: Penalty, along: np.ndarray | None, size: np.ndarray) -> np.ndarray:
    """The maximum of Q's quadratic plus the log prior as seen from the pivot, (K, p).

    ``size`` (K,) are the variances by which normal log-likelihoods, and the penalty, are divided.
    """
    slope = stats.slope + penalty.slope(stats.pivot)
    p = slope.shape[1]
    bends = stats.bends + penalty.weights[:, :, None] * np.eye(p)
    if along is None:
        return solved(bends, slope)
    inner = np.einsum("kim,kij,kjl,k->ml", along, bends, along, 1.0 / size, optimize=True)
    right = np.einsum("kim,ki,k->m", along, slope, 1.0 / size)
    return np.asarray(along @ solved(inner, right)) if along.shape[2] else np.zeros_like(slope)


def guarded_step(
    stats: Quadratic, penalty: Penalty, along: np.ndarray | None, low: np.ndarray, high: np.ndarray, *, together: bool
) -> np.ndarray:
    """As much of ``newton_step`` as cannot lower Q plus the log prior, (K, p): see ``emkit.families.guarded``.

    ``low``, ``high`` (q,) are the ranges of the standardised covariates; ``together``: components share coefficients, so that
    their steps have one length.
    """
    step = newton_step(stats, penalty, along, np.ones(len(stats.mass)))
    bend = np.einsum("ki,kij,kj->k", step, stats.bends, step)
    own = (penalty.weights * step**2).sum(axis=1)
    up = step[:, 0] + np.maximum(step[:, 1:] * low, step[:, 1:] * high).sum(axis=1)
    down = step[:, 0] + np.minimum(step[:, 1:] * low, step[:, 1:] * high).sum(axis=1)
    reach = np.maximum(np.abs(up), np.abs(down))
    if together:
        bend, own, reach = (np.full(len(step), value) for value in (bend.sum(), own.sum(), reach.max()))
    return np.asarray(step * guarded_length(bend, own, reach)[:, None])
