"""Counts of families of any graph: what rows say that observe them, and what the components of other rows are expected to say.

A row's missing nodes fall into components (see ``emkit.kernels.bayesnet_scan``), which are independent given what it observes. What
it adds to a family's table is therefore the product of its components' marginal posteriors, at the place of its observed members.
"""

import math

import numpy as np

from emkit.kernels.jit import INLINED, kernel

_ROWS = 1024  # that are counted together: their places in the table stay at hand


@kernel()
def count_observed(states, weights, members, strides, out):  # type: ignore[no-untyped-def]
    """Add to a table (flat, and one entry more for other rows) the weights of rows that observe all of its members.

    ``states`` (N, n): negative where a cell is missing. ``members``, ``strides``: nodes, and what a step of their state is in the
    table.
    """
    room, lacks, other = np.empty(_ROWS, np.int32), np.empty(_ROWS, np.int32), np.int32(out.shape[0] - 1)
    for begin in range(0, weights.shape[0], _ROWS):
        rows = min(_ROWS, weights.shape[0] - begin)
        place, lacking, mass = room[:rows], lacks[:rows], weights[begin : begin + rows]
        place[:] = 0
        lacking[:] = 0
        for j in range(members.shape[0]):
            column, stride = states[members[j], begin : begin + rows], np.int32(strides[j])
            for i in range(rows):  # slices and plain loops: compiled to whole registers
                place[i] += column[i] * stride
                lacking[i] |= column[i]  # the sign stays if any is negative
        for i in range(rows):
            place[i] = place[i] if lacking[i] >= 0 else other
        for i in range(rows):
            out[np.uint32(place[i])] += mass[i]


@kernel(**INLINED)
def _add_beliefs(  # type: ignore[no-untyped-def]
    c, shape_keys, shape, cards, joint_begin, joint, belief_begin, belief, pair_place, places, pair_belief_begin, pair_belief, digit
):
    """The posteriors of a component's nodes and of pairs of them, in one pass over its configurations; ``digit`` is all zeros."""
    nodes = shape_keys[shape]
    for k in range(joint_begin[c], joint_begin[c + 1]):
        share, to = joint[k], belief_begin[c]
        for j in range(nodes):
            belief[to + digit[j]] += share
            card = cards[shape_keys[shape + 1 + j]]
            to += card
            for i in range(j):
                at = pair_belief_begin[c] + pair_place[places + i * nodes + j]
                pair_belief[at + digit[i] * card + digit[j]] += share
        for j in range(nodes - 1, -1, -1):
            digit[j] += 1
            if digit[j] < cards[shape_keys[shape + 1 + j]]:
                break
            digit[j] = 0


@kernel()
def joints(  # type: ignore[no-untyped-def]
    log_theta, cards, fam_begin, fam_node, fam_stride, shape_keys, shape_begin, keys, begin, many,
    joint_begin, joint, belief_begin, belief, pair_begin, pair_place, pair_belief_begin, pair_belief,
):  # fmt: skip
    """The joint posterior of every component, its last node's state varying fastest, and of each of its nodes, and pairs of nodes.

    ``many``: components. One without room in ``joint`` is left out. Keys are those of the scanner's pools. ``pair_place``: where
    the table of each pair of a shape's nodes is among its pairs, from ``pair_begin[shape]`` on, nodes times nodes.
    """
    for c in range(many):
        first, size = joint_begin[c], joint_begin[c + 1] - joint_begin[c]
        if size == 0:
            continue
        shape = shape_begin[keys[begin[c]]]
        nodes = shape_keys[shape]
        families = begin[c + 1] - begin[c] - 1
        step = np.zeros((families, nodes), np.int64)
        index, digit = np.empty(families, np.int64), np.zeros(nodes, np.int64)
        for f in range(families):
            index[f] = keys[begin[c] + 1 + f]
            family = shape_keys[shape + 1 + nodes + f]
            for at in range(fam_begin[family], fam_begin[family + 1]):
                for j in range(nodes):
                    if shape_keys[shape + 1 + j] == fam_node[at]:
                        step[f, j] = fam_stride[at]
        top = -np.inf
        for k in range(size):
            value = 0.0
            for f in range(families):
                value += log_theta[index[f]]
            joint[first + k] = value
            top = max(top, value)
            for j in range(nodes - 1, -1, -1):
                digit[j] += 1
                if digit[j] < cards[shape_keys[shape + 1 + j]]:
                    for f in range(families):
                        index[f] += step[f, j]
                    break
                for f in range(families):
                    index[f] -= step[f, j] * (digit[j] - 1)
                digit[j] = 0
        total = 0.0
        for k in range(size):
            joint[first + k] = math.exp(joint[first + k] - top) if top > -np.inf else 1.0
            total += joint[first + k]
        for k in range(size):
            joint[first + k] /= total
        _add_beliefs(
            c, shape_keys, shape, cards, joint_begin, joint, belief_begin, belief, pair_place, pair_begin[keys[begin[c]]],
            pair_belief_begin, pair_belief, digit,
        )  # fmt: skip


