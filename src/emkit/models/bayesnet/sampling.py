"""Rows drawn from a network."""

import numpy as np

from emkit.models.bayesnet.linear import Linear
from emkit.models.bayesnet.params import ConditionalGaussianParams
from emkit.models.bayesnet.tables import Layout


def sampled(layout: Layout, tables: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """States of all nodes, int64 (n, N): parents before their children."""
    graph = layout.graph
    states = np.zeros((n, len(graph)), dtype=np.int64)
    for node in graph.topological:
        rows = layout.table(tables, node)[tuple(states[:, parent] for parent in graph.parents[node])]
        below = np.cumsum(np.broadcast_to(rows, (n, layout.cards[node])), axis=1)
        drawn = (rng.random((n, 1)) * below[:, -1:] >= below).sum(axis=1)
        states[:, node] = np.minimum(drawn, layout.cards[node] - 1)
    return states


def with_numbers(linear: Linear, params: ConditionalGaussianParams, codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All nodes (n, N) of rows whose discrete nodes have the states ``codes`` (n, N), Gaussian ones drawn from their parents."""
    out = codes.astype(np.float64)
    for node in linear.graph.topological:
        if linear.cards[node]:
            continue
        g = linear.place[node]
        which = linear.configurations(g, codes)
        b = linear.coefficients(params.coefficients, g)[which]
        parents = [linear.nodes[p] for p in linear.continuous[g]]
        mean = b[:, 0] + np.einsum("np,np->n", b[:, 1:], out[:, parents])
        out[:, node] = mean + np.sqrt(linear.variances(params.variances, g)[which]) * rng.standard_normal(len(codes))
    return out
