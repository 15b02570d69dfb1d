"""Rows moved between classes, and classes split and merged, by AutoClass's score of hard labels.

With hard labels the score is a sum over classes, so a move of one row changes two of its parts, and each part follows from sums that
the row is added to or taken from: a move is valued in well under a microsecond. The score's correction for overlapping classes
is left out (a search scores what it finds in full), but not its part for classes narrower than smin.

``emkit.selection.autoclass.score`` is the reference: ``total`` is its log marginal of hard labels that do not overlap.
"""

import math
from typing import NamedTuple

import numpy as np

from emkit.kernels.jit import kernel
from emkit.kernels.vmath import log


class Rows(NamedTuple):
    """The table and its priors. Tables of gamma functions have an entry for each number of rows, 0 .. n + 1."""

    at: np.ndarray  # (n, c): where each category's indicator stands among the counts
    part: np.ndarray  # (c,): (L - 1)/L
    category_weight: np.ndarray  # (n + 2,): sum over categories of lnG(L - 1) - L lnG((L - 1)/L) - lnG(W + L - 1)
    part_of_level: np.ndarray  # (F,)
    z: np.ndarray  # (n, t): numbers, 0 where missing
    is_known: np.ndarray  # (n, t): 1 or 0
    outcome: np.ndarray  # (t,): 1 or 0
    log_error: np.ndarray  # (t,)
    precision: np.ndarray  # (t,): 1 / s0^2
    least: np.ndarray  # (t,): smin^2
    most: np.ndarray  # (t,): smax^2
    prior: np.ndarray  # (t,): what a normal term adds whatever its rows
    enough: np.ndarray  # (n + 2,): max(known, 1.575)
    by_known: np.ndarray  # (n + 2,): what a normal term adds by its known rows
    cells: np.ndarray  # (n + 2,): lnG(1/2 + number)
    cells_one: np.ndarray  # (n + 2,): the same where fewer than 1.575 are known: by the class's rows
    factorial: np.ndarray  # (n + 2,): lnG(number + 1)
    penalty: np.ndarray  # (n + 2,): what a class of too few rows is charged
    zb: np.ndarray  # (n, D): columns of all correlated blocks
    block_from: np.ndarray  # (b + 1,): their columns
    block_error: np.ndarray  # (D,): squared errors
    block_weight: np.ndarray  # (b, n + 2): what a block adds by the class's rows


class Classes(NamedTuple):
    """Sums over the rows of each class; slots without rows are free."""

    labels: np.ndarray  # (n,)
    size: np.ndarray  # (J,)
    counts: np.ndarray  # (J, F)
    known: np.ndarray  # (J, t)
    linear: np.ndarray  # (J, t)
    square: np.ndarray  # (J, t)
    block_linear: np.ndarray  # (J, D)
    block_product: np.ndarray  # (J, D, D)
    numbers: np.ndarray  # (J,): value of the terms that are no categories


@kernel()
def add(rows, classes, i, j, sign):  # type: ignore[no-untyped-def]
    """Add row i to class j (sign 1), or take it out (sign -1)."""
    classes.size[j] += sign
    for c in range(rows.at.shape[1]):
        classes.counts[j, rows.at[i, c]] += sign
    for t in range(rows.z.shape[1]):
        z = rows.z[i, t]
        classes.known[j, t] += sign * rows.is_known[i, t]
        classes.linear[j, t] += sign * z
        classes.square[j, t] += sign * z * z
    for a in range(rows.zb.shape[1]):
        classes.block_linear[j, a] += sign * rows.zb[i, a]
        for b in range(a + 1):
            classes.block_product[j, a, b] += sign * rows.zb[i, a] * rows.zb[i, b]


@kernel()
def _normals(rows, classes, j, i, extra):  # type: ignore[no-untyped-def]
    """Value of the normal terms of class j with row i counted in (extra 1) or not (extra 0)."""
    size = classes.size[j] + extra
    total = rows.penalty[size]
    for t in range(rows.z.shape[1]):
        z = extra * rows.z[i, t]
        known = classes.known[j, t] + extra * rows.is_known[i, t]
        k = int(known + 0.5)
        if k == 0:
            continue
        enough = rows.enough[k]
        mean = (classes.linear[j, t] + z) / known
        raw = max((classes.square[j, t] + z * z) / known - mean * mean, 0.0)
        variance = min(max(raw, rows.least[t]), rows.most[t])
        value = rows.by_known[k] - 0.5 * mean * mean * rows.precision[t] + enough * rows.log_error[t]
        value += rows.prior[t] - 0.5 * (enough - 1.0) * log(variance)
        weight = enough
        if rows.outcome[t] > 0:
            weight = max(float(size), rows.enough[0])
            if k > 1:
                value += rows.cells[size - k] + rows.cells[k] - rows.factorial[size]
            else:
                value += rows.cells_one[size]
        total += value * known / enough + 0.5 * known * (variance - raw) * (weight + 1.0) / (variance * weight)
    return total


