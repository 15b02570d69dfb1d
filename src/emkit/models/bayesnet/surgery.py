"""Networks made from networks: with nodes set from outside, and with uncertain evidence as observed nodes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams


def do(model: BayesNet, params: Any, states: Mapping[int, int]) -> tuple[BayesNet, BayesNetParams]:
    """The network in which nodes are set to states from outside: cut from their parents, and in that state for certain.

    Parameters
    ----------
    states : mapping from nodes to state numbers

    Returns
    -------
    model, params
        For questions, not for fitting: priors, held tables and starting values are left behind.

    References
    ----------
    Pearl (2009), Causality, 2nd edition, section 3.2.3.
    """
    parents, tables = list(model.graph.parents), _tables(model, params)
    for node, state in states.items():
        if not 0 <= state < model.cards[node]:
            raise ParameterError(
                f"do: node {model.graph.names[node]!r} has the states 0 to {model.cards[node] - 1}, there is no state {state}",
                parameter="do",
            )
        parents[node] = ()
        tables[node] = np.eye(model.cards[node])[state]
    tied = [tuple(node for node in group if node not in states) for group in model.tied]
    return _made(
        model, Graph(model.graph.names, tuple(parents)), model.cards, tables, tuple(group for group in tied if len(group) > 1)
    )


def with_likelihoods(
    model: BayesNet, params: Any, codes: np.ndarray, soft: Mapping[int, np.ndarray] | None
) -> tuple[BayesNet, Any, np.ndarray, float]:
    """The network, and rows, with a further observed child for each node of which there is uncertain evidence.

    The child's table is the likelihoods over the largest of them, the sum of whose logs is returned last: Pearl (1988),
    Probabilistic reasoning in intelligent systems, section 2.2.2.

    Raises ParameterError for likelihoods of another number than states, that are negative or not finite, or all 0.
    """
    if not soft:
        return model, params, codes, 0.0
    names, parents, cards, tables = list(model.graph.names), list(model.graph.parents), list(model.cards), _tables(model, params)
    scale = 0.0
    for node, given in soft.items():
        values = np.asarray(given, dtype=np.float64)
        name = model.graph.names[node]
        if values.shape != (model.cards[node],) or not np.isfinite(values).all() or (values < 0).any() or not values.any():
            raise ParameterError(
                f"soft evidence on {name!r} is {given!r}; give a likelihood for each of its {model.cards[node]} states, none "
                "negative and not all 0",
                parameter="soft",
            )
        top = float(values.max())
        scale += float(np.log(top))
        names.append(_unused(f"what is seen of {name}", names))
        parents.append((int(node),))
        cards.append(2)
        tables.append(np.stack([values / top, 1.0 - values / top], axis=1))
    made, new = _made(model, Graph(tuple(names), tuple(parents)), tuple(cards), tables, model.tied)
    seen = np.zeros((len(codes), len(soft)), dtype=codes.dtype)
    return made, new, np.ascontiguousarray(np.concatenate([codes, seen], axis=1)), scale


def _tables(model: BayesNet, params: Any) -> list[np.ndarray]:
    return [model.layout.table(params.tables, node) for node in range(len(model.graph))]


def _made(
    model: BayesNet, graph: Graph, cards: tuple[int, ...], tables: list[np.ndarray], tied: tuple[tuple[int, ...], ...]
) -> tuple[BayesNet, BayesNetParams]:
    """A network without priors and held tables, and its parameters from tables by node."""
    made = BayesNet(graph, cards, model.hidden, tied=tied, everything=model.everything, max_table=model.max_table)
    return made, BayesNetParams(made.layout.flat([tables[node] for node in made.layout.owners]))


def _unused(name: str, names: list[str]) -> str:
    while name in names:
        name += "'"
    return name
