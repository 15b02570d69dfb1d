"""From what a user says of a network to its graph: edges as pairs, text or a graph, hidden nodes, ties."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from emkit.core.checks import count, mapping
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.priors import NormalInverseGamma

MOST_STATES = 1 << 16  # of a hidden node that is declared by their number


@dataclass(frozen=True)
class Structure:
    """A graph whose hidden nodes come first, with the states of each node.

    Attributes
    ----------
    graph : Graph
    states : tuple of tuples
        Of each node.
    hidden : tuple of int
        Nodes that are no columns.
    gaussian : tuple of int
        Nodes that are numbers, without states.
    """

    graph: Graph
    states: tuple[tuple[Any, ...], ...]
    hidden: tuple[int, ...]
    gaussian: tuple[int, ...] = ()


def pairs_of(edges: Any) -> list[tuple[str, str]]:
    """Edges as pairs (parent, child) of names.

    Parameters
    ----------
    edges : None, sequence of pairs or of texts such as "A->B", str such as "A->B, A->C", or anything with ``edges`` such as a
        networkx graph

    Raises
    ------
    ParameterError
        For what is none of these.
    """
    if edges is None:
        return []
    if isinstance(edges, str):
        return [pair for part in edges.replace(";", ",").split(",") if part.strip() for pair in _chain(part)]
    found = edges
    if hasattr(edges, "edges"):
        found = edges.edges() if callable(edges.edges) else edges.edges
    try:
        pairs = []
        for given in found:
            if isinstance(given, str):  # a text of two letters would pass for a pair
                pairs += pairs_of(given)
                continue
            parent, child = given
            pairs.append((str(parent), str(child)))
    except ParameterError:
        raise
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"edges={edges!r}: give pairs (parent, child), a text such as 'A->B, A->C', or a directed graph", parameter="edges"
        ) from error
    return pairs


def _chain(text: str) -> list[tuple[str, str]]:
    """The edges of "A -> B -> C"."""
    names = [name.strip() for name in text.split("->")]
    if len(names) < 2 or not all(names):
        raise ParameterError(f"edges: {text.strip()!r} is no edge; write 'parent->child'", parameter="edges")
    return list(pairwise(names))


def hidden_states(latent: Any, declared: Mapping[str, Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    """The states of each hidden node: as declared, or 0, 1, ... for a number of them. Raises ParameterError."""
    if latent is None:
        return {}
    if isinstance(latent, str):
        latent = [latent]
    if not isinstance(latent, Iterable):
        raise ParameterError(
            f"latent={latent!r}: name the hidden nodes and their numbers of states: {{'H': 2}}", parameter="latent"
        )
    given = dict(latent) if isinstance(latent, Mapping) else dict.fromkeys(latent)
    found: dict[str, tuple[Any, ...]] = {}
    for name, states in given.items():
        if states is None:
            if name not in declared:
                raise ParameterError(f"latent={name!r}: say how many states it has: latent={{{name!r}: 2}}", parameter="latent")
            found[str(name)] = tuple(declared[name])
        elif isinstance(states, int | np.integer | float | str):
            number = count(states, f"latent[{name!r}]")
            if number > MOST_STATES:
                raise ParameterError(
                    f"latent[{name!r}]={number}: a hidden node has at most {MOST_STATES} states", parameter="latent"
                )
            found[str(name)] = tuple(range(number))
        else:
            found[str(name)] = _states(states, f"latent[{name!r}]", "latent")
    return found


def declared_states(states: Any) -> dict[str, tuple[Any, ...]]:
    """The states of nodes by name. Raises ParameterError for what is no sequence of different states."""
    return {
        str(name): _states(given, f"states[{name!r}]", "states")
        for name, given in mapping(states, "states", "nodes and their states").items()
    }


def _states(given: Any, what: str, parameter: str) -> tuple[Any, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ParameterError(f"{what}={given!r}: give all states of the node, as ['no', 'yes']", parameter=parameter)
    found = tuple(state.item() if isinstance(state, np.generic) else state for state in given)
    if not found:
        raise ParameterError(f"{what} is empty: a node has at least one state", parameter=parameter)
    if len(set(map(str, found))) < len(found):
        raise ParameterError(f"{what}: {', '.join(map(repr, found[:10]))} has two that are written alike", parameter=parameter)
    return found


def groups_of_nodes(given: Any, names: Sequence[str], setting: str) -> tuple[tuple[int, ...], ...]:
    """Groups of names as groups of nodes. Raises ParameterError for unknown names, and for what is no sequence of groups."""
    found = []
    if not isinstance(given, Iterable | None) or isinstance(given, str):
        raise ParameterError(f"{setting}={given!r}: give groups of nodes, as [('B', 'C')]", parameter=setting)
    for group in given or ():
        if isinstance(group, str) or not isinstance(group, Iterable):
            raise ParameterError(f"{setting}: {group!r} is no group of nodes; write [('B', 'C')]", parameter=setting)
        group = tuple(group)
        unknown = [name for name in group if name not in names]
        if unknown:
            raise ParameterError(f"{setting}: there is no node {unknown[0]!r}", parameter=setting)
        found.append(tuple(sorted(names.index(name) for name in group)))
    return tuple(found)


def priors_apart(prior: Any, gaussian: Sequence[str]) -> tuple[Any, Any]:
    """From what a user gave as ``prior``: that of tables, and that of the Gaussian nodes."""
    if isinstance(prior, Mapping):
        numbers = {name: value for name, value in prior.items() if name in gaussian}
        return {name: value for name, value in prior.items() if name not in numbers}, numbers
    return (None, prior) if isinstance(prior, NormalInverseGamma) else (prior, "weak")


def structure(edges: Any, latent: Any, declared: Mapping[str, Sequence[Any]], columns: Columns | None) -> Structure:
    """The graph over hidden nodes and columns; columns that no edge names stand alone.

    Raises ParameterError for an edge to something that is neither a column nor hidden, and for a hidden node that has a column.
    """
    pairs, hidden = pairs_of(edges), hidden_states(latent, declared)
    known = columns.names if columns is not None else tuple(declared)
    both = [name for name in hidden if name in known and columns is not None]
    if both:
        raise ParameterError(
            f"latent: {both[0]!r} is a column of the data; leave the column out, or do not declare it hidden", parameter="latent"
        )
    seen = [name for name in known if name not in hidden]
    strangers = sorted({name for pair in pairs for name in pair} - set(seen) - set(hidden))
    unused = [name for name in declared if name not in seen and name not in hidden]
    if unused and columns is not None:
        raise ParameterError(
            f"states are declared of {unused[0]!r}, which is no node; the columns are {_few(known)}", parameter="states"
        )
    if strangers and columns is not None and strangers[0].isdecimal() and known and known[0] == "x0":
        raise ParameterError(
            f"edges name {strangers[0]!r}; columns whose names are no texts are called by their place, {_few(known)}",
            parameter="edges",
        )
    if strangers:
        raise ParameterError(
            f"edges name {strangers[0]!r}, which is no column of the data ({_few(known)}); correct the name, or declare it "
            f"hidden: latent={{{strangers[0]!r}: 2}}",
            parameter="edges",
        )
    names = (*hidden, *seen)
    states = [*hidden.values()]
    for name in seen:
        levels = columns[known.index(name)].levels if columns is not None else tuple(declared[name])
        states.append(() if levels is None else tuple(levels))
    gaussian = tuple(node for node, found in enumerate(states) if not found)
    return Structure(Graph.of_edges(names, pairs), tuple(states), tuple(range(len(hidden))), gaussian)


def _few(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
