"""Problems whose answer is wanted: simulated mixtures with a known share of errors, slow and easy fits, the example data sets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp

from emkit import HMM, GaussianMixture

N_SIMULATED = 30
_DRAWN = 20_000  # rows from which the Bayes error is estimated
_ROWS_PER_PARAMETER = 10


@dataclass(frozen=True)
class Parameters:
    """A mixture of Gaussians: weights (K,), means (K, d), covariances (K, d, d)."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n, d) and the component of each."""
        labels = rng.choice(len(self.weights), n, p=self.weights)
        noise = rng.standard_normal((n, self.means.shape[1]))
        return self.means[labels] + np.einsum("nij,nj->ni", np.linalg.cholesky(self.covariances)[labels], noise), labels

    def log_joint(self, x: np.ndarray) -> np.ndarray:
        """Log of weight times density of each row and component, (n, K)."""
        columns = []
        for weight, mean, covariance in zip(self.weights, self.means, self.covariances, strict=True):
            factor = np.linalg.cholesky(covariance)
            white = np.linalg.solve(factor, (x - mean).T)
            constant = np.log(weight) - np.log(np.diag(factor)).sum() - 0.5 * x.shape[1] * np.log(2 * np.pi)
            columns.append(constant - 0.5 * np.einsum("in,in->n", white, white))
        return np.column_stack(columns)

    def log_likelihood(self, x: np.ndarray) -> float:
        return float(logsumexp(self.log_joint(x), axis=1).sum())

    def bayes_error(self, seed: int) -> float:
        """Share of rows that the best possible classification gets wrong, by Monte Carlo."""
        x, labels = self.draw(_DRAWN, np.random.default_rng([seed, 1]))
        return float((self.log_joint(x).argmax(axis=1) != labels).mean())

    def sliver(self, x: np.ndarray) -> str:
        """Why nobody wants this answer: a component has fewer rows than parameters, or is nearly flat. Otherwise empty."""
        d = x.shape[1]
        rows, free = float(self.weights.min() * len(x)), d + d * (d + 1) // 2
        white = np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(x.T))))
        narrow = float(np.linalg.eigvalsh(white @ self.covariances @ white.T).min()) ** 0.5
        if rows < free:
            return f"{rows:.1f} rows"
        return f"sd {narrow:.3g} of the data's" if narrow < FLAT else ""


FLAT = 0.04
"""Standard deviation of a component in its narrowest direction, in those of the data, below which it is a sliver."""


