"""Priors as pseudo-statistics: counts and moments that the M-step adds to what the data gave."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.simplex import TINY


class Prior:
    """A conjugate prior: a frozen dataclass of its settings."""


@dataclass(frozen=True)
class Dirichlet(Prior):
    """Prior of probability vectors: density proportional to prod p_k^(concentration_k - 1).

    Parameters
    ----------
    concentration : float or array of shape (K,)
        1: flat. Above 1: pseudo-counts of concentration - 1. Below 1: pulls small probabilities to exactly zero, where the density
        is infinite; it is reported as that of a probability of 1e-300.
    """

    concentration: Any = 1.0

    def __post_init__(self) -> None:
        value = np.asarray(self.concentration, dtype=np.float64)
        if not (np.isfinite(value).all() and (value > 0).all()):
            raise ParameterError(f"Dirichlet(concentration={self.concentration!r}): every concentration must be positive")

    def mode(self, counts: np.ndarray) -> np.ndarray:
        """Argmax of sum (counts + concentration - 1) log p over the last axis; uniform where nothing was counted."""
        pseudo = np.maximum(counts + (np.asarray(self.concentration, dtype=np.float64) - 1.0), 0.0)
        total = pseudo.sum(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(total > 0, pseudo / total, 1.0 / pseudo.shape[-1]))

    def log_density(self, p: np.ndarray) -> float:
        """Up to the normalising constant."""
        a = np.broadcast_to(np.asarray(self.concentration, dtype=np.float64) - 1.0, p.shape)
        used = a != 0
        return float(np.sum(a[used] * np.log(np.maximum(p[used], TINY))))
