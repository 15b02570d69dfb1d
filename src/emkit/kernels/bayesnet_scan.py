"""Rows with holes, taken apart: counts of what is fully observed, and the components that are left to be summed over.

A component is a set of missing nodes joined by the families that hold them, with a base for each family: the place in the flat
vector of tables that its observed members point to. Equal components, of whichever rows, are one with their weights added. Both
components and their shapes (nodes and families, whatever the bases) are kept in pools of integers that are found again by hashing.
The NumPy twin is ``emkit.models.bayesnet.components``.
"""

from emkit.kernels.jit import INLINED, kernel

MORE_SHAPES, MORE_COMPONENTS, DONE = 1, 2, 0
"""Why a scan stopped: room is needed in one of the pools, or the rows are at their end."""


@kernel(**INLINED)
def _activity(codes, i, backward, child_begin, child_list, kept, active):  # type: ignore[no-untyped-def]
    """Which nodes of row ``i`` are kept: all ``kept`` (N,) and all observed ones, and what they descend from.

    The others sum to 1 and are left out.
    ``backward``: children before their parents.
    """
    for node in backward:
        on = kept[node] or codes[i, node] >= 0
        if not on:
            for at in range(child_begin[node], child_begin[node + 1]):
                if active[child_list[at]]:
                    on = True
                    break
        active[node] = on


@kernel(**INLINED)
def _found(key, length, pool, begin, hashes, table, count):  # type: ignore[no-untyped-def]
    """The number of a key in its pool, to which it is added if it is new: its number is then ``count``."""
    h = length * 1_000_003
    for j in range(length):
        h = (h ^ key[j]) * -7046029254386353131
        h ^= h >> 29
    mask = table.shape[0] - 1
    slot = h & mask
    while True:
        number = table[slot]
        if number < 0:
            at = begin[count]
            for j in range(length):
                pool[at + j] = key[j]
            begin[count + 1] = at + length
            hashes[count] = h
            table[slot] = count
            return count
        if hashes[number] == h and begin[number + 1] - begin[number] == length:
            at = begin[number]
            same = True
            for j in range(length):
                if pool[at + j] != key[j]:
                    same = False
                    break
            if same:
                return number
        slot = (slot + 1) & mask


@kernel()
def rehash(hashes, count, table):  # type: ignore[no-untyped-def]
    """Fill an empty table, -1 throughout, with the numbers of ``count`` keys."""
    mask = table.shape[0] - 1
    for number in range(count):
        slot = hashes[number] & mask
        while table[slot] >= 0:
            slot = (slot + 1) & mask
        table[slot] = number


@kernel(**INLINED)
def _root(up, node):  # type: ignore[no-untyped-def]
    while up[node] != node:
        up[node] = up[up[node]]
        node = up[node]
    return node


@kernel()
def scan(  # type: ignore[no-untyped-def]
    codes, weights, row, kept, backward, child_begin, child_list,
    fam_begin, fam_node, fam_stride, offsets, counts,
    shape_pool, shape_begin, shape_hash, shape_table, pool, begin, hashes, table, mass,
    sizes, pair_row, pair_component, scratch, active,
):  # fmt: skip
    """Take rows apart from ``row`` on; returns the row that is next, and why the scan stopped.

    Adds to ``counts`` (T,), both pools, ``mass`` and, if ``pair_row`` has room for them, the pairs of rows and components.
    ``sizes``: shapes, components and pairs so far. ``scratch``: 8 rows of integers, twice as many as nodes and two more.
    """
    n, d = codes.shape
    up, label, of_family, many_nodes, many_families, place, key, seen = (
        scratch[0], scratch[1], scratch[2], scratch[3], scratch[4], scratch[5], scratch[6], scratch[7],
    )  # fmt: skip
    paired = pair_row.shape[0] > 0
    for i in range(row, n):
        if shape_pool.shape[0] - shape_begin[sizes[0]] < 4 * d + 2 or 2 * (sizes[0] + d) > shape_table.shape[0]:
            return i, MORE_SHAPES
        if pool.shape[0] - begin[sizes[1]] < 3 * d or 2 * (sizes[1] + d) > table.shape[0]:
            return i, MORE_COMPONENTS
        weight = weights[i] if weights.shape[0] else 1.0
        if weight == 0.0 and not paired:
            continue
        _activity(codes, i, backward, child_begin, child_list, kept, active)
        for node in range(d):
            up[node] = node
        left = 0
        for family in range(d):
            of_family[family] = -1
            if not active[family]:
                continue
            base, first = offsets[family], -1
            for at in range(fam_begin[family], fam_begin[family + 1]):
                node = fam_node[at]
                state = codes[i, node]
                if state >= 0:
                    base += state * fam_stride[at]
                elif first < 0:
                    first = _root(up, node)
                else:
                    other = _root(up, node)
                    if other < first:
                        up[first] = other
                        first = other
                    else:
                        up[other] = first
            if first < 0:
                counts[base] += weight
            else:
                of_family[family] = first
                seen[family] = base
                left += 1
        if not left:
            continue
        # Components are numbered by their first node; their nodes and families are then laid out one component after another.
        found = 0
        for node in range(d):
            if active[node] and codes[i, node] < 0:
                root = _root(up, node)
                if root == node:
                    label[node] = found
                    many_nodes[found] = 0
                    many_families[found] = 0
                    found += 1
                many_nodes[label[root]] += 1
        for family in range(d):
            if of_family[family] >= 0:
                many_families[label[_root(up, of_family[family])]] += 1
        for c in range(found):
            # one pass over the nodes for each component: components are few, and short loops beat sorting
            length = 1
            key[0] = many_nodes[c]
            for node in range(d):
                if active[node] and codes[i, node] < 0 and label[_root(up, node)] == c:
                    key[length] = node
                    length += 1
            bases = 0
            for family in range(d):
                if of_family[family] >= 0 and label[_root(up, of_family[family])] == c:
                    key[length] = family
                    length += 1
                    place[bases + 1] = seen[family]
                    bases += 1
            shape = _found(key, length, shape_pool, shape_begin, shape_hash, shape_table, sizes[0])
            if shape == sizes[0]:
                sizes[0] += 1
            place[0] = shape
            component = _found(place, bases + 1, pool, begin, hashes, table, sizes[1])
            if component == sizes[1]:
                sizes[1] += 1
                mass[component] = 0.0
            mass[component] += weight
            if paired:
                pair_row[sizes[2]] = i
                pair_component[sizes[2]] = component
                sizes[2] += 1
    return n, DONE


@kernel()
def observed(  # type: ignore[no-untyped-def]
    codes, kept, backward, child_begin, child_list, fam_begin, fam_node, fam_stride, offsets, logs, out, active
):
    """Log probability of what each row's fully observed families say, (n,)."""
    n, d = codes.shape
    for i in range(n):
        _activity(codes, i, backward, child_begin, child_list, kept, active)
        total = 0.0
        for family in range(d):
            if not active[family]:
                continue
            base, whole = offsets[family], True
            for at in range(fam_begin[family], fam_begin[family + 1]):
                state = codes[i, fam_node[at]]
                if state < 0:
                    whole = False
                    break
                base += state * fam_stride[at]
            if whole:
                total += logs[base]
        out[i] = total
