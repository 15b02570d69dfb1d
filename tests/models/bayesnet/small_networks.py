"""Random networks small enough to be enumerated, and what enumeration says of them."""

from itertools import product

import numpy as np

from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.tables import Layout


def random_layout(rng, most=6, tied=False):
    """A network of 2 to ``most`` nodes of 1 to 3 states with up to three parents each."""
    n = int(rng.integers(2, most + 1))
    order = rng.permutation(n)
    parents = [()] * n
    for place, node in enumerate(order):
        many = int(rng.integers(0, min(place, 3) + 1))
        parents[node] = tuple(int(p) for p in rng.choice(order[:place], many, replace=False)) if many else ()
    cards = [int(card) for card in rng.choice([1, 2, 2, 3, 3], n)]
    layout = Layout.of(Graph(tuple(f"n{i}" for i in range(n)), tuple(parents)), cards)
    if tied:
        alike = {}
        for node in range(n):
            alike.setdefault(layout.shape(node), []).append(node)
        layout = Layout.of(layout.graph, cards, [group for group in alike.values() if len(group) > 1])
    return layout


def random_tables(layout, rng, zeros=0.0):
    """Tables drawn at random, a share of their entries 0."""
    flat = rng.gamma(1.0, size=layout.total) + 1e-3
    flat[rng.random(layout.total) < zeros] = 0.0
    total = layout.sums(flat)
    flat[layout.rows[total == 0]] = 1.0
    return flat / layout.sums(flat)[layout.row_of]


def random_rows(layout, tables, n, rng, missing=0.4):
    """Rows that the network can produce, with holes: codes, -1 where missing."""
    from emkit.models.bayesnet.sampling import sampled

    codes = sampled(layout, tables, n, rng).astype(np.int32)
    codes[rng.random(codes.shape) < missing] = -1
    return codes


def probability(layout, tables, states):
    """Of one complete row."""
    value = 1.0
    for node, parents in enumerate(layout.graph.parents):
        value *= layout.table(tables, node)[(*(states[p] for p in parents), states[node])]
    return value


def completions(layout, row):
    """All complete rows that agree with what is observed."""
    return product(*(range(card) if code < 0 else (int(code),) for card, code in zip(layout.cards, row, strict=True)))


def active(layout, row):
    """Nodes that are observed or have an observed descendant."""
    found = [code >= 0 for code in row]
    for node in layout.graph.topological[::-1]:
        found[node] = found[node] or any(found[child] for child in layout.graph.children[node])
    return found


def enumerated(layout, tables, codes, weights, everything):
    """Expected counts and weighted log-likelihood, by adding up every completion of every row."""
    counts, total = np.zeros(layout.total), 0.0
    for row, weight in zip(codes, weights, strict=True):
        every = [(states, probability(layout, tables, states)) for states in completions(layout, row)]
        z = sum(p for _, p in every)
        total += weight * np.log(z)
        used = [True] * len(row) if everything else active(layout, row)
        for states, p in every:
            for node, parents in enumerate(layout.graph.parents):
                if used[node]:
                    layout.table(counts, node)[(*(states[q] for q in parents), states[node])] += weight * p / z
    return counts, total
