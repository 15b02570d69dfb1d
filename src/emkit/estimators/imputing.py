"""Missing cells filled in by a fitted model: best guesses, or draws for multiple imputation."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from emkit.core.bayes import SLICE, draw_labels
from emkit.core.model import Model


def guessed(model: Model, params: Any, x: np.ndarray, marginals: np.ndarray) -> np.ndarray:
    """Rows (n, d) with a best guess in each missing cell, given the ``marginals`` (n, K) of each row's label."""
    out = np.array(x, dtype=np.float64)
    for rows in _with_holes(out):
        here = out[rows]
        out[rows] = np.where(np.isnan(here), model.filled(params, here, marginals[rows]), here)
    return out


def drawn(model: Model, params: Any, x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows (n, d) with each missing cell drawn, given each row's label (n,)."""
    out = np.array(x, dtype=np.float64)
    for rows in _with_holes(out):
        here = out[rows]
        out[rows] = np.where(np.isnan(here), model.drawn(params, here, labels[rows], rng), here)
    return out


def drawn_with_labels(model: Model, params: Any, x: np.ndarray, marginals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``drawn``, with a label drawn for each row from its ``marginals`` (n, K)."""
    return drawn(model, params, x, draw_labels(marginals, rng), rng)


def _with_holes(x: np.ndarray) -> Iterator[np.ndarray]:
    """Numbers of the rows with a missing cell, some at a time: only these are worked on."""
    rows = np.flatnonzero(np.isnan(x).any(axis=1))
    for begin in range(0, len(rows), SLICE):
        yield rows[begin : begin + SLICE]
