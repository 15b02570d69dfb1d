"""Standard errors of what users see, from the information about the free coordinates: the delta method."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit, logit, ndtri

from emkit.core.block import Source
from emkit.core.checks import level_of, one_of
from emkit.core.errors import ParameterError
from emkit.core.executor import Executor
from emkit.core.model import Model
from emkit.core.notebook import Printed
from emkit.inference.coordinates import Coordinates, Place, evaluator, unflattened
from emkit.inference.information import observed_information, score, squared_scores
from emkit.inference.sandwich import Wald, wald

METHODS = ("observed", "sandwich")
AT_EDGE = "at the edge of what is possible, where no standard error holds"
"""What notes say of entries such as a probability of 0."""
UPWARD = "the objective bends upward along these, so the fit is not at a maximum; fit on with a smaller tol"
"""Of entries that a fit which was cut off has left where others are better."""
_SINGULAR = 1e-6  # of the information, scaled to unit diagonal: a direction with less is not identified
_GAIN = 0.1  # nats
_TOUCHED = 1e-3  # share of an entry's movement that such a direction may have
_ZERO, _NEAR = 1e-12, 0.05  # of probabilities
_EDGE = 5.0  # standard error of a log odds, or of a log: less than 0.04 of an observation stands behind the entry
_UPWARD = 1e-4  # of the information, were nothing hidden: less is rounding


@dataclass(frozen=True)
class StandardErrors(Printed):
    """Estimates with their standard errors, by name, in the shapes that users see.

    Attributes
    ----------
    estimates : dict of arrays
    errors : dict of arrays
        NaN where there is none: of what is fixed, at the edge of what is possible, or not identified; ``notes`` says which.
    method : str
    notes : tuple of str
    scales : dict of arrays of str
        On which scale the interval of each entry is symmetric: "" as it is, "log" or "logit"; "angle": as it is, and ends may lie
        beyond (-pi, pi].
    replicates : dict of arrays, or None
        Of a bootstrap: the estimates of each replicate, (times, ...); infinite where there is no maximum inside.
    without : dict of boolean arrays
        Of a bootstrap: entries that have an interval, of percentiles, but no standard error.
    """

    estimates: Mapping[str, np.ndarray]
    errors: Mapping[str, np.ndarray]
    method: str
    notes: tuple[str, ...] = ()
    scales: Mapping[str, np.ndarray] = field(default_factory=dict)
    replicates: Mapping[str, np.ndarray] | None = None
    without: Mapping[str, np.ndarray] = field(default_factory=dict)
    _spread: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> np.ndarray:
        """The standard errors of a parameter."""
        if name not in self.errors:
            raise ParameterError(f"{name!r} is no parameter; there are {', '.join(map(repr, self.errors))}", parameter=name)
        return self.errors[name]

    def conf_int(self, level: float = 0.95) -> dict[str, np.ndarray]:
        """Intervals that hold each parameter with probability ``level``: (..., 2), low and high ends.

        Of a bootstrap the quantiles of the replicates; otherwise Wald's: symmetric about the estimate, of variances and rates on
        the scale of logarithms, of probabilities on that of log odds, so that no end is impossible.
        """
        level = level_of(level)
        tails = (0.5 - 0.5 * level, 0.5 + 0.5 * level)
        if self.replicates is not None:
            ends = {name: np.stack([_quantile(r, tail) for tail in tails], axis=-1) for name, r in self.replicates.items()}
            return {name: np.where(self._has_interval(name)[..., None], value, np.nan) for name, value in ends.items()}
        half = float(ndtri(tails[1]))
        return {name: _wald_ends(self.estimates[name], self.errors[name], self.scales[name], half) for name in self.errors}

    def _has_interval(self, name: str) -> np.ndarray:
        errors = self.errors[name]
        return np.asarray(~np.isnan(errors) | self.without.get(name, np.zeros(errors.shape, dtype=bool)))

    def test(self, contrast: Callable[[dict[str, np.ndarray]], Any]) -> Wald:
        """Wald's test of whether a function of the parameters is 0.

        Parameters
        ----------
        contrast : callable
            From the parameters by name to numbers that are 0 under the hypothesis, such as
            ``lambda p: p["means"][0] - p["means"][1]``.

        Raises
        ------
        ParameterError
            For what is no such function, asks for parameters that are not there, or gives no numbers.
        """
        if self._spread is None:
            raise ParameterError(f"standard errors by {self.method!r} keep no covariance of all entries; take 'observed'")
        flat, root = self._spread
        at, moved = self._contrasted(contrast, flat), []
        for direction in root.T:  # the covariance is root root': a step along each of its columns
            high, low = (self._contrasted(contrast, flat + sign * 1e-3 * direction) for sign in (1.0, -1.0))
            moved.append((high - low) / 2e-3)
        slopes = np.array(moved).T if moved else np.zeros((len(at), 0))
        return wald(at, slopes @ slopes.T)

    def _contrasted(self, contrast: Callable[[dict[str, np.ndarray]], Any], flat: np.ndarray) -> np.ndarray:
        """The numbers that a contrast makes of the parameters, one after another."""
        there = ", ".join(f"{name} {value.shape}" for name, value in self.estimates.items())
        name = "means" if "means" in self.estimates else next(iter(self.estimates))
        such = f"such as lambda p: p[{name!r}][0] - p[{name!r}][1]"
        if not callable(contrast):
            raise ParameterError(
                f"contrast={contrast!r}: give a function of the parameters that is 0 where the hypothesis holds, {such}; there are "
                f"{there}",
                parameter="contrast",
            )
        try:
            found = np.atleast_1d(np.asarray(contrast(unflattened(flat, self.estimates)))).ravel()
        except (KeyError, IndexError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else f"asks for what is not there, {error}"
            raise ParameterError(f"contrast {what}; there are {there}", parameter="contrast") from error
        if found.dtype.kind not in "biuf" or not len(found):
            raise ParameterError(f"contrast gives {found.tolist()!r}: it has to give numbers, {such}", parameter="contrast")
        return found.astype(np.float64)

    def table(self, level: float = 0.95) -> list[tuple[str, float, float, float, float]]:
        """A line for each entry that has an interval: name, estimate, standard error (NaN: none), ends of its interval."""
        ends, lines = self.conf_int(level), []
        for name, errors in self.errors.items():
            for index in np.ndindex(errors.shape):
                if self._has_interval(name)[index]:
                    low, high = map(float, ends[name][index])
                    lines.append((str(Place(name, index)), float(self.estimates[name][index]), float(errors[index]), low, high))
        return lines

    def as_text(self, level: float = 0.95) -> str:
        """A table, with what has no standard error after it."""
        rows = self.table(level)
        width = max([9, *(len(row[0]) for row in rows)])
        head = f"{'parameter':<{width}}  {'estimate':>12}  {'std. error':>12}  {f'{100 * level:g} % interval':>26}"
        lines = [f"{name:<{width}}  {v:>12.6g}  {_or_dash(e):>12}  {a:>12.6g}  {b:>12.6g}" for name, v, e, a, b in rows]
        notes = [f"note: {note}" for note in self.notes]
        return "\n".join([f"standard errors by {_IN_WORDS[self.method]}", head, *lines, *notes])

    def __str__(self) -> str:
        return self.as_text()


_IN_WORDS = {
    "observed": "the observed information",
    "sandwich": "the sandwich",
    "bootstrap": "the bootstrap",
    "parametric bootstrap": "the parametric bootstrap",
}


def standard_errors(model: Model, params: Any, source: Source, executor: Executor, method: str = "observed") -> StandardErrors:
    """Of a fitted model, from the data that it was fitted to.

    Parameters
    ----------
    model : Model
        Resolved, as ``Result.model``.
    params : Params
        Where the fit ended: the maximum of log-likelihood plus log prior.
    source : Source
        The data.
    executor : Executor
    method : {"observed", "sandwich"}
        "observed": inverse of the observed information, priors included. "sandwich": inverse times sum of squared scores times
        inverse, which holds where the model is not that of the data; units are rows, or whole sequences.

    Raises
    ------
    ParameterError
        For a distribution over hypotheses (variational Bayes), which has its own spread.
    """
    one_of(method, METHODS, "method")
    if model.is_posterior:
        raise ParameterError(f"{model.called} is a distribution over parameters: its own variances say how sure it is")
    evaluate = evaluator(model, source, executor)
    coordinates = Coordinates.of(model, params, evaluate)
    information = observed_information(coordinates, evaluate)
    root, lost, upward = _root_of_inverse(information, coordinates.steps)
    rising = _rising(coordinates, evaluate, upward)
    notes = _not_at_the_maximum(coordinates, evaluate, root)
    if method == "sandwich":
        units = sum(block.units if block.weights is None else int((np.asarray(block.weights) > 0).sum()) for block in source)
        what = "rows" if next(iter(source)).lengths is None else "sequences"
        if units <= len(coordinates.at):
            raise ParameterError(
                f"the sandwich needs more {what} than parameters, and there are {units} for {len(coordinates.at)}; take "
                "method='observed' or 'parametric bootstrap'",
                parameter="method",
            )
        if units < 2 * len(coordinates.at):
            notes.append(f"{units} {what} for {len(coordinates.at)} parameters: the sandwich needs many more {what} to be right")
        bread = root @ root.T
        values, vectors = np.linalg.eigh(bread @ squared_scores(coordinates, source, executor) @ bread)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
    return _of_entries(coordinates, root, lost, rising, notes, method)


def _rising(coordinates: Coordinates, evaluate: Any, upward: np.ndarray) -> np.ndarray:
    """Of directions (P, m), in units of the steps, along which the objective bends upward: those along which it also rises.

    On a ridge, where other values fit as well, it bends up and down by next to nothing. That is no sign of a fit cut off, but of
    parameters that are not identified.
    """

    def objective(vector: np.ndarray) -> float:
        params = coordinates.hypothesis(vector)
        return float(evaluate(params)[1]) + float(coordinates.model.log_prior(params))

    if not upward.shape[1]:
        return upward
    first, moves = objective(coordinates.at), (coordinates.steps[:, None] * upward).T
    best = [max(objective(coordinates.at + sign * move) for sign in (1.0, -1.0)) for move in moves]
    return np.asarray(upward[:, np.array(best) > first + _GAIN])


def _not_at_the_maximum(coordinates: Coordinates, evaluate: Any, root: np.ndarray) -> list[str]:
    """What is to be said where a Newton step would still gain something: other data than those of the fit, or a fit cut off."""
    slope = score(coordinates, coordinates.params, evaluate)
    gain = 0.0 if slope is None else 0.5 * float(((slope @ root) ** 2).sum())
    if not gain > _GAIN:
        return []
    return [
        f"the objective of these data can still gain about {gain:.3g} nats: are they the data of the fit, and has it converged?"
    ]


def _of_entries(
    coordinates: Coordinates, root: np.ndarray, lost: np.ndarray, rising: np.ndarray, notes: list[str], method: str
) -> StandardErrors:
    """The delta method: the covariance of the coordinates is root root'; what moves along directions that it lacks has no error."""
    jacobian, flat = coordinates.jacobian, coordinates.flat(coordinates.params)
    spread = jacobian @ root
    errors = np.sqrt((spread**2).sum(axis=1))
    moves = np.abs(jacobian * coordinates.steps).max(axis=1, initial=0.0)
    fixed = moves == 0
    unidentified, risen = (
        ~fixed & (np.abs((jacobian * coordinates.steps) @ some).max(axis=1, initial=0.0) > _TOUCHED * moves)
        for some in (lost, rising)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = errors / (flat * (1.0 - flat))
    at_end = ((flat < _ZERO) | (flat > 1.0 - _ZERO)) & _free(coordinates)
    probability, near = coordinates.scales == "logit", (flat < _NEAR) | (flat > 1.0 - _NEAR)
    vague = probability & ~fixed & (odds > _EDGE)
    edge = probability & (at_end | (vague & near & ~unidentified))
    held = np.abs(jacobian * coordinates.steps)[:, coordinates.at_edge].max(axis=1, initial=0.0)
    edge |= ~fixed & np.isin(coordinates.scales, ("log", "logit")) & (held > _TOUCHED * moves)
    edge |= ~fixed & coordinates.away
    vague |= ~fixed & (coordinates.scales == "log") & (errors > _EDGE * np.abs(flat))
    unidentified = (unidentified | vague) & ~edge
    errors = np.where(fixed | edge | unidentified, np.nan, errors)
    notes += named(coordinates.places, risen & ~edge, UPWARD)
    notes += named(coordinates.places, edge, AT_EDGE)
    notes += named(coordinates.places, unidentified & ~risen, "not identified by the data: other values fit as well")
    scales = unflattened(coordinates.scales, coordinates.shown)
    return StandardErrors(coordinates.shown, coordinates.unflat(errors), method, tuple(notes), scales, _spread=(flat, spread))


def _free(coordinates: Coordinates) -> np.ndarray:
    """Whether anything is free at all of the parameter that an entry belongs to, (S,)."""
    moves = unflattened(np.abs(coordinates.jacobian).max(axis=1, initial=0.0), coordinates.shown)
    return np.concatenate([np.zeros(0, bool), *(np.full(value.size, bool((value > 0).any())) for value in moves.values())])


def _root_of_inverse(information: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A root R with R R' = information^-1; in units of the steps the directions that it leaves out, and those that bend upward."""
    scaled = information * np.outer(steps, steps)
    diagonal = np.abs(np.diag(scaled))
    size = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(scaled / np.outer(size, size))
    good = values > _SINGULAR * max(1.0, float(values.max(initial=0.0)))
    directions = vectors / size[:, None]
    lengths = np.linalg.norm(directions, axis=0)
    directions = directions / np.maximum(lengths, 1e-300)
    upward = (values < -_SINGULAR) & (values < -_UPWARD * lengths**2)
    root = steps[:, None] * directions[:, good] * lengths[good] / np.sqrt(values[good])
    return root, directions[:, ~good], directions[:, upward]


def _quantile(values: np.ndarray, share: float) -> np.ndarray:
    """Along the first axis; between an infinite value and a finite one lies none, so the nearest is taken."""
    with np.errstate(invalid="ignore"):
        found = np.quantile(values, share, axis=0)
    return np.where(np.isfinite(values).all(axis=0), found, np.quantile(values, share, axis=0, method="nearest"))


def _or_dash(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4g}"


def named(places: Sequence[Place], which: np.ndarray, what: str) -> list[str]:
    """A note that says something of some entries, if there are any."""
    names = [str(place) for place, yes in zip(places, which, strict=True) if yes]
    return [f"{', '.join(names[:8])}{f' and {len(names) - 8} more' if len(names) > 8 else ''}: {what}"] if names else []


def _wald_ends(value: np.ndarray, error: np.ndarray, scale: np.ndarray, half: float) -> np.ndarray:
    """Ends of Wald intervals, (..., 2)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        plain = np.stack([value - half * error, value + half * error], axis=-1)
        wide = half * error / value
        logs = np.stack([value * np.exp(-wide), value * np.exp(wide)], axis=-1)
        odds, turn = logit(np.clip(value, 0.0, 1.0)), half * error / (value * (1.0 - value))
        logits = np.stack([expit(odds - turn), expit(odds + turn)], axis=-1)
    chosen = np.where((scale == "log")[..., None], logs, plain)
    chosen = np.where((scale == "logit")[..., None], logits, chosen)
    return np.asarray(np.where(np.isnan(error)[..., None], np.nan, chosen))