@kernel(**INLINED)
def _marginal(row, own, own_count, members, cards, component, shape_of, shape_keys, shape_begin,  # type: ignore[no-untyped-def]
              joint_begin, joint, belief_begin, belief, pair_begin, pair_place, pair_belief_begin, pair_belief,
              delta, digit, room):  # fmt: skip
    """The posterior of some missing members of one component, ``own[:own_count]``, into ``room``, the last varying fastest."""
    c = component[members[own[0]], row]
    shape = shape_begin[shape_of[c]]
    nodes = shape_keys[shape]
    if own_count == 1:
        node, at = members[own[0]], belief_begin[c]
        for j in range(nodes):
            if shape_keys[shape + 1 + j] == node:
                break
            at += cards[shape_keys[shape + 1 + j]]
        for s in range(cards[node]):
            room[s] = belief[at + s]
        return cards[node]
    if own_count == 2:  # nodes of a shape ascend, and so do a family's members
        low, high = -1, -1
        for j in range(nodes):
            if shape_keys[shape + 1 + j] == members[own[0]]:
                low = j
            elif shape_keys[shape + 1 + j] == members[own[1]]:
                high = j
        at = pair_belief_begin[c] + pair_place[pair_begin[shape_of[c]] + low * nodes + high]
        size = cards[members[own[0]]] * cards[members[own[1]]]
        for s in range(size):
            room[s] = pair_belief[at + s]
        return size
    for j in range(nodes):
        delta[j], digit[j] = 0, 0
    size = 1
    for i in range(own_count - 1, -1, -1):
        node = members[own[i]]
        for j in range(nodes):
            if shape_keys[shape + 1 + j] == node:
                delta[j] = size
        size *= cards[node]
    for s in range(size):
        room[s] = 0.0
    at = 0
    for k in range(joint_begin[c], joint_begin[c + 1]):
        room[at] += joint[k]
        for j in range(nodes - 1, -1, -1):
            digit[j] += 1
            at += delta[j]
            if digit[j] < cards[shape_keys[shape + 1 + j]]:
                break
            at -= delta[j] * digit[j]
            digit[j] = 0
    return size


@kernel(**INLINED)
def _spread(places, shares, entries, room, size, own, own_count, members, cards, strides):  # type: ignore[no-untyped-def]
    """Each of so many places once for every state of one component's members, ``own``, its share times theirs in ``room``."""
    for e in range(entries - 1, -1, -1):  # from the last, so that none is overwritten before it is read
        place, share = places[e], shares[e]
        for s in range(size - 1, -1, -1):
            rest, to = s, place
            for i in range(own_count - 1, -1, -1):
                card = cards[members[own[i]]]
                to += rest % card * strides[own[i]]
                rest //= card
            places[e * size + s], shares[e * size + s] = to, share * room[s]


