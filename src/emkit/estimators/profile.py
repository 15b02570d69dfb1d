"""The components of a mixture in words: what sets each apart from the whole."""

from typing import Any

import numpy as np

from emkit.core.columns import Columns

_MOST, _LEAST = 4, 0.3  # columns that are named for each component; standard deviations below which nothing is worth saying


def in_words(model: Any, params: Any, columns: Columns) -> list[str]:
    """A line for each component: the columns in which it differs most, by ``Family.profile``."""
    if not model.n_hidden or model.n_hidden < 2:
        return []
    found = model.family.profile(params.components, params.weights, columns)
    if not found:
        return []
    lines = ["", "  what sets each apart"]
    scores = np.array([score for score, _ in found])
    for k in range(model.n_hidden):
        best = [j for j in np.argsort(-scores[:, k], kind="stable")[:_MOST] if scores[j, k] >= _LEAST]
        lines.append(f"  {k:9}   " + ("; ".join(found[j][1][k] for j in best) or "much like the whole"))
    return lines
