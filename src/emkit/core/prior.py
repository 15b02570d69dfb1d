"""Priors as pseudo-statistics: counts and moments that the M-step adds to what the data gave."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.checks import numbers
from emkit.core.errors import ParameterError
from emkit.core.simplex import TINY


class Prior(ABC):
    """A conjugate prior. Immutable configuration."""

    @abstractmethod
    def log_density(self, value: np.ndarray) -> np.ndarray:
        """Log density up to a constant, as contributions of the entries of ``value``: their sum counts."""

    def permuted(self, order: np.ndarray, axes: tuple[int, ...], ndim: int) -> "Prior":
        """The prior that goes with relabelled components along ``axes`` of a parameter of ``ndim`` axes."""
        return self


@dataclass(frozen=True)
class Dirichlet(Prior):
    """Prior of probability vectors: density proportional to prod p_k^(concentration_k - 1).

    Parameters
    ----------
    concentration : float or array of shape (K,)
        A concentration of 1 is flat; above 1 it stands for concentration - 1 pseudo-counts; below 1 it pulls small
        probabilities to exactly zero, where the density is infinite; it is reported as that of a probability of 1e-300.
    """

    concentration: Any = 1.0

    def __post_init__(self) -> None:
        value = np.asarray(self.concentration, dtype=np.float64)
        if not (np.isfinite(value).all() and (value > 0).all()):
            raise ParameterError(f"Dirichlet(concentration={self.concentration!r}): every concentration must be positive")

    @classmethod
    def of(cls, value: Any, name: str, shape: tuple[int, ...]) -> "Dirichlet | None":
        """From what a user gave for probability vectors of that shape: None, a Dirichlet, or concentrations."""
        if value is None:
            return None
        prior = value if isinstance(value, Prior) else None
        if prior is None:
            try:
                prior = cls(numbers(value, name)[()])
            except ParameterError as error:
                raise ParameterError(
                    f"{name}={value!r}: give a positive number or a Dirichlet ({error})", parameter=name
                ) from error
        if not isinstance(prior, Dirichlet):
            raise ParameterError(f"{name}: priors of probabilities must be Dirichlet, got {value!r}", parameter=name)
        found = np.shape(prior.concentration)
        if found not in ((), shape, shape[-1:]):
            raise ParameterError(f"{name} has shape {found}; give one concentration, or an array {shape}", parameter=name)
        return prior

    @property
    def pseudo(self) -> np.ndarray:
        """Pseudo-counts."""
        return np.asarray(np.asarray(self.concentration, dtype=np.float64) - 1.0)

    def log_density(self, value: np.ndarray) -> np.ndarray:
        """(concentration - 1) log p."""
        return np.asarray(np.broadcast_to(self.pseudo, value.shape) * np.log(np.maximum(value, TINY)))

    def permuted(self, order: np.ndarray, axes: tuple[int, ...], ndim: int) -> "Dirichlet":
        """Concentrations follow their components."""
        given = np.asarray(self.concentration)
        if not given.ndim:
            return self
        # Concentrations may be given for the last axes of the parameter only.
        own = [axis - (ndim - given.ndim) for axis in axes]
        for axis in own:
            if axis >= 0 and given.shape[axis] >= len(order):
                rest = np.arange(len(order), given.shape[axis])  # such as the end of a chain, which keeps its place
                given = np.take(given, np.concatenate([order, rest]), axis=axis)
        return Dirichlet(given)
