"""Bayes' rule over the components of a mixture, in logarithms, slice by slice: also the NumPy twin of the compiled passes."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.errors import DataError

SLICE = 4096  # rows at a time in the NumPy twin, at most: its n x k temporaries stay in cache
_CELLS, _LEAST = 2**18, 256  # numbers that a slice of rows makes, about, in its largest temporary; and rows at least


def slice_rows(width: int, least: int = _LEAST) -> int:
    """Rows in a slice where each makes ``width`` numbers, such as K d differences from K means: more would leave the cache."""
    return min(SLICE, max(least, _CELLS // max(width, 1)))


def slices(n: int, width: int = 1) -> Iterator[slice]:
    """Rows 0 to n in slices of ``slice_rows(width)``."""
    rows = slice_rows(width)
    return (slice(begin, min(begin + rows, n)) for begin in range(0, n, rows))


def log_sum_exp(a: np.ndarray) -> np.ndarray:
    """log(sum(exp(a))) over the last axis, maximum removed; -inf where every entry is -inf."""
    peak = a.max(axis=-1)
    safe = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(safe + np.log(np.exp(a - safe[..., None]).sum(axis=-1)))


def posterior(joint: np.ndarray, row: np.ndarray) -> np.ndarray:
    """exp(joint - row): zero, not NaN, for rows that nothing can produce, and for entries under e^-300 (subnormals are slow)."""
    with np.errstate(invalid="ignore"):
        shifted = joint - row[..., None]
    return np.where(shifted > -300.0, np.exp(np.maximum(shifted, -300.0)), 0.0)


def draw_labels(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A label for each row, (n,), drawn from its probabilities (n, K); those of a row need not add up to 1."""
    reached = np.cumsum(probabilities, axis=1)
    target = rng.uniform(size=(len(reached), 1)) * reached[:, -1:]
    # The last label that is possible: rounding must not lead beyond it.
    last = reached.shape[1] - 1 - (probabilities[:, ::-1] > 0).argmax(axis=1)
    return np.asarray(np.minimum((reached <= target).sum(axis=1), last))


def add_labels(log_prob: np.ndarray, labels: Any) -> np.ndarray:
    """Log probabilities (n, K) with what is known about the rows' labels, in place; see ``Block.labels``."""
    if labels is None:
        return log_prob
    labels = np.asarray(labels)
    if labels.ndim == 1:
        known = np.flatnonzero(labels >= 0)
        kept = log_prob[known, labels[known]]
        log_prob[known] = -np.inf
        log_prob[known, labels[known]] = kept
    else:
        with np.errstate(divide="ignore"):
            log_prob += np.log(labels)
    return log_prob


def informed(resp: np.ndarray, labels: Any, weights: Any = None) -> np.ndarray:
    """A first guess at responsibilities (n, K), corrected by what is known about the labels, times the rows' weights (n,).

    The guessed groups have no names; each takes the label that its known rows have most, so that a few of these name them all.
    """
    if labels is not None:
        resp = _named(resp, np.asarray(labels))
    return resp if weights is None else resp * np.asarray(weights, dtype=np.float64)[:, None]


def _named(resp: np.ndarray, known: np.ndarray) -> np.ndarray:
    if known.ndim == 1:
        factor = np.ones_like(resp)
        rows = np.flatnonzero(known >= 0)
        factor[rows] = 0.0
        factor[rows, known[rows]] = 1.0
    else:
        factor = known
    total = factor.sum(axis=1, keepdims=True)
    told = factor / np.where(total > 0, total, 1.0) - 1.0 / factor.shape[1]  # 0 where nothing is known
    new = resp[:, _matched(resp.T @ told)] * factor
    total = new.sum(axis=1, keepdims=True)
    spread = factor.sum(axis=1, keepdims=True)
    return np.where(total > 0, new / np.where(total > 0, total, 1.0), factor / np.where(spread > 0, spread, 1.0))


def _matched(agreement: np.ndarray) -> np.ndarray:
    """For each label the group that goes with it: pairs taken one by one, those that agree most first."""
    k = len(agreement)
    group = np.arange(k)
    if not agreement.any():
        return group
    left = agreement.copy()
    for _ in range(k):
        g, label = np.unravel_index(int(left.argmax()), left.shape)
        group[label] = g
        left[g], left[:, label] = -np.inf, -np.inf
    return group


