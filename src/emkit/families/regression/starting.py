"""First guesses at which rows follow which line: through a few rows each, then refined by giving rows to the nearest line.

Späth (1979), Computing 22, 367-373, takes turns like this between lines and rows; each start begins with lines through rows drawn
at random.
"""

import numpy as np

from emkit.families.guarded import solved

_TURNS = 4
_RIDGE = 1e-3  # pseudo-rows by which lines through few rows stay finite


def lines(z: np.ndarray, y: np.ndarray, weights: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Responsibilities (n, K), 0 or 1, of lines y = z b for rows z (n, p), y (n,) with weights (n,)."""
    usable = np.flatnonzero(weights > 0)
    p, residuals = z.shape[1], np.empty((len(z), k))
    for component in range(k):
        rows = rng.choice(usable, min(p + 1, len(usable)), replace=False)
        residuals[:, component] = (y - z @ _line(z[rows], y[rows], weights[rows])) ** 2
    labels = residuals.argmin(axis=1)
    for _ in range(_TURNS):
        for component in range(k):
            rows = np.flatnonzero(labels == component)
            if len(rows) > p:
                residuals[:, component] = (y - z @ _line(z[rows], y[rows], weights[rows])) ** 2
        labels = residuals.argmin(axis=1)
    return np.asarray((labels[:, None] == np.arange(k)).astype(np.float64))


def _line(z: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weighted = z * weights[:, None]
    ridge = _RIDGE * weights.mean() * np.eye(z.shape[1])
    ridge[0, 0] = 0.0
    return solved(z.T @ weighted + ridge, y @ weighted)