@kernel()
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
                total += math.log(s)
                matrix[a, a] = math.sqrt(s)
            else:
                matrix[a, b] = s / matrix[b, b]
    return total


@kernel()
def _blocks(rows, classes, j, i, extra, work):  # type: ignore[no-untyped-def]
    """Value of the correlated terms of class j, with row i counted in or not; ``work`` (D, D) is overwritten."""
    size = classes.size[j] + extra
    total = 0.0
    if size == 0:
        return total
    w = max(float(size), 2.1)
    for block in range(rows.block_from.size - 1):
        first, last = rows.block_from[block], rows.block_from[block + 1]
        d = last - first
        logs = 0.0
        for a in range(d):
            za = extra * rows.zb[i, first + a]
            mean_a = (classes.block_linear[j, first + a] + za) / size
            for b in range(a + 1):
                zb = extra * rows.zb[i, first + b]
                mean_b = (classes.block_linear[j, first + b] + zb) / size
                s = (classes.block_product[j, first + a, first + b] + za * zb) / size - mean_a * mean_b
                if a == b:
                    s = max(s, rows.block_error[first + a])
                    logs += math.log(s)
                    s *= (w + 1) / w
                work[a, b] = s * w / (w - 2)
        value = rows.block_weight[block, size] + 0.5 * d * logs
        value -= (w + d - 1) * 0.5 * (_log_det(work, d) + d * math.log(w - 2))
        total += value * size / w
    return total


@kernel()
def numbers_of(rows, classes, j, i, extra, work):  # type: ignore[no-untyped-def]
    """Value of all terms of class j that are no categories, with row i counted in (extra 1) or not (extra 0)."""
    total = _normals(rows, classes, j, i, extra)
    if rows.block_from.size > 1:
        total += _blocks(rows, classes, j, i, extra, work)
    return total


@kernel()
def _category_gain(rows, classes, j, i):  # type: ignore[no-untyped-def]
    """What the categories of class j gain by row i."""
    gain = rows.category_weight[classes.size[j] + 1] - rows.category_weight[classes.size[j]]
    for c in range(rows.at.shape[1]):
        gain += log(classes.counts[j, rows.at[i, c]] + rows.part[c])
    return gain


@kernel()
def _categories(rows, classes, j):  # type: ignore[no-untyped-def]
    """Value of the categories of class j."""
    total = rows.category_weight[classes.size[j]]
    for f in range(rows.part_of_level.size):
        total += math.lgamma(classes.counts[j, f] + rows.part_of_level[f])
    return total


@kernel()
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
    value = sharing(classes.size, classes.labels.size, 0)
    for j in range(classes.size.size):
        if classes.size[j] > 0:
            value += _categories(rows, classes, j) + classes.numbers[j]
    return value


@kernel()
def gather(rows, classes, work):  # type: ignore[no-untyped-def]
    """Sums of all classes from the labels."""
    classes.size[:] = 0
    classes.counts[:] = 0.0
    classes.known[:] = 0.0
    classes.linear[:] = 0.0
    classes.square[:] = 0.0
    classes.block_linear[:] = 0.0
    classes.block_product[:] = 0.0
    for i in range(classes.labels.size):
        add(rows, classes, i, classes.labels[i], 1)
    for j in range(classes.size.size):
        classes.numbers[j] = numbers_of(rows, classes, j, 0, 0, work)


