"""One hypothesis of a Bayesian network, of discrete nodes or with Gaussian ones, and what M-steps need."""

from dataclasses import dataclass

import numpy as np

from emkit.core.records import Params, Stats


@dataclass(frozen=True)
class BayesNetParams(Params):
    """``tables`` (T,): the conditional probability tables, one after another: see ``emkit.models.bayesnet.tables.Layout``.

    ``links`` (L,): those of noisy-OR nodes, one after another, from which their tables are made; None where there are none.
    """

    tables: np.ndarray
    links: np.ndarray | None = None


@dataclass(frozen=True)
class BayesNetStats(Stats):
    """``counts`` (T,): how often each entry of the tables is expected to have been used."""

    counts: np.ndarray


@dataclass(frozen=True)
class ConditionalGaussianParams(Params):
    """``tables``: of the discrete nodes. ``coefficients``, ``variances``: of Gaussian nodes, flat: see ``linear.Linear``."""

    tables: BayesNetParams
    coefficients: np.ndarray
    variances: np.ndarray


@dataclass(frozen=True)
class ConditionalGaussianStats(Stats):
    """``tables``: of the discrete nodes. ``moments``: expected products of Gaussian families' members, in standard units, flat."""

    tables: BayesNetStats
    moments: np.ndarray
