"""Scores of families in tables that have columns of numbers: linear Gaussian ones, for each configuration of discrete parents."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, pi

import numpy as np

from emkit.models.bayesnet.structure.counts import Rows, strides_of
from emkit.models.bayesnet.structure.scores import CountedFamilies, Families, Penalized


@dataclass(frozen=True)
class Cells:
    """Rows without holes of columns of states and of numbers.

    Attributes
    ----------
    codes : int array (n, N)
        State numbers; 0 for a number.
    z : array (n, N)
        Numbers in standard units; anything for a state.
    weights : array (n,)
    cards : int array (N,)
        States of each column, 1 for numbers.
    gaussian : bool array (N,)
    scale : array (N,)
        What a standard unit is of each column of numbers.
    """

    codes: np.ndarray
    z: np.ndarray
    weights: np.ndarray
    cards: np.ndarray
    gaussian: np.ndarray
    scale: np.ndarray


class MixedFamilies(Families):
    """BIC or AIC of families of both kinds.

    A Gaussian family has its maximum of the likelihood, but that each variance has 2/n pseudo-observations of the column's own, as
    in a fit. Lauritzen and Wermuth (1989), Annals of Statistics 17, 31-57.
    """

    def __init__(self, cells: Cells, score: Penalized):
        super().__init__()
        self.cells, self.score = cells, score
        self.counted = CountedFamilies(Rows(cells.codes, cells.weights, cells.cards), score)
        self._total = float(cells.weights.sum())

    def value(self, child: int, parents: tuple[int, ...]) -> float:
        """See ``Families``."""
        cells = self.cells
        if not cells.gaussian[child]:
            return self.counted.value(child, parents)
        discrete = [p for p in parents if not cells.gaussian[p]]
        numbers = [p for p in parents if cells.gaussian[p]]
        mass, left = _residuals(self._moments(discrete, [*numbers, child]))
        pseudo = 2.0 / max(self._total, 1.0)
        used = mass > 0
        variance = (left[used] + pseudo) / (mass[used] + pseudo)
        fit = -0.5 * float(mass[used] @ np.log(2 * pi * variance) + (left[used] / variance).sum())
        return fit - self._total * log(cells.scale[child]) - self.score.price * self.free(child, parents)

    def free(self, child: int, parents: Sequence[int]) -> float:
        """Free parameters of a family."""
        cells = self.cells
        configurations = float(np.prod(cells.cards[list(parents)], dtype=np.float64))
        if not cells.gaussian[child]:
            return configurations * (int(cells.cards[child]) - 1)
        return configurations * (2 + int(cells.gaussian[list(parents)].sum()))

    def _moments(self, discrete: Sequence[int], numbers: Sequence[int]) -> np.ndarray:
        """Sums of products of 1 and these numbers, the weights multiplied in, for each configuration: (C, w, w)."""
        cells = self.cells
        design = np.column_stack([np.ones(len(cells.z)), cells.z[:, list(numbers)]])
        if not discrete:
            return ((design * cells.weights[:, None]).T @ design)[None]
        which = cells.codes[:, discrete] @ strides_of(discrete, cells.cards)
        many, wide = int(np.prod(cells.cards[discrete])), design.shape[1]
        found = np.empty((many, wide, wide))
        for i in range(wide):
            for j in range(i, wide):
                found[:, i, j] = found[:, j, i] = np.bincount(which, cells.weights * design[:, i] * design[:, j], many)
        return found


def _residuals(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of each configuration, and what its regression of the last number on the others leaves over."""
    mass = moments[:, 0, 0]
    safe = np.where(mass > 0, mass, 1.0)
    means = moments[:, 0, 1:] / safe[:, None]
    spread = moments[:, 1:, 1:] - means[:, :, None] * moments[:, 0, None, 1:]
    inner, cross, own = spread[:, :-1, :-1], spread[:, :-1, -1], spread[:, -1, -1]
    if inner.shape[1]:
        slopes = np.einsum("cij,cj->ci", np.linalg.pinv(inner, rcond=1e-9, hermitian=True), cross)
        own = own - np.einsum("ci,ci->c", slopes, cross)
    return mass, np.maximum(own, 0.0)
