"""One hypothesis of a Bayesian network, and what M-steps need."""

from dataclasses import dataclass

import numpy as np

from emkit.core.records import Params, Stats


@dataclass(frozen=True)
class BayesNetParams(Params):
    """``tables`` (T,): the conditional probability tables, one after another: see ``emkit.models.bayesnet.tables.Layout``."""

    tables: np.ndarray


@dataclass(frozen=True)
class BayesNetStats(Stats):
    """``counts`` (T,): how often each entry of the tables is expected to have been used."""

    counts: np.ndarray
