"""Conditional probability tables, and states in messages, as users call them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from typing import Any

from emkit.core.result import Result
from emkit.data.frames import pandas
from emkit.estimators.network_structure import Structure
from emkit.models.bayesnet.conditional_gaussian import ConditionalGaussianNet
from emkit.models.bayesnet.impossible import ImpossibleRowError

_TABLES, _ROWS = 12, 8  # as many as a person reads


def table_of(model: Any, params: Any, node: int) -> Any:
    """The table of a discrete node, whether or not there are Gaussian ones beside it."""
    if isinstance(model, ConditionalGaussianNet):
        model, params, node = model.tables, params.tables, model.discrete.index(node)
    return model.layout.table(params.tables, node)


def tables_in_words(found: Structure, result: Result) -> list[str]:
    """Each node's table, a line for each state of its parents; of large networks the first few."""
    graph, lines = found.graph, list[str]()
    model: Any = result.model
    tables = model.tables if isinstance(model, ConditionalGaussianNet) else model
    names = tables.graph.names
    for node, name in enumerate(graph.names[:_TABLES]):
        parents = graph.parents[node]
        given = f" given {', '.join(graph.names[p] for p in parents)}" if parents else ""
        if node in found.gaussian:
            lines.append(f"{name}{given}: a number")
            lines += [f"  {', '.join(when):<24}{text}" for when, text in _equations(found, model, result.params, node)]
            continue
        hidden = " (hidden)" if node in found.hidden else ""
        lines.append(f"{name}{hidden}{given}: {', '.join(map(str, found.states[node]))}")
        inner = names.index(name)
        if tables.layout.shared[inner] != inner:
            lines.append(f"  the same table as {names[tables.layout.shared[inner]]}")
            continue
        rows = list(product(*(found.states[p] for p in parents)))
        flat = table_of(model, result.params, node).reshape(-1, len(found.states[node]))
        for when, row in list(zip(rows, flat, strict=True))[:_ROWS]:
            lines.append(f"  {', '.join(map(str, when)):<24}{'  '.join(f'{p:.4f}' for p in row)}")
        if len(rows) > _ROWS:
            lines.append(f"  and {len(rows) - _ROWS} more rows")
    if len(graph) > _TABLES:
        lines.append(f"and {len(graph) - _TABLES} more nodes")
    return lines


def _equations(found: Structure, model: Any, params: Any, node: int) -> list[tuple[tuple[str, ...], str]]:
    """A Gaussian node as a function of its Gaussian parents, for combinations of its discrete parents' states; the first few."""
    names, linear = found.graph.names, model.linear
    g = linear.place[node]
    rows = product(*(map(str, found.states[p]) for p in linear.discrete[g]))
    parents = [names[linear.nodes[p]] for p in linear.continuous[g]]
    lines: list[tuple[tuple[str, ...], str]] = []
    for when, b, v in zip(rows, *model.of_family(params, g), strict=True):
        if len(lines) == _ROWS:
            return [*lines, (("...",), "")]
        slopes = "".join(f" {'-' if x < 0 else '+'} {abs(x):.4g} {name}" for x, name in zip(b[1:], parents, strict=True))
        lines.append((when, f"{b[0]:.4g}{slopes}, sd {v**0.5:.4g}"))
    return lines


def regressions(found: Structure, model: Any, params: Any, node: int) -> Any:
    """A Gaussian node's parameters as a pandas frame: a row for each combination of its discrete parents' states."""
    pd = pandas()
    names, linear = found.graph.names, model.linear
    g = linear.place[node]
    coefficients, variances = model.of_family(params, g)
    columns = {"intercept": coefficients[:, 0]}
    columns |= {names[linear.nodes[p]]: coefficients[:, 1 + j] for j, p in enumerate(linear.continuous[g])}
    discrete = linear.discrete[g]
    index = None
    if discrete:
        index = pd.MultiIndex.from_product([list(found.states[p]) for p in discrete], names=[names[p] for p in discrete])
    return pd.DataFrame({**columns, "variance": variances}, index=index)


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


def short(found: Structure, model: Any, params: Any, node: int) -> str:
    """A node's table in a few lines, for a picture: a line for each combination of its parents' states."""
    graph = found.graph
    if node in found.gaussian:
        equations = _equations(found, model, params, node)
        return "\n".join(" ".join([*(["|".join(when) + ":"] if when else []), text]) for when, text in equations)
    rows = list(product(*(found.states[p] for p in graph.parents[node])))
    flat = table_of(model, params, node).reshape(-1, len(found.states[node]))
    lines = ["  ".join(map(str, found.states[node]))] + [
        " ".join([*(["|".join(map(str, when)) + ":"] if when else []), *(f"{p:.2f}" for p in row)])
        for when, row in list(zip(rows, flat, strict=True))[:_ROWS]
    ]
    return "\n".join([*lines, "..."] if len(rows) > _ROWS else lines)


def labelled_states(found: Structure, states: Mapping[str, Any]) -> dict[str, Any]:
    """State numbers of some nodes as the states themselves; None for what is no node of the user's: uncertain evidence."""
    names = found.graph.names
    return {
        name: found.states[names.index(name)][state] if name in names and state is not None else None
        for name, state in states.items()
    }


@contextmanager
def in_words(found: Structure, what: str | None = None) -> Iterator[None]:
    """Rows, or what else ``what`` says, that the tables rule out are refused with states as users call them."""
    try:
        yield
    except ImpossibleRowError as error:
        raise ImpossibleRowError(error.row, labelled_states(found, error.states), what) from None
