"""A sample of distinct rows that depends on what the rows hold, not on their order."""

import numpy as np
import numpy.typing as npt

from emkit.models.rbf.features import Array
from emkit.models.rbf.metric import Sample
from emkit.models.rbf.passes import Rows

SAMPLE = 4000  # most rows for widths and centres
GRID = 2.0**20  # steps to a standard deviation


def on_grid(z: Array) -> Array:
    """Standardised values rounded to a millionth of a standard deviation.

    A search of many steps makes 1e-16, by which z differs in another unit or order of rows, into anything.
    On the rounded values it finds the same units, bit for bit; weights are then those of the rows as they are.
    """
    return np.asarray(np.rint(z * GRID) / GRID)


def row_keys(z: Array, seed: int) -> npt.NDArray[np.uint64]:
    """A random-looking 64-bit number for every row, the same for equal rows of values on the grid: (n,)."""
    key = np.full(len(z), seed, np.uint64)
    with np.errstate(over="ignore"):
        for j in range(z.shape[1]):
            key = (key ^ (z[:, j] * GRID).astype(np.int64).view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
            key *= np.uint64(0xBF58476D1CE4E5B9)
            key ^= key >> np.uint64(32)
    return key


def distinct_sample(rows: Rows, seed: int, most: int = SAMPLE) -> Sample:
    """At most ``most`` distinct rows, standardised and on the grid, equal ones as one with their summed weight.

    Rows are drawn, and put in order, by a hash of what they hold. The sample therefore depends neither on the order
    of the rows nor on whether a row stands there twice or with weight 2.
    """
    keys = np.concatenate([row_keys(on_grid(np.column_stack([x, y])), seed) for x, y, _ in rows.blocks()])
    mass = np.ones(len(keys)) if rows.weights is None else rows.weights
    used = np.flatnonzero(mass > 0)
    if len(used) > 4 * most:  # the smallest keys are enough, were not most rows repeated
        few = used[keys[used] <= np.partition(keys[used], 4 * most)[4 * most]]
        if len(np.unique(keys[few])) > most:
            used = few
    ordered = used[np.argsort(keys[used], kind="stable")]
    _, first, label = np.unique(keys[ordered], return_index=True, return_inverse=True)
    total = np.bincount(label, mass[ordered])[:most]
    picked = ordered[first[:most]]
    x, y = rows.scaling.apply(rows.x[picked]), (rows.y[picked] - rows.y_mean) / rows.y_sd
    return Sample(on_grid(x), on_grid(y), None if (total == 1.0).all() else np.asarray(total, float))
