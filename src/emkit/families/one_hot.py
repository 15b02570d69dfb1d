"""Small tables of categories as matrix products: each cell is a row of zeros with a one, so that a pass is two products."""

from dataclasses import replace
from typing import Any

import numpy as np

from emkit.core.block import Block

_MOST = 2**18  # numbers: those of 2,000 rows of 30 items with 4 answers; larger data are left to the compiled pass
_NEVER = -1e6  # stands for the logarithm of zero, times which a zero would not be zero


def one_hot(block: Block, symbols: int) -> Block | None:
    """The block with d L columns of zeros and ones in place of its d symbols; the same object every time. None if that is large."""
    key = ("one-hot", symbols)
    found: Block | None = block.kept.get(key)
    if found is None:
        n, d = block.x.shape
        if n * d * symbols > _MOST:
            return None
        x = np.asarray(block.x)
        cells = (x[:, :, None] == np.arange(symbols)).astype(np.float64)  # a missing cell is all zeros
        if (np.isfinite(x) & ~cells.any(axis=2)).any():
            return None  # some cell is none of the symbols
        found = block.kept[key] = replace(block, x=cells.reshape(n, d * symbols))
    return found


def coefficients(probs: np.ndarray) -> np.ndarray:
    """Log probabilities (K, d, L) as the matrix (d L, K) that one-hot rows are multiplied with."""
    with np.errstate(divide="ignore"):
        logs = np.log(probs)
    return np.asarray(np.maximum(logs, _NEVER).reshape(len(probs), -1).T)


def impossible(log_likelihood: Any) -> bool:
    """Whether some row may have been one that no component can produce, so that the pass must be made again, exactly."""
    return bool(np.min(log_likelihood) < 0.5 * _NEVER)
