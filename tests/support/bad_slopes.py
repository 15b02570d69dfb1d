"""Poisson families that say nothing of their slope, or what is wrong."""

import numpy as np

from emkit import Poisson


class Quiet(Poisson):
    """Says nothing of its slope."""

    def gradient(self, stats, params):
        return None


class Backwards(Poisson):
    """Says the opposite."""

    def gradient(self, stats, params):
        return {"rates": -super().gradient(stats, params)["rates"]}


class Nonsense(Poisson):
    """Is not a number."""

    def gradient(self, stats, params):
        return {"rates": np.full_like(params.rates, np.nan)}
