"""Networks from and to networkx graphs and pgmpy models. Neither package is needed until it is used."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from emkit.core.errors import DataError
from emkit.io.networks.record import Network


class DiGraph(Protocol):
    """What is used of a networkx.DiGraph."""

    graph: dict[Any, Any]

    def nodes(self, data: bool) -> Iterable[tuple[Any, Mapping[str, Any]]]:
        """Nodes with their attributes."""

    def predecessors(self, node: Any) -> Iterable[Any]:
        """Parents, in the order in which the edges were added."""


class TabularCPD(Protocol):
    """What is used of a pgmpy TabularCPD."""

    variables: Sequence[Any]
    values: Any
    state_names: Mapping[Any, Sequence[Any]]


class PgmpyModel(Protocol):
    """What is used of a pgmpy DiscreteBayesianNetwork, or BayesianNetwork as it was called before 1.0."""

    def nodes(self) -> Iterable[Any]:
        """All nodes."""

    def edges(self) -> Iterable[tuple[Any, Any]]:
        """Pairs (parent, child)."""

    def get_cpds(self) -> Iterable[TabularCPD]:
        """The tables."""


def to_networkx(network: Network) -> Any:
    """A ``networkx.DiGraph`` whose nodes have attributes ``states``, ``parents`` (in the table's order), ``table``, ``properties``.

    Raises
    ------
    ImportError
        Without networkx.
    """
    graph = import_module("networkx").DiGraph(name=network.title, remarks=dict(network.remarks))
    for name, states, parents, table in zip(network.names, network.states, network.parents, network.tables, strict=True):
        graph.add_node(name, states=states, parents=parents, table=table, properties=dict(network.said(name)))
    graph.add_edges_from((parent, name) for name, parents in zip(network.names, network.parents, strict=True) for parent in parents)
    return graph


def from_networkx(graph: DiGraph) -> Network:
    """Of a directed graph whose nodes have attributes ``states`` and ``table`` (the node's own axis last).

    The axes before it are those of the attribute ``parents``; without it, of the predecessors in the order of the edges. Names and
    states become text.

    Raises
    ------
    DataError
        Where a node lacks states or table, ``parents`` are not the predecessors, or it is no network.
    """
    names, states, parents, tables, properties = [], [], [], [], {}
    for node, said in graph.nodes(data=True):
        for attribute in ("states", "table"):
            if attribute not in said:
                raise DataError(f"node {str(node)!r} has no attribute {attribute!r}", column=str(node))
        above = list(graph.predecessors(node))
        given = list(said.get("parents", above))
        if set(given) != set(above):
            raise DataError(f"node {str(node)!r} has the parents {given!r:.80}, and edges from {above!r:.80}", column=str(node))
        names.append(str(node))
        states.append(tuple(map(str, said["states"])))
        parents.append(tuple(map(str, given)))
        tables.append(np.asarray(said["table"], dtype=np.float64))
        properties[str(node)] = {str(key): str(value) for key, value in said.get("properties", {}).items()}
    remarks = {str(key): str(value) for key, value in graph.graph.get("remarks", {}).items()}
    title = str(graph.graph.get("name", ""))
    return Network(tuple(names), tuple(states), tuple(parents), tuple(tables), properties, title, remarks)


def from_pgmpy(model: PgmpyModel) -> Network:
    """Of a pgmpy model with tables: ``DiscreteBayesianNetwork`` (pgmpy 1.x) or ``BayesianNetwork`` (0.1).

    Names and states become text. Nodes keep their order, and parents that of each table.

    Raises
    ------
    DataError
        Where a node has no table or two, tables do not agree on the states of a node or with the edges, or it is no network.
    """
    names = list(model.nodes())
    found: dict[Any, TabularCPD] = {}
    for cpd in model.get_cpds():
        child = cpd.variables[0]
        if child in found:
            raise DataError(f"node {str(child)!r} has two tables", column=str(child))
        found[child] = cpd
    above: dict[Any, set[Any]] = {name: set() for name in names}
    for parent, child in model.edges():
        above[child].add(parent)
    states: dict[Any, tuple[str, ...]] = {}
    for name in names:
        if name not in found:
            raise DataError(f"node {str(name)!r} has no table; give the model one with add_cpds", column=str(name))
        if set(found[name].variables[1:]) != above[name]:
            raise DataError(
                f"the table of node {str(name)!r} is given {found[name].variables[1:]!r:.80}, but its edges come from others",
                column=str(name),
            )
        states[name] = tuple(map(str, found[name].state_names[name]))
    for name, cpd in found.items():
        for parent in cpd.variables[1:]:
            if tuple(map(str, cpd.state_names[parent])) != states[parent]:
                raise DataError(
                    f"the table of node {str(name)!r} has states of {str(parent)!r} in another order or of other names than the "
                    f"table of {str(parent)!r}",
                    column=str(name),
                )
    return Network(
        tuple(map(str, names)),
        tuple(states[name] for name in names),
        tuple(tuple(map(str, found[name].variables[1:])) for name in names),
        tuple(np.moveaxis(np.asarray(found[name].values, dtype=np.float64), 0, -1) for name in names),
    )


def to_pgmpy(network: Network) -> Any:
    """A pgmpy ``DiscreteBayesianNetwork``, or ``BayesianNetwork`` where pgmpy is older than 1.0.

    Raises
    ------
    ImportError
        Without pgmpy.
    """
    models, table_of = import_module("pgmpy.models"), import_module("pgmpy.factors.discrete").TabularCPD
    # From 1.0 on the old name is there too, and raises when it is called.
    there = vars(models)
    model = there["DiscreteBayesianNetwork" if "DiscreteBayesianNetwork" in there else "BayesianNetwork"]()
    model.add_nodes_from(network.names)
    model.add_edges_from(network.graph.edges)
    own = dict(zip(network.names, network.states, strict=True))
    for name, parents, table in zip(network.names, network.parents, network.tables, strict=True):
        card = table.shape[-1]
        model.add_cpds(
            table_of(
                name,
                card,
                table.reshape(-1, card).T,
                evidence=list(parents) or None,
                evidence_card=[len(own[parent]) for parent in parents] or None,
                state_names={node: list(own[node]) for node in (name, *parents)},
            )
        )
    return model
