"""Gamma columns: positive numbers with a shape and a rate for each component."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.parameters import Parameter, Positive
from emkit.core.support import Positives
from emkit.families.columnwise import ExponentialFamily, Terms
from emkit.families.gamma_function import gamma_shape, stirling_rest

_MOST = 1e8  # the largest shape that an M-step gives: a coefficient of variation of 1e-4


@dataclass(frozen=True)
class Gamma(ExponentialFamily):
    """Independent gamma columns given the component. A missing cell contributes nothing.

    The density is rate^shape x^(shape - 1) exp(-rate x) / gamma(shape).

    Parameters
    ----------
    prior : "weak", PseudoRows or None
        See ``ExponentialFamily``.
    fixed, start_values : mapping, optional
        "shapes" (K, d), "rates" (K, d): the mean is shape / rate.
    """

    parameters = (Parameter("shapes", "K d", Positive()), Parameter("rates", "K d", Positive()))
    support = Positives()
    limits: ClassVar[dict[str, tuple[float, float]]] = {"shapes": (1e-8, _MOST)}

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, without a prior, partly fixed."""
        return [cls(), cls(None), cls(fixed={"shapes": [[1.0, np.nan], [np.nan, 2.0]]})]

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """The log of x, and x."""
        return np.log(x), x

    def natural(self, params: Any) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Shape and minus the rate; the power x^-1 is the base's."""
        from scipy.special import loggamma

        return (params.shapes, -params.rates), loggamma(params.shapes) - params.shapes * np.log(params.rates)

    def base(self, x: np.ndarray) -> np.ndarray:
        """Minus log x."""
        return -np.log(x)

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """The log density by what x exceeds the mean by, so that nothing cancels where shapes are large."""
        shapes = params.shapes
        excess = x * (params.rates / shapes) - 1.0
        return shapes * (np.log1p(excess) - excess) + 0.5 * np.log(shapes / (2.0 * np.pi)) - stirling_rest(shapes) - np.log(x)

    def m_step(self, stats: Terms, params: Any) -> Any:
        """The mean is the average; the shape depends on how far its log exceeds the average log (Minka 2002)."""
        mean = stats.sums[1] / stats.mass
        shapes = gamma_shape(np.log(mean) - stats.sums[0] / stats.mass, 1e-8, np.maximum(_MOST, params.shapes))
        return self.Params(shapes, shapes / mean)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        return np.maximum(rng.gamma(params.shapes[component]) / params.rates[component], np.finfo(np.float64).tiny)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """Means shape / rate, variances shape / rate^2."""
        return params.shapes / params.rates, params.shapes / params.rates**2

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """By the incomplete gamma function."""
        from scipy.special import gammainc, gammaincc

        value = (gammaincc if upper else gammainc)(params.shapes[:, 0], np.maximum(x, 0.0) * params.rates[:, 0])
        return value, value
