"""Rows moved between classes, and classes split and merged, by AutoClass's score of hard labels (``class_values``).

Splits about two of a class's rows, and merges of the classes of two rows, are those of Jain and Neal (2004, "A split-merge Markov
chain Monte Carlo procedure for the Dirichlet process mixture model"), accepted by simulated annealing.
"""

import math

import numpy as np

# Whole numbers are passed as np.int64(1): numba compiles a function anew for every literal that it is given.
from emkit.kernels.class_values import add, categories, category_gain, gather, numbers_of, sharing, total
from emkit.kernels.jit import INNER, kernel
from emkit.kernels.vmath import log


@kernel(**INNER)
def uniform(state):  # type: ignore[no-untyped-def]
    """The next number in [0, 1) of xorshift64*; ``state`` is one uint64, not 0."""
    s = state[0]
    s ^= s >> np.uint64(12)
    s ^= s << np.uint64(25)
    s ^= s >> np.uint64(27)
    state[0] = s
    return float((s * np.uint64(2685821657736338717)) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel(**INNER)
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


@kernel(**INNER)
def _move(rows, classes, i, heat, open_new, state, work, gain, value, slot):  # type: ignore[no-untyped-def]
    """Take row i out of its class and put it where it fits best, an empty class included if ``open_new``; whether it moved."""
    n = classes.labels.size
    old = classes.labels[i]
    if classes.size[old] == 1 and not open_new:
        return False
    add(rows, classes, i, old, np.int64(-1))
    classes.numbers[old] = numbers_of(rows, classes, old, np.int64(0), np.int64(0), work)
    count, alive, free = 0, 0, np.int64(-1)
    for j in range(classes.size.size):
        if classes.size[j] > 0:
            alive += 1
        else:
            free = j
    for j in range(classes.size.size):
        if classes.size[j] == 0 and not (open_new and j == free):
            continue
        value[count] = numbers_of(rows, classes, j, i, np.int64(1), work)
        gain[count] = value[count] - classes.numbers[j] + category_gain(rows, classes, j, i)
        if classes.size[j] == 0:
            gain[count] += sharing(classes.size, n, np.int64(1)) - sharing(classes.size, n - 1, np.int64(0))
        elif alive > 1:
            gain[count] += log(classes.size[j] + 1.0 - 1.0 / alive) - log(n + alive - 2.0)
        slot[count] = j
        count += 1
    chosen = _choose(gain, count, heat, state)
    new = slot[chosen]
    add(rows, classes, i, new, np.int64(1))
    classes.numbers[new] = value[chosen]
    classes.labels[i] = new
    return new != old


@kernel(**INNER)
def _copy_class(classes, a, b):  # type: ignore[no-untyped-def]
    """Overwrite class b by class a."""
    classes.size[b] = classes.size[a]
    classes.numbers[b] = classes.numbers[a]
    for s in range(classes.sums.shape[1]):  # assigning rows would compile numba's broadcasting, error messages and all: 3 s
        classes.sums[b, s] = classes.sums[a, s]


@kernel(**INNER)
def _copy(labels, out):  # type: ignore[no-untyped-def]
    for i in range(labels.size):
        out[i] = labels[i]


@kernel(**INNER)
def _clear(classes, j):  # type: ignore[no-untyped-def]
    classes.size[j] = 0
    classes.sums[j] = 0.0
    classes.numbers[j] = 0.0


@kernel(**INNER)
def _between(rows, classes, i, a, b, heat, state, work, gain, value):  # type: ignore[no-untyped-def]
    """Put row i, which is in neither, into class a or b."""
    for side in range(2):
        j = b if side else a
        value[side] = numbers_of(rows, classes, j, i, np.int64(1), work)
        gain[side] = value[side] - classes.numbers[j] + category_gain(rows, classes, j, i) + log(classes.size[j] + 0.9)
    side = _choose(gain, 2, heat, state)
    j = b if side else a
    add(rows, classes, i, j, np.int64(1))
    classes.numbers[j] = value[side]
    classes.labels[i] = j


@kernel(**INNER)
def _merge(rows, classes, a, b, spare, heat, state, work):  # type: ignore[no-untyped-def]
    """Merge class b into a if that raises the score, or by chance at some heat; ``spare`` is a free slot."""
    n = classes.labels.size
    before = sharing(classes.size, n, np.int64(0)) + classes.numbers[a] + classes.numbers[b]
    before += categories(rows, classes, a) + categories(rows, classes, b)
    _copy_class(classes, a, spare)
    classes.size[a] += classes.size[b]
    for s in range(classes.sums.shape[1]):
        classes.sums[a, s] += classes.sums[b, s]
    classes.numbers[a] = numbers_of(rows, classes, a, np.int64(0), np.int64(0), work)
    size_b = classes.size[b]
    classes.size[b] = 0
    classes.size[spare] = 0
    gain = sharing(classes.size, n, np.int64(0)) + classes.numbers[a] + categories(rows, classes, a) - before
    if gain > 0 or (heat > 0 and uniform(state) < math.exp(max(gain / heat, -700.0))):
        for i in range(n):
            if classes.labels[i] == b:
                classes.labels[i] = a
        _clear(classes, b)
        _clear(classes, spare)
        return True
    classes.size[spare] = classes.size[a] - size_b
    _copy_class(classes, spare, a)
    classes.size[b] = size_b
    _clear(classes, spare)
    return False


@kernel(**INNER)
def _split(rows, classes, a, i, k, b, spare, heat, state, work, gain, value, members):  # type: ignore[no-untyped-def]
    """Split class a about its rows i and k, k's part to the free slot b, if that raises the score, or by chance at some heat."""
    n = classes.labels.size
    cold = float(heat * 0)
    before = sharing(classes.size, n, np.int64(0)) + classes.numbers[a] + categories(rows, classes, a)
    _copy_class(classes, a, spare)
    _clear(classes, a)
    count = 0
    for r in range(n):
        if classes.labels[r] == a and r != i and r != k:
            members[count] = r
            count += 1
    for r in range(count - 1, 0, -1):
        s = int(uniform(state) * (r + 1))
        members[r], members[s] = members[s], members[r]
    members[count], members[count + 1] = i, k
    for side in range(2):
        j = b if side else a
        add(rows, classes, members[count + side], j, np.int64(1))
        classes.labels[members[count + side]] = j
        classes.numbers[j] = numbers_of(rows, classes, j, np.int64(0), np.int64(0), work)
    for again in range(5):
        moved = again == 0
        for r in range(count + 2 if again else count):
            row = members[r]
            old = classes.labels[row]
            if again:
                if classes.size[old] == 1:
                    continue
                add(rows, classes, row, old, np.int64(-1))
                classes.numbers[old] = numbers_of(rows, classes, old, np.int64(0), np.int64(0), work)
            _between(rows, classes, row, a, b, cold, state, work, gain, value)
            moved |= classes.labels[row] != old
        if not moved:
            break
    size = classes.size[spare]
    classes.size[spare] = 0
    after = sharing(classes.size, n, np.int64(0)) + classes.numbers[a] + classes.numbers[b]
    after += categories(rows, classes, a) + categories(rows, classes, b) - before
    if after > 0 or (heat > 0 and uniform(state) < math.exp(max(after / heat, -700.0))):
        _clear(classes, spare)
        return True
    classes.size[spare] = size
    _copy_class(classes, spare, a)
    for r in range(count + 2):
        classes.labels[members[r]] = a
    _clear(classes, b)
    _clear(classes, spare)
    return False


@kernel(**INNER)
def _pair(rows, classes, heat, state, work, gain, value, members):  # type: ignore[no-untyped-def]
    """Draw two rows: split their class about them, or merge their two classes; how many rows were looked at."""
    n = classes.labels.size
    i = int(uniform(state) * n)
    k = int(uniform(state) * n)
    a, c = classes.labels[i], classes.labels[k]
    free, spare = np.int64(-1), np.int64(-1)
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
        _split(rows, classes, a, i, k, free, spare, heat, state, work, gain, value, members)
    return size


@kernel()
def anneal(rows, classes, heats, pairs, fixed, state, best):  # type: ignore[no-untyped-def]
    """One sweep over the rows for each of ``heats``, up to ``pairs`` splits and merges after each; the best labels into ``best``.

    Splits end early where they have looked at as many rows as the sweep: large classes are dear to split.

    ``fixed``: classes are neither opened nor closed. Returns the best score; ``state`` (1,) uint64 is the random numbers' state.
    """
    n = classes.labels.size
    width = max(rows.errors.size, 1)
    slots = classes.size.size
    work, gain, value = np.empty((width, width)), np.empty(slots + 2), np.empty(slots + 2)
    slot, order, members = np.empty(slots + 2, np.int64), np.arange(n), np.empty(n + 2, np.int64)
    gather(rows, classes, work)
    top = total(rows, classes)
    _copy(classes.labels, best)
    for heat in heats:
        for r in range(n - 1, 0, -1):
            s = int(uniform(state) * (r + 1))
            order[r], order[s] = order[s], order[r]
        for r in range(n):
            _move(rows, classes, order[r], heat, not fixed, state, work, gain, value, slot)
        if not fixed:
            looked_at = 0
            for _ in range(pairs):
                looked_at += _pair(rows, classes, heat, state, work, gain, value, members)
                if looked_at >= n:
                    break
        now = total(rows, classes)
        if now > top:
            top = now
            _copy(classes.labels, best)
    return top
