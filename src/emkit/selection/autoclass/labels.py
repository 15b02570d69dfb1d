"""Search over hard labels: rows moved one by one, classes split and merged, at a falling temperature.

What ``emkit.kernels.class_moves`` needs of a prepared table, and its moves from labels to better labels. A sweep over all rows
costs as much as a few iterations of EM, but a row's move is weighed by the score itself, and classes open and close on the way.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from emkit.kernels import class_moves
from emkit.selection.autoclass.prepare import LEAST_WEIGHT, Prepared

_LEAST_KNOWN = 0.75 * LEAST_WEIGHT
_CHARGE = 30.0  # nats for every row that a class lacks of the three it must have


def rows_of(prepared: Prepared) -> class_moves.Rows:
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
    none = np.zeros(0)
    return class_moves.Rows(
        at=np.ascontiguousarray(at.T).astype(np.int64).reshape(n, len(kinds.terms)),
        part=part,
        category_weight=constants - gammaln(count[:, None] + kinds.levels - 1).sum(axis=1),
        part_of_level=np.repeat(part, kinds.levels),
        z=np.ascontiguousarray(features[:, normals.linear]),
        is_known=np.ascontiguousarray(features[:, normals.known]),
        outcome=normals.outcome.astype(np.float64),
        log_error=normals.log_error,
        precision=1 / normals.s0**2,
        least=normals.smin**2,
        most=normals.smax**2,
        prior=prior - np.where(normals.outcome, np.log(np.pi), 0.0),
        enough=enough,
        by_known=gammaln((enough - 1) / 2) - enough / 2 * np.log(np.pi * enough),
        cells=gammaln(0.5 + count),
        cells_one=gammaln(0.5 + enough - _LEAST_KNOWN) + gammaln(0.5 + _LEAST_KNOWN) - gammaln(enough + 1),
        factorial=gammaln(count + 1),
        penalty=np.where(count > 0, -_CHARGE * np.maximum(3 - count, 0), 0.0),
        zb=np.ascontiguousarray(np.concatenate([np.zeros((n, 0)), *(features[:, b.linear] for b in blocks)], axis=1)),
        block_from=np.cumsum([0, *(len(b.error) for b in blocks)]),
        block_error=np.concatenate([none, *(b.error**2 for b in blocks)]),
        block_weight=np.stack([_block_weight(b.error, b.spread, count) for b in blocks]) if blocks else np.zeros((0, n + 2)),
    )


def _block_weight(error: np.ndarray, spread: np.ndarray, count: np.ndarray) -> np.ndarray:
    d = len(error)
    w = np.maximum(count, LEAST_WEIGHT)
    k = np.arange(1, d + 1)
    gammas = (gammaln((w[:, None] + d - k) / 2) - gammaln((d + 1 - k) / 2)).sum(axis=1)
    return np.asarray(
        -d / 2 * np.log(w) - d * (w - 1) / 2 * np.log(np.pi) + gammas + w * np.log(error).sum() - np.log(spread).sum()
    )


def classes_of(rows: class_moves.Rows, labels: np.ndarray, slots: int) -> class_moves.Classes:
    """Room for the sums of ``slots`` classes; ``gather`` fills it."""
    t, f, width = rows.z.shape[1], rows.part_of_level.size, rows.zb.shape[1]
    return class_moves.Classes(
        labels=np.array(labels, dtype=np.int64),
        size=np.zeros(slots, dtype=np.int64),
        counts=np.zeros((slots, f)),
        known=np.zeros((slots, t)),
        linear=np.zeros((slots, t)),
        square=np.zeros((slots, t)),
        block_linear=np.zeros((slots, width)),
        block_product=np.zeros((slots, width, width)),
        numbers=np.zeros(slots),
    )


def value_of(rows: class_moves.Rows, labels: np.ndarray) -> float:
    """The kernels' score of labels 0 .. J - 1: exact for hard labels, but for the overlap of classes and the charge for small ones."""
    classes = classes_of(rows, labels, int(labels.max()) + 1)
    width = max(rows.zb.shape[1], 1)
    class_moves.gather(rows, classes, np.empty((width, width)))
    return float(class_moves.total(rows, classes))


@dataclass(frozen=True)
class Annealed:
    """Labels when the sweeps were over, the best met on the way, and the value of the best. Both are numbered 0 .. J - 1."""

    last: np.ndarray
    best: np.ndarray
    value: float


def anneal(
    rows: class_moves.Rows, labels: np.ndarray, heats: np.ndarray, pairs: int, rng: np.random.Generator, *, fixed: bool = False
) -> Annealed:
    """A sweep over all rows for each of ``heats``, and ``pairs`` splits and merges after each; ``fixed``: not one class more or less."""
    present, labels = np.unique(labels, return_inverse=True)
    slots = len(present) if fixed else min(len(labels), 2 * len(present) + 8) + 2
    state = rng.integers(1, 2**63, size=1, dtype=np.uint64)
    classes = classes_of(rows, labels, slots)
    best = np.empty(len(labels), dtype=np.int64)
    value = class_moves.anneal(rows, classes, np.asarray(heats, dtype=np.float64), pairs, fixed, state, best)
    return Annealed(np.unique(classes.labels, return_inverse=True)[1], np.unique(best, return_inverse=True)[1], float(value))
