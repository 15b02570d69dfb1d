"""Log-normal columns: positive numbers whose logarithms are normal."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.support import Positives
from emkit.families.spread import NormalColumns

_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class LogNormal(NormalColumns):
    """Independent log-normal columns given the component. A missing cell contributes nothing.

    Parameters
    ----------
    prior : "weak", GaussianPrior or None
        2/n pseudo-observations with the variances of the columns' logarithms; see ``Gaussian``.
    fixed, start_values : mapping, optional
        "means" and "variances" (K, d), of the logarithms.
    """

    parameters = NormalColumns.parameters
    support = Positives()

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, without a prior, partly fixed."""
        return [cls(), cls(prior=None), cls(fixed={"means": [[0.0, np.nan], [np.nan, 1.0]]})]

    def cell(self, params: Any, x: np.ndarray) -> np.ndarray:
        """The normal density of log x, over x."""
        y = np.log(x)
        return -0.5 * (_LOG_2PI + np.log(params.variances) + (y - params.means) ** 2 / params.variances) - y

    def terms(self, params: Any, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Moments of log x about the means of the logarithms."""
        y = np.log(x) - params.means
        return np.ones_like(x), y, y * y

    def guess(self, mean: np.ndarray, variance: np.ndarray) -> Any:
        """The log-normal distribution with these moments."""
        variances = np.log1p((np.sqrt(variance) / mean) ** 2)
        return self.Params(np.log(mean) - 0.5 * variances, variances)

    def spread_of(self, source: Source) -> np.ndarray:
        """Variances of the logarithms, (d,)."""
        x, weights = source.summary.rows, source.summary.row_weights
        w = np.where(np.isnan(x), 0.0, 1.0 if weights is None else weights[:, None])
        with np.errstate(invalid="ignore", divide="ignore"):
            y, rows = np.where(w > 0, np.log(x), 0.0), w.sum(axis=0)
            return np.asarray((w * (y - (w * y).sum(axis=0) / rows) ** 2).sum(axis=0) / rows)

    @property
    def _floor(self) -> np.ndarray:
        seen = self._resolved()
        return np.asarray(self.guess(seen.mean, seen.variance).variances)

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``."""
        return rng.lognormal(params.means[component], np.sqrt(params.variances[component]))

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """exp(mean + variance / 2), and that squared times exp(variance) - 1."""
        mean = np.exp(params.means + 0.5 * params.variances)
        return mean, mean**2 * np.expm1(params.variances)

    def narrowest(self, params: Any) -> np.ndarray:
        """Variances as ``moments`` has them: those of logarithms have other units."""
        return self.moments(params)[1]

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """By the normal one of log x."""
        from scipy.special import ndtr

        with np.errstate(divide="ignore"):
            z = (np.log(np.maximum(x, 0.0)) - params.means[:, 0]) / np.sqrt(params.variances[:, 0])
        value = ndtr(-z if upper else z)
        return value, value
