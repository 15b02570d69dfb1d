"""The profile likelihood of one parameter: what the others can make of each value that it is held at."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from emkit.algorithms.starts import fit
from emkit.core.block import Source
from emkit.core.errors import ParameterError
from emkit.core.executor import Executor
from emkit.core.model import Model
from emkit.core.warn import warn
from emkit.inference.coordinates import Place

_TOL = 1e-5  # nats: of each fit along the way
_BETTER = 0.01  # nats above the fit that are no rounding
_AGAIN = 5  # times the interval may be measured anew, from a better solution
_FAR = 12  # times an end may be looked for farther out, each by half as much again


@dataclass(frozen=True)
class Profile:
    """An interval of values that the likelihood-ratio test does not refuse.

    Attributes
    ----------
    place : str
        The entry, such as "means[0, 1]".
    estimate, low, high : float
        ``low`` and ``high`` are infinite, or the bound, where the likelihood never falls far enough.
    values, objectives : arrays of shape (m,)
        Where the profile was computed, in ascending order, and how high the objective is there, nats.
    level : float
    """

    place: str
    estimate: float
    low: float
    high: float
    values: np.ndarray
    objectives: np.ndarray
    level: float


def profile(
    model: Model,
    params: Any,
    source: Source,
    name: str,
    index: tuple[int, ...],
    executor: Executor,
    *,
    step: float,
    level: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    max_iter: int = 2000,
) -> Profile:
    """Of one entry of one parameter: it is held at values, and all else is fitted again from where the neighbour ended.

    Parameters
    ----------
    name : str
        As users call the parameter.
    index : tuple of int
        The entry, in the shape that users see.
    step : float
        About a standard error: where the ends are looked for first.
    bounds : pair of float
        What values the entry may have.

    Raises
    ------
    ParameterError
        For an entry that is not there or is held, and where the model does not let it be held by itself.

    References
    ----------
    Venzon and Moolgavkar (1988), Applied Statistics 37, 87-94.
    """
    start = np.asarray(model.shown(params)[check_place(model.shown(params), name, index).name], dtype=np.float64)
    curve = _Curve(model, params, source, executor, name, index, max_iter)
    top, estimate = curve(float(start[index])), float(start[index])
    fall = 0.5 * float(chi2.ppf(level, 1))

    def beyond(value: float) -> float:
        return curve(value) - (top - fall)

    middle, told = estimate, False
    for _ in range(_AGAIN):
        ends = [_end(beyond, middle, side * step, bound) for side, bound in zip((-1.0, 1.0), bounds, strict=True)]
        best = max(curve.known, key=lambda value: curve.known[value][0])
        if not curve(best) > top + _BETTER:
            break
        if not told:
            warn(
                f"the profile of {Place(name, index)} found a better solution than the fit: objective {curve(best):.4f} instead of "
                f"{top:.4f}. Fit again with more starts; the interval is measured from the better one"
            )
        middle, top, told = best, curve(best), True  # the estimate itself may be refused now
    values = np.array(sorted(curve.known))
    return Profile(
        str(Place(name, index)), estimate, ends[0], ends[1], values, np.array([curve.known[v][0] for v in values]), level
    )


def check_place(shown: Mapping[str, Any], name: str, index: tuple[int, ...]) -> Place:
    """The entry. Raises ParameterError if it is not there."""
    if name not in shown:
        raise ParameterError(f"{name!r} is no parameter; there are {', '.join(map(repr, shown))}", parameter=name)
    form = np.shape(shown[name])
    if len(index) != len(form) or any(not 0 <= i < size for i, size in zip(index, form, strict=True)):
        raise ParameterError(f"{Place(name, index)} is not there: {name} has the shape {form}", parameter=name)
    return Place(name, index)


class _Curve:
    """The largest objective with the entry held at a value; every value is fitted from its nearest neighbour."""

    def __init__(
        self, model: Model, params: Any, source: Source, executor: Executor, name: str, index: tuple[int, ...], max_iter: int
    ):
        self._model, self._source, self._executor = model, source, executor
        self._name, self._index, self._max_iter = name, index, max_iter
        self._first = params
        self.known: dict[float, tuple[float, Any]] = {}

    def __call__(self, value: float) -> float:
        """The objective there."""
        if value not in self.known:
            near = self._first if not self.known else self.known[min(self.known, key=lambda v: abs(v - value))][1]
            self.known[value] = self._fitted(value, near)
        return self.known[value][0]

    def _fitted(self, value: float, near: Any) -> tuple[float, Any]:
        shown = np.asarray(self._model.shown(near)[self._name], dtype=np.float64)
        held = np.full(shown.shape, np.nan)
        held[self._index] = value
        try:
            model = _holding(self._model, self._name, held).resolve(self._source)
        except ParameterError as error:
            raise ParameterError(
                f"{self._name} cannot be held entry by entry, so it has no profile; take conf_int, or a bootstrap",
                parameter=self._name,
            ) from error
        start = model.put_back(near)
        found = fit(
            model, self._source, executor=self._executor, starts=[start], tol=_TOL, max_iter=self._max_iter,
            rng=np.random.default_rng(0),
        )  # fmt: skip
        return found.objective, found.params


def _holding(model: Model, name: str, held: np.ndarray) -> Model:
    """The model with an entry held, besides what is held anyway."""
    before = _held_of(model, name)
    if before is not None:
        both = np.broadcast_to(np.asarray(before, dtype=np.float64), held.shape)
        if not np.isnan(both[~np.isnan(held)]).all():
            raise ParameterError(f"{name} is held there already: a fixed parameter has no profile", parameter=name)
        held = np.where(np.isnan(held), both, held)
    return model.configured({name: held}, {})


def _held_of(owner: Any, name: str) -> Any:
    """What is held of a parameter, as its owner has it; None for nothing."""
    if name in owner.names:
        return owner.fixed.get(name)
    for child in owner.children:
        part = owner.part(child)
        for inner in part.all_names:
            if owner.outer(child, inner) == name:
                found = _held_of(part, inner)
                return None if found is None else owner.show_part(child, inner, np.asarray(found))
    return None


def _end(beyond: Callable[[float], float], estimate: float, step: float, bound: float) -> float:
    """Where the profile falls below what is not refused, on one side; the bound, or infinity, where it does not."""
    inside, outside = estimate, estimate + 2.0 * step
    for _ in range(_FAR):
        if (step < 0 and outside <= bound) or (step > 0 and outside >= bound):
            outside = 0.5 * (inside + bound)  # never the bound itself, where there may be nothing
            if abs(outside - bound) < 1e-9 * max(abs(step), abs(bound)):
                return bound
        if beyond(outside) < 0:
            return float(brentq(beyond, min(inside, outside), max(inside, outside), xtol=1e-3 * abs(step), rtol=1e-6))
        inside, outside = outside, outside + 1.5 * (outside - inside)
    return math.copysign(math.inf, step) if math.isinf(bound) else bound
