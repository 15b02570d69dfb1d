"""Sums over the missing nodes of components: buckets laid out once for each shape, then two sweeps for each component.

A bucket sums one node out: its table is the product of the families and messages that hold the node, laid out so that the node is
the fastest axis. The sweep up gives the probability of what is observed, the sweep down the posterior of every bucket, from which
expected counts are scattered. Dechter (1999), Bucket elimination, Artificial Intelligence 113, 41-85; Darwiche (2003), A
differential approach to inference in Bayesian networks, J. ACM 50, 280-305. The NumPy twin, which enumerates, is
``emkit.models.bayesnet.enumerate``.
"""

import numpy as np

from emkit.kernels.jit import INLINED, INNER, kernel


@kernel(**INNER)
def scopes(nodes, families, rank, fam_begin, fam_node, cards, scope, order, bucket_of, above, cells):  # type: ignore[no-untyped-def]
    """What each bucket of a shape holds; returns the cells of its index arrays, or of the largest bucket if negative.

    Sets ``order`` (nodes by rank), ``scope`` (m, m: which nodes, by place, a bucket's table is over), ``bucket_of`` (the bucket of
    each family), ``above`` (where a bucket's message goes, -1: nowhere), ``cells`` (of each bucket's table).
    """
    m = nodes.shape[0]
    for j in range(m):  # shapes are small; numba's argsort takes a second to compile
        at = j
        while at > 0 and rank[order[at - 1]] > rank[nodes[j]]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = nodes[j]
    place = np.full(rank.shape[0], -1, np.int64)
    for j in range(m):
        place[order[j]] = j
    scope[:m, :m] = False
    factors = np.zeros(m, np.int64)
    for f in range(families.shape[0]):
        low = m
        for at in range(fam_begin[families[f]], fam_begin[families[f] + 1]):
            j = place[fam_node[at]]
            if 0 <= j < low:
                low = j
        bucket_of[f] = low
        factors[low] += 1
        for at in range(fam_begin[families[f]], fam_begin[families[f] + 1]):
            j = place[fam_node[at]]
            if j >= 0:
                scope[low, j] = True
    total, largest = 0.0, 0.0
    for b in range(m):
        size = 1.0
        above[b] = -1
        for j in range(b, m):
            if scope[b, j]:
                size *= cards[order[j]]
                if j > b and above[b] < 0:
                    above[b] = j
        if above[b] >= 0:
            factors[above[b]] += 1
            for j in range(b + 1, m):
                if scope[b, j]:
                    scope[above[b], j] = True
        cells[b] = np.int64(min(size, 9e18))
        largest = max(largest, size)
        total += size * factors[b]
    return total, largest


