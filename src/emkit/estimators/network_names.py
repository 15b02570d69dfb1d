"""Between what users call nodes and states, and their numbers: what every question to a network is put into and read from."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.checks import mapping
from emkit.core.columns import Column, Columns
from emkit.core.errors import ParameterError
from emkit.data.states import state_finder
from emkit.estimators.network_structure import Structure
from emkit.estimators.rows import RowFace
from emkit.models.bayesnet.asked import Asked, Cells

NODES = "nodes and their states"


@dataclass(kw_only=True, eq=False, repr=False)
class NamedNetwork(RowFace):
    """A fitted network by the names of its nodes, and their states."""

    unseen: str = "error"

    @property
    def structure_(self) -> Structure:
        """The graph, with the states of each node."""
        return self._structure()

    @abstractmethod
    def _structure(self) -> Structure:
        """As ``structure_``; NotFittedError where there are no tables yet."""

    def _model(self) -> tuple[Any, Any]:
        current = self._current()
        return current.model, current.params

    def _fitted_network(self) -> Asked:
        return Asked.of(*self._model())

    def _cells(self, X: Any) -> Cells:
        return self._fitted_network().cells(self._new(X).x)

    def _nodes(self, columns: str | Sequence[str] | None) -> list[int] | None:
        if columns is None:
            return None
        names = [columns] if isinstance(columns, str) else list(columns)
        if not names:
            raise ParameterError("columns is empty: name nodes, or leave it out", parameter="columns")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ParameterError(f"columns: {twice!r} is asked for twice", parameter="columns")
        return [self._node(name, "columns") for name in names]

    def _node(self, name: Any, what: str) -> int:
        names = self._structure().graph.names
        if name not in names:
            few = ", ".join(map(repr, names[:20])) + (", ..." if len(names) > 20 else "")
            raise ParameterError(f"{what}: there is no node {name!r}; the nodes are {few}", parameter=what)
        return names.index(name)

    def _code(self, name: str, state: Any, what: str) -> int:
        node = self._node(name, what)
        code = state_finder(self._structure().states[node])(state)
        if code < 0:
            few = ", ".join(map(repr, self._structure().states[node][:20]))
            raise ParameterError(f"{what}: node {name!r} has no state {state!r}; it has {few}", parameter=what)
        return code

    def _observed(self, name: str, value: Any, what: str) -> Any:
        """The number of a state, or a number as it is."""
        if self._node(name, what) not in self._structure().gaussian:
            return self._code(name, value, what)
        try:
            found = float(value)
        except (TypeError, ValueError):
            found = np.nan
        if not np.isfinite(found):
            raise ParameterError(f"{what}: {name!r} is a Gaussian node, {value!r} is no number", parameter=what)
        return found

    def _numbers_of(self, evidence: Mapping[str, Any] | None) -> dict[str, float]:
        """Gaussian nodes of which something is known."""
        structure = self._structure()
        return {n: float(v) for n, v in (evidence or {}).items() if self._node(n, "evidence") in structure.gaussian}

    def _evidence(self, evidence: Mapping[str, Any] | None) -> Cells:
        asked = self._fitted_network()
        cells = asked.nothing()
        for name, value in mapping(evidence, "evidence", NODES).items():
            asked.observe(cells, self._node(name, "evidence"), self._observed(name, value, "evidence"))
        return cells

    def _soft(self, soft: Mapping[str, Any] | None) -> dict[int, np.ndarray] | None:
        found = {}
        for name, given in mapping(soft, "soft", "nodes and how probable what was seen is in each state").items():
            node = self._node(name, "soft")
            if node in self._structure().gaussian:
                raise ParameterError(f"soft: {name!r} is a Gaussian node; uncertain evidence is of states", parameter="soft")
            values = given
            if isinstance(given, Mapping):
                states = self._structure().states[node]
                by_code = {self._code(name, state, "soft"): value for state, value in given.items()}
                lacking = [state for i, state in enumerate(states) if i not in by_code]
                if lacking:
                    raise ParameterError(
                        f"soft: no likelihood is given for the state {lacking[0]!r} of {name!r}; give one for each, 0 for what is "
                        "ruled out",
                        parameter="soft",
                    )
                values = [by_code[i] for i in range(len(states))]
            try:
                found[node] = np.asarray(values, dtype=np.float64)
            except (TypeError, ValueError):
                raise ParameterError(f"soft: {given!r} for {name!r} are no numbers, one for each state", parameter="soft") from None
        return found or None

    def _as_values(self, found: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
        """State numbers and numbers (n, nodes) as the states themselves, and numbers."""
        structure = self._structure()
        states = [structure.states[node] for node in nodes]
        whole = all(isinstance(state, int) and not isinstance(state, bool) for of_node in states for state in of_node)
        numbers = any(node in structure.gaussian for node in nodes)
        out = np.empty(found.shape, dtype=(np.float64 if numbers else np.int64) if whole else object)
        for j, (node, of_node) in enumerate(zip(nodes, states, strict=True)):
            if node in structure.gaussian:
                out[:, j] = found[:, j]
                continue
            values = np.empty(len(of_node), dtype=out.dtype)
            values[:] = list(of_node)
            out[:, j] = values[found[:, j].astype(np.intp)]
        return out


def columns_with(names: Sequence[str], states: Mapping[str, Sequence[Any]]) -> Columns:
    """The schema of nodes that are seen; those without states are numbers."""
    return Columns(
        tuple(Column(str(name), "category", tuple(states[name])) if name in states else Column(str(name)) for name in names)
    )
