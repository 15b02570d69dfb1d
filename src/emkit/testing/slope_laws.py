"""Laws of slopes that a family and a model share; they apply where ``slope`` and ``information`` are said."""

from collections.abc import Callable

import numpy as np

from emkit.core.errors import CollapseError
from emkit.testing.cases import Case, Law
from emkit.testing.compare import close, require

_FAR = 600.0  # coordinates beyond this are the edge of a domain, where differences say nothing


def slope_is_that_of_the_objective(case: Case) -> bool | None:
    """``slope`` is the gradient of the objective, log prior included, along the coordinates of ``pack``."""
    subject = case.subject
    for params in (case.params, case.other):
        stats, vector = case.at(params).all()[0], subject.pack(params)
        found, information = subject.slope(stats, params), subject.information(stats, params)
        if found is None or information is None or not len(vector):
            return False
        require(found.shape == vector.shape, f"slope has shape {found.shape}, the coordinates {vector.shape}")
        if not np.isfinite(vector).all() or np.abs(vector).max() > _FAR:
            continue
        steps = np.minimum(0.02 / np.sqrt(np.maximum(information, 1e-12)), 2e-3 * (1.0 + np.abs(vector)))
        expected = _differences(lambda v: case.objective(subject.unpack(v, case.params)), vector, steps)
        unit = 50.0 * steps
        allowed = (1.0 + np.abs(expected * unit)) / unit
        close("slope (beside differences of the objective)", found, expected, allowed, 1e-3 if case.narrow else 1e-6)
    return None


def _differences(f: Callable[[np.ndarray], float], at: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Slopes along each coordinate by central differences of two lengths, combined (Richardson): errors are of fourth order."""
    out = np.zeros_like(at)
    for i, step in enumerate(steps):
        by = np.zeros_like(at)
        by[i] = step
        wide, near = f(at + by) - f(at - by), f(at + by / 2) - f(at - by / 2)
        out[i] = (8.0 * near - wide) / (6.0 * step)
    return out


def information_is_that_of_complete_data(case: Case) -> bool | None:
    """``information`` is positive where there is a slope, and about minus the second difference of ``q`` where M-steps end."""
    subject, params = case.subject, case.params
    for where in (case.params, case.other):
        found = subject.information(stats := case.at(where).all()[0], where)
        slope = subject.slope(stats, where)
        if found is None or slope is None or not len(slope):
            return False
        require(found.shape == slope.shape, f"information has shape {found.shape}, the coordinates {slope.shape}")
        good = np.isfinite(found) & (found >= 0) & ((found > 0) | (slope == 0))
        require(bool(good.all()), f"information must be positive wherever there is a slope, it is {found}")
    stats = case.all()[0]
    try:
        for _ in range(20):
            params = case.m_step(stats, params)
    except CollapseError:
        return None
    found, vector = subject.information(stats, params), subject.pack(params)
    if subject.q(stats, params) is None or not np.isfinite(vector).all() or np.abs(vector).max() > _FAR:
        return None

    def value(v: np.ndarray) -> float:
        here = subject.unpack(v, params)
        return float(subject.q(stats, here)) + float(subject.log_prior(here))

    middle = value(vector)
    for i in np.flatnonzero(found > 1e-3):
        step = np.zeros_like(vector)
        step[i] = min(0.1 / np.sqrt(found[i]), 0.1 * (1.0 + abs(vector[i])))
        bend = (2.0 * middle - value(vector + step) - value(vector - step)) / step[i] ** 2
        about = 1e-11 * (abs(middle) + case.units) / step[i] ** 2
        require(
            found[i] / 3.0 - about <= bend <= 3.0 * found[i] + about,
            f"information {i} is {found[i]:.6g}, but minus the second difference of q is {bend:.6g}",
        )
    return None


LAWS: tuple[Law, ...] = (slope_is_that_of_the_objective, information_is_that_of_complete_data)