@kernel(**INNER)
def lay_out(  # type: ignore[no-untyped-def]
    families, fam_begin, fam_node, fam_stride, cards, scope, order, bucket_of, above, cells,
    buckets, factors, index, bucket, factor, at,
):  # fmt: skip
    """Write a shape's buckets and index arrays from ``bucket``, ``factor`` and ``at`` on; returns where they end.

    ``buckets`` (., 6): cells, states of the node summed out, first factor, factors, where its table and its message lie in the
    workspace. ``factors`` (., 2): a family's number in the shape, or -1 - the bucket that a message comes from; where its index
    array begins.
    """
    m = order.shape[0]
    place = np.full(fam_begin.shape[0], -1, np.int64)
    for j in range(m):
        place[order[j]] = j
    axes, strides, digits = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    tables, messages = 0, 0
    for b in range(m):
        card = cards[order[b]]
        buckets[bucket + b, 0] = cells[b]
        buckets[bucket + b, 1] = card
        buckets[bucket + b, 2] = factor
        buckets[bucket + b, 4] = tables
        buckets[bucket + b, 5] = messages
        tables += cells[b]
        messages += cells[b] // card
        n_axes = 0
        for j in range(b + 1, m):
            if scope[b, j]:
                axes[n_axes] = j
                n_axes += 1
        axes[n_axes] = b  # the node that is summed out is the fastest axis
        n_axes += 1
        for f in range(families.shape[0] + b):
            if f < families.shape[0]:
                if bucket_of[f] != b:
                    continue
                strides[:n_axes] = 0
                for member in range(fam_begin[families[f]], fam_begin[families[f] + 1]):
                    j = place[fam_node[member]]
                    if j >= 0:
                        for axis in range(n_axes):
                            if axes[axis] == j:
                                strides[axis] = fam_stride[member]
                factors[factor, 0] = f
            else:
                child = f - families.shape[0]
                if above[child] != b:
                    continue
                strides[:n_axes] = 0
                step = 1
                for j in range(m - 1, child, -1):  # a message lies as its bucket does: ascending places, the last one fastest
                    if scope[child, j]:
                        for axis in range(n_axes):
                            if axes[axis] == j:
                                strides[axis] = step
                        step *= cards[order[j]]
                factors[factor, 0] = -1 - child
            factors[factor, 1] = at
            factor += 1
            digits[:n_axes] = 0
            value = 0
            for cell in range(cells[b]):
                index[at + cell] = value
                axis = n_axes - 1
                while axis >= 0:
                    digits[axis] += 1
                    value += strides[axis]
                    if digits[axis] < cards[order[axes[axis]]]:
                        break
                    value -= strides[axis] * digits[axis]
                    digits[axis] = 0
                    axis -= 1
            at += cells[b]
        buckets[bucket + b, 3] = factor - buckets[bucket + b, 2]
    return bucket + m, factor, at


TOO_LARGE, MORE_ROOM, DONE = 1, 2, 0
"""Why the laying out of tapes stopped: at a shape whose largest table is too large, for lack of room, or at its end."""


@kernel()
def lay_out_all(  # type: ignore[no-untyped-def]
    keys, key_begin, shape, shapes, limit, rank, fam_begin, fam_node, fam_stride, cards, scope, scratch, bucket_of,
    buckets, factors, index, at, begins, work, largest,
):  # fmt: skip
    """Tapes of all shapes from number ``shape`` on; returns the shape that is next, and why it stopped.

    ``keys``: of each shape its number of nodes, these, and its families. ``at`` (3,): where buckets, factors and index arrays end,
    or, for lack of room, ``largest`` (3,): up to where they have to reach; otherwise its first entry is the cells of a table.
    """
    for s in range(shape, shapes):
        first = key_begin[s] + 1
        m = keys[first - 1]
        nodes, families = keys[first : first + m], keys[first + m : key_begin[s + 1]]
        order, above, cells = scratch[0], scratch[1], scratch[2]
        total, largest[0] = scopes(nodes, families, rank, fam_begin, fam_node, cards, scope, order, bucket_of, above, cells)
        if largest[0] > limit:
            return s, TOO_LARGE
        needs = (at[0] + m, at[1] + families.shape[0] + m, at[2] + total)
        if needs[0] > buckets.shape[0] or needs[1] > factors.shape[0] or needs[2] > index.shape[0]:
            largest[0], largest[1], largest[2] = needs
            return s, MORE_ROOM
        at[0], at[1], at[2] = lay_out(
            families, fam_begin, fam_node, fam_stride, cards, scope, order[:m], bucket_of, above, cells,
            buckets, factors, index, at[0], at[1], at[2],
        )  # fmt: skip
        begins[s + 1] = at[0]
        work[s] = total
    return shapes, DONE


