"""Inputs with missing cells: what the gate knows of them from the observed ones, before the target is looked at.

Under each component the missing cells are normal given the observed ones, with a mean for each row and a covariance for each
pattern of missing cells: Little and Rubin (2002), Statistical Analysis with Missing Data, section 11.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emkit.core.bayes import SLICE
from emkit.families.gaussian.conditional import matrices
from emkit.families.gaussian.missing import Pattern, patterns
from emkit.families.gaussian.params import GaussianParams, GaussianStats


@dataclass(frozen=True)
class Unseen:
    """Rows that have the same cells missing.

    Attributes
    ----------
    rows : array of shape (n,)
        Their numbers.
    log_prob : array of shape (n, K)
        Log density of the observed cells.
    means : array of shape (K, n, d)
        Expected inputs given the observed cells, which are themselves.
    covariances : array of shape (K, d, d)
        Of the inputs given the observed cells: 0 where one of the two is observed.
    """

    rows: np.ndarray
    log_prob: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def unseen(params: GaussianParams, x: np.ndarray) -> Iterator[Unseen]:
    """Rows (n, d) in groups that have the same cells missing. Columns are scaled first, so that their units do not matter."""
    plain = matrices(params)
    k, d = plain.means.shape
    scale = np.sqrt(np.diagonal(plain.covariances, axis1=1, axis2=2).mean(axis=0))
    x = np.asarray(x, dtype=np.float64)
    scaled = GaussianParams(plain.means / scale, plain.covariances / (scale[:, None] * scale))
    for observed, rows in patterns(~np.isnan(x)):
        pattern = Pattern(scaled, observed)
        gone = pattern.missing
        covariances = np.zeros((k, d, d))
        covariances[:, gone[:, None], gone] = pattern.residual * (scale[gone, None] * scale[gone])
        constant = np.log(scale[observed]).sum()
        for begin in range(0, len(rows), SLICE):
            part = rows[begin : begin + SLICE]
            centred = pattern.centre(x[part] / scale)
            means = np.empty((k, len(part), d))
            means[:, :, observed] = x[part][:, observed]
            means[:, :, gone] = pattern.conditional_means(centred) * scale[gone]
            with np.errstate(over="ignore"):  # rows beyond all densities
                log_prob = pattern.log_prob(centred) - constant
            yield Unseen(part, log_prob, means, covariances)


def gate_stats(params: GaussianParams, resp: np.ndarray, means: np.ndarray, spread: np.ndarray, second: bool) -> GaussianStats:
    """The gate's statistics from what is expected of each row.

    Parameters
    ----------
    resp : array of shape (n, K)
    means : array of shape (K, n, d)
        Expected inputs of each row under each component.
    spread : array of shape (K, d, d)
        Sums of responsibilities times the covariances about them.
    second : bool
        Whether second moments are needed.
    """
    centred = means - params.means[:, None, :]
    weighted = resp.T[:, :, None] * centred
    counts, first, form = resp.sum(axis=0), weighted.sum(axis=1), params.covariances.shape
    if not second:
        return GaussianStats(counts, first, None, params.means)
    if len(form) == 3:
        found = np.matmul(np.swapaxes(weighted, 1, 2), centred) + spread
        return GaussianStats(counts, first, found if form[0] == len(found) else found.sum(axis=0, keepdims=True), params.means)
    flat = (weighted * centred).sum(axis=1) + np.diagonal(spread, axis1=1, axis2=2)
    return GaussianStats(counts, first, flat if form[1] == flat.shape[1] else flat.sum(axis=1, keepdims=True), params.means)