@kernel()
def uniform(state):  # type: ignore[no-untyped-def]
    """The next number in [0, 1) of xorshift64*; ``state`` is one uint64, not 0."""
    s = state[0]
    s ^= s >> np.uint64(12)
    s ^= s << np.uint64(25)
    s ^= s >> np.uint64(27)
    state[0] = s
    return float((s * np.uint64(2685821657736338717)) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel()
def _choose(gain, count, heat, state):  # type: ignore[no-untyped-def]
    """One of ``count`` by their gains: the largest where heat is 0, or drawn with probabilities exp(gain / heat)."""
    best = 0
    for j in range(1, count):
        if gain[j] > gain[best]:
            best = j
    if heat <= 0:
        return best
    top = gain[best]
    sum_ = 0.0
    for j in range(count):
        gain[j] = math.exp(max((gain[j] - top) / heat, -700.0))
        sum_ += gain[j]
    left = uniform(state) * sum_
    for j in range(count):
        left -= gain[j]
        if left < 0:
            return j
    return best


@kernel()
def _move(rows, classes, i, heat, open_new, state, work, gain, value, slot):  # type: ignore[no-untyped-def]
    """Take row i out of its class and put it where it fits best, an empty class included if ``open_new``; whether it moved."""
    n = classes.labels.size
    old = classes.labels[i]
    if classes.size[old] == 1 and not open_new:
        return False
    add(rows, classes, i, old, -1)
    classes.numbers[old] = numbers_of(rows, classes, old, 0, 0, work)
    count, alive, free = 0, 0, -1
    for j in range(classes.size.size):
        if classes.size[j] > 0:
            alive += 1
    for j in range(classes.size.size):
        if classes.size[j] == 0:
            free = j
            continue
        value[count] = numbers_of(rows, classes, j, i, 1, work)
        gain[count] = value[count] - classes.numbers[j] + _category_gain(rows, classes, j, i)
        if alive > 1:
            gain[count] += log(classes.size[j] + 1.0 - 1.0 / alive) - log(n + alive - 2.0)
        slot[count] = j
        count += 1
    if open_new and free >= 0:
        value[count] = numbers_of(rows, classes, free, i, 1, work)
        gain[count] = value[count] - classes.numbers[free] + _category_gain(rows, classes, free, i)
        gain[count] += sharing(classes.size, n, 1) - sharing(classes.size, n - 1, 0)
        slot[count] = free
        count += 1
    chosen = _choose(gain, count, heat, state)
    new = slot[chosen]
    add(rows, classes, i, new, 1)
    classes.numbers[new] = value[chosen]
    classes.labels[i] = new
    return new != old


@kernel()
def _copy_class(classes, a, b):  # type: ignore[no-untyped-def]
    """Overwrite class b by class a."""
    classes.size[b] = classes.size[a]
    classes.counts[b] = classes.counts[a]
    classes.known[b] = classes.known[a]
    classes.linear[b] = classes.linear[a]
    classes.square[b] = classes.square[a]
    classes.block_linear[b] = classes.block_linear[a]
    classes.block_product[b] = classes.block_product[a]
    classes.numbers[b] = classes.numbers[a]


@kernel()
def _clear(rows, classes, j, work):  # type: ignore[no-untyped-def]
    classes.size[j] = 0
    classes.counts[j] = 0.0
    classes.known[j] = 0.0
    classes.linear[j] = 0.0
    classes.square[j] = 0.0
    classes.block_linear[j] = 0.0
    classes.block_product[j] = 0.0
    classes.numbers[j] = numbers_of(rows, classes, j, 0, 0, work)


@kernel()
def _between(rows, classes, i, a, b, heat, state, work, gain):  # type: ignore[no-untyped-def]
    """Put row i, which is in neither, into class a or b."""
    va = numbers_of(rows, classes, a, i, 1, work)
    vb = numbers_of(rows, classes, b, i, 1, work)
    gain[0] = va - classes.numbers[a] + _category_gain(rows, classes, a, i) + math.log(classes.size[a] + 0.9)
    gain[1] = vb - classes.numbers[b] + _category_gain(rows, classes, b, i) + math.log(classes.size[b] + 0.9)
    if _choose(gain, 2, heat, state) == 0:
        add(rows, classes, i, a, 1)
        classes.numbers[a] = va
        classes.labels[i] = a
    else:
        add(rows, classes, i, b, 1)
        classes.numbers[b] = vb
        classes.labels[i] = b


@kernel()
def _merge(rows, classes, a, b, spare, heat, state, work):  # type: ignore[no-untyped-def]
    """Merge class b into a if that raises the score, or by chance at some heat; ``spare`` is a free slot."""
    n = classes.labels.size
    before = sharing(classes.size, n, 0) + classes.numbers[a] + classes.numbers[b]
    before += _categories(rows, classes, a) + _categories(rows, classes, b)
    _copy_class(classes, a, spare)
    classes.size[a] += classes.size[b]
    classes.counts[a] += classes.counts[b]
    classes.known[a] += classes.known[b]
    classes.linear[a] += classes.linear[b]
    classes.square[a] += classes.square[b]
    classes.block_linear[a] += classes.block_linear[b]
    classes.block_product[a] += classes.block_product[b]
    classes.numbers[a] = numbers_of(rows, classes, a, 0, 0, work)
    size_b = classes.size[b]
    classes.size[b] = 0
    classes.size[spare] = 0
    gain = sharing(classes.size, n, 0) + classes.numbers[a] + _categories(rows, classes, a) - before
    if gain > 0 or (heat > 0 and uniform(state) < math.exp(max(gain / heat, -700.0))):
        for i in range(n):
            if classes.labels[i] == b:
                classes.labels[i] = a
        _clear(rows, classes, b, work)
        _clear(rows, classes, spare, work)
        return True
    classes.size[spare] = classes.size[a] - size_b
    _copy_class(classes, spare, a)
    classes.size[b] = size_b
    _clear(rows, classes, spare, work)
    return False


@kernel()
def _split(rows, classes, a, i, k, b, spare, heat, state, work, gain, members):  # type: ignore[no-untyped-def]
    """Split class a about its rows i and k, k's part to the free slot b, if that raises the score, or by chance at some heat."""
    n = classes.labels.size
    before = sharing(classes.size, n, 0) + classes.numbers[a] + _categories(rows, classes, a)
    _copy_class(classes, a, spare)
    _clear(rows, classes, a, work)
    count = 0
    for r in range(n):
        if classes.labels[r] == a and r != i and r != k:
            members[count] = r
            count += 1
    for r in range(count - 1, 0, -1):
        s = int(uniform(state) * (r + 1))
        members[r], members[s] = members[s], members[r]
    add(rows, classes, i, a, 1)
    add(rows, classes, k, b, 1)
    classes.labels[k] = b
    classes.numbers[a] = numbers_of(rows, classes, a, 0, 0, work)
    classes.numbers[b] = numbers_of(rows, classes, b, 0, 0, work)
    for r in range(count):
        _between(rows, classes, members[r], a, b, 0.0, state, work, gain)
    members[count], members[count + 1] = i, k
    for _ in range(4):
        moved = False
        for r in range(count + 2):
            row = members[r]
            old = classes.labels[row]
            if classes.size[old] == 1:
                continue
            add(rows, classes, row, old, -1)
            classes.numbers[old] = numbers_of(rows, classes, old, 0, 0, work)
            _between(rows, classes, row, a, b, 0.0, state, work, gain)
            moved |= classes.labels[row] != old
        if not moved:
            break
    size = classes.size[spare]
    classes.size[spare] = 0
    after = sharing(classes.size, n, 0) + classes.numbers[a] + classes.numbers[b]
    after += _categories(rows, classes, a) + _categories(rows, classes, b) - before
    if after > 0 or (heat > 0 and uniform(state) < math.exp(max(after / heat, -700.0))):
        _clear(rows, classes, spare, work)
        return True
    classes.size[spare] = size
    _copy_class(classes, spare, a)
    for r in range(count + 2):
        classes.labels[members[r]] = a
    _clear(rows, classes, b, work)
    _clear(rows, classes, spare, work)
    return False


@kernel()
def _pair(rows, classes, heat, state, work, gain, members):  # type: ignore[no-untyped-def]
    """Draw two rows: split their class about them, or merge their two classes; how many rows were looked at."""
    n = classes.labels.size
    i = int(uniform(state) * n)
    k = int(uniform(state) * n)
    a, c = classes.labels[i], classes.labels[k]
    free, spare = -1, -1
    for j in range(classes.size.size):
        if classes.size[j] == 0:
            if spare < 0:
                spare = j
            else:
                free = j
    if i == k or spare < 0:
        return 0
    size = classes.size[a]
    if a != c:
        _merge(rows, classes, a, c, spare, heat, state, work)
        return 1
    if free >= 0 and size > 2:
        _split(rows, classes, a, i, k, free, spare, heat, state, work, gain, members)
    return size


@kernel()
def anneal(rows, classes, heats, pairs, fixed, state, best):  # type: ignore[no-untyped-def]
    """One sweep over the rows for each of ``heats``, up to ``pairs`` splits and merges after each; labels of the best into ``best``.

    Splits end early where they have looked at as many rows as the sweep: large classes are dear to split.

    ``fixed``: classes are neither opened nor closed. Returns the best score; ``state`` (1,) uint64 is the random numbers' state.
    """
    n = classes.labels.size
    width = max(rows.zb.shape[1], 1)
    slots = classes.size.size
    work, gain, value = np.empty((width, width)), np.empty(slots + 2), np.empty(slots + 2)
    slot, order, members = np.empty(slots + 2, np.int64), np.arange(n), np.empty(n + 2, np.int64)
    gather(rows, classes, work)
    top = total(rows, classes)
    best[:] = classes.labels
    for heat in heats:
        for r in range(n - 1, 0, -1):
            s = int(uniform(state) * (r + 1))
            order[r], order[s] = order[s], order[r]
        for r in range(n):
            _move(rows, classes, order[r], heat, not fixed, state, work, gain, value, slot)
        if not fixed:
            looked_at = 0
            for _ in range(pairs):
                looked_at += _pair(rows, classes, heat, state, work, gain, members)
                if looked_at >= n:
                    break
        now = total(rows, classes)
        if now > top:
            top = now
            best[:] = classes.labels
    return top
