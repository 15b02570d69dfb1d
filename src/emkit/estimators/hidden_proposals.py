"""Hidden nodes that a network would be better with: proposed by semi-cliques, tried one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone

from emkit.core.checks import count
from emkit.core.errors import ParameterError
from emkit.estimators.settings import make_rng
from emkit.estimators.structure_search import StructureSearch
from emkit.models.bayesnet.graph import unused
from emkit.models.bayesnet.structure.semi_cliques import semi_cliques, with_hidden

_TRIES = 3  # searches with each number of states: they end in graphs of different worth


@dataclass(frozen=True)
class HiddenProposal:
    """A hidden node that was tried.

    Attributes
    ----------
    name : str
    group : tuple of str
        The nodes that it was put above, which were nearly all joined.
    states : int
    gain : float
        What the graph's score gains over that of the network without it, learnt from the same rows, nats; negative where it loses.
    network : BayesianNetwork
        Learnt from there, and fitted.
    """

    name: str
    group: tuple[str, ...]
    states: int
    gain: float
    network: Any = field(repr=False)


def proposals(face: Any, X: Any, sample_weight: Any, states: int | Sequence[int], most: int) -> list[HiddenProposal]:
    """See ``LearntNetwork.propose_hidden``."""
    search = face.edges
    if not isinstance(search, StructureSearch) or "_learnt" not in face.__dict__:
        raise ParameterError("give a network whose graph was learnt: BayesianNetwork.learn(...)", parameter="edges")
    structure = face.structure_
    if structure.gaussian:
        raise ParameterError("hidden nodes are proposed for networks of discrete nodes", parameter="edges")
    names, graph = structure.graph.names, structure.graph
    name = unused("H", names)
    latent = {names[node]: list(structure.states[node]) for node in structure.hidden}
    numbers = [count(number, "states", 2) for number in ([states] if isinstance(states, int | np.integer) else states)]
    seeds = make_rng(face.random_state).integers(2**31, size=_TRIES).tolist()
    found: list[HiddenProposal] = []
    groups = semi_cliques(graph.parents)[:most]
    base = _score(face, replace(search, start=graph.edges), X, sample_weight) if groups else 0.0  # the rows may be others
    for group in groups:
        parents = with_hidden(graph.parents, group)
        every = (name, *names)
        start = [(every[p], every[c]) for c, of in enumerate(parents) for p in of]
        best: HiddenProposal | None = None
        for number, seed in product(numbers, seeds):
            one = clone(face)
            one.set_params(latent={name: number, **latent}, edges=replace(search, start=start), random_state=seed)
            try:
                one.fit(X, sample_weight=sample_weight)
            except ParameterError as error:
                if error.parameter == "start":  # more parents than are allowed, or an arc that is forbidden
                    continue
                raise
            if one.cut_off() == "interrupted":
                return sorted(found, key=lambda one: -one.gain)
            gain = one.search_.score - base
            if best is None or gain > best.gain:
                best = HiddenProposal(name, tuple(names[node] for node in group), number, gain, one)
        if best is not None:
            found.append(best)
    return sorted(found, key=lambda one: -one.gain)


def _score(face: Any, search: StructureSearch, X: Any, sample_weight: Any) -> float:
    """What a search comes to on these rows."""
    one = clone(face).set_params(edges=search).fit(X, sample_weight=sample_weight)
    return float(one.search_.score)
