"""Shapes of hidden gamma variables: the degrees of freedom of Student's t, the size of a negative binomial.

Where such a shape wants to be large, M-steps move it by less and less: the variable hardly varies, and the cells say hardly
anything of it. So the statistics also hold what the cells' own likelihood gains if the shape is multiplied or divided by ``FAR``
and all else stays, and the M-step takes whichever is known to gain most. Either way nothing is ever lowered.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

FAR = 4.0
LEAST, MOST = 0.02, 1e6
"""Bounds of the shapes that M-steps give; at the upper one the variable is as good as constant."""
_AS_GOOD = 1e4


def bounds(before: np.ndarray, unit: Any = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The bounds, the upper one in units of ``unit``; a value beyond, such as a given one, is no worse than they are."""
    return np.minimum(LEAST, before), np.maximum(MOST * unit, before)


def jumps(before: np.ndarray, unit: Any = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The shapes that statistics try beside the present one, within the bounds."""
    low, high = bounds(before, unit)
    return np.minimum(FAR * before, high), np.maximum(before / FAR, low)


def jumped(
    name: str,
    new: Mapping[str, np.ndarray],
    before: Mapping[str, np.ndarray],
    gain: np.ndarray,
    far: tuple[np.ndarray, np.ndarray],
    may: np.ndarray,
    unit: Any = 1.0,
) -> dict[str, np.ndarray]:
    """The M-step's values; where a jump of the shape ``name`` gains more than they do, that, and all else as before.

    ``gain``, of the form of the shape, is what the M-step is sure to gain, ``far`` what jumps up and down gain. Where ``may`` is
    False, as where the statistics were taken at other values or the shape is held, nothing jumps.
    """
    found = dict(new)
    for there, worth in zip(jumps(before[name], unit), far, strict=True):
        better = may & (worth > gain)
        for key, value in found.items():
            where = better.reshape(better.shape + (1,) * (value.ndim - better.ndim))
            found[key] = np.where(where, there if key == name else before[key], value)
        gain = np.where(better, worth, gain)
    return found


def as_good_as_infinite(shapes: np.ndarray, held: np.ndarray, unit: Any = 1.0) -> np.ndarray:
    """Which shapes have no maximum inside, and are on the way to their bound or there: 1, others 0."""
    return np.asarray(np.isnan(held) & (shapes >= _AS_GOOD * unit), dtype=np.float64)


def running_away(shapes: np.ndarray, held: np.ndarray, name: str, meaning: str, unit: Any = 1.0) -> list[str]:
    """Remarks on shapes that have no maximum inside: on the way to their bound they are as good as infinite."""
    found = []
    for place in np.argwhere(as_good_as_infinite(shapes, held, unit)).tolist():
        where = f"component {place[0]}" + (f", column {place[1]}" if len(place) > 1 else "")
        found.append(f"{name} of {where}, runs to infinity: at {shapes[tuple(place)]:.3g} it is as good as {meaning}")
    return found