@kernel(**INLINED)
def product(theta, bases, first, buckets, factors, index, begin, b, table, message):  # type: ignore[no-untyped-def]
    """Fill bucket ``b``'s table with the product of its factors; returns the log of what was taken out of it on the way.

    A hidden cause of a thousand observed nodes is a bucket of a thousand factors, whose product lies below the smallest float.
    """
    cells, at = buckets[b, 0], buckets[b, 4]
    taken = 0.0
    for f in range(buckets[b, 2], buckets[b, 2] + buckets[b, 3]):
        which, where = factors[f, 0], factors[f, 1]
        if which >= 0:
            base = bases[first + which]
            if f == buckets[b, 2]:
                for cell in range(cells):
                    table[at + cell] = theta[base + index[where + cell]]
            else:
                for cell in range(cells):
                    table[at + cell] *= theta[base + index[where + cell]]
        else:
            source = buckets[begin - 1 - which, 5]
            if f == buckets[b, 2]:
                for cell in range(cells):
                    table[at + cell] = message[source + index[where + cell]]
            else:
                for cell in range(cells):
                    table[at + cell] *= message[source + index[where + cell]]
        if (f - buckets[b, 2]) & 15 == 15:
            largest = 0.0
            for cell in range(cells):
                largest = max(largest, table[at + cell])
            if largest > 0.0:
                taken += np.log(largest)
                for cell in range(cells):
                    table[at + cell] /= largest
    return taken


@kernel(**INLINED)
def up(theta, bases, first, buckets, factors, index, begin, end, table, message, scale):  # type: ignore[no-untyped-def]
    """The sweep up: tables and messages, each of these scaled to add up to 1; returns the log of what they were scaled by."""
    log_z = 0.0
    for b in range(begin, end):
        cells, card = buckets[b, 0], buckets[b, 1]
        at, to = buckets[b, 4], buckets[b, 5]
        log_z += product(theta, bases, first, buckets, factors, index, begin, b, table, message)
        total = 0.0
        for cell in range(cells // card):
            value = 0.0
            for state in range(card):
                value += table[at + cell * card + state]
            message[to + cell] = value
            total += value
        scale[b - begin] = total
        if not total > 0.0:
            return -np.inf
        for cell in range(cells // card):
            message[to + cell] /= total
        log_z += np.log(total)
    return log_z


@kernel(**INLINED)
def _down(  # type: ignore[no-untyped-def]
    weight, bases, first, buckets, factors, index, begin, end, table, message, scale, back, counts
):
    """The sweep down: every table becomes its posterior, and the families' share of it is added to ``counts``."""
    for cell in range(buckets[end - 1, 5] + buckets[end - 1, 0] // buckets[end - 1, 1]):
        back[cell] = 0.0
    for b in range(end - 1, begin - 1, -1):
        cells, card = buckets[b, 0], buckets[b, 1]
        at, to = buckets[b, 4], buckets[b, 5]
        for cell in range(cells // card):
            ratio = weight / scale[b - begin]
            if b < end - 1:  # a component hangs together, so that only its last bucket sends no message
                sent = message[to + cell]
                ratio = back[to + cell] / (sent * scale[b - begin]) if sent > 0.0 else 0.0
            for state in range(card):
                table[at + cell * card + state] *= ratio
        for f in range(buckets[b, 2], buckets[b, 2] + buckets[b, 3]):
            which, where = factors[f, 0], factors[f, 1]
            if which >= 0:
                base = bases[first + which]
                for cell in range(cells):
                    counts[base + index[where + cell]] += table[at + cell]
            else:
                source = buckets[begin - 1 - which, 5]
                for cell in range(cells):
                    back[source + index[where + cell]] += table[at + cell]


@kernel()
def sweeps(  # type: ignore[no-untyped-def]
    theta, parts, shape_of, base_begin, bases, mass, shape_begin, buckets, factors, index,
    table, message, back, scale, counts, logs, counting,
):  # fmt: skip
    """Both sweeps over components ``parts[0]`` to ``parts[1]``: log probabilities into ``logs``, counts added to ``counts``."""
    for c in range(parts[0], parts[1]):
        shape = shape_of[c]
        begin, end = shape_begin[shape], shape_begin[shape + 1]
        first = base_begin[c]
        value = up(theta, bases, first, buckets, factors, index, begin, end, table, message, scale)
        logs[c] = value
        if counting and value > -np.inf and mass[c] > 0.0:
            _down(mass[c], bases, first, buckets, factors, index, begin, end, table, message, scale, back, counts)
