"""Networks made from networks: with nodes set from outside, and with uncertain evidence as observed nodes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.conditional_gaussian import ConditionalGaussianNet
from emkit.models.bayesnet.graph import Graph, unused
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams, ConditionalGaussianParams

_NEGLIGIBLE = 1e-30  # of a column's variance


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


def do_with_numbers(
    model: ConditionalGaussianNet, params: ConditionalGaussianParams, values: Mapping[int, Any]
) -> tuple[ConditionalGaussianNet, ConditionalGaussianParams]:
    """``do`` where some nodes are Gaussian: ``values`` are state numbers, and numbers in the columns' units.

    The children of a Gaussian node that is set take it into their intercepts; by itself it is left with a negligible variance.
    """
    linear, units = model.linear, model.known_units
    numbers = {node: float(value) for node, value in values.items() if not model.cards[node]}
    place = {node: i for i, node in enumerate(model.discrete)}
    inner, tables = do(model.tables, params.tables, {place[n]: int(v) for n, v in values.items() if n in place})
    parents, found = list(model.graph.parents), dict[int, tuple[np.ndarray, np.ndarray]]()
    for g, node in enumerate(linear.nodes):
        coefficients, variances = model.of_family(params, g)
        above = [linear.nodes[p] for p in linear.continuous[g]]
        left = [0, *(1 + j for j, parent in enumerate(above) if parent not in numbers)]
        shifted = coefficients.copy()
        for j, parent in enumerate(above):
            shifted[:, 0] += numbers.get(parent, 0.0) * coefficients[:, 1 + j]
        found[node] = shifted[:, left], variances
        parents[node] = tuple(parent for parent in parents[node] if parent not in numbers)
    for node, value in numbers.items():
        found[node] = np.array([[value]]), np.array([_NEGLIGIBLE * units.scale[linear.place[node]] ** 2])
    for node in values:
        parents[node] = ()
    made = ConditionalGaussianNet(Graph(model.graph.names, tuple(parents)), inner, None, model.max_configurations, model.units)
    coefficients, variances = zip(*(found[node] for node in linear.nodes), strict=True)
    return made, ConditionalGaussianParams(tables, made.linear.joined(coefficients), made.linear.joined(variances))


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
        names.append(unused(f"what is seen of {name}", names))
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
