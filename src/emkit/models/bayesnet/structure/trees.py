"""The best tree, or forest, and trees below a class.

Chow and Liu (1968), IEEE Transactions on Information Theory 14, 462-467; Friedman, Geiger and Goldszmidt (1997), Bayesian network
classifiers, Machine Learning 29, 131-163.
"""

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.structure.climbing import Found
from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.scores import Families


def best_tree(scores: Families, limits: Constraints, rng: np.random.Generator, above: int | None = None) -> Found:
    """The best graph in which every node has one parent at most.

    An arc that its score makes worse than none is left out; with the log-likelihood as score this is the tree of Chow and Liu.

    Parameters
    ----------
    above : int, optional
        A node that is a parent of all others besides: a tree-augmented naive Bayes classifier.

    Raises
    ------
    ParameterError
        Where required arcs are no forest, or the class must not be a parent.
    """
    many = len(limits.cards)
    base = () if above is None else (above,)
    apart = [not (limits.allowed[:, node].any() or limits.allowed[node].any()) for node in range(many)]  # get no arcs at all
    nodes = [node for node in rng.permutation(many).tolist() if node != above and not apart[node]]  # of equal trees one at random
    if above is not None and any(not limits.allowed[above, node] or limits.required[node, above] for node in nodes):
        raise ParameterError("target: it is the parent of all others, which the constraints do not allow", parameter="target")
    weights = np.full((len(nodes) + 1, len(nodes) + 1), -np.inf)
    weights[0, 1:] = 0.0  # of no parent
    for i, p in enumerate(nodes):
        for j, c in enumerate(nodes):
            if p != c and limits.allowed[p, c] and limits.fits(c, (*base, p)):
                weights[i + 1, j + 1] = scores(c, tuple(sorted((*base, p)))) - scores(c, base)
    need = limits.required[np.ix_(nodes, nodes)]
    weights[1:, 1:][need] += 1.0 + 2.0 * np.abs(weights[np.isfinite(weights)]).sum()  # more than all others together
    found = _arborescence(weights)
    parents: list[tuple[int, ...]] = [base if node in nodes else () for node in range(many)]
    for j, c in enumerate(nodes):
        if found[j + 1]:
            parents[c] = tuple(sorted((*base, nodes[found[j + 1] - 1])))
    if any(p not in parents[c] for p, c in np.argwhere(limits.required)):
        raise ParameterError("required: the arcs that are required are no tree", parameter="required")
    return Found(tuple(parents), scores.total(parents))


def _arborescence(weights: np.ndarray) -> np.ndarray:
    """The parents in the directed tree from node 0 with the largest sum of weights [parent, child]: Edmonds (1967)."""
    parent = weights.argmax(axis=0)
    parent[0] = 0
    ring = _ring(parent)
    if not len(ring):
        return parent
    outside = np.setdiff1d(np.arange(len(weights)), ring)
    last = len(outside)  # the ring as one node
    smaller = np.full((last + 1, last + 1), -np.inf)
    smaller[:last, :last] = weights[np.ix_(outside, outside)]
    leaving, entering = weights[np.ix_(ring, outside)], weights[np.ix_(outside, ring)] - weights[parent[ring], ring]
    smaller[last, :last], smaller[:last, last] = leaving.max(axis=0), entering.max(axis=1)
    found = _arborescence(smaller)
    for j in range(1, last):
        parent[outside[j]] = ring[leaving[:, j].argmax()] if found[j] == last else outside[found[j]]
    into = found[last]
    parent[ring[entering[into].argmax()]] = outside[into]
    return parent


def _ring(parent: np.ndarray) -> np.ndarray:
    """The nodes of one circle, ascending; none if all lead to node 0."""
    done = {0}
    for node in range(1, len(parent)):
        path = list[int]()
        while node not in done and node not in path:
            path.append(node)
            node = int(parent[node])
        if node in path:
            return np.sort(path[path.index(node) :])
        done |= set(path)
    return np.zeros(0, np.int64)
