"""Search over hard labels: rows moved one by one, classes split and merged, at a falling temperature.

What ``emkit.kernels.class_moves`` needs of a prepared table, and its moves from labels to better labels. A sweep over all rows
costs as much as a few iterations of EM, but a row's move is weighed by the score itself, and classes open and close on the way.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from emkit.kernels import class_moves, class_values
from emkit.kernels.class_values import Classes, Rows
from emkit.selection.autoclass.prepare import LEAST_WEIGHT, Prepared

_LEAST_KNOWN = 0.75 * LEAST_WEIGHT
_CHARGE = 30.0  # nats for every row that a class lacks of the three it must have: small classes make the formulas too hopeful


def rows_of(prepared: Prepared) -> Rows:
    """The table and its priors as the kernels read them."""
    features, kinds, normals, blocks = prepared.features, prepared.categories, prepared.normals, prepared.blocks
    n = prepared.n
    count = np.arange(n + 2, dtype=np.float64)
    enough = np.maximum(count, _LEAST_KNOWN)
    part = (kinds.levels - 1) / kinds.levels
    block = features[:, kinds.block]
    at = np.stack([s + block[:, s : s + m].argmax(axis=1) for s, m in zip(kinds.starts, kinds.levels, strict=True)] or [count[:0]])
    constants = (gammaln(kinds.levels - 1) - kinds.levels * gammaln(part)).sum()
    prior = -1.5 * np.log(2) - np.log(np.log(normals.smax / normals.smin)) - np.log(normals.s0)
    terms = [
        normals.outcome,
        normals.log_error,
        1 / normals.s0**2,
        normals.smin**2,
        normals.smax**2,
        prior - np.where(normals.outcome, np.log(np.pi), 0.0),
    ]
    by_count = [
        constants - gammaln(count[:, None] + kinds.levels - 1).sum(axis=1),
        np.where(count > 0, -_CHARGE * np.maximum(3 - count, 0), 0.0),
        gammaln(count + 1),
        enough,
        gammaln((enough - 1) / 2) - enough / 2 * np.log(np.pi * enough),
        gammaln(0.5 + count),
        gammaln(0.5 + enough - _LEAST_KNOWN) + gammaln(0.5 + _LEAST_KNOWN) - gammaln(enough + 1),
        *(_block_weight(b.error, b.spread, count) for b in blocks),
    ]
    of_blocks = [features[:, b.linear] for b in blocks]
    return Rows(
        at=np.ascontiguousarray(at.T).astype(np.int64).reshape(n, len(kinds.terms)),
        cells=np.ascontiguousarray(np.concatenate([features[:, normals.linear], features[:, normals.known], *of_blocks], axis=1)),
        part=np.repeat(part, kinds.levels),
        terms=np.array(terms, dtype=np.float64),
        by_count=np.array(by_count),
        blocks=np.cumsum([0, *(len(b.error) for b in blocks)]),
        errors=np.concatenate([np.zeros(0), *(b.error**2 for b in blocks)]),
    )


def _block_weight(error: np.ndarray, spread: np.ndarray, count: np.ndarray) -> np.ndarray:
    d = len(error)
    w = np.maximum(count, LEAST_WEIGHT)
    k = np.arange(1, d + 1)
    gammas = (gammaln((w[:, None] + d - k) / 2) - gammaln((d + 1 - k) / 2)).sum(axis=1)
    return np.asarray(
        -d / 2 * np.log(w) - d * (w - 1) / 2 * np.log(np.pi) + gammas + w * np.log(error).sum() - np.log(spread).sum()
    )


def classes_of(rows: Rows, labels: np.ndarray, slots: int) -> Classes:
    """Room for the sums of ``slots`` classes; ``gather`` fills it."""
    width = rows.errors.size
    return Classes(
        labels=np.array(labels, dtype=np.int64),
        size=np.zeros(slots, dtype=np.int64),
        sums=np.zeros((slots, rows.part.size + 3 * rows.terms.shape[1] + width + width * width)),
        numbers=np.zeros(slots),
    )


def value_of(rows: Rows, labels: np.ndarray) -> float:
    """The kernels' score of labels 0 .. J - 1: overlap of classes left out, and small ones charged for."""
    classes = classes_of(rows, labels, int(labels.max()) + 1)
    width = max(rows.errors.size, 1)
    class_values.gather(rows, classes, np.empty((width, width)))
    return float(class_values.total(rows, classes))


@dataclass(frozen=True)
class Annealed:
    """Labels when the sweeps were over, the best met on the way, and the value of the best. Both are numbered 0 .. J - 1."""

    last: np.ndarray
    best: np.ndarray
    value: float


def anneal(
    rows: Rows, labels: np.ndarray, heats: np.ndarray, pairs: int, rng: np.random.Generator, *, fixed: bool = False
) -> Annealed:
    """A sweep over all rows for each of ``heats``, and up to ``pairs`` splits and merges after each.

    ``fixed``: no class is opened or closed, so there are no splits and merges.
    """
    present, labels = np.unique(labels, return_inverse=True)
    slots = len(present) if fixed else min(len(labels), 2 * len(present) + 8) + 2
    state = rng.integers(1, 2**63, size=1, dtype=np.uint64)
    classes = classes_of(rows, labels, slots)
    best = np.empty(len(labels), dtype=np.int64)
    value = class_moves.anneal(rows, classes, np.asarray(heats, dtype=np.float64), pairs, fixed, state, best)
    return Annealed(np.unique(classes.labels, return_inverse=True)[1], np.unique(best, return_inverse=True)[1], float(value))
