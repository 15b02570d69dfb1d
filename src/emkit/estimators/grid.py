"""Grids of settings: estimators to be compared, as clones of a template."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone

from emkit.core.errors import ParameterError
from emkit.estimators.auto import UP_TO
from emkit.estimators.face import Face
from emkit.families.gaussian.covariance_types import MCLUST


@dataclass(frozen=True)
class Cell:
    """An unfitted estimator, and the settings that tell it from the others."""

    estimator: Face
    settings: Mapping[str, Any]

    @property
    def size(self) -> int | None:
        """The number of components, if that is a setting of the grid."""
        found = self.settings.get(self.estimator.size_setting)
        return int(found) if isinstance(found, int | np.integer) else None

    @property
    def name(self) -> str:
        """The settings in words."""
        return self._words(self.settings)

    @property
    def line(self) -> str:
        """What it has in common with cells that differ only in the number of components."""
        rest = {name: value for name, value in self.settings.items() if name != self.estimator.size_setting}
        return self._words({"estimator": type(self.estimator).__name__} | rest)

    @property
    def line_name(self) -> str:
        """As short as may be: for a legend."""
        rest = [str(value) for name, value in self.settings.items() if name != self.estimator.size_setting]
        return ", ".join(rest)

    @staticmethod
    def _words(settings: Mapping[str, Any]) -> str:
        return ", ".join(f"{name}={value}" for name, value in settings.items())


def cells(estimator: Any, grid: Any) -> list[Cell]:
    """Every combination of the grid's values.

    Raises
    ------
    ParameterError
        For an empty grid, an unknown setting, or what is no estimator.
    """
    several = isinstance(estimator, Sequence) and not isinstance(estimator, str)
    estimators = list(estimator) if several else [estimator]
    if not estimators:
        raise ParameterError("there is no estimator to try: the list is empty", parameter="estimator")
    for one in estimators:
        if not isinstance(one, Face):
            raise ParameterError(
                f"{one!r} is not an estimator that can be searched; give a GaussianMixture, Mixture, LatentClass or HMM, unfitted",
                parameter="estimator",
            )
        if one.is_a_search:
            raise ParameterError(
                f"{type(one).__name__} finds the number of classes by a search and a score of its own; fit it alone, or give "
                "a Mixture",
                parameter="estimator",
            )
    grids = list(grid) if isinstance(grid, Sequence) and not isinstance(grid, str) else [grid] * len(estimators)
    if len(grids) != len(estimators):
        raise ParameterError(
            f"{len(grids)} grids for {len(estimators)} estimators: give one for all, or one for each", parameter="grid"
        )
    found = [cell for one, its in zip(estimators, grids, strict=True) for cell in _cells(one, its)]
    if several:
        found = [Cell(cell.estimator, {"estimator": name} | dict(cell.settings)) for cell, name in _named(found, estimators)]
    names = [cell.name for cell in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(f"grid holds {twice[0]} more than once", parameter="grid")
    return found


def _named(found: list[Cell], estimators: list[Face]) -> Iterator[tuple[Cell, str]]:
    kinds = [type(one).__name__ for one in estimators]
    per = len(found) // len(estimators) if len(found) % len(estimators) == 0 else 0
    for i, cell in enumerate(found):
        kind = type(cell.estimator).__name__
        yield cell, kind if kinds.count(kind) == 1 or not per else f"{kind} {i // per}"


def _cells(template: Face, grid: Any) -> Iterator[Cell]:
    if grid is None and not template.size_setting:
        raise ParameterError(
            f"{type(template).__name__} has no number of components to try: give a grid of its settings", parameter="grid"
        )
    if grid is None:
        grid = {template.size_setting: range(1, UP_TO + 1)}
    if not isinstance(grid, Mapping):
        raise ParameterError(f"grid={grid!r}: give a mapping from settings to the values to try", parameter="grid")
    known = template.get_params(deep=False)
    unknown = [name for name in grid if name not in known]
    if unknown:
        raise ParameterError(
            f"grid has {', '.join(map(repr, unknown))}, but {type(template).__name__} has no such setting; it has "
            f"{', '.join(sorted(known))}",
            parameter="grid",
        )
    values = [_values(name, given) for name, given in grid.items()]
    empty = [name for name, given in zip(grid, values, strict=True) if not given]
    if empty or not values:
        raise ParameterError(
            f"grid is empty{f': no values for {empty[0]!r}' if empty else ''}; give values to try", parameter="grid"
        )
    for combination in product(*values):
        settings = dict(zip(grid, combination, strict=True))
        cell = Cell(clone(template).set_params(**settings), settings)
        if cell.estimator._searches():
            name = template.size_setting
            if not name:
                raise ParameterError(
                    "a graph to be learnt is no candidate: each search has a score of its own, which need not be that of the "
                    "table; learn the graphs, and give their edges, grid={'edges': [first.search_.edges, second.search_.edges]}",
                    parameter="grid",
                )
            raise ParameterError(
                f"{name}='auto' is no candidate: give the numbers to try, grid={{{name!r}: range(1, 10)}}", parameter="grid"
            )
        yield cell


def _values(name: str, given: Any) -> list[Any]:
    """The values to try of a setting; one alone need not be in a list."""
    if name == "covariance_type" and isinstance(given, str) and given == "all":
        return list(MCLUST)
    if isinstance(given, str | Mapping | int | float | np.integer) or given is None or not hasattr(given, "__iter__"):
        return [given]
    return [value.item() if isinstance(value, np.generic) else value for value in given]