def weighted_sum(values: np.ndarray, weights: Any) -> float:
    """Sum of values times weights; a value of weight zero, which may be -inf, does not count."""
    if weights is None:
        return float(values.sum())
    used = np.asarray(weights) > 0
    return float(np.dot(np.asarray(weights, dtype=np.float64)[used], values[used]))


class Pass:
    """What one E-step over a block of a mixture yields: either its statistics, or results for each row.

    ``log_likelihood`` (weighted), ``counts`` (K,) and ``stats``; or ``rows`` (n,) and ``responsibilities`` (n, K). Of several
    mixtures side by side, a log-likelihood for each, (S,).
    """

    __slots__ = ("counts", "log_likelihood", "responsibilities", "rows", "stats")

    def __init__(
        self,
        log_likelihood: Any,
        counts: np.ndarray | None = None,
        stats: Any = None,
        rows: np.ndarray | None = None,
        responsibilities: np.ndarray | None = None,
    ):
        self.log_likelihood = log_likelihood
        self.counts = counts
        self.stats = stats
        self.rows = rows
        self.responsibilities = responsibilities


def sliced_pass(
    log_prob: Callable[[Any], Any],
    stats: Callable[[Any, np.ndarray], Any],
    log_weights: np.ndarray,
    block: Block,
    *,
    rows: bool = False,
    responsibilities: bool = False,
) -> Pass:
    """The NumPy E-step of a mixture whose components are given by two functions of a slice of rows.

    With ``rows`` or ``responsibilities`` per-row results are returned and statistics are not accumulated.
    """
    _refuse_others(block)
    n, k = block.n, len(log_weights)
    total, counts, added = 0.0, np.zeros(k), None
    out_rows = np.empty(n) if rows else None
    out_resp = np.empty((n, k)) if responsibilities else None
    for part in slices(n, k * block.x.shape[1]):
        x = block.x[part]
        joint = np.asarray(log_prob(x), dtype=np.float64) + log_weights
        add_labels(joint, None if block.labels is None else block.labels[part])
        row = log_sum_exp(joint)
        weights = None if block.weights is None else np.asarray(block.weights[part], dtype=np.float64)
        total += float(np.sum(row) if weights is None else np.sum(row[weights > 0] * weights[weights > 0]))
        if out_rows is not None:
            out_rows[part] = row
        if rows and not responsibilities:
            continue
        resp = posterior(joint, row)
        if out_resp is not None:
            out_resp[part] = resp
        if not (rows or responsibilities):
            if weights is not None:
                resp *= weights[:, None]
            counts += resp.sum(axis=0)
            here = stats(x, resp)
            added = here if added is None else added + here
    return Pass(total, counts, added, out_rows, out_resp)


def _refuse_others(block: Block) -> None:
    if not block.in_numpy:
        raise DataError("rows on a device: this works on NumPy arrays; give the rows in host memory")


def grouped_pass(
    log_prob: Callable[[Any], Any], stats: Callable[[Any, np.ndarray], Any], log_weights: np.ndarray, block: Block
) -> Pass:
    """The E-steps of S mixtures of K components each: all S K components given by two functions of a slice of rows.

    ``log_weights`` is (S, K); Bayes' rule holds within each mixture. The log-likelihood is (S,); counts and statistics have a
    component after the other, those of the first mixture first.
    """
    _refuse_others(block)
    s, k = log_weights.shape
    total, counts, added = np.zeros(s), np.zeros(s * k), None
    size = max(64, min(_CELLS // 4, 2 * _CELLS // block.x.shape[1]) // (s * k))
    for begin in range(0, block.n, size):
        part = slice(begin, begin + size)
        x = block.x[part]
        joint = np.asarray(log_prob(x), dtype=np.float64).reshape(-1, s, k) + log_weights
        row = log_sum_exp(joint)
        resp = posterior(joint, row)
        if block.weights is None:
            total += row.sum(axis=0)
        else:
            weights = np.asarray(block.weights[part], dtype=np.float64)
            resp *= weights[:, None, None]
            total += np.sum(row[weights > 0] * weights[weights > 0, None], axis=0)
        resp = resp.reshape(-1, s * k)
        counts += resp.sum(axis=0)
        here = stats(x, resp)
        added = here if added is None else added + here
    return Pass(total, counts, added)
