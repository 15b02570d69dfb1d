"""Rows that occur again and again, as one row with a weight: tables of a few categories have far fewer patterns than rows."""

import numpy as np

_FEWEST = 500  # rows from which it is worth looking
_SAMPLE = 2**14
_HALF = 0.5  # of the sampled rows, and of all, that are distinct: with more, merging does not pay


def merge(x: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray] | None:
    """The first of each set of equal rows, in their order, and the weights of the sets; missing cells are equal to each other.

    None unless under half of the rows are distinct, as a sample of them tells first.
    """
    n = len(x)
    if n < _FEWEST:
        return None
    few = x[:: max(1, n // _SAMPLE)]
    if len(np.unique(_hashes(few))) >= _HALF * len(few):
        return None
    _, first, belongs = np.unique(_hashes(x), return_index=True, return_inverse=True)
    if len(first) >= _HALF * n or not np.array_equal(x[first[belongs]], x, equal_nan=True):  # two rows of one hash: 1 in 10^8
        return None
    rank = np.argsort(first, kind="stable")
    total = np.bincount(belongs, weights=weights, minlength=len(first))
    return first[rank], total[rank].astype(np.float64)


def _hashes(x: np.ndarray) -> np.ndarray:
    """A number of 64 bits for each row, which equal rows share: a sum of the cells' bits times odd numbers drawn once, mixed."""
    draws = np.asarray(np.random.default_rng(20260101).integers(1, 2**63, size=x.shape[1]), dtype=np.uint64)
    multipliers: np.ndarray = 2 * draws + np.uint64(1)
    total = np.zeros(len(x), dtype=np.uint64)
    for j in range(x.shape[1]):
        column = x[:, j]
        cells = np.where(np.isnan(column), np.nan, column + 0.0).astype(np.float64)  # one NaN, and 0.0 for -0.0
        bits = cells.view(np.uint64)
        bits = (bits ^ (bits >> np.uint64(29))) * multipliers[j]
        total += bits ^ (bits >> np.uint64(32))
    return total
