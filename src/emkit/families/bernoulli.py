"""Bernoulli columns: cells are 0 or 1."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.checks import numbers
from emkit.core.errors import ParameterError
from emkit.core.parameters import Parameter, Unit
from emkit.core.prior import Prior
from emkit.core.support import Binary
from emkit.families.categorical import symbol_cdf
from emkit.families.coded import CodedPasses
from emkit.families.marginals import JEFFREYS, of_probabilities
from emkit.families.sums import Sums, logs_times, ratio


@dataclass(frozen=True)
class BetaPrior(Prior):
    """Conjugate prior of a probability: density proportional to p^(a - 1) (1 - p)^(b - 1), a and b >= 1.

    Parameters
    ----------
    a, b : float or array of shape (d,)
        Numbers for all columns, or one for each. They stand for a - 1 rows in which it happened and b - 1 in which it did not.
    """

    a: Any = 1.0
    b: Any = 1.0

    def __post_init__(self) -> None:
        for value in (self.a, self.b):
            array = numbers(value, "BetaPrior")
            if not (array >= 1).all():
                raise ParameterError(f"BetaPrior(a={self.a}, b={self.b}): both must be at least 1")
        for name in ("a", "b"):
            if np.ndim(getattr(self, name)):
                object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))

    def check(self, d: int) -> "BetaPrior":
        """Itself. Raises ParameterError if it is not about ``d`` columns."""
        for name in ("a", "b"):
            found = np.shape(getattr(self, name))
            if found not in ((), (d,)):
                what = f"one number, or one for each of {d} column{'s' * (d > 1)}"
                raise ParameterError(f"BetaPrior {name} has shape {found}; give {what}", parameter="prior")
        return self

    def log_density(self, value: np.ndarray) -> np.ndarray:
        """(a - 1) log p + (b - 1) log (1 - p)."""
        return np.asarray(logs_times(self.a - 1.0, value) + rest_times(self.b - 1.0, value))

    def gradient(self, value: np.ndarray) -> np.ndarray:
        """(a - 1) / p - (b - 1) / (1 - p)."""
        return ratio(self.a - 1.0, value) - ratio(self.b - 1.0, 1.0 - value)

    def curvature(self, value: np.ndarray) -> np.ndarray:
        """Of a + b - 2 pseudo-rows."""
        return ratio(self.a + self.b - 2.0, value * (1.0 - value))


@dataclass(frozen=True)
class Bernoulli(CodedPasses):
    """Independent 0/1 columns given the component. A missing cell contributes nothing.

    Parameters
    ----------
    prior : BetaPrior or None
        The prior of each probability.
    fixed, start_values : mapping, optional
        "probs" (K, d): probabilities of a 1.
    """

    prior: BetaPrior | None = None

    parameters = (Parameter("probs", "K d", Unit(), BetaPrior),)
    support = Binary()
    columnwise = True

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, with a prior, partly fixed, all fixed."""
        fixed = {"probs": [[0.3, np.nan], [np.nan, np.nan]]}
        return [
            cls(),
            cls(BetaPrior(2.0, 3.0)),
            cls(BetaPrior(2.0, 3.0), fixed=fixed),
            cls(fixed={"probs": [[0.3, 0.8], [0.7, 0.4]]}),
        ]

    def ready(self, source: Source, k: int) -> Self:
        """Checks that the prior is about these columns."""
        return self if self.prior is None else replace(self, prior=self.prior.check(source.n_features))

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """sum_j log p_j or log(1 - p_j), (n, K); -inf for what is neither 0 nor 1."""
        x = np.asarray(x, dtype=np.float64)
        seen = ~np.isnan(x)
        ones = np.where(seen, x, 0.0)
        zeros = seen - ones
        p = params.probs
        if ((p > 0) & (p < 1)).all():
            out = np.asarray(ones @ np.log(p).T + zeros @ np.log1p(-p).T)
        else:
            out = (logs_times(ones[:, None, :], p) + rest_times(zeros[:, None, :], p)).sum(axis=2)
        out[~self.support.holds(ones).all(axis=1)] = -np.inf
        return out

    def stats(self, params: Any, x: Any, resp: Any) -> Sums:
        """Expected rows, and ones among them."""
        return Sums.of(x, resp)

    def m_step(self, stats: Sums, params: Any) -> Any:
        """Relative frequencies, with the prior's pseudo-counts; where nothing was seen, as before."""
        prior = self.prior or BetaPrior()
        ones, mass = stats.total + (prior.a - 1.0), stats.mass + (prior.a + prior.b - 2.0)
        ratio = np.clip(ones / np.where(mass > 0, mass, 1.0), 0.0, 1.0)
        return self.Params(np.where(mass > 0, ratio, params.probs))

    def first_guess(self, stats: Sums) -> Any:
        """Frequencies of each part, with one pseudo-row."""
        return self.Params((stats.total + 0.5) / (stats.mass + 1.0))

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Zeros and ones, one row for each entry of ``component``."""
        p = params.probs[component]
        return (rng.uniform(size=p.shape) < p).astype(np.int64)

    def q(self, stats: Sums, params: Any) -> float:
        """Sum of ones log p + zeros log (1 - p)."""
        p = params.probs
        return float(np.sum(logs_times(stats.total, p) + rest_times(stats.mass - stats.total, p)))

    def complete_marginal(self, stats: Sums, params: Any) -> float | None:
        """Of ones and zeros; by default with Jeffreys' prior."""
        if self.fixed:
            return None
        a, b = (JEFFREYS, JEFFREYS) if self.prior is None else (self.prior.a, self.prior.b)
        counts = np.stack([stats.total, np.maximum(stats.mass - stats.total, 0.0)], axis=-1)
        return of_probabilities(counts, np.stack([params.probs, 1.0 - params.probs], axis=-1), np.array([a, b]))

    def gradient(self, stats: Sums, params: Any) -> dict[str, np.ndarray]:
        """Ones / p - zeros / (1 - p)."""
        p = params.probs
        return {"probs": ratio(stats.total, p) - ratio(stats.mass - stats.total, 1.0 - p)}

    def curvature(self, stats: Sums, params: Any) -> dict[str, np.ndarray]:
        """Rows / (p (1 - p))."""
        return {"probs": ratio(stats.mass, params.probs * (1.0 - params.probs))}

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """The probability p, and p (1 - p)."""
        return params.probs, params.probs * (1.0 - params.probs)

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """The more probable of 0 and 1; 0 where they are equally so."""
        total = np.maximum(resp.sum(axis=1, keepdims=True), 1e-300)
        return np.where(np.isnan(x), (resp @ params.probs) / total > 0.5, x)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Of the symbols 0 and 1."""
        p = params.probs[:, 0]
        return symbol_cdf(np.column_stack([1.0 - p, p]), x, upper)


def rest_times(count: Any, p: Any) -> np.ndarray:
    """Count * log(1 - p), which is 0 where the count is 0."""
    from scipy.special import xlog1py

    return np.asarray(xlog1py(count, -np.asarray(p)))
