"""A fitted network in the user's units."""

from dataclasses import dataclass

import numpy as np

from emkit.models.rbf.features import Array
from emkit.models.rbf.network import Params


@dataclass(frozen=True)
class Described:
    """What a face shows as attributes."""

    centers: Array
    """(K, d); a column that says nothing new has its mean."""
    widths: Array
    """(d,): sd of a unit along each column; inf where the column plays no part."""
    factors: Array
    """(K,): by which each unit's widths are to be multiplied."""
    weights: Array
    """(K, p)."""
    intercept: Array
    """(p,)."""
    linear: Array
    """(d, p)."""


def described(params: Params) -> Described:
    """Centres, widths and weights as the user's columns and target are measured."""
    scaling, units, kept = params.scaling, params.units, params.scaling.kept
    d, p, k = len(scaling.mean), len(params.y_mean), units.count
    centers = np.tile(scaling.mean, (k, 1))
    centers[:, kept] += units.centers * scaling.sd[kept]
    widths = np.full(d, np.inf)
    if k:
        widths[kept] = np.exp(-0.5 * units.log_omega) * scaling.sd[kept]
    out, mean = params.outputs, params.readout.mean
    sd = params.y_sd[out]
    weights, linear, intercept = np.zeros((k, p)), np.zeros((d, p)), params.y_mean.copy()
    weights[:, out] = mean[1 : 1 + k] * sd
    linear[np.ix_(kept, out)] = mean[1 + k :] * sd / scaling.sd[kept][:, None]
    intercept[out] += mean[0] * sd
    intercept -= scaling.mean @ linear
    return Described(centers, widths, np.exp(-0.5 * units.log_factor), weights, intercept, linear)
