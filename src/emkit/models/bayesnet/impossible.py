"""Rows that tables with zeros rule out: which, and the few nodes whose states exclude each other."""

from typing import Any

import numpy as np

from emkit.core.errors import DataError, ParameterError
from emkit.models.bayesnet.compiled import Compiled
from emkit.models.bayesnet.model import BayesNet


class ImpossibleRowError(DataError):
    """A network's tables give a row probability zero.

    Attributes
    ----------
    row : int
    states : dict by name
        The observed nodes, and their states (in a model, their numbers), that exclude each other: none of them can be left out.
        None where a name stands for uncertain evidence.
    """

    row: int
    states: dict[str, Any]

    def __init__(self, row: int, states: dict[str, Any], what: str | None = None):
        few = " and ".join(name if state is None else f"{name!r} in state {state!r}" for name, state in states.items())
        super().__init__(
            f"{what or f'row {row}'} has probability zero: the tables rule out {few}" + (" together" if len(states) > 1 else ""),
            row=row,
        )
        self.states = states


def impossible(model: BayesNet, params: Any, codes: np.ndarray) -> tuple[int, list[str]] | None:
    """The first of the rows (n, N) that the tables rule out, and the nodes whose observed states exclude each other.

    Without any one of these nodes the others' states would be possible. None if all rows are possible.
    """
    found = conflict(model, params, Compiled.of(model, codes))
    return found and (found[0], [model.graph.names[node] for node in found[1]])


def conflict(model: BayesNet, params: Any, compiled: Compiled, total: np.ndarray | None = None) -> tuple[int, list[int]] | None:
    """``impossible`` for compiled rows, with nodes by number; ``total``: the rows' log probabilities if they are known."""
    total = compiled.log_probability(params.tables) if total is None else total
    bad = np.flatnonzero(total == -np.inf)
    return (int(bad[0]), _fewest(model, params, compiled.codes[bad[0]])) if len(bad) else None


def refuse_impossible(model: BayesNet, params: Any, compiled: Compiled, total: np.ndarray, what: str | None = None) -> None:
    """Raise ImpossibleRowError if a row has log probability minus infinity; ``what``: how it is called, instead of by number."""
    found = conflict(model, params, compiled, total)
    if found is not None:
        row, nodes = found
        raise ImpossibleRowError(row, {model.graph.names[node]: int(compiled.codes[row, node]) for node in nodes}, what)


def _fewest(model: BayesNet, params: Any, row: np.ndarray) -> list[int]:
    """Observed nodes that are impossible together, none of which can be left out.

    Runs of nodes are left out, first long ones and then single nodes, wherever the rest stay impossible.
    """
    left = _within_a_family(model, params, row)
    many = len(row)
    while many > 1:
        many = (many + 1) // 2 if many > 2 else 1
        seen = np.flatnonzero(left >= 0)
        for first in range(0, len(seen), many):
            without = left.copy()
            without[seen[first : first + many]] = -1
            if _surely_impossible(model, params, without):
                left = without
    return np.flatnonzero(left >= 0).tolist()


def _surely_impossible(model: BayesNet, params: Any, row: np.ndarray) -> bool:
    """Whether a row is impossible; False where more would have to be summed over than fits, so that nobody knows."""
    try:
        value = Compiled.of(model, row[None]).log_probability(params.tables)[0]
    except ParameterError:
        return False
    return bool(value == -np.inf)


def _within_a_family(model: BayesNet, params: Any, row: np.ndarray) -> np.ndarray:
    """The row with a single family observed, if that alone is impossible; otherwise the row as it is."""
    for node, parents in enumerate(model.graph.parents):
        family = [*parents, node]
        if (row[family] >= 0).all() and model.layout.table(params.tables, node)[tuple(row[family])] == 0.0:
            alone = np.full_like(row, -1)
            alone[family] = row[family]
            return alone
    return row
