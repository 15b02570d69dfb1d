"""Answers from tapes: each missing node's posterior, the most probable states of all, and states drawn at random.

Every bucket sums one node out, so that what is said of bucket ``b`` is said of one node. A message's cells are numbered in the
bucket that it goes to by an index array of the tape: once a bucket's states are chosen, so are the cells of the messages in it.
Dechter (1999), Bucket elimination, Artificial Intelligence 113, 41-85.
"""

import numpy as np

from emkit.kernels.bayesnet_tape import product, up
from emkit.kernels.jit import INLINED, kernel

_TIE = 1.0 + 1e-12
"""States whose products differ by rounding alone are ties, and go to the first of them."""


@kernel(**INLINED)
def _beliefs(buckets, factors, index, begin, end, table, message, scale, back, slot, place, out):  # type: ignore[no-untyped-def]
    """The sweep down for a component's nodes: posteriors into ``out`` from ``place`` + ``slot[b]`` on; slot -1 is not asked."""
    for cell in range(buckets[end - 1, 5] + buckets[end - 1, 0] // buckets[end - 1, 1]):
        back[cell] = 0.0
    lowest = end
    for b in range(begin, end):
        if slot[b] >= 0:
            lowest = b
            break
    for b in range(end - 1, lowest - 1, -1):
        cells, card = buckets[b, 0], buckets[b, 1]
        at, to = buckets[b, 4], buckets[b, 5]
        for cell in range(cells // card):
            ratio = 1.0 / scale[b - begin]
            if b < end - 1:
                sent = message[to + cell]
                ratio = back[to + cell] / (sent * scale[b - begin]) if sent > 0.0 else 0.0
            for state in range(card):
                table[at + cell * card + state] *= ratio
        if slot[b] >= 0:
            first = place + slot[b]
            for cell in range(cells // card):
                for state in range(card):
                    out[first + state] += table[at + cell * card + state]
        for f in range(buckets[b, 2], buckets[b, 2] + buckets[b, 3]):
            which, where = factors[f, 0], factors[f, 1]
            if which < 0:
                source = buckets[begin - 1 - which, 5]
                for cell in range(cells):
                    back[source + index[where + cell]] += table[at + cell]


@kernel()
def beliefs(  # type: ignore[no-untyped-def]
    theta, shape_of, base_begin, bases, shape_begin, buckets, factors, index,
    table, message, back, scale, slot, place, out, logs,
):  # fmt: skip
    """Each component's log probability, and posteriors of the nodes that are asked for.

    ``place`` (C + 1,): where each component's posteriors begin in ``out``, zeros. ``slot``: for each bucket where its node's
    posterior lies from there on, -1 if that node is not asked for.
    """
    for c in range(shape_of.shape[0]):
        begin, end = shape_begin[shape_of[c]], shape_begin[shape_of[c] + 1]
        logs[c] = up(theta, bases, base_begin[c], buckets, factors, index, begin, end, table, message, scale)
        if logs[c] > -np.inf and place[c + 1] > place[c]:
            _beliefs(buckets, factors, index, begin, end, table, message, scale, back, slot, place[c], out)


@kernel()
def spread_beliefs(codes, rows, which, shape_of, shape_begin, node_of, cards, slot, place, found, wanted, to, out):  # type: ignore[no-untyped-def]
    """Posteriors of components into those of rows: of node ``wanted[j]`` from ``to[j]`` on, a row after another; zeros before."""
    first = np.full(cards.shape[0], -1, np.int64)
    for j in range(wanted.shape[0]):
        node, card = wanted[j], cards[wanted[j]]
        first[node] = to[j]
        for i in range(codes.shape[0]):
            if codes[i, node] >= 0:
                out[to[j] + i * card + codes[i, node]] = 1.0
    for p in range(rows.shape[0]):
        shape = shape_of[which[p]]
        for b in range(shape_begin[shape], shape_begin[shape + 1]):
            if slot[b] >= 0:
                card = cards[node_of[b]]
                begin, at = place[which[p]] + slot[b], first[node_of[b]] + rows[p] * card
                for state in range(card):
                    out[at + state] = found[begin + state]


@kernel(**INLINED)
def _best(theta, bases, first, buckets, factors, index, begin, end, table, message, choice):  # type: ignore[no-untyped-def]
    """The sweep up with maxima for sums; ``choice``: each message cell's best state. Returns whether there is any."""
    for b in range(begin, end):
        cells, card = buckets[b, 0], buckets[b, 1]
        at, to = buckets[b, 4], buckets[b, 5]
        product(theta, bases, first, buckets, factors, index, begin, b, table, message)
        largest = 0.0
        for cell in range(cells // card):
            value, which = table[at + cell * card], 0
            for state in range(1, card):
                if table[at + cell * card + state] > value * _TIE:
                    value, which = table[at + cell * card + state], state
            message[to + cell] = value
            choice[to + cell] = which
            largest = max(largest, value)
        if not largest > 0.0:
            return False
        for cell in range(cells // card):
            message[to + cell] /= largest
    return True


@kernel()
def most_probable(  # type: ignore[no-untyped-def]
    theta, shape_of, base_begin, bases, shape_begin, buckets, factors, index, table, message, choice, cell_of, place, out,
):  # fmt: skip
    """The most probable states of each component's nodes, by bucket, from ``place[c]`` on; -1 where all have probability zero."""
    for c in range(shape_of.shape[0]):
        begin, end = shape_begin[shape_of[c]], shape_begin[shape_of[c] + 1]
        if not _best(theta, bases, base_begin[c], buckets, factors, index, begin, end, table, message, choice):
            out[place[c] : place[c + 1]] = -1
            continue
        cell_of[end - 1 - begin] = 0
        for b in range(end - 1, begin - 1, -1):
            state = choice[buckets[b, 5] + cell_of[b - begin]]
            out[place[c] + b - begin] = state
            _settle(buckets, factors, index, b, cell_of[b - begin] * buckets[b, 1] + state, cell_of)


@kernel(**INLINED)
def _settle(buckets, factors, index, b, cell, cell_of):  # type: ignore[no-untyped-def]
    """With bucket ``b`` in one cell of its table, so are the messages that it holds: of which cells, into ``cell_of``."""
    for f in range(buckets[b, 2], buckets[b, 2] + buckets[b, 3]):
        which, where = factors[f, 0], factors[f, 1]
        if which < 0:
            cell_of[-1 - which] = index[where + cell]


@kernel()
def spread_states(rows, which, shape_of, shape_begin, node_of, place, found, out):  # type: ignore[no-untyped-def]
    """States of components' nodes into rows (n, N)."""
    for p in range(rows.shape[0]):
        begin, end = shape_begin[shape_of[which[p]]], shape_begin[shape_of[which[p]] + 1]
        for b in range(begin, end):
            out[rows[p], node_of[b]] = found[place[which[p]] + b - begin]


@kernel()
def draw(  # type: ignore[no-untyped-def]
    theta, shape_of, base_begin, bases, shape_begin, buckets, factors, index,
    table, message, scale, cell_of, node_of, pair_begin, rows, uniform, out,
):  # fmt: skip
    """Fill components' nodes of rows (times, n, N) from their joint posterior; returns how many numbers ``uniform`` gave.

    ``pair_begin`` (C + 1,): where the rows of each component begin in ``rows``. Components of probability zero stay as they are.
    """
    used = 0
    for c in range(shape_of.shape[0]):
        if pair_begin[c] == pair_begin[c + 1]:
            continue
        begin, end = shape_begin[shape_of[c]], shape_begin[shape_of[c] + 1]
        if not up(theta, bases, base_begin[c], buckets, factors, index, begin, end, table, message, scale) > -np.inf:
            continue
        for time in range(out.shape[0]):
            for p in range(pair_begin[c], pair_begin[c + 1]):
                cell_of[end - 1 - begin] = 0
                for b in range(end - 1, begin - 1, -1):
                    card = buckets[b, 1]
                    first = cell_of[b - begin] * card
                    state = _drawn(table, buckets[b, 4] + first, card, uniform[used])
                    used += 1
                    out[time, rows[p], node_of[b]] = state
                    _settle(buckets, factors, index, b, first + state, cell_of)
    return used


@kernel(**INLINED)
def _drawn(table, at, card, uniform):  # type: ignore[no-untyped-def]
    """A state, in proportion to ``card`` entries of ``table``; never one whose entry is 0."""
    total = 0.0
    for state in range(card):
        total += table[at + state]
    left, chosen = uniform * total, 0
    for state in range(card):
        if table[at + state] > 0.0:
            chosen = state
            left -= table[at + state]
            if left < 0.0:
                break
    return chosen


@kernel()
def draw_down(theta, topological, fam_begin, fam_node, fam_stride, offsets, cards, uniform, used, out):  # type: ignore[no-untyped-def]
    """Fill what is still missing in rows (times, n, N) from its parents, these first; returns how many numbers were used."""
    for time in range(out.shape[0]):
        for i in range(out.shape[1]):
            for node in topological:
                if out[time, i, node] >= 0:
                    continue
                base = offsets[node]
                for at in range(fam_begin[node], fam_begin[node + 1] - 1):
                    base += out[time, i, fam_node[at]] * fam_stride[at]
                out[time, i, node] = _drawn(theta, base, cards[node], uniform[used])
                used += 1
    return used
