"""Which of three passes a Gaussian takes over a block: by features, compiled, or differences in NumPy. A function of data and parameters alone."""

from emkit.core.block import Block
from emkit.core.compiled import worth_compiling
from emkit.families.gaussian.features import Features, squares
from emkit.families.gaussian.params import GaussianParams


def road(params: GaussianParams, block: Block) -> tuple[Features | None, bool]:
    """The features to use, or None; and then whether to use compiled code. (None, False): NumPy and differences from the means.

    Features are used unless compiled code repays its loading beside them; where they are of no use, unless it repays it beside NumPy's differences.
    """
    if block.missing:
        return None, False
    k, d = params.means.shape
    rows, f = max(block.n, block.source_rows), 1 + d + squares(params)
    compiled = rows * k * (2.0 + 0.5 * f)
    by_features = None if worth_compiling(rows * (5.0 + 0.5 * f + k * (5.0 + 0.3 * f)), compiled) else Features.of(params, block)
    if by_features is not None:
        return by_features, False
    return None, worth_compiling(rows * k * (10.0 + 4.0 * d + 0.5 * d * d), compiled)
