"""Exponential columns: waiting times with a rate for each component."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.parameters import Parameter, Positive
from emkit.core.support import Nonnegatives
from emkit.families.columnwise import ExponentialFamily, Terms


@dataclass(frozen=True)
class Exponential(ExponentialFamily):
    """Independent exponential columns given the component: density rate exp(-rate x). A missing cell contributes nothing.

    Parameters
    ----------
    prior : "weak", PseudoRows or None
        See ``ExponentialFamily``.
    fixed, start_values : mapping, optional
        "rates" (K, d), one over the mean waiting times.
    """

    parameters = (Parameter("rates", "K d", Positive()),)
    support = Nonnegatives()

    def natural(self, params: Any) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Minus the rate; A is minus its logarithm."""
        return (-params.rates,), -np.log(params.rates)

    def m_step(self, stats: Terms, params: Any) -> Any:
        """Waits over their sum."""
        return self.Params(stats.mass / stats.sums[0])

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        return rng.exponential(1.0 / params.rates[component])

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """1 / rate and its square."""
        return 1.0 / params.rates, params.rates**-2.0

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """1 - exp(-rate x)."""
        at = np.maximum(x, 0.0) * params.rates[:, 0]
        value = np.exp(-at) if upper else -np.expm1(-at)
        return value, value
