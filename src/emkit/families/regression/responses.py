"""What a response is, given its linear predictor: normal, Poisson, Bernoulli or binomial.

The log densities of the last three are y eta - trials b(eta) + c(y), with b = exp, or log(1 + exp): McCullagh and Nelder (1989),
Generalized Linear Models, chapter 2. All arrays about rows and components are (n, K); what a row has alone is (n, 1).
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from emkit.core.support import Binary, Counts, Reals, Support

_LOG_2PI = float(np.log(2.0 * np.pi))
_MOST = 700.0  # a linear predictor whose exponential is still a number


class Response(ABC):
    """One kind of response."""

    word: ClassVar[str]
    support: ClassVar[Support]
    has_variance: ClassVar[bool] = False
    takes_trials: ClassVar[bool] = False

    @abstractmethod
    def log_density(self, y: np.ndarray, eta: np.ndarray, trials: np.ndarray, variances: Any) -> np.ndarray:
        """Log density, or probability, of each row under each component; ``variances`` (K,) or (1,) of normal ones."""

    @abstractmethod
    def mean(self, eta: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """Expected response."""

    @abstractmethod
    def bend(self, eta: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """Minus the second derivative of the log density in eta, times the variance of a normal one."""

    @abstractmethod
    def draw(self, eta: np.ndarray, trials: np.ndarray, variances: Any, rng: np.random.Generator) -> np.ndarray:
        """Responses."""

    @abstractmethod
    def link(self, mean: float, trials: float) -> float:
        """The linear predictor with that mean, away from the edge of what is possible."""

    @abstractmethod
    def linear(self, y: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """Each response on the scale of the linear predictor, half a count away from the edges: for first guesses."""

    def variance(self, eta: np.ndarray, trials: np.ndarray, variances: Any) -> np.ndarray:
        """Variance of the response: of all but the normal one the derivative of its mean."""
        return self.bend(eta, trials)

    def unit(self, mean: float, trials: float) -> float:
        """Information that a row with the mean response has of its linear predictor, times the variance of a normal one."""
        eta = np.array([self.link(mean, trials)])
        return float(self.bend(eta, np.array([trials]))[0])


class NormalResponse(Response):
    """Normal about the linear predictor."""

    word, support, has_variance = "gaussian", Reals(), True

    def log_density(self, y: np.ndarray, eta: np.ndarray, trials: np.ndarray, variances: Any) -> np.ndarray:
        """The normal one."""
        return np.asarray(-0.5 * (_LOG_2PI + np.log(variances) + (y - eta) ** 2 / variances))

    def mean(self, eta: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """The linear predictor."""
        return eta

    def bend(self, eta: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """Ones."""
        return np.ones_like(eta)

    def variance(self, eta: np.ndarray, trials: np.ndarray, variances: Any) -> np.ndarray:
        """Of each component."""
        return np.broadcast_to(variances, eta.shape)

    def draw(self, eta: np.ndarray, trials: np.ndarray, variances: Any, rng: np.random.Generator) -> np.ndarray:
        """Normal."""
        return np.asarray(eta + np.sqrt(variances) * rng.standard_normal(eta.shape))

    def link(self, mean: float, trials: float) -> float:
        """The mean."""
        return mean

    def linear(self, y: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """As it is."""
        return y


class PoissonResponse(Response):
    """Counts whose rate is the exponential of the linear predictor."""

    word, support = "poisson", Counts()

    def log_density(self, y: np.ndarray, eta: np.ndarray, trials: np.ndarray, variances: Any) -> np.ndarray:
        """The log of rate^y exp(-rate) / y!; -inf for what is not a count."""
        from scipy.special import gammaln

        out = y * eta - self.mean(eta, trials) - gammaln(np.maximum(y, 0.0) + 1.0)
        return np.where(self.support.holds(y), out, -np.inf)

    def mean(self, eta: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """The rate."""
        return np.asarray(np.exp(np.minimum(eta, _MOST)))

    def bend(self, eta: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """The rate."""
        return self.mean(eta, trials)

    def draw(self, eta: np.ndarray, trials: np.ndarray, variances: Any, rng: np.random.Generator) -> np.ndarray:
        """Counts; NumPy draws none above 9e18."""
        return rng.poisson(np.minimum(self.mean(eta, trials), 1e18)).astype(np.float64)

    def link(self, mean: float, trials: float) -> float:
        """Its logarithm."""
        return float(np.log(max(mean, 1e-3)))

    def linear(self, y: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """The logarithm."""
        return np.asarray(np.log(np.maximum(y, 0.0) + 0.5))


class BinomialResponse(Response):
    """Successes out of so many trials; the linear predictor is the log odds of one."""

    word, takes_trials = "binomial", True
    support: ClassVar[Support] = Counts()

    def log_density(self, y: np.ndarray, eta: np.ndarray, trials: np.ndarray, variances: Any) -> np.ndarray:
        """The binomial one; -inf for what is not a count of at most so many."""
        from scipy.special import gammaln

        good = self.support.holds(y) & (y <= trials)
        inside = np.where(good, y, 0.0)
        ways = gammaln(trials + 1.0) - gammaln(inside + 1.0) - gammaln(np.maximum(trials - inside, 0.0) + 1.0)
        return np.where(good, inside * eta - trials * np.logaddexp(0.0, eta) + ways, -np.inf)

    def mean(self, eta: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """Trials times the logistic function."""
        from scipy.special import expit

        return np.asarray(trials * expit(eta))

    def bend(self, eta: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """Trials times p (1 - p); p (1 - p) is computed so that it does not cancel."""
        from scipy.special import expit

        return np.asarray(trials * expit(eta) * expit(-eta))

    def draw(self, eta: np.ndarray, trials: np.ndarray, variances: Any, rng: np.random.Generator) -> np.ndarray:
        """Counts of successes."""
        from scipy.special import expit

        return rng.binomial(np.broadcast_to(trials, eta.shape).astype(np.int64), expit(eta)).astype(np.float64)

    def link(self, mean: float, trials: float) -> float:
        """The log odds."""
        share = min(max(mean / max(trials, 1e-300), 1e-3), 1.0 - 1e-3)
        return float(np.log(share / (1.0 - share)))

    def linear(self, y: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """Empirical log odds: Cox (1970), Analysis of Binary Data, section 3.2."""
        return np.asarray(np.log(np.maximum(y, 0.0) + 0.5) - np.log(np.maximum(trials - y, 0.0) + 0.5))


class BernoulliResponse(BinomialResponse):
    """0 or 1: one trial."""

    word, takes_trials = "bernoulli", False
    support: ClassVar[Support] = Binary()


RESPONSES: dict[str, Response] = {
    kind.word: kind() for kind in (NormalResponse, PoissonResponse, BernoulliResponse, BinomialResponse)
}
"""By the words of ``Regression.response``."""
