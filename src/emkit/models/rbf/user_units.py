"""A fitted network in the user's units."""

from dataclasses import dataclass, replace

import numpy as np

from emkit.models.rbf.features import Array, Units
from emkit.models.rbf.network import Params
from emkit.models.rbf.scaling import Scaling


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
    out, p = params.outputs, len(params.y_mean)
    mean = np.zeros((len(params.readout.mean), p))
    mean[:, out] = params.readout.mean * params.y_sd[out]
    found = in_units(params.scaling, params.units, mean)
    return replace(found, intercept=found.intercept + params.y_mean)


def in_units(scaling: Scaling, units: Units, mean: Array) -> Described:
    """The same of outputs that are as the user has them: ``mean`` (M, p) are weights of standardised columns."""
    kept, d, k = scaling.kept, len(scaling.mean), units.count
    centers = np.tile(scaling.mean, (k, 1))
    centers[:, kept] += units.centers * scaling.sd[kept]
    widths = np.full(d, np.inf)
    if k:
        widths[kept] = np.exp(-0.5 * units.log_omega) * scaling.sd[kept]
    linear = np.zeros((d, mean.shape[1]))
    linear[kept] = mean[1 + k :] / scaling.sd[kept][:, None]
    intercept = mean[0] - scaling.mean @ linear
    return Described(centers, widths, np.exp(-0.5 * units.log_factor), mean[1 : 1 + k], intercept, linear)
