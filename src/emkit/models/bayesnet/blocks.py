"""What rows say of Gaussian families: factors over the discrete parents that are missing, and expected moments.

Two families hang together in a row if a missing Gaussian node is in both. A family without one is a density that can be looked up;
a block of several is conditioned on what is observed of it, once for each configuration of discrete parents and shared by the rows
that have the same cells missing. All numbers are in standard units.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.components import joined, patterns
from emkit.models.bayesnet.linear import Linear

_LOG_2PI = float(np.log(2.0 * np.pi))
_CELLS = 1 << 21  # of the arrays that a block of missing nodes is conditioned in, at a time

Families = Sequence[tuple[np.ndarray, np.ndarray]]
"""Coefficients (C, 1 + parents) and variances (C,) of each family."""


@dataclass(frozen=True)
class Hanging:
    """What hangs together in some rows: families, their missing Gaussian nodes, the missing ones among their discrete parents."""

    families: tuple[int, ...]
    missing: tuple[int, ...]
    summed: tuple[int, ...]


@dataclass(frozen=True)
class Factor:
    """Some families in the rows in which they hang together in one way.

    Attributes
    ----------
    linear : Linear
    what : Hanging
    rows : int array (m,)
    z : array (n, G)
        All rows, not only these.
    base : int array (families, m)
        The number of each family's configuration as far as the row's states give it.
    steps : int array (families, K)
        What each configuration of ``what.summed`` adds to it; K is 1 where none is missing.
    """

    linear: Linear
    what: Hanging
    rows: np.ndarray
    z: np.ndarray
    base: np.ndarray
    steps: np.ndarray

    @property
    def n_configurations(self) -> int:
        """K."""
        return self.steps.shape[1]

    def configuration(self, codes: np.ndarray) -> np.ndarray:
        """Which of the K configurations each of its rows has, (m,), in rows (n, N) without missing states."""
        cards = tuple(self.linear.cards[node] for node in self.what.summed)
        states = tuple(codes[self.rows, node] for node in self.what.summed)
        return np.ravel_multi_index(states, cards) if cards else np.zeros(len(self.rows), np.intp)


@dataclass(frozen=True)
class Seen(Factor):
    """A single family of which every Gaussian member is observed."""

    @cached_property
    def _design(self) -> np.ndarray:
        """(m, 2 + parents): 1, the Gaussian parents, the node."""
        g = self.what.families[0]
        return np.column_stack([np.ones(len(self.rows)), self.z[self.rows][:, [*self.linear.continuous[g], g]]])

    @cached_property
    def _uses(self) -> list[tuple[int, np.ndarray | slice, np.ndarray | int]]:
        """For each configuration that occurs: its number, rows, and the columns of (m, K) arrays that go with them."""
        m, many = len(self.rows), self.n_configurations
        if not self.base.any():
            return [(int(self.steps[0, k]), slice(None), k) for k in range(many)]
        which = (self.base[0][:, None] + self.steps[0]).ravel()
        order = np.argsort(which, kind="stable")
        cuts = np.flatnonzero(np.diff(which[order])) + 1
        found: list[tuple[int, np.ndarray | slice, np.ndarray | int]] = []
        for part in np.split(order, cuts) if m else []:
            found.append((int(which[part[0]]), part // many, part % many))
        return found

    def log_densities(self, families: Families) -> tuple[np.ndarray, Any]:
        """Log density of the node in each configuration of what is missing, (m, K); and nothing to remember."""
        g, out = self.what.families[0], np.empty((len(self.rows), self.n_configurations))
        coefficients, variances = families[g]
        for c, rows, columns in self._uses:
            design = self._design[rows]
            off = design[:, -1] - design[:, :-1] @ coefficients[c]
            out[rows, columns] = -0.5 * (_LOG_2PI + np.log(variances[c]) + off * off / variances[c])
        return out, None

    def add_moments(self, families: Families, remembered: Any, weights: np.ndarray, out: np.ndarray) -> None:
        """Add the products of its members, by ``weights`` (m, K), to the flat moments."""
        g = self.what.families[0]
        moments = self.linear.moments(out, g)
        for c, rows, columns in self._uses:
            design = self._design[rows]
            moments[c] += (design * weights[rows, columns][:, None]).T @ design


@dataclass(frozen=True)
class Conditional:
    """The missing Gaussian nodes of a block given what is observed, for some rows and all K configurations.

    Attributes
    ----------
    rows : int array, places among the factor's rows
    configurations : int array (families, K)
    log_density : array (K, rows), of what is observed of the block
    means : array (K, missing, rows)
    covariances : array (K, missing, missing)
    """

    rows: np.ndarray
    configurations: np.ndarray
    log_density: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


@dataclass(frozen=True)
class Hidden(Factor):
    """Families that missing Gaussian nodes join."""

    @cached_property
    def _members(self) -> tuple[list[int], list[int], list[int]]:
        """Gaussian members: observed ones whose family is elsewhere, observed ones whose family is here, missing ones."""
        own, missing = set(self.what.families), list(self.what.missing)
        inside = [g for g in self.what.families if g not in set(missing)]
        outside = sorted({p for g in own for p in self.linear.continuous[g]} - own)
        return outside, inside, missing

    @cached_property
    def _groups(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows, by place, with the same configurations, and these (families, K)."""
        _, group = np.unique(self.base, axis=1, return_inverse=True)
        group = np.ravel(group)
        order = np.argsort(group, kind="stable")
        outside, inside, missing = self._members
        size = (1 + len(outside) + len(inside) + len(missing)) * self.n_configurations
        most, found = max(_CELLS // size, 1), []
        for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            for begin in range(0, len(part), most):
                rows = part[begin : begin + most]
                found.append((rows, self.base[:, rows[:1]] + self.steps))
        return found

    def conditionals(self, families: Families) -> Iterator[Conditional]:
        """Group by group."""
        outside, inside, missing = self._members
        own = [*inside, *missing]
        n_seen = len(inside)
        last = None
        for rows, configurations in self._groups:
            if last is None or not np.array_equal(last, configurations):
                shift, gain, covariance = self._joint(families, configurations, own, outside)
                last = configurations
                seen = covariance[:, :n_seen, :n_seen]
                root = np.linalg.cholesky(seen)
                half = np.linalg.solve(root, covariance[:, :n_seen, n_seen:])  # (K, seen, missing)
                left = covariance[:, n_seen:, n_seen:] - half.transpose(0, 2, 1) @ half
                log_norm = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1) + 0.5 * n_seen * _LOG_2PI
            z = self.z[self.rows[rows]]
            means = shift[:, :, None] + gain @ z[:, outside].T
            white = np.linalg.solve(root, z[:, inside].T - means[:, :n_seen])
            log_density = -0.5 * np.einsum("ksm,ksm->km", white, white) - log_norm[:, None]
            yield Conditional(rows, configurations, log_density, means[:, n_seen:] + half.transpose(0, 2, 1) @ white, left)

    def _joint(
        self, families: Families, configurations: np.ndarray, own: Sequence[int], outside: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean (K, own) at zero, gain (K, own, outside) and covariance (K, own, own) of the block's nodes given those outside."""
        many, n = configurations.shape[1], len(own)
        shift, within, without = np.zeros((many, n)), np.zeros((many, n, n)), np.zeros((many, n, len(outside)))
        noise = np.empty((many, n))
        for i, g in enumerate(own):
            which = configurations[self.what.families.index(g)]
            coefficients, variances = families[g]
            noise[:, i], shift[:, i] = variances[which], coefficients[which, 0]
            for j, parent in enumerate(self.linear.continuous[g]):
                if parent in own:
                    within[:, i, own.index(parent)] = coefficients[which, 1 + j]
                else:
                    without[:, i, outside.index(parent)] = coefficients[which, 1 + j]
        spread = np.linalg.inv(np.eye(n) - within)
        covariance = (spread * noise[:, None, :]) @ spread.transpose(0, 2, 1)
        return np.einsum("kij,kj->ki", spread, shift), spread @ without, covariance

    def log_densities(self, families: Families) -> tuple[np.ndarray, list[Conditional]]:
        """Log density of what is observed of the block in each configuration, (m, K); and the conditionals, for the moments."""
        out, found = np.empty((len(self.rows), self.n_configurations)), list(self.conditionals(families))
        for one in found:
            out[one.rows] = one.log_density.T
        return out, found

    def log_density_at_mode(self, remembered: list[Conditional]) -> np.ndarray:
        """Log density of the missing nodes at their conditional means, (m, K)."""
        out = np.empty((len(self.rows), self.n_configurations))
        for one in remembered:
            out[one.rows] = -0.5 * (len(self.what.missing) * _LOG_2PI + np.linalg.slogdet(one.covariances)[1])
        return out

    def add_moments(self, families: Families, remembered: list[Conditional], weights: np.ndarray, out: np.ndarray) -> None:
        """Add the expected products of the members of each family, by ``weights`` (m, K), to the flat moments."""
        outside, inside, missing = self._members
        seen, first = [*outside, *inside], 1 + len(outside) + len(inside)
        place = {g: 1 + i for i, g in enumerate([*seen, *missing])}
        for one in remembered:
            z = self.z[np.ix_(self.rows[one.rows], seen)].T
            known = np.concatenate([np.ones((1, len(one.rows))), z])
            many = len(one.means)
            values = np.concatenate([np.broadcast_to(known, (many, *known.shape)), one.means], axis=1)
            share = weights[one.rows].T
            products = (values * share[:, None, :]) @ values.transpose(0, 2, 1)
            products[:, first:, first:] += one.covariances * share.sum(axis=1)[:, None, None]
            for i, g in enumerate(self.what.families):
                members = [0, *(place[p] for p in self.linear.continuous[g]), place[g]]
                np.add.at(self.linear.moments(out, g), one.configurations[i], products[:, members][:, :, members])


def factors(linear: Linear, codes: np.ndarray, z: np.ndarray, active: np.ndarray, most: float) -> list[Seen | Hidden]:
    """Rows taken apart: what hangs together in which of them.

    Parameters
    ----------
    codes : int array (n, N)
        States of the discrete nodes, -1 where one is missing.
    z : array (n, G)
        Gaussian nodes in standard units, NaN where one is missing.
    active : bool array (n, N)
        Nodes that are observed, have an observed descendant, or are kept for another reason.
    most : float
        Configurations of missing discrete parents that may hang together.

    Raises
    ------
    ParameterError
        Where there are more; it names the row and the nodes.
    """
    nodes = np.array(linear.nodes, dtype=np.intp)
    holes = np.concatenate([np.isnan(z), codes < 0], axis=1) & np.concatenate([active[:, nodes], active], axis=1)
    above = {p for parents in linear.discrete for p in parents}
    holes[:, [len(nodes) + i for i in range(codes.shape[1]) if i not in above]] = False  # these change nothing here
    rows_of: dict[Hanging, list[np.ndarray]] = {}
    for row, rows in patterns(np.concatenate([active[:, nodes], holes], axis=1)):
        for what in _hanging(linear, active[row, nodes], holes[row, : len(nodes)], holes[row, len(nodes) :]):
            _refuse_many(linear, what, row, most)
            rows_of.setdefault(what, []).append(rows)
    return [_factor(linear, what, np.sort(np.concatenate(parts)), codes, z) for what, parts in rows_of.items()]


def _hanging(linear: Linear, active: np.ndarray, missing: np.ndarray, unknown: np.ndarray) -> Iterator[Hanging]:
    """What hangs together where these families are active, these Gaussian nodes missing, these discrete nodes unknown."""
    gaps = {int(g): [m for m in (*linear.continuous[g], int(g)) if missing[m]] for g in np.flatnonzero(active)}
    alone = [((), (g,)) for g, members in gaps.items() if not members]
    for holes, families in [*alone, *joined(gaps)]:
        yield Hanging(families, holes, tuple(sorted({p for g in families for p in linear.discrete[g] if unknown[p]})))


def _refuse_many(linear: Linear, what: Hanging, row: int, most: float) -> None:
    many = prod(linear.cards[node] for node in what.summed)
    if many > most:
        names = linear.graph.names
        numbers = ", ".join(repr(names[linear.nodes[g]]) for g in what.families[:8])
        raise ParameterError(
            f"row {row}: {', '.join(repr(names[node]) for node in what.summed[:8])} are missing, and {numbers} would have to be "
            f"looked at in {many} configurations; max_configurations allows {most:g}. Observe more of them, take edges away, or "
            "raise max_configurations",
            parameter="max_configurations",
        )


def _factor(linear: Linear, what: Hanging, rows: np.ndarray, codes: np.ndarray, z: np.ndarray) -> Seen | Hidden:
    cards = [linear.cards[node] for node in what.summed]
    states = np.indices(cards).reshape(len(cards), -1) if cards else np.zeros((0, 1), np.int64)
    base = np.zeros((len(what.families), len(rows)), np.int64)
    steps = np.zeros((len(what.families), states.shape[1]), np.int64)
    for i, g in enumerate(what.families):
        for parent, stride in zip(linear.discrete[g], linear.strides[g], strict=True):
            if parent in what.summed:
                steps[i] += stride * states[what.summed.index(parent)]
            else:
                base[i] += stride * codes[rows, parent].astype(np.int64)
    kind = Hidden if what.missing else Seen
    return kind(linear, what, rows, z, base, steps)
