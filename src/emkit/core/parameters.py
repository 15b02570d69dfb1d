"""Parameters declared once: name, shape in letters, domain.

From the declaration come the checks of fixed and starting values, null parameters, ``n_free``, ``pack`` and ``unpack``,
relabelling, and the names in files, summaries and the command line. A value that is held is described by ``held``: the number
where an entry is held, NaN where it is free.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from emkit.core import simplex
from emkit.core.checks import numbers
from emkit.core.errors import ParameterError
from emkit.core.prior import Prior

_UNSEEN = 1e-6  # the probability of what a sample of the rows did not show


class Domain(ABC):
    """What values a parameter may have, and the unconstrained coordinates that say them."""

    scale = ""
    """On which scale an interval of an entry is symmetric: "" as it is, "log", "logit"; "matrix": of variances on a diagonal "log";
    "angle": as it is, and whole turns are nothing."""

    @abstractmethod
    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """The value, checked; NaN marks entries that are not given. Raises ParameterError."""

    @abstractmethod
    def null(self, shape: tuple[int, ...]) -> np.ndarray:
        """A value of that shape that says as little as possible."""

    @abstractmethod
    def pack(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Free entries in unconstrained coordinates."""

    @abstractmethod
    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Inverse of ``pack``: the value, and how many entries of ``vector`` were used."""

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray | None:
        """A gradient with respect to the value, as one for the coordinates of ``pack``; None if the domain does not say."""
        return None

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray | None:
        """Information about each entry of the value, as that about each coordinate of ``pack``; None if the domain does not say.

        With coordinates c and entries v_j it is sum_j (dv_j / dc)^2 information_j.
        """
        return None

    def n_free(self, held: np.ndarray) -> int:
        """Coordinates of the free entries."""
        return int(np.isnan(held).sum())

    def put_back(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """The value with what is held in its place."""
        return np.where(np.isnan(held), value, held)

    def widened(self, value: np.ndarray) -> np.ndarray:
        """The value without zeros that some row could contradict: nothing is impossible that only was not seen."""
        return value

    def expected(self, shape: tuple[int, ...]) -> str:
        """How messages say what shape a value has to have."""
        return str(shape)

    def read(self, value: Any, shape: tuple[int, ...], name: str, parameter: str) -> np.ndarray:
        """What a user gave, as a float64 array of that shape; axes of length 1 may be left out. Raises ParameterError."""
        array = numbers(value, name, finite=False, parameter=parameter)
        if array.shape != shape:
            short = tuple(n for n in shape if n != 1)
            fewer = 0 < array.ndim < len(shape) and array.size == prod(shape)
            if fewer and tuple(n for n in array.shape if n != 1) == short:
                array = array.reshape(shape)
            else:
                raise ParameterError(f"{name} has shape {array.shape}, expected {self.expected(shape)}", parameter=parameter)
        if np.isinf(array).any():
            raise ParameterError(f"{name} holds NaN or inf", parameter=parameter)
        return array


class _Elementwise(Domain):
    """Entries that are free of each other."""

    origin = 0.0
    low, high = -np.inf, np.inf
    strict = False
    words = "any number"

    def read(self, value: Any, shape: tuple[int, ...], name: str, parameter: str) -> np.ndarray:
        """As for every domain; a single number stands for every entry."""
        array = numbers(value, name, finite=False, parameter=parameter)
        return super().read(np.full(shape, array) if array.ndim == 0 else array, shape, name, parameter)

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Every given entry lies between the bounds."""
        given = value[~np.isnan(value)]
        good = (given > self.low) & (given < self.high) if self.strict else (given >= self.low) & (given <= self.high)
        if not good.all():
            raise ParameterError(f"{name} must be {self.words}, but holds {given[~good][0]:g}", parameter=parameter)
        return value

    def null(self, shape: tuple[int, ...]) -> np.ndarray:
        """The origin throughout."""
        return np.full(shape, self.origin)

    def pack(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Each free entry's coordinate."""
        return self.forward(np.asarray(value, dtype=np.float64)[np.isnan(held)])

    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Each free entry from its coordinate."""
        out, free = np.array(held, dtype=np.float64), np.isnan(held)
        used = int(free.sum())
        out[free] = self.backward(np.asarray(vector[:used]))
        return out, used

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Times the rate, for each free entry."""
        return np.asarray((gradient * self.rate(value))[np.isnan(held)])

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Times the squared rate, for each free entry."""
        return np.asarray((information * self.rate(value) ** 2)[np.isnan(held)])

    def forward(self, value: np.ndarray) -> np.ndarray:
        """From values to coordinates."""
        return value

    def backward(self, coordinate: np.ndarray) -> np.ndarray:
        """From coordinates to values."""
        return coordinate

    def rate(self, value: np.ndarray) -> np.ndarray:
        """Derivative of the value with respect to its coordinate."""
        return np.ones_like(value)


class Real(_Elementwise):
    """Any number. Coordinate: itself."""


class Positive(_Elementwise):
    """Numbers above 0. Coordinate: the logarithm."""

    origin, low, strict, words = 1.0, 0.0, True, "finite and above 0"
    scale = "log"

    def forward(self, value: np.ndarray) -> np.ndarray:
        """The logarithm."""
        return np.asarray(np.log(np.maximum(value, simplex.TINY)))

    def backward(self, coordinate: np.ndarray) -> np.ndarray:
        """The exponential."""
        return np.asarray(np.exp(coordinate))

    def rate(self, value: np.ndarray) -> np.ndarray:
        """The value itself."""
        return value

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Times the squared value; none at the edge."""
        return simplex.counted(super().pull_information(information, value, held))


class Nonnegative(Positive):
    """Numbers of at least 0. Coordinate: the logarithm, that of 1e-300 at 0."""

    strict, words = False, "finite and not negative"


_ZERO = float(np.log(simplex.TINY))  # the log odds by which a probability of 0 is known


class Unit(_Elementwise):
    """Numbers between 0 and 1. Coordinate: the log odds."""

    origin, low, high, words = 0.5, 0.0, 1.0, "between 0 and 1"
    scale = "logit"

    def widened(self, value: np.ndarray) -> np.ndarray:
        """At least a millionth away from 0 and 1."""
        return np.clip(value, _UNSEEN, 1.0 - _UNSEEN)

    def forward(self, value: np.ndarray) -> np.ndarray:
        """The log odds."""
        p = np.clip(value, simplex.TINY, 1.0 - 1e-16)
        return np.asarray(np.log(p) - np.log1p(-p))

    def backward(self, coordinate: np.ndarray) -> np.ndarray:
        """The logistic function; 0 where the coordinate is that of 1e-300, so that 0 comes back as it was."""
        with np.errstate(over="ignore"):
            return np.where(coordinate <= _ZERO, 0.0, 1.0 / (1.0 + np.exp(-coordinate)))

    def rate(self, value: np.ndarray) -> np.ndarray:
        """The value times its distance from 1."""
        return np.asarray(value * (1.0 - value))

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Times the squared rate; none at the edges."""
        return simplex.counted(super().pull_information(information, value, held))


class Angle(_Elementwise):
    """Angles in radians; one that is given beyond (-pi, pi] is the same direction within. Coordinate: the angle."""

    scale = "angle"

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Within (-pi, pi]."""
        return wrapped(value)

    def backward(self, coordinate: np.ndarray) -> np.ndarray:
        """Within (-pi, pi]."""
        return wrapped(coordinate)


def wrapped(angle: np.ndarray) -> np.ndarray:
    """The same directions within (-pi, pi]; what lies there is left as it is, to the last bit."""
    return np.asarray(angle - 2.0 * np.pi * np.ceil((np.real(angle) - np.pi) / (2.0 * np.pi)))


class Simplex(Domain):
    """Probability vectors along the last axis. Coordinates: log-ratios to each vector's last free entry."""

    scale = "logit"

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Nonnegative, adding up to 1 (to 1 at most where entries are free); rescaled to the last digit."""
        given = np.where(np.isnan(value), 0.0, value)
        if (given < 0).any():
            raise ParameterError(f"{name} must be finite and nonnegative, but holds {given.min():g}", parameter=parameter)
        total, free = given.sum(axis=-1, keepdims=True), np.isnan(value).any(axis=-1, keepdims=True)
        bad = np.where(free, total > 1.0 + 1e-6, np.abs(total - 1.0) > 1e-6)
        if bad.any():
            at = np.argwhere(bad)[0][:-1].tolist()
            where = f"{name} row {at[0] if len(at) == 1 else at}" if at else name
            most = " at most" if free[tuple(at)] else ""
            raise ParameterError(
                f"{where} must add up to 1{most}, it adds up to {float(total[tuple(at)][0]):.6g}", parameter=parameter
            )
        exact = (
            np.abs(total - 1.0) < 1e-14 * value.shape[-1]
        )  # what rounding leaves is left as it is: reading twice changes nothing
        return np.where(free | exact, value, value / np.where(free | exact, 1.0, total))

    def null(self, shape: tuple[int, ...]) -> np.ndarray:
        """Uniform."""
        return np.full(shape, 1.0 / shape[-1])

    def n_free(self, held: np.ndarray) -> int:
        """One less than there are free entries, for each vector."""
        return simplex.n_free(held)

    def widened(self, value: np.ndarray) -> np.ndarray:
        """Every entry at least a millionth of an even share; vectors without smaller ones stay as they are."""
        least = _UNSEEN / value.shape[-1]
        small = (value < least).any(axis=-1, keepdims=True)
        larger = np.maximum(value, least)
        return np.where(small, larger / larger.sum(axis=-1, keepdims=True), value)

    def put_back(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Free entries share what the held ones leave, in their proportions."""
        return simplex.put_back(value, held)

    def pack(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """See ``emkit.core.simplex``."""
        return simplex.pack(value, held)

    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """See ``emkit.core.simplex``."""
        return simplex.unpack(vector, held)

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """See ``emkit.core.simplex``."""
        return simplex.pull(gradient, value, held)

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """See ``emkit.core.simplex``."""
        return simplex.pull_information(information, value, held)


class Ordered(Domain):
    """Ascending numbers along the last axis, such as thresholds; held whole or free.

    Coordinates: the first, and logarithms of the steps.
    """

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Strictly ascending."""
        if np.isnan(value).any():
            raise ParameterError(f"{name} holds NaN; ordered values are held all together", parameter=parameter)
        if not (np.diff(value, axis=-1) > 0).all():
            raise ParameterError(f"{name} must ascend along its last axis", parameter=parameter)
        return value

    def null(self, shape: tuple[int, ...]) -> np.ndarray:
        """0, 1, 2, ..."""
        return np.broadcast_to(np.arange(float(shape[-1])), shape).copy()

    def pack(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """First values, then logarithms of the steps."""
        free = np.isnan(held).all(axis=-1)
        steps = np.log(np.diff(value[free], axis=-1))
        return np.concatenate([value[free][..., :1], steps], axis=-1).ravel()

    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Running sums of the first values and the steps."""
        out, free = np.array(held, dtype=np.float64), np.isnan(held).all(axis=-1)
        used = int(free.sum()) * held.shape[-1]
        rows = np.asarray(vector[:used]).reshape(-1, held.shape[-1])
        out[free] = np.cumsum(np.concatenate([rows[:, :1], np.exp(rows[:, 1:])], axis=1), axis=1)
        return out, used

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """A step moves all values after it."""
        after, steps = _after(gradient, held), np.diff(value[np.isnan(held).all(axis=-1)], axis=-1)
        return np.concatenate([after[..., :1], steps * after[..., 1:]], axis=-1).ravel()

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """A step moves all values after it."""
        after, steps = _after(information, held), np.diff(value[np.isnan(held).all(axis=-1)], axis=-1)
        return np.concatenate([after[..., :1], steps**2 * after[..., 1:]], axis=-1).ravel()


def _after(entries: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Sums of each free vector's entries from each one on."""
    free = np.isnan(held).all(axis=-1)
    return np.asarray(np.cumsum(entries[free][..., ::-1], axis=-1)[..., ::-1])


@dataclass(frozen=True)
class Parameter:
    """A declared parameter.

    Attributes
    ----------
    name : str
        As users write it, in ``fixed``, ``init``, attributes (with an underscore at the end), files and summaries.
    letters : str
        Shape, a letter for each axis, e.g. ``"K d"``: K components or states, d columns; others are the family's own. Axes "K"
        follow the components when these are relabelled.
    domain : Domain
    prior : type of Prior, optional
        What kind of prior the owner's ``prior`` is, if it is this parameter's.
    """

    name: str
    letters: str
    domain: Domain
    prior: type[Prior] | None = None

    def form(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape, for the sizes of the letters."""
        return tuple(sizes[letter] if not letter.isdigit() else int(letter) for letter in self.letters.split())

    @property
    def axes(self) -> tuple[int, ...]:
        """Axes along which components lie."""
        return tuple(i for i, letter in enumerate(self.letters.split()) if letter == "K")

    def read(self, value: Any, sizes: Mapping[str, int], name: str, *, partial: bool) -> np.ndarray:
        """A value that a user gave, checked; ``partial`` allows NaN where an entry is not given. Raises ParameterError."""
        array = self.domain.read(value, self.form(sizes), name, self.name)
        if not partial and np.isnan(array).any():
            raise ParameterError(f"{name} holds NaN or inf", parameter=self.name)
        return self.domain.check(array, name, self.name)

    def show(self, value: np.ndarray) -> np.ndarray:
        """A copy in the shape that users see: without axes that always have length 1, nor that of a single column before others."""
        letters = self.letters.split()
        out = np.array(value)
        for axis in reversed(range(len(letters))):
            column = letters[axis] == "d" and axis < len(letters) - 1 and letters[axis + 1] != "d" and letters[axis - 1] != "d"
            if out.shape[axis] == 1 and (letters[axis].isdigit() or column):
                out = np.squeeze(out, axis=axis)
        return out

    def permute(self, value: np.ndarray, order: np.ndarray) -> np.ndarray:
        """The value with components relabelled: new component i is old ``order[i]``. A single number, for all components, stays."""
        if not value.ndim:
            return value
        for axis in self.axes:
            if value.shape[axis] >= len(order) > 0 and value.shape[axis] != 1:
                rest = np.arange(len(order), value.shape[axis])
                value = np.take(value, np.concatenate([order, rest]).astype(np.intp), axis=axis)
        return np.ascontiguousarray(value)
