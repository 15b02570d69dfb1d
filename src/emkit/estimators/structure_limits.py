"""What a ``StructureSearch`` asks for, in numbers of nodes: constraints, where to begin, scores, columns that get no arcs."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from emkit.core.checks import count
from emkit.core.errors import ParameterError
from emkit.core.warn import warn
from emkit.estimators.network_structure import Structure, pairs_of
from emkit.models.bayesnet.posterior import posterior
from emkit.models.bayesnet.structure.climbing import Parents
from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.counts import Rows
from emkit.models.bayesnet.structure.scores import BayesianDirichlet, BDe, Score, score_of


def score_asked(given: Any, total: float, known: Structure) -> Score:
    """``score_of``, and a prior network by its distribution of every family."""
    if not isinstance(given, BDe):
        return score_of(given, total)
    names, prior = known.graph.names, given.network
    structure, (model, params) = prior.structure_, prior._model()
    if structure.hidden or structure.gaussian or sorted(structure.graph.names) != sorted(names):
        raise ParameterError(
            f"score: the network of BDe has the nodes {', '.join(structure.graph.names[:10])}; it needs the columns of the data, "
            "all of them discrete and observed",
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
    if asked.target is not None:
        if asked.method != "tree":
            raise ParameterError(f"target={asked.target!r} is for method='tree'", parameter="target")
        target = node_called(names, asked.target, "target")
        if target in known.gaussian:
            raise ParameterError(f"target={asked.target!r} is a Gaussian node; a class has states", parameter="target")
    return limits


def start_asked(asked: Any, known: Structure) -> Parents | None:
    """The graph to begin with, and the required arcs; None where none is given. Raises ParameterError."""
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
    for parent, child in _pairs(asked.start, "start"):
        parents[node_called(names, child, "start")].append(node_called(names, parent, "start"))
    for parent, child in _pairs(asked.required, "required"):
        p, c = node_called(names, parent, "required"), node_called(names, child, "required")
        if p not in parents[c]:
            parents[c].append(p)
    type(known.graph)(names, tuple(map(tuple, parents)))  # says what circle there is
    return tuple(tuple(sorted(of)) for of in parents)


def _pairs(given: Any, setting: str) -> list[tuple[str, str]]:
    """Arcs in any of the ways of ``edges``."""
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
    free = [bool(limits.required[node].any() or limits.required[:, node].any()) for node in range(len(names))]
    for node in range(len(names)):
        many = len(known.states[node])
        if free[node] or node in known.hidden:
            continue
        if node in known.gaussian:
            column = cells[:, node]
            column = column[~np.isnan(column)]
            if len(column) and column.min() < column.max():
                continue
            said = "has one value only"
        elif many == 1:
            said = "has one value only"
        elif many > 20 and many > total / 2:
            said = f"has {many} states in {total:g} rows, as an identifier has"
        else:
            continue
        limits.allowed[node] = limits.allowed[:, node] = False
        warn(f"column {names[node]!r} {said}: it gets no arcs")


def warn_of_twins(rows: Rows, names: Sequence[str]) -> None:
    """Warn of columns that determine each other: of their arcs the data say nothing beyond that."""
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            if rows.cards[a] == rows.cards[b] > 1:
                counts = rows.observed((a, b)).reshape(int(rows.cards[a]), -1) > 0
                if counts.any() and (counts.sum(axis=0) <= 1).all() and (counts.sum(axis=1) <= 1).all():
                    warn(
                        f"columns {names[a]!r} and {names[b]!r} determine each other; leave one of them out, or take care with arcs"
                    )
