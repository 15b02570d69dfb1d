"""The value of classes of hard labels by AutoClass's score, from sums over their rows.

With hard labels the score is a sum over classes, and each part follows from sums that a row is added to or taken from: what a
class gains by a row is valued in well under a microsecond. The score's correction for overlapping classes is left out (a search
scores what it finds in full), but not its part for classes narrower than smin.

``emkit.selection.autoclass.score`` is the reference: ``total`` is its log marginal of hard labels that do not overlap.
"""

import math
from typing import NamedTuple

import numpy as np

from emkit.kernels.jit import INNER, kernel
from emkit.kernels.vmath import log


class Rows(NamedTuple):
    """The table and its priors: c categories of F levels together, t normal terms, D columns of correlated blocks.

    Few arrays on purpose: every one of them is half a dozen arguments of every kernel, and compiling is slow with many.
    """

    at: np.ndarray  # (n, c): where each category's indicator stands among the levels
    cells: np.ndarray  # (n, 2 t + D): numbers, 0 where missing; 1 where known; numbers of the blocks
    part: np.ndarray  # (F,): (L - 1)/L of each level's category
    terms: np.ndarray  # (6, t): OUTCOME, LOG_ERROR, PRECISION, LEAST, MOST, PRIOR
    by_count: np.ndarray  # (7 + blocks, n + 2): functions of a number of rows: CATEGORY .. BLOCK
    blocks: np.ndarray  # (blocks + 1,): their columns
    errors: np.ndarray  # (D,): squared errors of the blocks' columns


class Classes(NamedTuple):
    """Sums over the rows of each class; slots without rows are free."""

    labels: np.ndarray  # (n,)
    size: np.ndarray  # (J,)
    sums: np.ndarray  # (J, F + 3 t + D + D D): levels; known, values and squares of normals; values and products of blocks
    numbers: np.ndarray  # (J,): value of the terms that are no categories


# Rows of ``terms``: 1 or 0; ln of the error; 1/s0^2; smin^2; smax^2; what a normal term adds whatever its rows
OUTCOME, LOG_ERROR, PRECISION, LEAST, MOST, PRIOR = range(6)
# Rows of ``by_count``, by the class's rows: all categories' constants; charge for too few rows; lnG(rows + 1); by the known rows:
# max(known, 1.575); what a normal term adds; lnG(1/2 + number); the same where fewer than 1.575 are known. Then a row a block
CATEGORY, CHARGE, FACTORIAL, ENOUGH, BY_KNOWN, CELLS, CELLS_ONE, BLOCK = range(8)


@kernel(**INNER)
def add(rows, classes, i, j, sign):  # type: ignore[no-untyped-def]
    """Add row i to class j (sign 1), or take it out (sign -1)."""
    classes.size[j] += sign
    sums = classes.sums[j]
    for c in range(rows.at.shape[1]):
        sums[rows.at[i, c]] += sign
    f, t_count = rows.part.size, rows.terms.shape[1]
    for t in range(t_count):
        z = rows.cells[i, t]
        sums[f + t] += sign * rows.cells[i, t_count + t]
        sums[f + t_count + t] += sign * z
        sums[f + 2 * t_count + t] += sign * z * z
    width = rows.errors.size
    first = f + 3 * t_count
    for a in range(width):
        za = rows.cells[i, 2 * t_count + a]
        sums[first + a] += sign * za
        for b in range(a + 1):
            sums[first + width + a * width + b] += sign * za * rows.cells[i, 2 * t_count + b]


@kernel(**INNER)
def _normals(rows, classes, j, i, extra):  # type: ignore[no-untyped-def]
    """Value of the normal terms of class j with row i counted in (extra 1) or not (extra 0)."""
    size = classes.size[j] + extra
    f, t_count = rows.part.size, rows.terms.shape[1]
    sums, terms, by_count = classes.sums[j], rows.terms, rows.by_count
    value_of_all = by_count[CHARGE, size]
    for t in range(t_count):
        z = extra * rows.cells[i, t]
        known = sums[f + t] + extra * rows.cells[i, t_count + t]
        k = int(known + 0.5)
        if k == 0:
            continue
        enough = by_count[ENOUGH, k]
        mean = (sums[f + t_count + t] + z) / known
        raw = max((sums[f + 2 * t_count + t] + z * z) / known - mean * mean, 0.0)
        variance = min(max(raw, terms[LEAST, t]), terms[MOST, t])
        value = by_count[BY_KNOWN, k] - 0.5 * mean * mean * terms[PRECISION, t] + enough * terms[LOG_ERROR, t]
        value += terms[PRIOR, t] - 0.5 * (enough - 1.0) * log(variance)
        weight = enough
        if terms[OUTCOME, t] > 0:
            weight = max(float(size), by_count[ENOUGH, 0])
            if k > 1:
                value += by_count[CELLS, size - k] + by_count[CELLS, k] - by_count[FACTORIAL, size]
            else:
                value += by_count[CELLS_ONE, size]
        value_of_all += value * known / enough + 0.5 * known * (variance - raw) * (weight + 1.0) / (variance * weight)
    return value_of_all


