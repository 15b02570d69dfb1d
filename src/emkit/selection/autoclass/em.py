"""EM on AutoClass's priors: exact maximisation of the posterior, for one classification or for many of equal size at once.

Priors: class weights Dirichlet(1 + 1/J), levels Dirichlet(1 + 1/L), known or missing Beta about the column's own share, means
N(m0, s0^2), sigma ~ 1/sigma on [smin, smax]; a covariance inverse Wishart, one row's worth of smin^2 in every direction. The mean
is maximised given the old variance and then the variance given the mean, so the objective never falls. (The C program's estimates,
in ``score``, do not maximise any such objective.)

Arrays have a classification's classes on axis -2, or -1 where there is no other, and any number of classifications before that.
Memberships here are (..., J, n): then both steps are plain matrix products for all classifications together.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from emkit.selection.autoclass.prepare import SAFETY, Prepared
from emkit.selection.autoclass.score import LEAST_SHARE, normal_moments, put_block, put_normals


@dataclass(frozen=True)
class Parameters:
    """Parameters of classes.

    Attributes
    ----------
    weights : ndarray of shape (..., J)
    log_levels : ndarray of shape (..., J, F)
        Log-probabilities of the levels of all categories, side by side.
    means, variances, known : ndarrays of shape (..., J, t)
        Of the normal terms; the probability that a cell is known.
    blocks : tuple of (means (..., J, d), covariances (..., J, d, d))
    """

    weights: np.ndarray
    log_levels: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    known: np.ndarray
    blocks: tuple[tuple[np.ndarray, np.ndarray], ...]

    def take(self, which: np.ndarray) -> Self:
        """The classes ``which`` (...) of one classification; an array of more axes makes several."""
        kept = self.weights[which]
        return replace(
            self,
            weights=kept / kept.sum(axis=-1, keepdims=True),
            log_levels=self.log_levels[which],
            means=self.means[which],
            variances=self.variances[which],
            known=self.known[which],
            blocks=tuple((mean[which], covariance[which]) for mean, covariance in self.blocks),
        )


@dataclass(frozen=True)
class Fitted:
    """Where EM stands: memberships (..., J, n) under ``parameters``, and the objective (...) there."""

    parameters: Parameters
    memberships: np.ndarray
    objective: np.ndarray


def m_step(prepared: Prepared, stats: np.ndarray, old: Parameters | None = None) -> Parameters:
    """Maximise the expected log posterior, statistics (..., J, p).

    Without ``old`` parameters a mean is weighed against its prior by the class's own variance.
    """
    weight = stats[..., 0]
    j = weight.shape[-1]
    kinds, normals = prepared.categories, prepared.normals
    levels = (stats[..., kinds.block] + np.repeat(1 / kinds.levels, kinds.levels)) / (weight[..., None] + 1)
    known, centre, spread = normal_moments(normals, stats)
    before = spread if old is None else old.variances
    means = centre * known / (known + before / normals.s0**2)
    squares = stats[..., normals.square] - means * (2 * stats[..., normals.linear] - known * means)
    return Parameters(
        (weight + 1 / j) / (weight.sum(axis=-1, keepdims=True) + 1),
        np.log(levels),
        means,
        np.clip(squares / (known + 1), normals.smin**2, normals.smax**2),
        (known + normals.known_prior) / (weight[..., None] + 1),
        tuple(_block_m_step(prepared, stats, b) for b in range(len(prepared.blocks))),
    )


def _block_m_step(prepared: Prepared, stats: np.ndarray, b: int) -> tuple[np.ndarray, np.ndarray]:
    block = prepared.blocks[b]
    weight = stats[..., 0, None, None]
    mean = stats[..., block.linear] / np.maximum(stats[..., 0, None], 1e-300)
    sums = stats[..., block.product] - weight * mean[..., :, None] * mean[..., None, :]
    return mean, (sums + np.diag((SAFETY * block.error) ** 2)) / (weight + 1)


def log_prior(prepared: Prepared, parameters: Parameters) -> np.ndarray:
    """Log prior density (...), constants left out; what ``m_step`` adds to the expected log-likelihood."""
    kinds, normals = prepared.categories, prepared.normals
    total = np.log(parameters.weights).mean(axis=-1)
    total = total + (parameters.log_levels / np.repeat(kinds.levels, kinds.levels)).sum(axis=(-2, -1))
    total -= ((parameters.means / normals.s0) ** 2 + np.log(parameters.variances)).sum(axis=(-2, -1)) / 2
    prior = normals.known_prior
    known = prior * np.log(parameters.known) + (1 - prior) * np.log1p(-parameters.known)
    total += np.where(normals.outcome, known, 0.0).sum(axis=(-2, -1))
    for block, (_, covariance) in zip(prepared.blocks, parameters.blocks, strict=True):
        inverse = np.linalg.inv(covariance)
        trace = (np.diagonal(inverse, axis1=-2, axis2=-1) * (SAFETY * block.error) ** 2).sum(axis=-1)
        total -= ((np.linalg.slogdet(covariance)[1] + trace) / 2).sum(axis=-1)
    return np.asarray(total)


def coefficients(prepared: Prepared, parameters: Parameters) -> np.ndarray:
    """(..., J, p): with ``features`` these give every row's log-density in every class, class weights included."""
    out = np.zeros((*parameters.weights.shape, prepared.features.shape[1]))
    out[..., prepared.categories.block] = parameters.log_levels
    put_normals(prepared.normals, out, parameters.means, parameters.variances, parameters.known)
    for block, (mean, covariance) in zip(prepared.blocks, parameters.blocks, strict=True):
        put_block(block, out, mean, covariance)
    out[..., 0] += np.log(parameters.weights)
    return out


