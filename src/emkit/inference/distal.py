"""Step three, distal outcomes: means or probabilities of an outcome in classes that are known with errors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.notebook import Printed
from emkit.core.simplex import TINY
from emkit.inference.class_regression import Assigned
from emkit.inference.sandwich import Wald, numeric_information, sandwich, squared_weights, wald

_ROUNDS, _STILL = 20_000, 1e-10


@dataclass(frozen=True)
class OutcomeByClass(Printed):
    """A distal outcome in each class.

    Attributes
    ----------
    levels : tuple or None
        Of a categorical outcome; None for numbers.
    estimates, standard_errors : arrays of shape (K,), or (K, C) for a categorical outcome
        Means, or probabilities of the levels.
    covariance : array
        Of all estimates, class by class.
    deviations : array of shape (K,) or None
        Standard deviations of numbers within the classes; NaN where weights leave no positive variance.
    test : Wald
        Whether the outcome is the same in all classes.
    n_left_out : int
        Rows without an outcome.
    """

    levels: tuple[Any, ...] | None
    estimates: np.ndarray
    standard_errors: np.ndarray
    covariance: np.ndarray
    deviations: np.ndarray | None
    test: Wald
    n_left_out: int = 0

    def __str__(self) -> str:
        if self.levels is None:
            lines = [f"{'class':>5}{'mean':>12}{'std. error':>12}{'std. dev.':>12}"]
            assert self.deviations is not None
            for k, (m, e, s) in enumerate(zip(self.estimates, self.standard_errors, self.deviations, strict=True)):
                lines.append(f"{k:>5}{m:12.4f}{e:12.4f}{s:12.4f}")
        else:
            lines = [f"{'class':>5}  " + "".join(f"{level!s:>18}" for level in self.levels)]
            for k, (row, errors) in enumerate(zip(self.estimates, self.standard_errors, strict=True)):
                lines.append(f"{k:>5}  " + "".join(f"{f'{p:.4f} ({e:.4f})':>18}" for p, e in zip(row, errors, strict=True)))
            lines.append("probabilities, standard errors in brackets")
        lines.append(f"the same in all classes: {self.test}")
        return "\n".join([*lines, *([f"{self.n_left_out} rows without an outcome left out"] if self.n_left_out else [])])


def outcome_by_class(assigned: Assigned, z: np.ndarray, levels: tuple[Any, ...] | None, n_left_out: int) -> OutcomeByClass:
    """Estimates from outcomes (n,), which are complete: numbers, or codes of levels."""
    deviations: np.ndarray | None
    hot = z[:, None] if levels is None else (z[:, None] == np.arange(len(levels))).astype(np.float64)
    if assigned.errors is None:
        estimates, covariance, deviations = _weighted(assigned, hot)
    elif levels is None:
        estimates, covariance, deviations = _normal(assigned, z)
    else:
        estimates, covariance, deviations = _categorical(assigned, hot)
    k, c = estimates.shape
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0)).reshape(k, c)
    used = 1 if levels is None else c - 1  # probabilities add up to 1
    pick = np.eye(k * c).reshape(k, c, k * c)
    contrast = (pick[1:, :used] - pick[:1, :used]).reshape(-1, k * c)
    test = wald(contrast @ estimates.ravel(), contrast @ covariance @ contrast.T) if k > 1 and used else Wald(0.0, 0)
    if levels is None:
        return OutcomeByClass(None, estimates[:, 0], errors[:, 0], covariance, deviations, test, n_left_out)
    return OutcomeByClass(levels, estimates, errors, covariance, None, test, n_left_out)


def _weighted(assigned: Assigned, hot: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted means of the columns of ``hot`` (n, C), their covariance, and standard deviations of the first.

    Bakk and Vermunt (2016), Struct. Equ. Modeling 23, 20-31: the weights of Bolck, Croon and Hagenaars, and the sandwich.
    """
    assert assigned.pulls is not None
    own = assigned.weights[:, None] * assigned.pulls
    sizes = own.sum(axis=0)
    means = (own.T @ hot) / sizes[:, None]
    rest = assigned.pulls[:, :, None] * (hot[:, None, :] - means[None]) / sizes[None, :, None]
    flat = rest.reshape(len(hot), -1)
    covariance = flat.T @ (squared_weights(assigned.weights)[:, None] * flat)
    variance = ((own * (hot[:, :1] - means[:, 0]) ** 2).sum(axis=0)) / sizes
    with np.errstate(invalid="ignore"):
        return means, covariance, np.sqrt(np.where(variance >= 0, variance, np.nan))


