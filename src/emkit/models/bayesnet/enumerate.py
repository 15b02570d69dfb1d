"""All configurations of all components laid out flat: an E-step of four NumPy calls, for small data and as a check on the tape."""

from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from emkit.models.bayesnet.components import Alike
from emkit.models.bayesnet.tables import Layout

MOST_CONFIGURATIONS = 1024  # of a component
_MOST_FAMILIES = 64  # of a component: the product of more easily falls below the smallest float
_LEAST = 1e-290  # of a component's probability: below, products have lost digits, or are 0
_MOST_ENTRIES = 1 << 19  # of all components


@dataclass(frozen=True)
class FlatPlan:
    """What E-steps over some rows need: the flat twin of ``emkit.models.bayesnet.plan.Plan``.

    Attributes
    ----------
    layout : Layout
    counts : array (T,)
        Weights of fully observed families.
    mass : array (C,)
        Weights of the components.
    index : int array
        The entry of the tables that each family of each configuration of each component uses; families vary fastest.
    cells : int array
        Where each configuration's entries begin in ``index``.
    begin : int array (C,)
        Where each component's configurations begin in ``cells``.
    """

    layout: Layout
    counts: np.ndarray
    mass: np.ndarray
    index: np.ndarray
    cells: np.ndarray
    begin: np.ndarray

    @classmethod
    def of(cls, layout: Layout, counts: np.ndarray, alike: list[Alike], most: float = MOST_CONFIGURATIONS) -> Self | None:
        """From components; None where one of these has more than ``most`` configurations, or they are too large for it."""
        sizes = [prod(layout.cards[node] for node in one.nodes) for one in alike]
        entries = sum(len(one.mass) * len(one.families) * size for one, size in zip(alike, sizes, strict=True))
        families = max((len(one.families) for one in alike), default=0)
        if max(sizes, default=0) > most or families > _MOST_FAMILIES or entries > _MOST_ENTRIES:
            return None
        index = [(one.bases[:, None, :] + _steps(layout, one)).ravel() for one in alike]
        wide = [np.full(len(one.mass) * size, len(one.families)) for one, size in zip(alike, sizes, strict=True)]
        many = [np.full(len(one.mass), size) for one, size in zip(alike, sizes, strict=True)]
        none = np.zeros(0, np.int64)
        return cls(
            layout, counts, np.concatenate([np.zeros(0), *(one.mass for one in alike)]), np.concatenate([none, *index]),
            _begins(np.concatenate([none, *wide])), _begins(np.concatenate([none, *many])),
        )  # fmt: skip

    @property
    def n_components(self) -> int:
        """Distinct components."""
        return len(self.mass)

    @property
    def n_bytes(self) -> int:
        """Memory that it holds."""
        return sum(array.nbytes for array in vars(self).values() if isinstance(array, np.ndarray))

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """One run of all components: they are few."""
        return [(0, self.n_components)]

    def sweep(self, theta: np.ndarray, part: tuple[int, int], counts: np.ndarray | None, logs: np.ndarray) -> None:
        """Log probabilities of all components into ``logs`` (C,), and their expected counts added to ``counts`` (T,)."""
        if not self.n_components:
            return
        values = np.multiply.reduceat(theta[self.index], self.cells)
        total = np.add.reduceat(values, self.begin)
        with np.errstate(divide="ignore"):
            if total.min() < _LEAST:
                values, total, peak = self._scaled(theta)
                logs[:] = np.log(total) + peak
            else:
                logs[:] = np.log(total)
        if counts is None:
            return
        share = np.where(total > 0, self.mass / np.where(total > 0, total, 1.0), 0.0)
        values *= np.repeat(share, np.diff(np.append(self.begin, len(values))))
        weights = np.repeat(values, np.diff(np.append(self.cells, len(self.index))))
        counts += np.bincount(self.index, weights=weights, minlength=len(counts))

    def _scaled(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities of the configurations and of the components, over the largest of each component's; and its log, (C,)."""
        each = np.add.reduceat(np.log(theta[self.index]), self.cells)
        peak = np.maximum.reduceat(each, self.begin)
        peak = np.where(np.isfinite(peak), peak, 0.0)
        values = np.exp(each - np.repeat(peak, np.diff(np.append(self.begin, len(each)))))
        return values, np.add.reduceat(values, self.begin), peak


def _steps(layout: Layout, one: Alike) -> np.ndarray:
    """What each configuration of the missing nodes adds to each family's base, (configurations, families)."""
    begin, nodes, strides = layout.members
    states = np.indices([layout.cards[node] for node in one.nodes]).reshape(len(one.nodes), -1)
    out = np.zeros((states.shape[1], len(one.families)), np.int64)
    for f, family in enumerate(one.families):
        for at in range(begin[family], begin[family + 1]):
            if nodes[at] in one.nodes:
                out[:, f] += strides[at] * states[one.nodes.index(nodes[at])]
    return out


def _begins(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64) if len(lengths) else np.zeros(0, np.int64)