def share_out(features: np.ndarray, coefficients: np.ndarray, least_share: float = LEAST_SHARE) -> tuple[np.ndarray, np.ndarray]:
    """Memberships (..., J, n), those under ``least_share`` of the row's largest 0, and log-likelihoods (...)."""
    joint = (coefficients.reshape(-1, features.shape[1]) @ features.T).reshape(*coefficients.shape[:-1], len(features))
    top = joint.max(axis=-2, keepdims=True)
    joint -= top
    np.exp(joint, out=joint)
    total = joint.sum(axis=-2, keepdims=True)
    log_likelihood = (top + np.log(total))[..., 0, :].sum(axis=-1)
    if least_share > 0:
        joint *= joint >= least_share
        total = joint.sum(axis=-2, keepdims=True)
    joint /= total
    return joint, log_likelihood


def sums(features: np.ndarray, memberships: np.ndarray) -> np.ndarray:
    """Statistics (..., J, p) of memberships (..., J, n)."""
    flat = memberships.reshape(-1, len(features)) @ features
    return flat.reshape(*memberships.shape[:-1], features.shape[1])


def e_step(prepared: Prepared, parameters: Parameters, least_share: float = LEAST_SHARE) -> Fitted:
    """Memberships and the objective, log-likelihood + log prior."""
    memberships, log_likelihood = share_out(prepared.features, coefficients(prepared, parameters), least_share)
    return Fitted(parameters, memberships, log_likelihood + log_prior(prepared, parameters))


def iterate(prepared: Prepared, start: Fitted, least_share: float = LEAST_SHARE) -> Fitted:
    """One update of all classifications."""
    return e_step(prepared, m_step(prepared, sums(prepared.features, start.memberships), start.parameters), least_share)


def never() -> bool:
    """Nobody asks for an end."""
    return False


def run(
    prepared: Prepared, memberships: np.ndarray, max_iter: int = 500, tol: float = 1e-4, enough: Callable[[], bool] = never
) -> Fitted:
    """EM from memberships until no classification gains more than ``tol`` in an update, or ``max_iter`` updates, or ``enough``."""
    now = e_step(prepared, m_step(prepared, sums(prepared.features, memberships)))
    for _ in range(max_iter):
        then = now
        now = iterate(prepared, then)
        if np.all(now.objective - then.objective < tol) or enough():
            break
    return now
