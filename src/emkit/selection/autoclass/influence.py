"""What sets each class apart: the program's reports of a classification."""

from dataclasses import dataclass

import numpy as np

from emkit.selection.autoclass import score as scoring
from emkit.selection.autoclass.prepare import CorrelatedBlock, Prepared


@dataclass(frozen=True)
class Influence:
    """How classes and columns matter, as AutoClass C defines it.

    Attributes
    ----------
    terms : ndarray of shape (J, T)
        Influence of each term on each class: the Kullback-Leibler divergence, in nats, of the class's distribution from that of all
        rows together. An ignored term and a constant have none.
    overall : ndarray of shape (T,)
        Its sum over the classes, the largest set to 1. (The program's manual says that classes are weighted; the program does not.)
    strength : ndarray of shape (J,)
        Logarithm of the geometric mean of the probabilities that a class gives its own rows: tight classes are strong.
    cross_entropy : ndarray of shape (J,)
        Of the class with all rows together: the sum of its influences.
    """

    terms: np.ndarray
    overall: np.ndarray
    strength: np.ndarray
    cross_entropy: np.ndarray


def influence(prepared: Prepared, memberships: np.ndarray) -> Influence:
    """Influences at the program's estimates; memberships (n, J)."""
    stats = memberships.T @ prepared.features
    everything = prepared.features.sum(axis=0, keepdims=True)
    terms = np.zeros((len(stats), prepared.n_terms))
    kinds, normals = prepared.categories, prepared.normals
    if len(kinds.terms):
        own, all_rows = (_log_levels(prepared, s) for s in (stats, everything))
        terms[:, kinds.terms] = np.add.reduceat(np.exp(own) * (own - all_rows), kinds.starts, axis=1)
    if len(normals.terms):
        terms[:, normals.terms] = _normals(prepared, stats, everything)
    for block in prepared.blocks:
        terms[:, block.term] = _correlated(block, stats, everything)
    found = scoring.estimates(prepared, stats)
    weight = stats[:, 0]
    strength = found.log_weights + found.term_log_likelihoods.sum(axis=1) / weight
    total = terms.sum(axis=0)
    largest = total.max(initial=0.0)
    return Influence(terms, total / largest if largest > 1e-9 else np.zeros_like(total), strength, terms.sum(axis=1))


def _log_levels(prepared: Prepared, stats: np.ndarray) -> np.ndarray:
    return scoring.estimates(prepared, stats).coefficients[:, prepared.categories.block]


def _normals(prepared: Prepared, stats: np.ndarray, everything: np.ndarray) -> np.ndarray:
    normals = prepared.normals
    (mean, variance, known), (mean_all, variance_all, known_all) = (
        scoring.normal_estimates(normals, *scoring.normal_moments(normals, s), s[:, 0]) for s in (stats, everything)
    )
    apart = (np.log(variance_all / variance) + ((mean - mean_all) ** 2 + variance) / variance_all - 1) / 2
    p, q = (np.clip(k, 1e-12, 1 - 1e-12) for k in (known, known_all))
    cells = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    return np.asarray(np.where(normals.outcome, cells + p * apart, apart))


def _correlated(block: CorrelatedBlock, stats: np.ndarray, everything: np.ndarray) -> np.ndarray:
    (mean, covariance), (mean_all, covariance_all) = (
        (m, scoring.correlated_estimate(s[:, 0], c))
        for s, (m, c) in ((s, scoring.correlated_moments(block, s)) for s in (stats, everything))
    )
    inverse = np.linalg.inv(covariance_all[0])
    gap = mean - mean_all
    log_ratio = np.linalg.slogdet(covariance_all)[1] - np.linalg.slogdet(covariance)[1]
    trace = (covariance * inverse).sum(axis=(1, 2))
    return np.asarray((log_ratio + trace - len(inverse) + np.einsum("ja,ab,jb->j", gap, inverse, gap)) / 2)
