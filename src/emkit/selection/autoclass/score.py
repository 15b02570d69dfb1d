"""AutoClass C's score of a classification: the logarithm of its approximate marginal likelihood.

Cheeseman and Stutz (1996, "Bayesian classification (AutoClass): theory and results") integrate each term of each class as if the
weights of its rows were counts, then correct for their being shared out: marginal of the shared-out rows, times the likelihood at
the estimates, over the shared-out likelihood at the estimates. Where the paper and the program differ, this is the program.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from emkit.core.errors import ParameterError
from emkit.selection.autoclass.prepare import LEAST_WEIGHT, CorrelatedBlock, Normals, Prepared

LEAST_SHARE = 1e-5
_LEAST_KNOWN = 0.75 * LEAST_WEIGHT
_LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Score:
    """How good a classification is.

    Attributes
    ----------
    log_marginal : float
        What the search maximises; AutoClass C prints it as the log of the classification's probability.
    log_likelihood : float
        At the program's estimates. Numbers count as intervals of one error of measurement, so it is a logarithm of a probability.
    n_classes : int
    weights : ndarray of shape (J,)
        How many rows each class has.
    """

    log_marginal: float
    log_likelihood: float
    n_classes: int
    weights: np.ndarray


@dataclass(frozen=True)
class Estimates:
    """Parameters of all classes in the form in which rows are compared with them; leading axes, if any, are classifications.

    Attributes
    ----------
    log_weights : ndarray of shape (..., J)
    coefficients : ndarray of shape (..., J, p)
        ``features @ coefficients.T`` is the log-density of every row in every class, class weights left out.
    term_log_likelihoods : ndarray of shape (..., J, T)
        Of the rows shared out to each class.
    """

    log_weights: np.ndarray
    coefficients: np.ndarray
    term_log_likelihoods: np.ndarray


def score(prepared: Prepared, memberships: np.ndarray) -> Score:
    """The program's score of rows shared out among classes.

    Parameters
    ----------
    prepared : Prepared
    memberships : ndarray of shape (n, J)
        Rows sum to 1; hard labels are zeros and ones.
    """
    memberships = np.asarray(memberships, dtype=np.float64)
    if memberships.ndim != 2 or len(memberships) != prepared.n or not np.allclose(memberships.sum(axis=1), 1, atol=1e-6):
        raise ParameterError(
            f"memberships must be of shape ({prepared.n}, J), and each row must sum to 1; the shape is {memberships.shape}",
            parameter="memberships",
        )
    stats = memberships.T @ prepared.features
    found = estimates(prepared, stats)
    joint = prepared.features @ found.coefficients.T + found.log_weights
    top = joint.max(axis=1)
    log_likelihood = float((top + np.log(np.exp(joint - top[:, None]).sum(axis=1))).sum())
    return Score(float(log_marginals(prepared, stats, found, log_likelihood)), log_likelihood, stats.shape[0], stats[:, 0].copy())


def log_marginals(prepared: Prepared, stats: np.ndarray, found: Estimates, log_likelihood: float | np.ndarray) -> np.ndarray:
    """Scores from statistics (..., J, p), the estimates that follow from them, and the log-likelihood there."""
    weights = stats[..., 0]
    shared = (weights * found.log_weights).sum(axis=-1) + found.term_log_likelihoods.sum(axis=(-2, -1))
    return class_marginal(weights) + term_marginals(prepared, stats).sum(axis=(-2, -1)) + log_likelihood - shared


def memberships_of(prepared: Prepared, found: Estimates) -> np.ndarray:
    """Posterior probabilities of the classes (..., n, J) at the estimates; those under 1e-5 of the row's largest are 0."""
    joint = prepared.features @ np.swapaxes(found.coefficients, -1, -2) + found.log_weights[..., None, :]
    shares = np.exp(joint - joint.max(axis=-1, keepdims=True))
    shares[shares < LEAST_SHARE] = 0.0
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def class_marginal(weights: np.ndarray) -> np.ndarray:
    """Log marginal of how rows are shared out: Dirichlet(1 - 1/J), times J! for the classes' names; weights (..., J)."""
    j = weights.shape[-1]
    n = weights.sum(axis=-1)
    if j == 1:
        return np.zeros(n.shape)
    part = 1 - 1 / j
    return np.asarray(
        gammaln(j - 1) - gammaln(n + j - 1) - j * gammaln(part) + gammaln(weights + part).sum(axis=-1) + gammaln(j + 1)
    )


