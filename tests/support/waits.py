"""A family of your own by the whole contract: exponential waiting times."""

from dataclasses import dataclass

import numpy as np

from emkit import Family
from emkit.core.parameters import Parameter, Positive
from emkit.core.support import Positives
from emkit.families.sums import Sums


@dataclass(frozen=True)
class Waits(Family):
    """Independent exponential columns given the component, "rates" (K, d). A missing cell contributes nothing."""

    parameters = (Parameter("rates", "K d", Positive()),)
    support = Positives()

    def log_prob(self, params, x):
        """sum_j log rate_j - rate_j x_j over the observed cells, (n, K)."""
        seen = ~np.isnan(x)
        return seen @ np.log(params.rates).T - np.where(seen, x, 0.0) @ params.rates.T

    def stats(self, params, x, resp):
        """Expected number of waits seen, and their expected sum."""
        return Sums.of(x, resp)

    def m_step(self, stats, params):
        """Waits over their sum; where none was seen, as before."""
        seen = stats.total > 0
        return self.Params(np.where(seen, stats.mass / np.where(seen, stats.total, 1.0), params.rates))

    def first_guess(self, stats):
        """As the M-step has it, with one wait of average length blended in."""
        return self.Params((stats.mass + 1.0) / (stats.total + self.seen.mean))

    def sample(self, params, component, rng):
        """One row for each entry of ``component``."""
        return rng.exponential(1.0 / params.rates[component])

    def q(self, stats, params):
        """Optional: gives Fisher's identity and standard errors."""
        return float(np.sum(stats.mass * np.log(params.rates) - params.rates * stats.total))

    def gradient(self, stats, params):
        """Optional, like ``curvature``: gives acceleration."""
        return {"rates": stats.mass / params.rates - stats.total}

    def curvature(self, stats, params):
        return {"rates": stats.mass / params.rates**2}

    def moments(self, params):
        """Optional: gives forecasts."""
        return 1.0 / params.rates, params.rates**-2.0