@kernel(**INNER)
def _log_det(matrix, d):  # type: ignore[no-untyped-def]
    """Log-determinant of the lower triangle's symmetric matrix, which Cholesky's factor overwrites."""
    total = 0.0
    for a in range(d):
        for b in range(a + 1):
            s = matrix[a, b]
            for c in range(b):
                s -= matrix[a, c] * matrix[b, c]
            if a == b:
                s = max(s, 1e-300)
                total += log(s)
                matrix[a, a] = math.sqrt(s)
            else:
                matrix[a, b] = s / matrix[b, b]
    return total


@kernel(**INNER)
def _blocks(rows, classes, j, i, extra, work):  # type: ignore[no-untyped-def]
    """Value of the correlated terms of class j, with row i counted in or not; ``work`` (D, D) is overwritten."""
    size = classes.size[j] + extra
    if size == 0:
        return 0.0
    value_of_all = 0.0
    w = max(float(size), 2.1)
    width, t_count = rows.errors.size, rows.terms.shape[1]
    at = rows.part.size + 3 * t_count
    sums = classes.sums[j]
    for block in range(rows.blocks.size - 1):
        first, last = rows.blocks[block], rows.blocks[block + 1]
        d = last - first
        logs = 0.0
        for a in range(first, last):
            za = extra * rows.cells[i, 2 * t_count + a]
            mean_a = (sums[at + a] + za) / size
            for b in range(first, a + 1):
                zb = extra * rows.cells[i, 2 * t_count + b]
                s = (sums[at + width + a * width + b] + za * zb) / size - mean_a * (sums[at + b] + zb) / size
                if a == b:
                    s = max(s, rows.errors[a])
                    logs += log(s)
                    s *= (w + 1) / w
                work[a - first, b - first] = s * w / (w - 2)
        value = rows.by_count[BLOCK + block, size] + 0.5 * d * logs
        value -= (w + d - 1) * 0.5 * (_log_det(work, d) + d * log(w - 2))
        value_of_all += value * size / w
    return value_of_all


@kernel(**INNER)
def numbers_of(rows, classes, j, i, extra, work):  # type: ignore[no-untyped-def]
    """Value of all terms of class j that are no categories, with row i counted in (extra 1) or not (extra 0)."""
    total = _normals(rows, classes, j, i, extra)
    if rows.blocks.size > 1:
        total += _blocks(rows, classes, j, i, extra, work)
    return total


@kernel(**INNER)
def category_gain(rows, classes, j, i):  # type: ignore[no-untyped-def]
    """What the categories of class j gain by row i."""
    gain = rows.by_count[CATEGORY, classes.size[j] + 1] - rows.by_count[CATEGORY, classes.size[j]]
    for c in range(rows.at.shape[1]):
        level = rows.at[i, c]
        gain += log(classes.sums[j, level] + rows.part[level])
    return gain


@kernel(**INNER)
def categories(rows, classes, j):  # type: ignore[no-untyped-def]
    """Value of the categories of class j."""
    total = rows.by_count[CATEGORY, classes.size[j]]
    for f in range(rows.part.size):
        total += math.lgamma(classes.sums[j, f] + rows.part[f])
    return total


@kernel(**INNER)
def sharing(size, n, extra_class):  # type: ignore[no-untyped-def]
    """Log marginal of how n rows are shared out (``score.class_marginal``), with a class of one row beside, or not."""
    count = extra_class
    for j in range(size.size):
        count += size[j] > 0
    if count <= 1:
        return 0.0
    part = 1.0 - 1.0 / count
    total = math.lgamma(count - 1.0) - math.lgamma(n + count - 1.0) - count * math.lgamma(part) + math.lgamma(count + 1.0)
    for j in range(size.size):
        if size[j] > 0:
            total += math.lgamma(size[j] + part)
    if extra_class:
        total += math.lgamma(1.0 + part)
    return total


@kernel()
def total(rows, classes):  # type: ignore[no-untyped-def]
    """The score of the labels as they are."""
    value = sharing(classes.size, classes.labels.size, np.int64(0))
    for j in range(classes.size.size):
        if classes.size[j] > 0:
            value += categories(rows, classes, j) + classes.numbers[j]
    return value


@kernel()
def gather(rows, classes, work):  # type: ignore[no-untyped-def]
    """Sums of all classes from the labels."""
    classes.size[:] = 0
    classes.sums[:] = 0.0
    for i in range(classes.labels.size):
        add(rows, classes, i, classes.labels[i], np.int64(1))
    for j in range(classes.size.size):
        classes.numbers[j] = numbers_of(rows, classes, j, np.int64(0), np.int64(0), work)