def term_marginals(prepared: Prepared, stats: np.ndarray) -> np.ndarray:
    """Log marginals of every term of every class, (..., J, T); statistics (..., J, p)."""
    out = np.zeros((*stats.shape[:-1], prepared.n_terms))
    weight = stats[..., 0]
    kinds, normals = prepared.categories, prepared.normals
    if len(kinds.terms):
        out[..., kinds.terms] = multinomial_marginals(stats[..., kinds.block], weight, kinds.starts, kinds.levels)
    if len(normals.terms):
        out[..., normals.terms] = normal_marginals(normals, *normal_moments(normals, stats), weight)
    for block in prepared.blocks:
        out[..., block.term] = correlated_marginals(block, weight, correlated_moments(block, stats)[1])
    return out


def multinomial_marginals(counts: np.ndarray, weight: np.ndarray, starts: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Categories under Dirichlet((L - 1)/L): counts (..., F) of all terms side by side, weight (...,), result (..., t)."""
    part = (levels - 1) / levels
    by_level = np.add.reduceat(gammaln(counts + np.repeat(part, levels)), starts, axis=-1)
    constant = gammaln(levels - 1) - levels * gammaln(part)
    return np.asarray(constant - gammaln(weight[..., None] + levels - 1) + by_level)


def normal_moments(normals: Normals, stats: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Known weight, mean and variance (..., t) of each term; the variance kept between smin^2 and smax^2.

    Where a class knows nothing of a column its mean is the prior's, and its variance s0^2.
    """
    known = stats[..., normals.known]
    some = np.maximum(known, 1e-300)
    mean = stats[..., normals.linear] / some
    variance = np.clip(stats[..., normals.square] / some - mean * mean, normals.smin**2, normals.smax**2)
    return known, np.where(known > 0, mean, 0.0), np.where(known > 0, variance, normals.s0**2)


def normal_marginals(normals: Normals, known: np.ndarray, mean: np.ndarray, variance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Normal terms: the mean's prior taken at the weighted mean, sigma integrated out; with ``outcome``, which cells are known too.

    Under 1.575 known rows the value is taken there and scaled down, as the program does with "single_normal_cm".
    """
    enough = np.maximum(known, _LEAST_KNOWN)
    prior = -1.5 * np.log(2) - np.log(np.log(normals.smax / normals.smin)) - np.log(normals.s0)
    value = (
        gammaln((enough - 1) / 2)
        - (mean / normals.s0) ** 2 / 2
        + enough * normals.log_error
        - enough / 2 * np.log(np.pi * enough)
        - (enough - 1) / 2 * np.log(variance)
        + prior
    )
    # Which cells are known, under Beta(1/2, 1/2)
    w = np.maximum(weight[..., None], enough)
    cells = -np.log(np.pi) - gammaln(w + 1) + gammaln(0.5 + w - enough) + gammaln(0.5 + enough)
    return np.asarray((value + np.where(normals.outcome, cells, 0.0)) * (known / enough))


def correlated_moments(block: CorrelatedBlock, stats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (..., d) and covariances (..., d, d), the variances not under the squared errors of measurement."""
    weight = np.maximum(stats[..., 0], 1e-300)
    mean = stats[..., block.linear] / weight[..., None]
    covariance = stats[..., block.product] / weight[..., None, None] - mean[..., :, None] * mean[..., None, :]
    diagonal = np.arange(len(block.error))
    covariance[..., diagonal, diagonal] = np.maximum(covariance[..., diagonal, diagonal], block.error**2)
    return mean, covariance


def correlated_estimate(weight: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The program's covariance: (W S + diag S) / (W - 2); a class of fewer than 2.1 rows as if it had 2.1."""
    w = np.maximum(weight, LEAST_WEIGHT)[..., None, None]
    return np.asarray((w * covariance + covariance * np.eye(covariance.shape[-1])) / (w - 2))


def correlated_marginals(block: CorrelatedBlock, weight: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Correlated numbers under an inverse Wishart prior whose scale is the class's own variances; result (...,)."""
    d = len(block.error)
    w = np.maximum(weight, LEAST_WEIGHT)
    k = np.arange(1, d + 1)
    log_det = np.linalg.slogdet(correlated_estimate(weight, covariance))[1]
    log_variances = np.log(np.diagonal(covariance, axis1=-2, axis2=-1)).sum(axis=-1)
    value = (
        -d / 2 * np.log(w)
        - d * (w - 1) / 2 * np.log(np.pi)
        + (gammaln((w[..., None] + d - k) / 2) - gammaln((d + 1 - k) / 2)).sum(axis=-1)
        + d / 2 * log_variances
        + (w + d - 1) * (-log_det / 2 - d / 2 * np.log(w - 2))
        + w * np.log(block.error).sum()
        - np.log(block.spread).sum()
    )
    return np.asarray(value * (weight / w))


def estimates(prepared: Prepared, stats: np.ndarray) -> Estimates:
    """The program's estimates from statistics (..., J, p)."""
    weight = stats[..., 0]
    log_weights = np.log((weight + 1 / weight.shape[-1]) / (weight.sum(axis=-1, keepdims=True) + 1))
    coefficients = np.zeros(stats.shape)
    shared = np.zeros((*stats.shape[:-1], prepared.n_terms))
    kinds, normals = prepared.categories, prepared.normals
    if len(kinds.terms):
        counts = stats[..., kinds.block]
        log_p = np.log((counts + np.repeat(1 / kinds.levels, kinds.levels)) / (weight[..., None] + 1))
        coefficients[..., kinds.block] = log_p
        shared[..., kinds.terms] = np.add.reduceat(counts * log_p, kinds.starts, axis=-1)
    if len(normals.terms):
        known, centre, spread = normal_moments(normals, stats)
        mean, variance, p_known = normal_estimates(normals, known, centre, spread, weight)
        put_normals(normals, coefficients, mean, variance, p_known)
        log_known, log_missing = _log_outcome(normals, p_known)
        level = normals.log_error - (_LOG_2PI + np.log(variance) + (spread + (centre - mean) ** 2) / variance) / 2
        shared[..., normals.terms] = known * (log_known + level) + (weight[..., None] - known) * log_missing
    for block in prepared.blocks:
        mean, covariance = correlated_moments(block, stats)
        estimate = correlated_estimate(weight, covariance)
        inverse, level = put_block(block, coefficients, mean, estimate)
        shared[..., block.term] = weight * (level - (covariance * inverse).sum(axis=(-2, -1)) / 2)
    return Estimates(log_weights, coefficients, shared)


def normal_estimates(
    normals: Normals, known: np.ndarray, mean: np.ndarray, variance: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, variance and probability that a cell is known, each (..., t).

    The program weighs by the class's whole weight, known or not, which with missing cells at random would make a
    class too wide; there the known weight takes its place.
    """
    w = np.where(normals.outcome, weight[..., None], known)
    w = np.maximum(w, _LEAST_KNOWN)
    shrunk = mean * (1 - variance / ((w + 1) * normals.s0**2))
    p_known = (known + normals.known_prior) / (weight[..., None] + 1)
    return shrunk, variance * w / (w + 1), p_known


def _log_outcome(normals: Normals, p_known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities that a cell is known and missing; 0 where that is no outcome."""
    p = np.where(normals.outcome, np.minimum(p_known, 1 - 1e-12), 0.5)
    return np.where(normals.outcome, np.log(p), 0.0), np.where(normals.outcome, np.log1p(-p), 0.0)


def put_normals(normals: Normals, coefficients: np.ndarray, mean: np.ndarray, variance: np.ndarray, p_known: np.ndarray) -> None:
    """Write normal terms' log-densities into ``coefficients`` (..., J, p)."""
    log_known, log_missing = _log_outcome(normals, p_known)
    coefficients[..., normals.linear] = mean / variance
    coefficients[..., normals.square] = -0.5 / variance
    constant = normals.log_error - (_LOG_2PI + np.log(variance) + mean * mean / variance) / 2 + log_known - log_missing
    separate = normals.known > 0
    coefficients[..., normals.known[separate]] = constant[..., separate]
    coefficients[..., 0] += constant[..., ~separate].sum(axis=-1) + log_missing.sum(axis=-1)


def put_block(
    block: CorrelatedBlock, coefficients: np.ndarray, mean: np.ndarray, covariance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Write a correlated term's log-density into ``coefficients``; its inverse covariances and their constant (...,)."""
    inverse = np.linalg.inv(covariance)
    level = np.log(block.error).sum() - (len(block.error) * _LOG_2PI + np.linalg.slogdet(covariance)[1]) / 2
    pull = (inverse @ mean[..., None])[..., 0]
    coefficients[..., block.linear] = pull
    a, b = np.tril_indices(len(block.error))
    coefficients[..., block.product[a, b]] = np.where(a == b, -0.5, -1.0) * inverse[..., a, b]
    coefficients[..., 0] += level - (mean * pull).sum(axis=-1) / 2
    return inverse, level
