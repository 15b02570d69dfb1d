"""Rows drawn from a network."""

import numpy as np

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
