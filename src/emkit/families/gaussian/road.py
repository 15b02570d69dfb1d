"""Which of three passes a Gaussian takes over a block: by features, compiled, or differences in NumPy.

A function of the data and the parameters alone, so that a fit and a later ``score`` take the same.
"""

import numpy as np

from emkit.core.block import Block
from emkit.core.compiled import worth_compiling
from emkit.families.gaussian.features import Expansion, Features, squares
from emkit.families.gaussian.params import GaussianParams


def road(params: GaussianParams, block: Block, log_weights: np.ndarray | None = None) -> tuple[Expansion | None, bool]:
    """The expansion in features to use, or None; and then whether to use compiled code, or NumPy and differences from the means.

    Features are used unless compiled code repays its loading beside them; where they are of no use, unless it repays it beside
    NumPy's differences.
    """
    if block.missing:
        return None, False
    k, d = params.means.shape
    rows, f = max(block.n, block.source_rows), 1 + d + squares(params)
    by_features, compiled = rows * (2.0 + 0.3 * f + k * (2.0 + 0.2 * f)), rows * (2.0 + k * (1.5 + 0.2 * f))
    if not worth_compiling(by_features, compiled):
        expansion = expansion_of(params, block)
        if expansion is not None and expansion.lasts(log_weights):
            return expansion, False
    return None, worth_compiling(rows * k * (50.0 + 5.0 * d + 0.3 * d * d), compiled)


def expansion_of(params: GaussianParams, block: Block) -> Expansion | None:
    """The log densities in the block's features; None where these cannot be had.

    The expansion made last is kept: both halves of an HMM's E-step want it.
    """
    last: Expansion | None = block.kept.get("expansion")
    if last is not None and last.params is params:
        return last
    features = Features.of(params, block)
    if features is None:
        return None
    found = block.kept["expansion"] = Expansion.of(features, params)
    return found
