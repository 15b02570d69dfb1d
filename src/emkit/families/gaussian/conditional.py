"""Columns of a mixture of Gaussians given others: which distribution is left, component by component.

Given x_o, component k has the weight that is proportional to weight_k N(x_o | m_ko, S_koo), and is normal with mean
m_ka + S_kao S_koo^-1 (x_o - m_ko) and covariance S_kaa - S_kao S_koo^-1 S_koa (Ghahramani and Jordan 1994, NIPS 6, 120-127).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from emkit.core.bayes import log_sum_exp, posterior, slices
from emkit.families.gaussian.missing import Pattern, patterns
from emkit.families.gaussian.params import GaussianParams


@dataclass(frozen=True)
class Given:
    """What is left of the asked columns in some rows.

    Attributes
    ----------
    rows : int array of shape (m,)
    asked : int array of shape (q,)
        Columns.
    weights : array of shape (m, K)
        Probabilities of the components given the observed cells. In a row so far away that no component has a density there,
        those without them.
    means : array of shape (K, m, q)
    covariances : array of shape (K or 1, q, q)
        The same in all these rows.
    """

    rows: np.ndarray
    asked: np.ndarray
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


def matrices(params: GaussianParams) -> GaussianParams:
    """The same distributions with covariances as matrices, (K or 1, d, d)."""
    c, d = params.covariances, params.means.shape[1]
    if c.ndim == 3:
        return params
    return GaussianParams(params.means, np.broadcast_to(c, (len(c), d))[:, :, None] * np.eye(d))


def given(params: GaussianParams, log_weights: np.ndarray, x: np.ndarray, asked: Sequence[int] | None = None) -> Iterator[Given]:
    """The ``asked`` columns in each row given its observed cells in the others, group by group of rows.

    Cells of asked columns are not looked at; other cells that are NaN are integrated out. With None each row is asked for what is
    NaN there, and rows without are left out.
    """
    params, seen = matrices(params), ~np.isnan(x)
    if asked is not None:
        seen[:, np.asarray(asked, dtype=np.intp)] = False
    for observed, rows in patterns(seen):
        if len(observed) == x.shape[1]:
            continue
        pattern = Pattern(params, observed)
        places = pattern.missing if asked is None else np.asarray(asked, dtype=np.intp)
        place = np.searchsorted(pattern.missing, places)
        covariances = pattern.residual[:, place[:, None], place]
        for some in slices(len(rows), params.means.size):
            part = rows[some]
            centred = pattern.centre(x[part])
            joint = pattern.log_prob(centred) + log_weights
            weights = posterior(joint, log_sum_exp(joint))
            weights[~(weights.sum(axis=1) > 0)] = np.exp(log_weights)
            yield Given(part, places, weights, pattern.conditional_means(centred)[:, :, place], covariances)


def mean_of(found: Given) -> np.ndarray:
    """Of the asked columns in each row, (m, q)."""
    return np.asarray(np.einsum("mk,kmq->mq", found.weights, found.means))


def mean_and_std(found: Given) -> tuple[np.ndarray, np.ndarray]:
    """Of the asked columns in each row, (m, q) each."""
    mean = mean_of(found)
    variances = np.diagonal(found.covariances, axis1=1, axis2=2)
    within = found.weights @ np.broadcast_to(variances, (len(found.means), variances.shape[1]))
    between = np.einsum("mk,kmq->mq", found.weights, (found.means - mean) ** 2)
    # What is left of a column that others determine is zero but for rounding, to either side.
    return mean, np.sqrt(np.maximum(within + between, 0.0))


def covariance_of(found: Given) -> np.ndarray:
    """Of the asked columns in each row, (m, q, q): within the components, and between them."""
    away = found.means - mean_of(found)
    within = np.einsum(
        "mk,kqr->mqr", found.weights, np.broadcast_to(found.covariances, (len(found.means), *found.covariances.shape[1:]))
    )
    return np.asarray(within + np.einsum("mk,kmq,kmr->mqr", found.weights, away, away))
