"""How components differ from the whole, column by column."""

import numpy as np

from emkit.core.columns import Columns


def differences(
    mean: np.ndarray, overall: np.ndarray, off: np.ndarray, variance: np.ndarray, weights: np.ndarray, columns: Columns
) -> list[tuple[np.ndarray, list[str]]]:
    """What ``Family.profile`` returns: of means (k, d) that are ``off`` (k, d) the ``overall`` ones (d,), in standard deviations.

    ``variance`` (k, d) is that within each component; what lies between them is added.
    """
    spread, out = np.sqrt(np.maximum(weights @ (variance + off**2), 1e-300)), []
    for j, column in enumerate(columns.items):
        texts = [f"{column.name} {value:.3g} ({overall[j]:.3g} overall)" for value in mean[:, j]]
        out.append((np.abs(off[:, j]) / spread[j], texts))
    return out
