"""Conditional probability tables, and states in messages, as users call them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import Any

from emkit.core.result import Result
from emkit.data.frames import pandas
from emkit.estimators.network_structure import Structure
from emkit.models.bayesnet.impossible import ImpossibleRowError

_TABLES, _ROWS = 12, 8  # as many as a person reads


def tables_in_words(found: Structure, result: Result) -> list[str]:
    """Each node's table, a line for each state of its parents; of large networks the first few."""
    graph, lines = found.graph, list[str]()
    layout = result.model.layout
    shared = layout.shared
    for node, name in enumerate(graph.names[:_TABLES]):
        parents = graph.parents[node]
        given = f" given {', '.join(graph.names[p] for p in parents)}" if parents else ""
        hidden = " (hidden)" if node in found.hidden else ""
        lines.append(f"{name}{hidden}{given}: {', '.join(map(str, found.states[node]))}")
        if shared[node] != node:
            lines.append(f"  the same table as {graph.names[shared[node]]}")
            continue
        rows = list(product(*(found.states[p] for p in parents)))
        flat = layout.table(result.params.tables, node).reshape(-1, len(found.states[node]))
        for when, row in list(zip(rows, flat, strict=True))[:_ROWS]:
            lines.append(f"  {', '.join(map(str, when)):<24}{'  '.join(f'{p:.4f}' for p in row)}")
        if len(rows) > _ROWS:
            lines.append(f"  and {len(rows) - _ROWS} more rows")
    if len(graph) > _TABLES:
        lines.append(f"and {len(graph) - _TABLES} more nodes")
    return lines


def labelled(found: Structure, name: str, table: Any) -> Any:
    """A node's table as a pandas frame: a row for each combination of its parents' states, a column for each of its own."""
    pd = pandas()
    graph = found.graph
    node = graph.names.index(name)
    parents = graph.parents[node]
    flat = table.reshape(-1, len(found.states[node]))
    columns = pd.Index(list(found.states[node]), name=name)
    if not parents:
        return pd.DataFrame(flat, columns=columns)
    levels = [list(found.states[p]) for p in parents]
    index = pd.MultiIndex.from_product(levels, names=[graph.names[p] for p in parents])
    return pd.DataFrame(flat, index=index, columns=columns)


def short_table(found: Structure, node: int, table: Any) -> str:
    """A node's table in a few lines, for a picture: a line for each combination of its parents' states."""
    graph = found.graph
    rows = list(product(*(found.states[p] for p in graph.parents[node])))
    flat = table.reshape(-1, len(found.states[node]))
    lines = ["  ".join(map(str, found.states[node]))] + [
        " ".join([*(["|".join(map(str, when)) + ":"] if when else []), *(f"{p:.2f}" for p in row)])
        for when, row in list(zip(rows, flat, strict=True))[:_ROWS]
    ]
    return "\n".join([*lines, "..."] if len(rows) > _ROWS else lines)


def labelled_states(found: Structure, states: Mapping[str, Any]) -> dict[str, Any]:
    """State numbers of some nodes as the states themselves; None for what is no node of the user's: uncertain evidence."""
    names = found.graph.names
    return {name: found.states[names.index(name)][state] if name in names else None for name, state in states.items()}


@contextmanager
def in_words(found: Structure, what: str | None = None) -> Iterator[None]:
    """Rows, or what else ``what`` says, that the tables rule out are refused with states as users call them."""
    try:
        yield
    except ImpossibleRowError as error:
        raise ImpossibleRowError(error.row, labelled_states(found, error.states), what) from None