@kernel()
def count_missing(  # type: ignore[no-untyped-def]
    states, weights, members, strides, cards, hole_begin, hole_row, component, belief_of, shape_of, shape_keys, shape_begin,
    joint_begin, joint, belief_begin, belief, pair_begin, pair_place, pair_belief_begin, pair_belief,
    scratch, places, shares, room, later, out,
):  # fmt: skip
    """Add to a table what rows are expected to say in which some of its members are missing.

    Returns how many rows were left for ``later`` (their numbers), because a component of theirs has no joint posterior.

    ``hole_begin``, ``hole_row``: the rows in which each node is missing. ``component``, ``belief_of`` (N, n): of each missing
    cell its component, and where its posterior begins in ``belief``, -1 where there is none.
    ``scratch``: 4 rows of as many integers as nodes. ``places``, ``shares``, ``room``: each as long as the table.
    """
    many, left = members.shape[0], 0
    holes, own, delta, digit = scratch[0], scratch[1], scratch[2], scratch[3]
    for j in range(many):
        for at in range(hole_begin[members[j]], hole_begin[members[j] + 1]):
            row = hole_row[at]
            seen = False  # with an earlier member, whose hole came first
            for i in range(j):
                if states[members[i], row] < 0:
                    seen = True
                    break
            if seen:
                continue
            base, missing, known = 0, 0, True
            for i in range(many):
                state = states[members[i], row]
                if state >= 0:
                    base += state * strides[i]
                else:
                    holes[missing] = i
                    missing += 1
                    known = known and belief_of[members[i], row] >= 0
            if not known:
                later[left] = row
                left += 1
                continue
            if missing == 1:  # most rows
                node, stride, weight = members[j], strides[j], weights[row]
                first = belief_of[node, row]
                for s in range(cards[node]):
                    out[base + s * stride] += weight * belief[first + s]
                continue
            places[0], shares[0] = base, weights[row]
            entries = 1
            for h in range(missing):
                if holes[h] < 0:
                    continue
                c, own_count = component[members[holes[h]], row], 0
                for g in range(h, missing):
                    if holes[g] >= 0 and component[members[holes[g]], row] == c:
                        own[own_count] = holes[g]
                        own_count += 1
                        holes[g] = -1
                size = _marginal(
                    row, own, own_count, members, cards, component, shape_of, shape_keys, shape_begin,
                    joint_begin, joint, belief_begin, belief, pair_begin, pair_place, pair_belief_begin, pair_belief,
                    delta, digit, room,
                )  # fmt: skip
                _spread(places, shares, entries, room, size, own, own_count, members, cards, strides)
                entries *= size
            for e in range(entries):
                out[places[e]] += shares[e]
    return left


@kernel()
def log_likelihood(counts, card, inner):  # type: ignore[no-untyped-def]
    """Sum of n log(n / its row's sum) over a table whose child has ``card`` states, ``inner`` entries apart."""
    total = 0.0
    for outer in range(0, counts.shape[0], card * inner):
        for i in range(outer, outer + inner):
            mass = 0.0
            for s in range(i, i + card * inner, inner):
                n = counts[s]
                if n > 0.0:
                    total += n * math.log(n)
                    mass += n
            if mass > 0.0:
                total -= mass * math.log(mass)
    return total


@kernel()
def log_marginal(counts, pseudo, card, inner):  # type: ignore[no-untyped-def]
    """Log probability of the counts when each row of the table has a Dirichlet prior: Heckerman et al. (1995), equation 28.

    ``pseudo``: the prior's counts, as many as entries, or a single number for all.
    """
    total, same = 0.0, pseudo.shape[0] == 1
    alone = math.lgamma(pseudo[0]) if same else 0.0
    for outer in range(0, counts.shape[0], card * inner):
        for i in range(outer, outer + inner):
            mass, prior = 0.0, 0.0
            for s in range(i, i + card * inner, inner):
                alpha = pseudo[0] if same else pseudo[s]
                prior += alpha
                if counts[s] > 0.0:
                    mass += counts[s]
                    total += math.lgamma(alpha + counts[s]) - (alone if same else math.lgamma(alpha))
            if mass > 0.0:
                total += math.lgamma(prior) - math.lgamma(prior + mass)
    return total