def _em(
    assigned: Assigned, log_sizes: np.ndarray, log_prob: Callable[[], np.ndarray], update: Callable[[np.ndarray], None]
) -> np.ndarray:
    """EM over the true class, with known errors; the log sizes of the classes at its end."""
    w, before = assigned.weights, -np.inf
    for _ in range(_ROUNDS):
        value, share = assigned.expected(log_sizes + log_prob())
        now = float(w @ value)
        counts = w @ share
        log_sizes = np.log(np.maximum(counts / counts.sum(), TINY))
        update(w[:, None] * share)
        if now - before < _STILL * w.sum():
            break
        before = now
    return log_sizes


def _normal(assigned: Assigned, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal within each class, with a variance of its own: Vermunt (2010), Political Analysis 18, 450-469; Bakk, Tekle and
    Vermunt (2013), Sociol. Methodol. 43, 272-311.
    """
    w, k = assigned.weights, assigned.shares.shape[1]
    centre = float(w @ z / w.sum())
    scale = float(np.sqrt(w @ (z - centre) ** 2 / w.sum())) or 1.0
    y = (z - centre) / scale
    start = w[:, None] * assigned.shares
    mean = (start * y[:, None]).sum(axis=0) / start.sum(axis=0)
    spread = np.ones(k)

    def log_prob() -> np.ndarray:
        return np.asarray(-0.5 * ((y[:, None] - mean) / spread) ** 2 - np.log(spread))

    def update(own: np.ndarray) -> None:
        counts = np.maximum(own.sum(axis=0), TINY)
        mean[:] = (own * y[:, None]).sum(axis=0) / counts
        spread[:] = np.sqrt(np.maximum((own * (y[:, None] - mean) ** 2).sum(axis=0) / counts, 1e-6))

    sizes = start.sum(axis=0) / start.sum()
    log_sizes = _em(assigned, np.log(sizes), log_prob, update)

    def scores(theta: np.ndarray) -> np.ndarray:
        logit, m, s = np.append(0.0, theta[: k - 1]), theta[k - 1 : 2 * k - 1], np.exp(theta[2 * k - 1 :])
        logs = logit - np.log(np.exp(logit).sum())
        off = (y[:, None] - m) / s
        share = assigned.expected(logs - 0.5 * off**2 - np.log(s))[1]
        return np.column_stack([(share - np.exp(logs))[:, 1:], share * off / s, share * (off**2 - 1.0)])

    theta = np.concatenate([log_sizes[1:] - log_sizes[0], mean, np.log(spread)])
    covariance = sandwich(scores(theta), numeric_information(scores, theta, w), w)[k - 1 : 2 * k - 1, k - 1 : 2 * k - 1]
    return (centre + scale * mean)[:, None], scale**2 * covariance, scale * spread


def _categorical(assigned: Assigned, hot: np.ndarray) -> tuple[np.ndarray, np.ndarray, None]:
    """Probabilities of the levels (n, C) in each class, by EM and the delta method."""
    w, k, c = assigned.weights, assigned.shares.shape[1], hot.shape[1]
    start = w[:, None] * assigned.shares
    p = (start.T @ hot + w @ hot / w.sum()) / (start.sum(axis=0) + 1.0)[:, None]

    def log_prob() -> np.ndarray:
        return hot @ np.log(np.maximum(p, TINY)).T

    def update(own: np.ndarray) -> None:
        p[:] = (own.T @ hot) / np.maximum(own.sum(axis=0), TINY)[:, None]

    log_sizes = _em(assigned, np.log(start.sum(axis=0) / start.sum()), log_prob, update)
    inside = np.maximum(p, 1e-12)  # log-odds of a level that no row of a class has are taken as large, not infinite

    def scores(theta: np.ndarray) -> np.ndarray:
        logit = np.append(0.0, theta[: k - 1])
        logs = logit - np.log(np.exp(logit).sum())
        table = _shares_of(theta[k - 1 :].reshape(k, c - 1))
        share = assigned.expected(logs + hot @ np.log(np.maximum(table, TINY)).T)[1]
        rest = share[:, :, None] * (hot[:, None, 1:] - table[None, :, 1:])
        return np.column_stack([(share - np.exp(logs))[:, 1:], rest.reshape(len(hot), -1)])

    odds = np.log(inside[:, 1:]) - np.log(inside[:, :1])
    theta = np.concatenate([log_sizes[1:] - log_sizes[0], odds.ravel()])
    inner = sandwich(scores(theta), numeric_information(scores, theta, w), w)[k - 1 :, k - 1 :]
    slope = np.zeros((k, c, k, c - 1))
    for t in range(k):
        slope[t, :, t, :] = (np.diag(p[t]) - np.outer(p[t], p[t]))[:, 1:]
    flat = slope.reshape(k * c, k * (c - 1))
    return p, flat @ inner @ flat.T, None


def _shares_of(odds: np.ndarray) -> np.ndarray:
    whole = np.column_stack([np.zeros(len(odds)), odds])
    e = np.exp(whole - whole.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
