"""A family of your own, in one file: Rayleigh columns, such as wind speeds."""

from dataclasses import dataclass

import numpy as np

from emkit.core.parameters import Parameter, Positive
from emkit.core.support import Positives
from emkit.families.columnwise import ExponentialFamily


@dataclass(frozen=True)
class Rayleigh(ExponentialFamily):
    """Independent columns with density x / scale^2 exp(-x^2 / (2 scale^2)), "scales" (K, d)."""

    parameters = (Parameter("scales", "K d", Positive()),)
    support = Positives()

    def terms(self, params, x):
        return (x**2,)

    def natural(self, params):
        return (-0.5 / params.scales**2,), 2.0 * np.log(params.scales)

    def base(self, x):
        return np.log(x)

    def sample(self, params, component, rng):
        return rng.rayleigh(params.scales[component])
