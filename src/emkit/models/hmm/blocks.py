"""Blocks of steps taken apart for an HMM's E-step, and what is known of hidden states."""

from dataclasses import replace
from typing import Any

import numpy as np

from emkit.core.block import Block

_MOST, _LEAST = 8, 16384  # pieces of a block, and rows of a piece: a piece costs 0.04 ms of its own


def pieces(block: Block) -> list[slice]:
    """Rows of a block in pieces that threads may share: emissions know nothing of sequences. A function of the block's size alone."""
    rows = max(_LEAST, -(-block.n // _MOST))
    return [slice(a, min(a + rows, block.n)) for a in range(0, block.n, rows)]


def rows_of(block: Block, rows: slice) -> Block:
    """Some rows, without their sequences."""
    return Block(block.x[rows], None, 0, block.missing, None, max(block.source_rows, block.n))


def part_of(block: Block, rows: slice) -> Block:
    """Some rows with what is known of their states, without their sequences."""
    return replace(rows_of(block, rows), evidence=None if block.evidence is None else block.evidence[rows])


def weighted_sum(values: np.ndarray, weights: Any) -> float:
    """Sum of values times weights; a value of weight zero, which may be -inf, does not count."""
    if weights is None:
        return float(values.sum())
    used = np.asarray(weights) > 0
    return float(np.dot(np.asarray(weights, dtype=np.float64)[used], values[used]))


def informed(resp: np.ndarray, evidence: Any) -> np.ndarray:
    """A first guess, corrected by what is known about the states."""
    known = np.asarray(evidence)
    if known.ndim == 1:
        factor = np.ones_like(resp)
        rows = np.flatnonzero(known >= 0)
        factor[rows] = 0.0
        factor[rows, known[rows]] = 1.0
    else:
        factor = known
    new = resp * factor
    total = new.sum(axis=1, keepdims=True)
    spread = factor.sum(axis=1, keepdims=True)
    return np.where(total > 0, new / np.where(total > 0, total, 1.0), factor / np.where(spread > 0, spread, 1.0))
