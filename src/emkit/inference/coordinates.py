"""A hypothesis as a vector of its free parameters, and how what users see follows from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emkit.core.model import EStep, Model

_STEP = 3e-3  # of a parameter's standard error, were nothing hidden: differences of slopes are then good to about 1e-8
_JACOBIAN_STEP = 1e-2  # of the same
_MOVES = 1e-12
_AWAY = 0.1  # of a coordinate: how entries that belong to it are told
_EDGE = 10.0  # of a log or log odds, as a standard error: a hundredth of an observation stands behind it
_BENT = 0.2  # of a movement: what one up and one down are unlike


@dataclass(frozen=True)
class Place:
    """One entry of one parameter as users see it."""

    name: str
    index: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name


@dataclass(frozen=True)
class Coordinates:
    """The free parameters of a fitted model in the coordinates of ``pack``, with a step for each to take differences by.

    Attributes
    ----------
    model, params
    at : array of shape (P,)
        Where the fit ended.
    steps : array of shape (P,)
        About one standard error each, were nothing hidden.
    at_edge : array of shape (P,)
        Which coordinates are held: logs and log odds of what is as good as 0, and what ran to infinity. Nothing is known of them,
        steps of a standard error would be beyond all numbers, and what they do to others is nothing.
    """

    model: Model
    params: Any
    at: np.ndarray
    steps: np.ndarray
    at_edge: np.ndarray

    @classmethod
    def of(cls, model: Model, params: Any, evaluate: Callable[[Any], tuple[Any, float]]) -> "Coordinates":
        """At a hypothesis; ``evaluate`` takes another one to its statistics and log-likelihood."""
        at = model.pack(params)
        stats, value = evaluate(params)
        information = model.information(stats, params)
        if information is not None:
            known = information > 0
            steps = np.where(known, 1.0 / np.sqrt(np.where(known, information, 1.0)), np.inf)
        else:
            first = value + model.log_prior(params)
            steps = np.array([_width(model, params, at, i, first, evaluate) for i in range(len(at))])
        edge = np.array([_is_log_at_edge(model, params, at, i, step) for i, step in enumerate(steps)], dtype=bool)
        edge |= _run_away(model, params, at)
        return cls(model, params, at, np.where(edge | ~np.isfinite(steps), 1.0, steps), edge)

    def hypothesis(self, vector: np.ndarray) -> Any:
        """The Params of a vector."""
        return self.model.unpack(vector, self.params)

    def beside(self, i: int, share: float = _STEP) -> tuple[Any, Any, float]:
        """Hypotheses a little above and below in coordinate ``i``, and how far apart they are."""
        step = np.zeros_like(self.at)
        step[i] = share * self.steps[i]
        above, below = self.at + step, self.at - step
        return self.hypothesis(above), self.hypothesis(below), float(above[i] - below[i])

    # --- as users see them --------------------------------------------------------------------------------------------

    @cached_property
    def shown(self) -> dict[str, np.ndarray]:
        """Parameters by name in the shapes that users see."""
        return {name: np.asarray(value, dtype=np.float64) for name, value in self.model.shown(self.params).items()}

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every entry of every parameter, in the order of ``flat``."""
        return places_of(self.shown)

    def flat(self, params: Any) -> np.ndarray:
        """All entries of a hypothesis, (S,)."""
        return flattened(self.model.shown(params))

    def unflat(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """Numbers for all entries in the shapes of the parameters."""
        return unflattened(vector, self.shown)

    @cached_property
    def jacobian(self) -> np.ndarray:
        """Derivatives of all entries with respect to all coordinates, (S, P): central differences, twice, extrapolated."""
        found = np.zeros((len(self.places), len(self.at)))
        for together, moved in self._apart():
            slopes = [self._slopes(together, share) for share in (_JACOBIAN_STEP, 0.5 * _JACOBIAN_STEP)]
            both = (4.0 * slopes[1] - slopes[0]) / 3.0  # Richardson: the error's first term cancels
            for i, mine in zip(together, moved, strict=True):
                found[mine, i] = both[mine] / self.steps[i]
        size = np.abs(found * self.steps).max(axis=1, keepdims=True, initial=0.0)
        return np.where(np.abs(found * self.steps) > _MOVES * np.maximum(size, np.abs(self.flat(self.params))[:, None]), found, 0.0)

    def _slopes(self, together: Sequence[int], share: float) -> np.ndarray:
        """Derivatives of all entries as some coordinates move at once, each by a share of its step, per step."""
        step = np.zeros_like(self.at)
        step[list(together)] = share * self.steps[list(together)]
        above, below = (self.flat(self.hypothesis(self.at + sign * step)) for sign in (1.0, -1.0))
        return np.asarray(unturned(above - below, self.scales) / (2.0 * share))

    def _apart(self) -> list[tuple[list[int], list[np.ndarray]]]:
        """Coordinates in groups within which no two move the same entry, and the numbers of the entries that each moves.

        Curtis, Powell and Reid (1974), On the estimation of sparse Jacobian matrices, IMA J. Appl. Math. 13, 117-119.
        """
        here = self.flat(self.hypothesis(self.at))  # with the rounding that unpacking brings
        groups, taken = list[tuple[list[int], list[np.ndarray]]](), list[np.ndarray]()
        for i in range(len(self.at)):
            step = np.zeros_like(self.at)
            step[i] = _JACOBIAN_STEP * self.steps[i]
            changed = self.flat(self.hypothesis(self.at + step)) != here
            g = next((g for g, those in enumerate(taken) if not (those & changed).any()), len(groups))
            if g == len(groups):
                groups.append(([], []))
                taken.append(np.zeros(len(here), dtype=bool))
            groups[g][0].append(i)
            groups[g][1].append(np.flatnonzero(changed))
            taken[g] |= changed
        return groups

    @cached_property
    def scales(self) -> np.ndarray:
        """For each entry the scale on which an interval is symmetric: "", "log", "logit" or "angle", (S,)."""
        return flat_scales(self.model, self.shown)

    @cached_property
    def away(self) -> np.ndarray:
        """Which entries ran to a bound or to infinity, (S,)."""
        return _away(self.model, self.params)


def places_of(shown: Mapping[str, np.ndarray]) -> tuple[Place, ...]:
    """Every entry of parameters by name, in the order of ``flattened``."""
    return tuple(Place(name, tuple(map(int, i))) for name, value in shown.items() for i in np.ndindex(value.shape))


def flat_scales(model: Model, shown: Mapping[str, np.ndarray]) -> np.ndarray:
    """For each entry the scale on which an interval is symmetric, in the order of ``flattened``."""
    found = model.interval_scales()
    return np.concatenate([np.zeros(0, dtype="<U5"), *(_spread(found[name], value) for name, value in shown.items())])


def flattened(values: Mapping[str, Any]) -> np.ndarray:
    """All entries of parameters by name, one after the other."""
    return np.concatenate([np.zeros(0), *(np.asarray(value, dtype=np.float64).ravel() for value in values.values())])


def unturned(differences: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Differences of entries, (..., S), those of angles without whole turns."""
    turns = np.round(np.where((scales == "angle") & np.isfinite(differences), differences, 0.0) / (2.0 * np.pi))
    return np.asarray(differences - 2.0 * np.pi * turns)


def unflattened(vector: np.ndarray, like: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inverse of ``flattened``."""
    out, at = {}, 0
    for name, value in like.items():
        out[name] = vector[at : at + value.size].reshape(value.shape)
        at += value.size
    return out


def _spread(scale: str, value: np.ndarray) -> np.ndarray:
    """A scale for each entry; of matrices of covariances the diagonals alone are variances."""
    if scale != "matrix":
        return np.full(value.size, scale, dtype="<U5")
    square = value.ndim >= 2 and value.shape[-1] == value.shape[-2]
    diagonal = np.broadcast_to(np.eye(value.shape[-1], dtype=bool), value.shape) if square else np.ones(value.shape, dtype=bool)
    return np.where(diagonal, "log", "").ravel()


def _away(model: Model, params: Any) -> np.ndarray:
    found = model.away(params)
    return flattened({name: found.get(name, np.zeros(np.shape(value))) for name, value in model.shown(params).items()}) != 0


def _run_away(model: Model, params: Any, at: np.ndarray) -> np.ndarray:
    """Coordinates of nothing but entries that ran away, (P,): the objective is flat there, and differences of it are rounding."""
    away, found = _away(model, params), np.zeros(len(at), dtype=bool)
    if not away.any():
        return found
    for i in range(len(at)):
        move = np.zeros_like(at)
        move[i] = _AWAY
        above, below = (flattened(model.shown(model.unpack(at + sign * move, params))) for sign in (1.0, -1.0))
        moved = above != below
        found[i] = bool(moved.any() and away[moved].all())
    return found


def _is_log_at_edge(model: Model, params: Any, at: np.ndarray, i: int, step: float) -> bool:
    """Whether coordinate ``i`` is a log, or log odds, of which so little is known that it has no standard error to speak of.

    What users see follows a log in a curve: one up and one down are not the same. It follows all other coordinates in a line.
    """
    if not step > _EDGE:
        return False
    move = np.zeros_like(at)
    move[i] = 1.0
    here, above, below = (flattened(model.shown(model.unpack(at + sign * move, params))) for sign in (0.0, 1.0, -1.0))
    moved = np.maximum(np.abs(above - here), np.abs(here - below))
    seen = moved > _MOVES * np.abs(here)
    return bool((np.abs(above + below - 2.0 * here)[seen] > _BENT * moved[seen]).all())


def _width(model: Model, params: Any, at: np.ndarray, i: int, first: float, evaluate: Callable[[Any], tuple[Any, float]]) -> float:
    """A standard error of coordinate ``i``, the others held: how far away the objective is half a nat lower, about."""
    size = 1e-2 * max(1.0, abs(float(at[i])))
    for _ in range(6):
        step = np.zeros_like(at)
        step[i] = size
        pair = [model.unpack(at + sign * step, params) for sign in (1.0, -1.0)]
        fall = first - 0.5 * sum(evaluate(one)[1] + model.log_prior(one) for one in pair)
        if 1e-4 < fall < 0.5:
            return float(size / np.sqrt(2.0 * fall))
        if not np.isfinite(fall) or fall >= 0.5:
            size *= 0.1
        else:
            size *= 10.0 if fall <= 1e-6 else 3.0
    return float(size)


def evaluator(model: Model, source: Any, executor: Any) -> Callable[[Any], tuple[Any, float]]:
    """From a hypothesis to its statistics and its log-likelihood of all data."""
    return lambda params: executor.map_reduce(EStep(model, params), source)
