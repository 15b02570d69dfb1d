"""Covariates for regressions that are drawn without data, and rows for the conformance kit."""

import numpy as np

from emkit.families.regression.columns import Places
from emkit.families.regression.frame import Frame
from emkit.families.regression.responses import Response


def drawn_covariates(places: Places, frame: Frame, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows (n, d) with normal covariates within the ranges of the data, the mean offset and number of trials, and no response."""
    out = np.full((n, places.width), np.nan)
    standard = np.clip(rng.standard_normal((n, len(places.on))), frame.low, frame.high)
    out[:, list(places.on)] = frame.centre + frame.scale * standard
    if places.offset is not None:
        out[:, places.offset] = frame.offset
    if places.trials is not None:
        out[:, places.trials] = np.round(frame.trials)
    return out


def two_lines(places: Places, response: Response, rng: np.random.Generator, n: int) -> np.ndarray:
    """Rows (n, d): responses to covariates about two centres, along one of two lines."""
    label = rng.integers(2, size=n)
    out = np.zeros((n, places.width))
    x = rng.normal(size=(n, len(places.on))) + 2.0 * rng.integers(2, size=n)[:, None]
    out[:, list(places.on)] = x
    if places.offset is not None:
        out[:, places.offset] = 0.3 * rng.normal(size=n)
    trials = np.ones(n)
    if places.trials is not None:
        trials = rng.integers(1, 9, size=n).astype(np.float64)
        out[:, places.trials] = trials
    eta = np.where(label == 0, 1.0 + 0.5 * x.sum(axis=1), -0.5 - 0.7 * x.sum(axis=1))
    if places.offset is not None:
        eta = eta + out[:, places.offset]
    out[:, places.target] = response.draw(eta, trials, np.array(0.25), rng)
    return out
