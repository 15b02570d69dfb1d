"""Columns of a mixture of Gaussians given others: which distribution is left, component by component.

Given x_o, component k has the weight that is proportional to weight_k N(x_o | m_ko, S_koo), and is normal with mean
m_ka + S_kao S_koo^-1 (x_o - m_ko) and covariance S_kaa - S_kao S_koo^-1 S_koa (Ghahramani and Jordan 1994, NIPS 6, 120-127).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from emkit.core.bayes import SLICE, log_sum_exp, posterior
from emkit.families.gaussian.missing import Pattern, patterns
from emkit.families.gaussian.params import GaussianParams


@dataclass(frozen=True)
class Given:
    """What is left of the asked columns in some rows.

    Attributes
    ----------
    rows : int array of shape (m,)
    weights : array of shape (m, K)
        Probabilities of the components given the observed cells. In a row so far away that no component has a density there,
        those without them.
    means : array of shape (K, m, q)
    covariances : array of shape (K or 1, q, q)
        The same in all these rows.
    """

    rows: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def matrices(params: GaussianParams) -> GaussianParams:
    """The same distributions with covariances as matrices, (K or 1, d, d)."""
    c, d = params.covariances, params.means.shape[1]
    if c.ndim == 3:
        return params
    return GaussianParams(params.means, np.broadcast_to(c, (len(c), d))[:, :, None] * np.eye(d))


def given(params: GaussianParams, log_weights: np.ndarray, x: np.ndarray, asked: Sequence[int]) -> Iterator[Given]:
    """The ``asked`` columns in each row given its observed cells in the others, group by group of rows.

    Cells of asked columns are not looked at; other cells that are NaN are integrated out.
    """
    params, places = matrices(params), np.asarray(asked, dtype=np.intp)
    seen = ~np.isnan(x)
    seen[:, places] = False
    for observed, rows in patterns(seen):
        pattern = Pattern(params, observed)
        place = np.searchsorted(pattern.missing, places)
        covariances = pattern.residual[:, place[:, None], place]
        for i in range(0, len(rows), SLICE):
            part = rows[i : i + SLICE]
            centred = pattern.centre(x[part])
            joint = pattern.log_prob(centred) + log_weights
            weights = posterior(joint, log_sum_exp(joint))
            weights[~(weights.sum(axis=1) > 0)] = np.exp(log_weights)
            yield Given(part, weights, pattern.conditional_means(centred)[:, :, place], covariances)


def mean_and_covariance(found: Given) -> tuple[np.ndarray, np.ndarray]:
    """Of the asked columns in each row, (m, q) and (m, q, q): within the components, and between them."""
    mean = np.einsum("mk,kmq->mq", found.weights, found.means)
    away = found.means - mean
    within = np.einsum(
        "mk,kqr->mqr", found.weights, np.broadcast_to(found.covariances, (len(found.means), *found.covariances.shape[1:]))
    )
    return mean, within + np.einsum("mk,kmq,kmr->mqr", found.weights, away, away)
