"""The sandwich: covariances of estimates that hold where the model's likelihood is not that of the data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.stats import chi2

from emkit.core.notebook import Printed

Scores = Callable[[np.ndarray], np.ndarray]
_STEP = 1e-5


def squared_weights(weights: np.ndarray) -> np.ndarray:
    """What squared scores are weighted by: whole numbers count equal rows, other weights are those of a survey."""
    return weights if bool((weights == np.round(weights)).all()) else weights**2


def sandwich(scores: np.ndarray, information: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """H^-1 (sum w g g') H^-1 (Huber 1967; White 1982, Econometrica 50, 1-25), (P, P).

    Parameters
    ----------
    scores : array of shape (n, P)
        Each row's own, without its weight.
    information : array of shape (P, P)
        Minus the second derivatives of the weighted log-likelihood.
    weights : array of shape (n,)
    """
    bread = np.linalg.pinv(information)
    return np.asarray(bread @ (scores.T @ (squared_weights(weights)[:, None] * scores)) @ bread)


def numeric_information(scores: Scores, at: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Minus the derivatives of the summed scores, by central differences, (P, P)."""
    columns = []
    for i in range(len(at)):
        step = np.zeros(len(at))
        step[i] = _STEP * max(1.0, abs(float(at[i])))
        columns.append((weights @ scores(at - step) - weights @ scores(at + step)) / (2.0 * step[i]))
    found = np.array(columns)
    return np.asarray(0.5 * (found + found.T))


@dataclass(frozen=True)
class ChiSquared(Printed):
    """A test whose ``statistic`` is chi-squared with ``df`` degrees of freedom where what it tests is so."""

    statistic: float
    df: int
    called: ClassVar[str] = "chi-squared"

    @property
    def p(self) -> float:
        """Its p value."""
        return float(chi2.sf(self.statistic, self.df)) if self.df > 0 else float("nan")

    def __str__(self) -> str:
        return f"{self.called} {self.statistic:.3f}, df {self.df}, p {self.p:.4f}"


class Wald(ChiSquared):
    """Wald's test that something is 0."""

    called = "Wald"


def wald(estimates: np.ndarray, covariance: np.ndarray) -> Wald:
    """Whether all of these are 0; directions without variance do not count."""
    if not np.isfinite(covariance).all():
        return Wald(float("nan"), len(estimates))
    inverse = np.linalg.pinv(covariance, rcond=1e-10, hermitian=True)
    return Wald(float(estimates @ inverse @ estimates), int(np.linalg.matrix_rank(covariance, tol=None, hermitian=True)))
