"""What a hidden Markov model is made of: its parameters, and the expected counts of an E-step."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.records import Params, Stats


@dataclass(frozen=True)
class HMMParams(Params):
    """``startprob`` (K,); ``transmat`` (K, K), rows adding up to 1 less ``endprob`` (K,), which is None without an end state;
    ``emissions``: the family's.
    """

    startprob: np.ndarray
    transmat: np.ndarray
    emissions: Any
    endprob: np.ndarray | None = None


@dataclass(frozen=True)
class HMMStats(Stats):
    """Expected counts: ``start`` (K,), ``transitions`` (K, K), ``end`` (K,); ``emissions``: the family's."""

    start: np.ndarray
    transitions: np.ndarray
    end: np.ndarray
    emissions: Any
