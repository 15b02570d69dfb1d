"""Rows with numbers as rows of states: what Gaussian nodes say becomes evidence on their discrete parents.

For every set of discrete nodes that numbers leave to be told apart there is a further node, their child, that each such row
observes in a state of its own; its table holds the densities. All that is done with discrete networks then holds for mixed ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emkit.models.bayesnet.blocks import Families, Hidden, Seen, factors
from emkit.models.bayesnet.compiled import Compiled
from emkit.models.bayesnet.graph import Graph, unused
from emkit.models.bayesnet.linear import Linear
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.plan import Plan
from emkit.models.bayesnet.scanning import Scanner

_ROWS = 4096  # compiled at a time
_FAR = -300.0  # log of a sum beyond which rounding may have hidden the only possible configuration


@dataclass(frozen=True)
class Witness:
    """The further node of a set of discrete nodes: the rows that have it, and where its table lies in the flat vector."""

    nodes: tuple[int, ...]
    rows: np.ndarray
    part: slice
    shape: tuple[int, int]


@dataclass(frozen=True)
class Evidence:
    """What Gaussian nodes say of some rows, at certain parameters.

    Attributes
    ----------
    tables : array (T,), of the network with witnesses
    log_scale : array (n,)
        Added to the log probability that these give.
    remembered : list, of each factor
    """

    tables: np.ndarray
    log_scale: np.ndarray
    remembered: list[Any]


class NumberedRows:
    """Rows of a network with Gaussian nodes, compiled.

    Parameters
    ----------
    net : BayesNet
        Over the discrete nodes alone.
    discrete : sequence of int
        Its nodes' numbers in the whole graph.
    linear : Linear
    codes : int array (n, N), states, -1 where missing; 0 for Gaussian nodes
    z : array (n, G), Gaussian nodes in standard units
    kept : bool array (N,)
        Nodes of the whole graph that are counted though nothing observed descends from them.
    scale : array (G,), these units
    most : float
        See ``factors``.
    """

    def __init__(
        self,
        net: BayesNet,
        discrete: Sequence[int],
        linear: Linear,
        codes: np.ndarray,
        z: np.ndarray,
        kept: np.ndarray,
        scale: np.ndarray,
        most: float,
    ):
        self.linear, self.n = linear, len(codes)
        self.log_units = -(~np.isnan(z) @ np.log(scale))
        self.factors: list[Seen | Hidden] = factors(linear, codes, z, _active(linear, codes, z, kept), most)
        place = {node: i for i, node in enumerate(discrete)}
        sets = sorted({factor.what.summed for factor in self.factors if factor.what.summed})
        names, parents, cards = list(net.graph.names), list(net.graph.parents), list(net.cards)
        columns = [codes[:, list(discrete)]]
        begin = net.layout.total
        self.witnesses: list[Witness] = []
        for nodes in sets:
            rows = np.unique(np.concatenate([f.rows for f in self.factors if f.what.summed == nodes]))
            name = "numbers below " + " and ".join(linear.graph.names[node] for node in nodes)
            names.append(unused(name, names))
            parents.append(tuple(place[node] for node in nodes))
            cards.append(len(rows))
            column = np.full((self.n, 1), -1, codes.dtype)
            column[rows, 0] = np.arange(len(rows))
            columns.append(column)
            many = int(np.prod([linear.cards[node] for node in nodes]))
            self.witnesses.append(Witness(nodes, rows, slice(begin, begin + many * len(rows)), (many, len(rows))))
            begin += many * len(rows)
        self.net = BayesNet(
            Graph(tuple(names), tuple(parents)), tuple(cards), net.hidden, tied=net.tied, everything=net.everything,
            max_table=net.max_table,
        )  # fmt: skip
        self.codes = np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.int32)
        # A discrete node above numbers that are observed is active for the witness that these have, not for itself.
        self.kept = np.concatenate([kept[list(discrete)], np.zeros(len(sets), np.bool_)])

    @cached_property
    def _witness_of(self) -> dict[tuple[int, ...], Witness]:
        return {witness.nodes: witness for witness in self.witnesses}

    def evidence(self, params: BayesNetParams, families: Families, *, mode: bool = False) -> Evidence:
        """The densities at these parameters, as tables of the witnesses.

        ``mode``: times those of the missing Gaussian nodes where they are highest, in standard units.
        """
        scale, remembered = self.log_units.copy(), []
        logs = {witness.nodes: np.zeros(witness.shape[::-1]) for witness in self.witnesses}
        for factor in self.factors:
            values, kept = factor.log_densities(families)
            if mode and isinstance(factor, Hidden):
                values = values + factor.log_density_at_mode(kept)
            remembered.append(kept)
            if factor.what.summed:
                witness = self._witness_of[factor.what.summed]
                logs[witness.nodes][np.searchsorted(witness.rows, factor.rows)] += values
            else:
                scale[factor.rows] += values[:, 0]
        tables = np.empty(self.net.layout.total)
        tables[: len(params.tables)] = params.tables
        for witness in self.witnesses:
            values = logs[witness.nodes]
            top = values.max(axis=1)
            top = np.where(top == -np.inf, 0.0, top)  # so far out that every density is zero
            if (values.min(axis=1) - top < _FAR).any():
                top = self._top(params, witness, values, top)
            scale[witness.rows] += top
            tables[witness.part] = np.exp(np.minimum(values - top[:, None], -_FAR)).T.ravel()
        return Evidence(tables, scale, remembered)

    def _top(self, params: BayesNetParams, witness: Witness, values: np.ndarray, top: np.ndarray) -> np.ndarray:
        """The largest log density of each row among configurations that the tables do not rule out.

        Where zeros in the tables leave only configurations far out, the others would hide them.
        """
        if (params.tables > 0).all():
            return top
        tables = np.ones(self.net.layout.total)
        tables[: len(params.tables)] = params.tables
        counts, logs = np.zeros(len(tables)), np.empty(self.plan.n_components)
        self.plan.sweep(tables, (0, self.plan.n_components), counts, logs)
        possible = counts[witness.part].reshape(witness.shape).T > 0
        best = np.where(possible, values, -np.inf).max(axis=1)
        return np.where(np.isfinite(best), best, top)

    # --- E-steps ------------------------------------------------------------------------------------------------------

    @cached_property
    def plan(self) -> Plan:
        """The rows, each once, as components."""
        return self.compiled.plan

    def plan_of(self, weights: np.ndarray | None) -> Plan:
        """The rows with weights (n,) as components."""
        scanner = Scanner(self.net.layout, self.kept)
        scanner.add(self.codes, weights)
        return Plan.of(scanner, self.net.rank, self.net.max_table)

    @cached_property
    def compiled(self) -> Compiled:
        """The rows for questions."""
        return Compiled.of(self.net, self.codes, self.kept)

    def shares(self, counts: np.ndarray, weights: np.ndarray | None) -> list[np.ndarray]:
        """Of each factor the weights (m, K) of its configurations, from the expected counts of the tables."""
        known = {w.nodes: counts[w.part].reshape(w.shape).T for w in self.witnesses}
        found = []
        for factor in self.factors:
            if factor.what.summed:
                witness = self._witness_of[factor.what.summed]
                found.append(known[witness.nodes][np.searchsorted(witness.rows, factor.rows)])
            else:
                own = np.ones(len(factor.rows)) if weights is None else weights[factor.rows]
                found.append(own[:, None])
        return found


def parts(n: int) -> list[slice]:
    """Rows as they are compiled: a few thousand at a time."""
    return [slice(begin, min(begin + _ROWS, n)) for begin in range(0, max(n, 1), _ROWS)]


def _active(linear: Linear, codes: np.ndarray, z: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Which nodes of each row are kept, observed, or have such descendants, (n, N)."""
    active = (codes >= 0) | kept
    nodes = list(linear.nodes)
    active[:, nodes] = ~np.isnan(z) | kept[nodes]
    return linear.graph.with_ancestors(active)
