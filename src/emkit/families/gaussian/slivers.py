"""When a component of a Gaussian mixture is a sliver: far thinner than the others, on no more rows than chance puts there."""

from typing import Any

import numpy as np

from emkit.core.slivers import few_rows
from emkit.families.gaussian.params import GaussianParams
from emkit.families.gaussian.prior import GaussianPrior
from emkit.families.gaussian.shapes import whiten

_THIN = 0.125  # of the others' standard deviation in the same direction, and of all data's
_FLOOR = 2.0  # times the variance that a prior's scatter alone gives: what the data add is less than that
_BY_CHANCE = 4.0 / np.sqrt(2.0 * np.pi)  # share of a normal distribution in a slice of +- 2 s, for small s, in units of s


def slivers(family: Any, params: GaussianParams, counts: np.ndarray, prior: GaussianPrior | None) -> dict[int, str]:
    """Components with fewer rows than free parameters, a prior's pseudo-observations included, and thin ones.

    A component with a covariance of its own is thin if in some direction its standard deviation is less than an eighth of the
    other components' within them, and of the whole mixture's, s; it is a sliver if it also holds a smaller share of the rows than
    1.6 s, what a slice of all data of +- 2 s about their mean holds by chance. So a group that is narrow but well filled, such as
    a value that many rows have, is none. Directions are those of generalised eigenvectors: units play no part.
    """
    found = few_rows(family, params, counts, 0.0 if prior is None else prior.mass)
    k, total = len(counts), counts.sum()
    if family.shape.shared or k == 1 or not total > 0:
        return found
    free = np.isnan(family.held("covariances", params.covariances.shape)).reshape(k, -1).any(axis=1)
    share = counts / total
    small = np.flatnonzero(free & (share < _BY_CHANCE * _THIN) & (share > 0))
    if not len(small):
        return found
    matrices = _matrices(params)
    off = params.means - share @ params.means
    whole = np.einsum("k,kij->ij", share, matrices) + (share[:, None] * off).T @ off
    for i in small:
        others = np.einsum("k,kij->ij", np.delete(share, i), np.delete(matrices, i, axis=0)) / (1.0 - share[i])
        within, overall = _least(matrices[i], others), _least(matrices[i], whole)
        if within < _THIN and overall < _THIN and share[i] < _BY_CHANCE * overall:
            thin = f"at its thinnest {within:.2g} of the others' standard deviation"
            found[int(i)] = f"{found[int(i)]} and {thin}" if int(i) in found else thin
    return found


def floored(params: GaussianParams, counts: np.ndarray, prior: GaussianPrior | None) -> tuple[int, ...]:
    """Components that are, in some direction, at most twice as wide in variance as a prior alone would make them.

    ``counts`` (K,): the rows that tell of each covariance.
    """
    if prior is None or not (prior.diagonal > 0).all():
        return ()
    scale = np.sqrt(prior.diagonal)
    least = np.linalg.eigvalsh(_matrices(params) / (scale[:, None] * scale))[:, 0]
    return tuple(int(k) for k in np.flatnonzero((least * (counts + prior.mass) < _FLOOR) & (counts > 0)))


def conditional_variances(params: GaussianParams) -> np.ndarray:
    """Of each column given all others, (K, d), or (1, d) where components share them."""
    c = params.covariances
    if c.ndim < 3:
        return c
    scale = np.sqrt(np.diagonal(c, axis1=1, axis2=2))
    alike = c / (scale[:, :, None] * scale[:, None, :])
    values, vectors = np.linalg.eigh(alike)
    return scale**2 / np.einsum("kij,kj->ki", vectors**2, 1.0 / np.maximum(values, np.finfo(float).tiny))


def _matrices(params: GaussianParams) -> np.ndarray:
    """Covariances as matrices, (K, d, d)."""
    c, (k, d) = params.covariances, params.means.shape
    return c if c.ndim == 3 else np.broadcast_to(c, (k, d))[:, :, None] * np.eye(d)


def _least(matrix: np.ndarray, about: np.ndarray) -> float:
    """The smallest ratio of standard deviations of ``matrix`` to those of ``about`` in any direction; inf if that is singular."""
    whitener = whiten(about[None], len(about))
    if not np.isfinite(whitener.log_norm[0]) or whitener.matrices is None:
        return np.inf
    white = whitener.matrices[0] @ matrix @ whitener.matrices[0].T
    return float(np.sqrt(max(np.linalg.eigvalsh(0.5 * (white + white.T))[0], 0.0)))
