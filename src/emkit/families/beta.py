"""Beta columns: numbers between 0 and 1, such as shares and rates, with two shapes for each component."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.parameters import Parameter, Positive
from emkit.core.support import Fractions
from emkit.families.columnwise import ExponentialFamily


@dataclass(frozen=True)
class Beta(ExponentialFamily):
    """Independent beta columns given the component: density x^(alpha - 1) (1 - x)^(beta - 1) / B(alpha, beta).

    A missing cell contributes nothing. The M-step has no closed form: Newton's method finds it.

    Parameters
    ----------
    prior : "weak", PseudoRows or None
        See ``ExponentialFamily``.
    fixed, start_values : mapping, optional
        "alphas" (K, d), "betas" (K, d): the mean is alpha / (alpha + beta).
    """

    parameters = (Parameter("alphas", "K d", Positive()), Parameter("betas", "K d", Positive()))
    support = Fractions()
    limits: ClassVar[dict[str, tuple[float, float]]] = {"alphas": (1e-6, 1e6), "betas": (1e-6, 1e6)}

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, without a prior, partly fixed."""
        return [cls(), cls(None), cls(fixed={"alphas": [[1.0, np.nan], [np.nan, 2.0]]})]

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Logarithms of x and 1 - x."""
        return np.log(x), np.log1p(-x)

    def natural(self, params: Any) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """The shapes less 1, and the logarithm of the beta function."""
        from scipy.special import loggamma

        a, b = params.alphas, params.betas
        return (a - 1.0, b - 1.0), loggamma(a) + loggamma(b) - loggamma(a + b)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``, within 0 and 1 also where rounding would reach them."""
        drawn = rng.beta(params.alphas[component], params.betas[component])
        return np.clip(drawn, np.finfo(np.float64).tiny, 1.0 - np.finfo(np.float64).epsneg)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """The mean m = alpha / (alpha + beta), and m (1 - m) / (alpha + beta + 1)."""
        total = params.alphas + params.betas
        mean = params.alphas / total
        return mean, mean * (params.betas / total) / (total + 1.0)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """By the incomplete beta function."""
        from scipy.special import betainc

        a, b, at = params.alphas[:, 0], params.betas[:, 0], np.clip(x, 0.0, 1.0)
        value = betainc(b, a, 1.0 - at) if upper else betainc(a, b, at)
        return value, value
