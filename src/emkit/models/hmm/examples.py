"""Hidden Markov models that the conformance kit tries."""

from typing import Any

import numpy as np

from emkit.families.gaussian.family import Gaussian
from emkit.families.poisson import GammaPrior, Poisson


def examples(cls: Any) -> list[Any]:
    """Chains that end, start in their stationary distribution, have priors, fixed values and structural zeros."""
    counts, nan = Poisson(GammaPrior(2.0, 0.5)), np.nan
    zeros = {"startprob": [1.0, 0.0, 0.0], "transmat": [[0.8, 0.2, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0]]}
    return [
        cls(Gaussian("diag"), 2),
        cls(counts, 2, end=True, startprob_prior=[2.0, 3.0], transmat_prior=[2.0, 3.0, 1.5]),
        cls(counts, 3, startprob_prior=2.0, transmat_prior=[[4.0, 2.0, 1.0], [1.5, 3.0, 2.0], [2.0, 2.0, 2.0]]),
        cls(counts, 2, start="stationary", sticky=3.0),
        cls(counts, 2, fixed={"transmat": [[0.9, nan], [nan, nan]], "startprob": [0.3, 0.7]}),
        cls(counts, 2, end=True, fixed={"transmat": [[0.8, 0.1], [0.3, nan]], "endprob": [0.1, nan]}),
        cls(counts, 3, start_values=zeros),
        cls(counts, 3, end=True, start_values=zeros),
    ]
