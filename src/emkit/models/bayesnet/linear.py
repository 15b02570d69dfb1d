"""Linear Gaussian families: where their coefficients, variances and moments lie, and in which units.

Given its discrete parents in configuration c, a Gaussian node is b_c0 + sum_j b_cj (its Gaussian parents)_j + noise of variance
v_c. Lauritzen and Wermuth (1989), Annals of Statistics 17, 31-57.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.parameters import Parameter, Positive, Real
from emkit.core.summary import ColumnSummary
from emkit.models.bayesnet.graph import Graph

FARTHEST = 1e150  # in standard units: beyond, squares are no numbers
_LEAST = 1e-280  # of a variance: the squares of smaller differences lose digits


@dataclass(frozen=True)
class Linear:
    """The linear Gaussian families of a network, one after another in flat vectors.

    Attributes
    ----------
    graph : Graph
    cards : tuple of int
        States of each node, 0 for a Gaussian one.
    """

    graph: Graph
    cards: tuple[int, ...]

    @cached_property
    def nodes(self) -> tuple[int, ...]:
        """The Gaussian nodes, in the order of the graph: family ``g`` is that of ``nodes[g]``."""
        return tuple(node for node, card in enumerate(self.cards) if not card)

    @cached_property
    def place(self) -> dict[int, int]:
        """The number of each Gaussian node's family."""
        return {node: g for g, node in enumerate(self.nodes)}

    @cached_property
    def discrete(self) -> tuple[tuple[int, ...], ...]:
        """Discrete parents of each family, whose states number its configurations, the last one fastest."""
        return tuple(tuple(p for p in self.graph.parents[node] if self.cards[p]) for node in self.nodes)

    @cached_property
    def continuous(self) -> tuple[tuple[int, ...], ...]:
        """Gaussian parents of each family, by family number."""
        return tuple(tuple(self.place[p] for p in self.graph.parents[node] if not self.cards[p]) for node in self.nodes)

    def shape(self, g: int) -> tuple[int, ...]:
        """Of a family's configurations."""
        return tuple(self.cards[p] for p in self.discrete[g])

    @cached_property
    def strides(self) -> tuple[tuple[int, ...], ...]:
        """By how much a configuration's number rises with the state of each of ``discrete``."""
        return tuple(tuple(prod(self.shape(g)[i + 1 :]) for i in range(len(self.discrete[g]))) for g in range(len(self.nodes)))

    @cached_property
    def many(self) -> tuple[int, ...]:
        """Configurations of each family."""
        return tuple(prod(self.shape(g)) for g in range(len(self.nodes)))

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Coefficients of each configuration of a family: the intercept and one for each Gaussian parent."""
        return tuple(1 + len(parents) for parents in self.continuous)

    def configurations(self, g: int, codes: np.ndarray) -> np.ndarray:
        """The number of a family's configuration in each row (n, N) of states; of no use where a discrete parent is missing."""
        which = np.zeros(len(codes), np.int64)
        for parent, stride in zip(self.discrete[g], self.strides[g], strict=True):
            which += stride * codes[:, parent].astype(np.int64)
        return which

    def _parts(self, sizes: Sequence[int]) -> tuple[slice, ...]:
        ends = np.cumsum([0, *sizes]).tolist()
        return tuple(slice(a, b) for a, b in pairwise(ends))

    @cached_property
    def _coefficients(self) -> tuple[slice, ...]:
        return self._parts([c * w for c, w in zip(self.many, self.widths, strict=True)])

    @cached_property
    def _variances(self) -> tuple[slice, ...]:
        return self._parts(self.many)

    @cached_property
    def _moments(self) -> tuple[slice, ...]:
        return self._parts([c * (w + 1) ** 2 for c, w in zip(self.many, self.widths, strict=True)])

    @property
    def n_moments(self) -> int:
        """Length of the flat vector of moments."""
        return self._moments[-1].stop if self._moments else 0

    def coefficients(self, flat: np.ndarray, g: int) -> np.ndarray:
        """A family's coefficients in a flat vector, a view (configurations, 1 + Gaussian parents): the intercept first."""
        return flat[self._coefficients[g]].reshape(self.many[g], self.widths[g])

    def variances(self, flat: np.ndarray, g: int) -> np.ndarray:
        """A family's variances in a flat vector, a view (configurations,)."""
        return flat[self._variances[g]]

    def moments(self, flat: np.ndarray, g: int) -> np.ndarray:
        """A family's expected products of (1, Gaussian parents, node), a view (configurations, 2 + parents, 2 + parents)."""
        width = self.widths[g] + 1
        return flat[self._moments[g]].reshape(self.many[g], width, width)

    def narrowest(self, variances: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each family the variance of the configuration that is narrowest for its expected rows, and these rows, (G,) both."""
        found = []
        for g in range(len(self.nodes)):
            own, rows = self.variances(variances, g), self.moments(moments, g)[:, 0, 0]
            used = np.where(rows >= 1.0, own * rows, np.inf)
            found.append((own[np.argmin(used)], rows[np.argmin(used)]))
        return tuple(np.array(each) for each in zip(*found, strict=True))  # type: ignore[return-value]

    # --- as users call them -------------------------------------------------------------------------------------------

    def declared(self) -> tuple[Parameter, ...]:
        """Intercepts, coefficients and variances of each Gaussian node."""
        found = []
        for g, node in enumerate(self.nodes):
            name, letters = self.graph.names[node], " ".join(f"n{parent}" for parent in self.discrete[g])
            found.append(Parameter(f"{name}_intercept", letters, Real()))
            if self.continuous[g]:
                found.append(Parameter(f"{name}_coefficients", f"{letters} p{node}".strip(), Real()))
            found.append(Parameter(f"{name}_variance", letters, Positive()))
        return tuple(found)

    def sizes(self) -> dict[str, int]:
        """States of each node, and its Gaussian parents: what the letters of ``declared`` stand for."""
        states = {f"n{node}": card for node, card in enumerate(self.cards)}
        return states | {f"p{node}": len(self.continuous[g]) for g, node in enumerate(self.nodes)}

    def named(self, coefficients: np.ndarray, variances: np.ndarray) -> dict[str, np.ndarray]:
        """Flat coefficients and variances by name, an axis for each discrete parent first."""
        found = {}
        for g, node in enumerate(self.nodes):
            name, shape, values = self.graph.names[node], self.shape(g), self.coefficients(coefficients, g)
            found[f"{name}_intercept"] = values[:, 0].reshape(shape)
            if self.continuous[g]:
                found[f"{name}_coefficients"] = values[:, 1:].reshape(*shape, -1)
            found[f"{name}_variance"] = self.variances(variances, g).reshape(shape)
        return found

    def of_named(self, values: Mapping[str, np.ndarray], g: int) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (C, 1 + parents) and variances (C,) of a family: the inverse of ``named``."""
        name, many = self.graph.names[self.nodes[g]], self.many[g]
        intercept = np.reshape(np.asarray(values[f"{name}_intercept"], dtype=np.float64), (many, 1))
        slopes = np.asarray(values.get(f"{name}_coefficients", np.zeros((many, 0))), dtype=np.float64)
        variances = np.reshape(np.asarray(values[f"{name}_variance"], dtype=np.float64), many)
        return np.concatenate([intercept, slopes.reshape(many, self.widths[g] - 1)], axis=1), variances

    def joined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """The flat vector of one array for each family."""
        return np.concatenate([np.zeros(0), *(np.asarray(part, dtype=np.float64).ravel() for part in parts)])


@dataclass(frozen=True)
class Units:
    """Standard units of the Gaussian nodes: E-steps run in them, so that columns far from zero lose no digits.

    Attributes
    ----------
    centre, scale : arrays (G,)
    """

    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, columns: Sequence[int], summary: ColumnSummary, names: Columns) -> "Units":
        """Medians and robust standard deviations of these columns, which far-off values cannot spoil for all others.

        Raises DataError for a column whose values are too close to each other to square their differences, or too far apart.
        """
        centre, scale = np.zeros(len(columns)), np.ones(len(columns))
        used = summary.rows if summary.row_weights is None else summary.rows[summary.row_weights > 0]
        for g, j in enumerate(columns):
            seen = np.asarray(used[:, j], dtype=np.float64)
            seen = seen[~np.isnan(seen)]
            if not len(seen):
                continue
            centre[g] = np.median(seen)
            spread = summary.spread[j] if summary.spread[j] > 0 else summary.variance[j]
            if summary.high[j] > summary.low[j] and not _LEAST < spread < 1.0 / _LEAST:
                what = "too close to each other" if spread <= _LEAST else "too far apart"
                raise DataError(
                    f"{names.called(j)} holds values {what} to square their differences; give it in other units",
                    column=names[j].name,
                )
            scale[g] = np.sqrt(spread) if spread > 0 else 1.0
        return cls(centre, scale)

    def measured(self, values: np.ndarray, names: Sequence[str], weights: np.ndarray | None = None) -> np.ndarray:
        """Values (n, G) in these units. Those that are too far off to square are missing in rows without weight.

        Raises DataError for such a value in another row.
        """
        with np.errstate(over="ignore"):
            z = (np.asarray(values, dtype=np.float64) - self.centre) / self.scale
        far = np.abs(z) > FARTHEST
        if far.any() and weights is not None:
            z[far & (weights == 0)[:, None]] = np.nan
            far &= (weights > 0)[:, None]
        if far.any():
            row, g = (int(at[0]) for at in np.nonzero(far))
            raise DataError(
                f"row {row}: {names[g]!r} is {values[row, g]:g}, too far from what was fitted to square the distance",
                column=names[g], row=row,
            )  # fmt: skip
        return z

    def change(self, linear: Linear, g: int) -> tuple[np.ndarray, np.ndarray]:
        """``J`` and ``t`` with which coefficients b' in standard units are b = t + J b' in the user's."""
        parents = list(linear.continuous[g])
        slope = self.scale[g] / self.scale[parents]
        change = np.diag([self.scale[g], *slope])
        change[0, 1:] = -slope * self.centre[parents]
        shift = np.zeros(linear.widths[g])
        shift[0] = self.centre[g]
        return change, shift

    def standard(self, linear: Linear, g: int, coefficients: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and variances of a family in standard units."""
        parents = list(linear.continuous[g])
        out = coefficients.copy()
        out[:, 0] = (coefficients[:, 0] + coefficients[:, 1:] @ self.centre[parents] - self.centre[g]) / self.scale[g]
        out[:, 1:] = coefficients[:, 1:] * self.scale[parents] / self.scale[g]
        return out, variances / self.scale[g] ** 2

    def natural(self, linear: Linear, g: int, coefficients: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inverse of ``standard``."""
        change, shift = self.change(linear, g)
        return shift + coefficients @ change.T, variances * self.scale[g] ** 2

    def moments(self, linear: Linear, g: int, moments: np.ndarray) -> np.ndarray:
        """Moments in the user's units, from those in standard ones."""
        members = [*linear.continuous[g], g]
        change = np.diag([1.0, *self.scale[members]])
        change[1:, 0] = self.centre[members]
        return np.asarray(change @ moments @ change.T)


def refuse_parents(graph: Graph, cards: Sequence[int]) -> None:
    """Raise ParameterError for a Gaussian parent of a discrete node."""
    for node, parents in enumerate(graph.parents):
        for parent in parents:
            if cards[node] and not cards[parent]:
                raise ParameterError(
                    f"discrete node {graph.names[node]!r} has the Gaussian parent {graph.names[parent]!r}; only Gaussian nodes "
                    "may have Gaussian parents. Turn the edge around, cut the numbers into classes, or if "
                    f"{graph.names[node]!r} is a number too, say gaussian=[{graph.names[node]!r}]",
                    parameter="edges",
                )
