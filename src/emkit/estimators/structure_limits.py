"""What a ``StructureSearch`` asks for, in numbers of nodes: constraints, where to begin, scores, columns that get no arcs."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from emkit.core.checks import count
from emkit.core.errors import ParameterError
from emkit.core.warn import warn
from emkit.estimators.network_names import NamedNetwork
from emkit.estimators.network_structure import Structure, pairs_of
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.posterior import posterior
from emkit.models.bayesnet.structure.climbing import Parents
from emkit.models.bayesnet.structure.constraints import MOST_CELLS, Constraints
from emkit.models.bayesnet.structure.counts import Rows
from emkit.models.bayesnet.structure.scores import BayesianDirichlet, BDe, Score, score_of


def score_asked(given: Any, total: float, known: Structure) -> Score:
    """``score_of``, and a prior network by its distribution of every family."""
    if not isinstance(given, BDe):
        return score_of(given, total)
    names, prior = known.graph.names, given.network
    if not isinstance(prior, NamedNetwork):
        raise ParameterError(f"score: BDe(network={prior!r}) needs a BayesianNetwork, fitted or from tables", parameter="score")
    structure, (model, params) = prior.structure_, prior._model()
    if structure.hidden or structure.gaussian or sorted(structure.graph.names) != sorted(names):
        raise ParameterError(
            f"score: the network of BDe has the nodes {', '.join(structure.graph.names[:10])}; it needs the columns of the data, "
            "all of them discrete and observed",
            parameter="score",
        )
    for node, name in enumerate(structure.graph.names):
        if not model.layout.table(params.tables, node).all():
            raise ParameterError(
                f"score: the table of {name!r} in the network of BDe holds a zero, which no data could change; fit it with a prior",
                parameter="score",
            )
    place = [structure.graph.names.index(name) for name in names]
    for name, node, states in zip(names, place, known.states, strict=True):
        if tuple(map(str, structure.states[node])) != tuple(map(str, states)):
            raise ParameterError(
                f"score: {name!r} has the states {structure.states[node]} in the network of BDe", parameter="score"
            )
    nothing = np.full(len(names), -1, np.int32)

    def pseudo(members: tuple[int, ...], child: int, cards: np.ndarray) -> np.ndarray:
        return given.sample_size * posterior(model, params, nothing, [place[m] for m in members]).ravel()

    return BayesianDirichlet(pseudo)


def _refuse_large(limits: Constraints, names: Sequence[str], parents: Iterable[Collection[int]], setting: str) -> None:
    """Raise ParameterError, with the size, where a family that is asked for has a table that is too large."""
    for child, of in enumerate(parents):
        if not limits.fits(child, of):
            cells = float(np.prod([limits.cards[node] for node in (*of, child)], dtype=np.float64))
            raise ParameterError(
                f"{setting}: the table of {names[child]!r} with the parents {', '.join(names[p] for p in of)} has {cells:.3g} "
                f"cells; at most {MOST_CELLS} are tried",
                parameter=setting,
            )


def limits_asked(asked: Any, known: Structure) -> Constraints:
    """Which arcs there may be; none from a Gaussian node to a discrete one. Raises ParameterError."""
    names = known.graph.names
    tiers: Any = asked.tiers or ()
    if isinstance(tiers, str) or not isinstance(tiers, Iterable) or any(isinstance(group, str) for group in tiers):
        raise ParameterError(f"tiers={tiers!r}: give groups of columns, as [['age'], ['smokes', 'cancer']]", parameter="tiers")
    most = None if asked.max_parents is None else count(asked.max_parents, "max_parents", 0)
    required = _pairs(asked.required, "required")
    numbers = {names[node] for node in known.gaussian}
    for parent, child in required:
        if parent in numbers and child in names and child not in numbers:
            raise ParameterError(
                f"required: {parent!r} -> {child!r} runs from a Gaussian node to a discrete one, which no network here has",
                parameter="required",
            )
    cards = [max(len(states), 1) for states in known.states]
    limits = Constraints.of(names, cards, required, _pairs(asked.forbidden, "forbidden"), list(tiers), most)
    for p in known.gaussian:
        for c in range(len(names)):
            limits.allowed[p, c] &= c in known.gaussian
    _refuse_large(limits, names, limits.least, "required")
    least = 0 if asked.method != "tree" else 1 if asked.target is None else 2
    if limits.max_parents < min(least, len(names) - 1):
        what = "the class and one parent more" if asked.target else "a parent"
        raise ParameterError(f"max_parents={asked.max_parents}: in a tree nodes have {what}", parameter="max_parents")
    if asked.target is not None:
        if asked.method != "tree":
            raise ParameterError(f"target={asked.target!r} is for method='tree'", parameter="target")
        target = node_called(names, asked.target, "target")
        if target in known.gaussian:
            raise ParameterError(f"target={asked.target!r} is a Gaussian node; a class has states", parameter="target")
    return limits


def start_asked(asked: Any, known: Structure, limits: Constraints) -> Parents | None:
    """The graph to begin with, and the required arcs; None where none is given. Raises ParameterError where it breaks limits."""
    if asked.start is None:
        if known.hidden:
            name = known.graph.names[known.hidden[0]]
            raise ParameterError(
                f"start: with the hidden node {name!r} the search needs a graph to begin with, such as '{name}->a, {name}->b'",
                parameter="start",
            )
        return None
    names = known.graph.names
    parents: list[list[int]] = [[] for _ in names]
    for setting in ("start", "required"):
        for parent, child in _pairs(getattr(asked, setting), setting):
            p, c = node_called(names, parent, setting), node_called(names, child, setting)
            if p not in parents[c]:
                parents[c].append(p)
    try:
        Graph(names, tuple(map(tuple, parents)))
    except ParameterError as error:
        raise ParameterError(f"start: {error}", parameter="start") from None
    most = limits.max_parents if asked.method != "tree" else min(limits.max_parents, 1 if asked.target is None else 2)
    for node, of in enumerate(parents):
        barred = [p for p in of if not limits.allowed[p, node]]
        if barred:
            why = "forbidden, against the tiers, or from a Gaussian node to a discrete one"
            raise ParameterError(f"start: {names[barred[0]]!r} -> {names[node]!r} is {why}", parameter="start")
        if len(of) > most:
            raise ParameterError(f"start: {names[node]!r} has {len(of)} parents, at most {most} are allowed", parameter="start")
    _refuse_large(limits, names, parents, "start")
    return tuple(tuple(sorted(of)) for of in parents)


def _pairs(given: Any, setting: str) -> list[tuple[str, str]]:
    """Arcs in any of the ways of ``edges``. Raises ParameterError."""
    try:
        return pairs_of(given)
    except ParameterError as error:
        raise ParameterError(f"{setting}: {error}", parameter=setting) from None


def node_called(names: Sequence[str], name: str, setting: str) -> int:
    """Its number. Raises ParameterError, naming the setting, where there is none."""
    if name not in names:
        raise ParameterError(f"{setting}: there is no column {name!r}", parameter=setting)
    return names.index(name)


def without_arcs(known: Structure, limits: Constraints, cells: np.ndarray, total: float) -> None:
    """Columns with one value, or as many states as an identifier, get no arcs that are not required; a warning names them."""
    names = known.graph.names
    needed = [bool(limits.required[node].any() or limits.required[:, node].any()) for node in range(len(names))]
    for node in range(len(names)):
        many = len(known.states[node])
        if needed[node] or node in known.hidden:
            continue
        column = cells[:, node]
        column = column[~np.isnan(column)]
        if not len(column) or column.min() == column.max():
            said = "has one value only"
        elif node in known.gaussian:
            continue
        elif many > 20 and many > total / 2:
            said = f"has {many} states in {total:g} rows, as an identifier has"
        else:
            continue
        limits.allowed[node] = limits.allowed[:, node] = False
        warn(f"column {names[node]!r} {said}: it gets no arcs")


def warn_of_twins(rows: Rows, names: Sequence[str], limits: Constraints) -> None:
    """Warn of columns that determine each other: of their arcs the data say nothing beyond that."""
    free = [node for node in range(len(names)) if limits.allowed[node].any() or limits.allowed[:, node].any()]
    for i, a in enumerate(free):
        for b in free[i + 1 :]:
            if rows.cards[a] == rows.cards[b] > 1 and _determines(rows, a, b) and _determines(rows, b, a):
                warn(f"columns {names[a]!r} and {names[b]!r} determine each other: one of them would do")


def _determines(rows: Rows, a: int, b: int) -> bool:
    """Whether every state of a goes with a single state of b, in the rows that observe both."""
    first, second = rows.states[a], rows.states[b]
    few = first[:_FEW], second[:_FEW]
    if len(first) > 2 * _FEW and not _one_each(*few, int(rows.cards[a])):
        return False
    return _one_each(first, second, int(rows.cards[a])) and bool(((first >= 0) & (second >= 0)).any())


def _one_each(first: np.ndarray, second: np.ndarray, states: int) -> bool:
    both = (first >= 0) & (second >= 0)
    of = np.full(states, -1)
    of[first[both]] = second[both]
    return bool((of[first[both]] == second[both]).all())


_FEW = 100  # rows that most pairs of columns are told apart by
