"""The table of parameters: every entry in words, with its standard error and interval where there is one."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import Any

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import EmkitError
from emkit.core.model import EStep
from emkit.report.subject import Subject

MOST = 300
"""Entries that are listed."""
BUDGET = 1.0
"""Seconds that standard errors may take, unless they are asked for."""


@dataclass(frozen=True)
class Entry:
    """One number: whose it is, and what is known of it; NaN where nothing is."""

    parameter: str
    where: str
    estimate: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Certainty:
    """Standard errors, or why there are none."""

    errors: Any
    why_not: str = ""


def certainty(subject: Subject, asked: Any) -> Certainty:
    """Standard errors, if they were asked for or are not too dear; those that are known already in any case."""
    if subject.known_errors is not None:
        return Certainty(subject.known_errors)
    if asked is False:
        return Certainty(None, "Standard errors were left out, as was asked.")
    if subject.of_the_fit is False and asked == "auto":
        return Certainty(None, "Intervals are of the rows of the fit, which these are not: errors=True asks for them all the same.")
    try:
        of_all = 1.0 if subject.of_all is None else subject.of_all / max(subject.n, 1)  # errors are of all rows
        dear = _seconds(subject) * of_all if asked == "auto" else 0.0
        if dear > BUDGET:
            say = f"about {dear:.0f} seconds" if dear < 600 else "many minutes"
            return Certainty(None, f"Standard errors were left out, since they would take {say}: errors=True asks for them.")
        return Certainty(subject.find_errors())
    except (EmkitError, np.linalg.LinAlgError, FloatingPointError) as error:
        return Certainty(None, f"There are no standard errors: {error}.")


def _seconds(subject: Subject) -> float:
    """How long standard errors would take: for each coordinate two passes over the rows, and twice what the model says of them."""
    result = subject.result
    if result is None or subject.source is None or result.model.is_posterior:
        return 0.0
    model, params = result.model, result.params
    p, taken = len(model.pack(params)), np.inf
    stats: Any = None
    for _ in range(2):  # the first one may load or compile code
        begin = time.perf_counter()
        stats, _value = subject.executor.map_reduce(EStep(model, params), subject.source)
        taken = min(taken, time.perf_counter() - begin)
        if 3.0 * p * taken < BUDGET:
            break
    at = model.pack(params)
    moving, asking = _taken(lambda: model.shown(model.unpack(at, params))), _taken(lambda: model.slope(stats, params))
    if model.slope(stats, params) is not None:
        return p * (2.0 * (taken + asking) + 3.0 * moving) + (p / 500.0) ** 3
    valuing = _taken(lambda: model.q(stats, params))
    if model.q(stats, params) is None:
        return 3.0 * p * p * (taken + moving)
    return p * (2.0 * taken + 3.0 * moving) + 8.0 * p * p * (valuing + moving)


def _taken(call: Callable[[], Any]) -> float:
    """Seconds that a call takes, the shortest of three: the first may load something, and others may be at work beside it."""
    found = []
    for _ in range(3):
        begin = time.perf_counter()
        call()
        found.append(time.perf_counter() - begin)
    return min(found)


def entries(subject: Subject, certainty: Certainty, level: float) -> tuple[list[Entry], int]:
    """Up to ``MOST`` entries, and how many there are in all."""
    errors = certainty.errors
    ends: Mapping[str, np.ndarray] = {} if errors is None else errors.conf_int(level)
    out: list[Entry] = []
    every = 0
    for name, value in subject.parameters.items():
        array = np.asarray(value, dtype=np.float64)
        known = errors is not None and name in errors.errors and np.shape(errors.errors[name]) == array.shape
        letters = _letters(subject, name, array)
        square = len(letters) >= 2 and letters[-1] == letters[-2] == "d" and np.array_equal(array, np.swapaxes(array, -1, -2))
        every += _how_many(subject.columns, letters, array.shape, square)
        for index, words in islice(_places(subject, name, array, letters, square), MOST - len(out)):
            found = (errors.errors[name][index], *ends[name][index]) if known else (np.nan,) * 3
            out.append(Entry(name, words, float(array[index]), *map(float, found)))
    return out, every


def _how_many(columns: Columns, letters: Sequence[str], shape: tuple[int, ...], square: bool) -> int:
    """Entries that ``_places`` goes through, which may be millions."""
    if square:
        return prod(shape[:-1]) * (shape[-1] + 1) // 2
    if not _has_levels(letters):
        return prod(shape)
    known = (columns[j].levels if j < len(columns) else None for j in range(shape[-2]))
    return prod(shape[:-2]) * sum(shape[-1] if levels is None else min(len(levels), shape[-1]) for levels in known)


def _places(
    subject: Subject, name: str, array: np.ndarray, letters: Sequence[str], square: bool
) -> Iterator[tuple[tuple[int, ...], str]]:
    """Every entry that says something of its own, and what it is of in words; of symmetric matrices, ``square``, half of them."""
    axes = _axes(subject, name, array.shape, letters)
    columns = subject.columns
    for index in np.ndindex(array.shape):
        if square and index[-1] > index[-2]:
            continue
        level = _level(columns, letters, index)
        if level is None:  # beyond the levels of its column
            continue
        words = [names[i] for names, i in zip(axes, index, strict=True) if names[i]]
        if square:
            first, second = axes[-2][index[-2]], axes[-1][index[-1]]
            words = [*words[: len(words) - 2], f"{second} \u00d7 {first}" if index[-1] != index[-2] else first]
        if level:
            words[-1] = level
        yield index, ", ".join(words)


def _letters(subject: Subject, name: str, array: np.ndarray) -> list[str]:
    """What the axes are, by the declaration; "?" where it does not say."""
    model = None if subject.result is None else subject.result.model
    declared = None if model is None else model.parameter(name)
    letters = [] if declared is None else declared.letters.split()
    if len(letters) > array.ndim:
        letters = [letter for letter in letters if not letter.isdigit()]
    if len(letters) > array.ndim and "d" in letters:  # a single column has no axis of its own
        letters.remove("d")
    if len(letters) == array.ndim:
        return letters
    k = 0 if subject.labels is None else subject.labels.k
    return ["K"] * 2 if name == "transmat" and array.shape == (k, k) else ["?"] * array.ndim


def _axes(subject: Subject, name: str, shape: tuple[int, ...], letters: Sequence[str]) -> list[list[str]]:
    """A name for each place along each axis; empty along axes that need none."""
    out = []
    for axis, (letter, size) in enumerate(zip(letters, shape, strict=True)):
        names = [str(i) for i in range(size)]
        if letter == "K" and subject.labels is not None and size == subject.labels.k:
            names = [f"to {one}" if axis else one for one in subject.labels.names]
        elif letter in ("d", "q"):
            names = _columns(subject, name, size) or names
        elif letter == "L":
            names = _levels_of_own(subject, name, size) or names
        elif letter[:1] == "n" and letter[1:].isdigit() and int(letter[1:]) < len(subject.columns):
            names = [f"{subject.columns[int(letter[1:])].name} {subject.level(int(letter[1:]), i)}" for i in range(size)]
        out.append([""] * size if size == 1 and letter not in ("K", "d") else names)
    return out


def _columns(subject: Subject, name: str, size: int) -> list[str]:
    """The names of the columns that an axis goes over, if that can be told by how many they are."""
    names = list(subject.columns.names)
    inputs = [column.name for column in subject.columns.items if column.role == "feature"]
    if size == len(names):
        return names
    if size == len(inputs):
        return inputs
    own = [one for one in names if name.startswith(f"{one}_")]
    alike = [one for one in names if one in subject.families and name.startswith(f"{subject.families[one]}_")]
    return own if size == len(own) == 1 else alike if size == len(alike) else []


def _levels_of_own(subject: Subject, name: str, size: int) -> list[str]:
    """The levels of the one column that a parameter is called after."""
    own = [column.levels for column in subject.columns.items if name.startswith(f"{column.name}_") and column.levels is not None]
    return [str(level) for level in own[0]] if len(own) == 1 and len(own[0]) == size else []


def _level(columns: Columns, letters: Sequence[str], index: tuple[int, ...]) -> str | None:
    """Of a probability of a level: which one; "" where it is none, None where the column has no such level."""
    if not _has_levels(letters) or index[-2] >= len(columns):
        return ""
    levels = columns[index[-2]].levels
    if levels is None:
        return ""
    return str(levels[index[-1]]) if index[-1] < len(levels) else None


def _has_levels(letters: Sequence[str]) -> bool:
    return list(letters[-2:]) == ["d", "L"] and letters.count("d") == 1