@dataclass(frozen=True)
class Simulated:
    """A mixture in the manner of MixSim (Melnykov, Chen and Maitra 2012, J. Stat. Software 51(12)), drawn from its seed."""

    seed: int

    @property
    def name(self) -> str:
        return f"{self.seed:02d} n={self.n} d={self.d} k={self.k} error {self.target:.3f}"

    @cached_property
    def _shape(self) -> tuple[int, int, int, float]:
        rng = np.random.default_rng([self.seed, 0])
        while True:
            n = round(float(np.exp(rng.uniform(np.log(500), np.log(20_000)))))
            d, k = int(rng.integers(2, 9)), int(rng.integers(3, 11))
            target = float(np.exp(rng.uniform(np.log(0.01), np.log(0.2))))
            if n >= _ROWS_PER_PARAMETER * (k * (1 + d + d * (d + 1) // 2) - 1):
                return n, d, k, target

    @property
    def n(self) -> int:
        return self._shape[0]

    @property
    def d(self) -> int:
        return self._shape[1]

    @property
    def k(self) -> int:
        return self._shape[2]

    @property
    def target(self) -> float:
        """The Bayes error asked for."""
        return self._shape[3]

    @cached_property
    def truth(self) -> Parameters:
        """Centres uniform in a cube, covariances Wishart, their distances scaled until the Bayes error is the one asked for."""
        rng = np.random.default_rng([self.seed, 2])
        weights = 0.3 / self.k + 0.7 * rng.dirichlet(np.ones(self.k))
        means = rng.uniform(-1.0, 1.0, (self.k, self.d))
        covariances = np.stack([_covariance(self.d, rng) for _ in range(self.k)])
        low, high = np.log(0.01), np.log(1000.0)
        for _ in range(16):
            middle = 0.5 * (low + high)
            error = Parameters(weights, np.exp(middle) * means, covariances).bayes_error(self.seed)
            low, high = (middle, high) if error > self.target else (low, middle)
        return Parameters(weights, np.exp(0.5 * (low + high)) * means, covariances)

    def data(self) -> np.ndarray:
        return self.truth.draw(self.n, np.random.default_rng([self.seed, 3]))[0]


def _covariance(d: int, rng: np.random.Generator) -> np.ndarray:
    """Wishart with d + 1 degrees of freedom; its eccentricity is at most .9, as in MixSim."""
    values, vectors = np.linalg.eigh(np.cov(rng.standard_normal((d, d + 2)), bias=True))
    least = (1 - 0.9**2) * values[-1]
    if values[0] < least:
        values = values[-1] - (values[-1] - values) * (values[-1] - least) / (values[-1] - values[0])
    return np.asarray((vectors * values) @ vectors.T)


@dataclass(frozen=True)
class Started:
    """A fit from a given start: ``make`` builds the estimator from settings, the start included."""

    name: str
    make: Callable[..., Any]
    data: Callable[[], tuple[np.ndarray, dict[str, Any]]]
    """Rows, and the start by parameter name."""


def clouds(n: int, d: int, k: int, apart: float) -> np.ndarray:
    """Round clouds about random centres; the larger ``apart``, the farther they lie from one another."""
    rng = np.random.default_rng(7)
    centres = apart * rng.standard_normal((k, d))
    return np.asarray(centres[rng.integers(0, k, n)] + rng.standard_normal((n, d)))


def from_rows(x: np.ndarray, k: int, kind: str, seed: int = 11) -> dict[str, Any]:
    """A start from the data alone: K of the rows as means, the covariance of the data for all, equal weights."""
    rng = np.random.default_rng(seed)
    whole = np.cov(x.T).reshape(x.shape[1], x.shape[1])
    spread = {"full": np.tile(whole, (k, 1, 1)), "diag": np.tile(np.diag(whole), (k, 1)), "tied": whole}[kind]
    return {"weights": np.full(k, 1 / k), "means": x[rng.choice(len(x), k, replace=False)], "covariances": spread}


def _mixture(name: str, k: int, x: Callable[[], np.ndarray], kind: str = "full", seed: int = 11) -> Started:
    def data() -> tuple[np.ndarray, dict[str, Any]]:
        rows = x()
        return rows, from_rows(rows, k, kind, seed)

    return Started(name, lambda **settings: GaussianMixture(k, covariance_type=kind, **settings), data)


def chain(n: int, k: int, stay: float, rng: np.random.Generator) -> np.ndarray:
    """States of a chain that stays with probability ``stay``, and otherwise jumps to any of the others."""
    jumps = (rng.random(n) >= stay).astype(int) * rng.integers(1, k, n)
    return np.asarray(np.cumsum(jumps) % k)


def _hmm(name: str, emission: str, k: int, emit: Callable[[np.ndarray, Any], np.ndarray], start: dict[str, Any]) -> Started:
    def data() -> tuple[np.ndarray, dict[str, Any]]:
        rng = np.random.default_rng(3)
        x = emit(chain(2000, k, 0.9, rng), rng)
        transmat = np.full((k, k), 0.2 / (k - 1)) + (0.8 - 0.2 / (k - 1)) * np.eye(k)
        return x, {"startprob": np.full(k, 1 / k), "transmat": transmat, **start}

    return Started(name, lambda **settings: HMM(k, emission=emission, **settings), data)


def iris() -> np.ndarray:
    return _columns("iris.csv", 4)


def faithful() -> np.ndarray:
    return _columns("faithful.csv", 2)


def _columns(name: str, d: int) -> np.ndarray:
    path = Path(__file__).parents[1] / "tests" / "support" / "data" / name
    return np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(d))


def _nearly_flat() -> np.ndarray:
    """Two clouds, and a third of 40 rows that lies almost on a line within them."""
    rng = np.random.default_rng(5)
    thin = np.array([[0.5, 0.0]]) + rng.standard_normal((40, 1)) * [[1.0, 1.0]] + 0.01 * rng.standard_normal((40, 2))
    return np.concatenate([clouds(1500, 2, 2, 1.5), thin])


_SYMBOLS = np.array([[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]])

# Starts are such that EM and what accelerates it end in one basin: what differs is the way there.
SLOW = (
    _mixture("mixture n=2,000 d=2 k=3 full, apart", 3, lambda: clouds(2000, 2, 3, 6.0), seed=8),
    _mixture("mixture n=2,000 d=2 k=3 full, overlapping", 3, lambda: clouds(2000, 2, 3, 2.0)),
    _mixture("mixture n=5,000 d=4 k=5 full", 5, lambda: clouds(5000, 4, 5, 1.0), seed=8),
    _mixture("mixture n=5,000 d=2 k=8 diag", 8, lambda: clouds(5000, 2, 8, 2.0), "diag", seed=7),
    _mixture("mixture nearly collapsed", 3, _nearly_flat, seed=2),
    _hmm(
        "HMM Poisson, rates 5, 6, 7", "poisson", 3, lambda z, rng: rng.poisson(5.0 + z)[:, None], {"rates": [[4.5], [6.0], [7.5]]}
    ),
    _hmm(
        "HMM Gaussian, means 0, .7, 1.4", "gaussian", 3, lambda z, rng: (0.7 * z + rng.standard_normal(len(z)))[:, None],
        {"means": [[-0.5], [0.7], [1.9]], "covariances": np.ones((3, 1))},
    ),
    _hmm(
        "HMM categorical, four symbols", "categorical", 3,
        lambda z, rng: (rng.random((len(z), 1)) > np.cumsum(_SYMBOLS, axis=1)[z][:, :3]).sum(axis=1)[:, None],
        {"probs": [[0.5, 0.2, 0.2, 0.1], [0.2, 0.3, 0.3, 0.2], [0.1, 0.2, 0.2, 0.5]]},
    ),
)  # fmt: skip

EASY = (
    _mixture("mixture n=5,000 d=8 k=4 full", 4, lambda: clouds(5000, 8, 4, 3.0), seed=4),
    _mixture("iris, three, full", 3, iris, seed=4),
    _mixture("faithful, two, full", 2, faithful),
    _hmm(
        "HMM Gaussian, means 0, 5, 10", "gaussian", 3, lambda z, rng: (5.0 * z + rng.standard_normal(len(z)))[:, None],
        {"means": [[1.0], [5.0], [9.0]], "covariances": np.full((3, 1), 4.0)},
    ),
)  # fmt: skip
