"""Ten regression problems with known truth: training rows, test rows, and the noise-free target there."""

from collections.abc import Callable

import numpy as np

Truth = tuple[np.ndarray, np.ndarray, np.ndarray]


def _hermite(rng: np.random.Generator, n: int) -> Truth:
    x = rng.uniform(-4, 4, (n, 1))
    return x, 1 + (1 - x[:, 0] + 2 * x[:, 0] ** 2) * np.exp(-(x[:, 0] ** 2)), np.full(n, 0.1)


def _sinc2(rng: np.random.Generator, n: int) -> Truth:
    x = rng.uniform(-8, 8, (n, 2))
    r = np.sqrt((x**2).sum(1)) + 1e-12
    return x, np.sin(r) / r, np.full(n, 0.05)


def _step(rng: np.random.Generator, n: int) -> Truth:
    x = rng.uniform(-1, 1, (n, 1))
    return x, np.where(x[:, 0] < -0.3, 0.0, np.where(x[:, 0] < 0.4, 1.0, -0.5)), np.full(n, 0.1)


def _friedman1(rng: np.random.Generator, n: int) -> Truth:
    x = rng.uniform(size=(n, 10))
    f = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, f, np.full(n, 1.0)


def _circuit(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.uniform(size=(n, 4))
    x[:, 0] *= 100
    x[:, 1] = x[:, 1] * 520 * np.pi + 40 * np.pi
    x[:, 3] = x[:, 3] * 10 + 1
    return x, x[:, 1] * x[:, 2] - 1 / (x[:, 1] * x[:, 3])


def _friedman2(rng: np.random.Generator, n: int) -> Truth:
    x, reactance = _circuit(rng, n)
    return x, np.sqrt(x[:, 0] ** 2 + reactance**2), np.full(n, 125.0)


def _friedman3(rng: np.random.Generator, n: int) -> Truth:
    x, reactance = _circuit(rng, n)
    return x, np.arctan(reactance / x[:, 0]), np.full(n, 0.1)


def _sine(rng: np.random.Generator, n: int) -> Truth:
    x = rng.uniform(0, 1, (n, 1))
    return x, np.sin(4 * np.pi * x[:, 0]), np.full(n, 0.3)


def _hetero(rng: np.random.Generator, n: int) -> Truth:
    x = rng.uniform(0, 1, (n, 1))
    return x, np.sin(4 * np.pi * x[:, 0]), 0.05 + 0.5 * x[:, 0] ** 2


def houses(rng: np.random.Generator, n: int) -> Truth:
    """Eight columns as in the Californian house prices: skewed, with geography; the noise grows with the price."""
    income, age, rooms = rng.gamma(4.0, 1.0, n), rng.uniform(1, 52, n), rng.lognormal(1.65, 0.25, n)
    bedrooms, people, crowd = 1 + 0.1 * rng.lognormal(0, 0.5, n), rng.lognormal(7, 0.7, n), rng.lognormal(1.05, 0.25, n)
    city = rng.choice(4, n, p=[0.4, 0.25, 0.15, 0.2])
    centre = np.array([[34.0, -118.3], [37.7, -122.2], [32.8, -117.1], [36.8, -119.8]])
    place = centre[city] + rng.normal(size=(n, 2)) * np.array([0.45, 0.45]) * np.where(city == 3, 2.5, 1.0)[:, None]
    coast = sum(a * np.exp(-((place - c) ** 2).sum(1) / 0.5) for a, c in zip([0.9, 1.1, 0.6, -0.2], centre, strict=True))
    f = 0.35 * income + 0.6 * coast * (1 + 0.15 * income) + 0.15 * np.log(people / 1100) * coast
    f = f - 0.5 * np.log(crowd / 2.8) + 0.004 * (age - 28) + 0.15 * np.log(rooms / 5.2) + 0.3
    f = 5 * np.tanh(f / 5)
    return np.c_[income, age, rooms, bedrooms, people, crowd, place], f, 0.15 + 0.12 * np.abs(f)


PROBLEMS: dict[str, tuple[Callable[[np.random.Generator, int], Truth], int]] = {
    "hermite": (_hermite, 100), "sinc2": (_sinc2, 300), "step": (_step, 150), "friedman1": (_friedman1, 400),
    "friedman2": (_friedman2, 400), "friedman3": (_friedman3, 400), "sine": (_sine, 100), "hetero": (_hetero, 200),
    "houses": (houses, 1000),
}  # fmt: skip
NAMES = (*PROBLEMS, "diabetes")


def make(name: str, seed: int) -> tuple[np.ndarray, ...]:
    """Training rows x and y, 2,000 test rows x, y and their noise-free target; of "diabetes" 110, whose target is what was seen."""
    rng = np.random.default_rng(1000 + seed)
    if name == "diabetes":
        from sklearn.datasets import load_diabetes

        x, y = load_diabetes(return_X_y=True)
        order = rng.permutation(len(y))
        first, rest = order[:332], order[332:]
        return x[first], y[first], x[rest], y[rest], y[rest]
    problem, n = PROBLEMS[name]
    x, f, noise = problem(rng, n + 2000)
    y = f + noise * rng.normal(size=len(f))
    return x[:n], y[:n], x[n:], y[n:], f[n:]
