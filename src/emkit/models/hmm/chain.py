"""Start, transition and end probabilities as users give them, checked and put together for ``emkit.models.hmm``."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.models.hmm import transitions


def held_start(k: int, fixed: Mapping[str, Any], start_values: Mapping[str, Any]) -> np.ndarray:
    """Fixed start probabilities (K,), NaN where free. A zero among the starting values is structural."""
    held = np.full(k, np.nan)
    if "startprob" in fixed:
        held = transitions.check_rows(fixed["startprob"], (k,), "fixed['startprob']", partial=True)
    elif "startprob" in start_values:
        held = np.where(np.asarray(start_values["startprob"], dtype=np.float64) == 0, 0.0, np.nan)
    return held


def held_rows(k: int, width: int, fixed: Mapping[str, Any], start_values: Mapping[str, Any]) -> np.ndarray:
    """Fixed transition and end probabilities (K, width), NaN where free. A zero among the starting values is structural."""
    held = np.full((k, width), np.nan)
    for where, values in (("start_values", start_values), ("fixed", fixed)):
        for key, part in (("transmat", slice(0, k)), ("endprob", slice(k, k + 1))):
            if key not in values:
                continue
            shape = (k, k) if key == "transmat" else (k,)
            name = f"fixed[{key!r}]" if where == "fixed" else f"{key}_init"
            p = transitions.check_rows(values[key], shape, name, partial=where == "fixed", total=None)
            p = p.reshape(k, -1)
            if where == "fixed":
                held[:, part] = np.where(np.isnan(p), held[:, part], p)
            else:
                held[:, part] = np.where(p == 0, 0.0, held[:, part])
    if "transmat" in fixed or "endprob" in fixed:
        transitions.check_rows(held, held.shape, "fixed['transmat']", partial=True)
    return held


def joined_rows(k: int, end: bool, values: Mapping[str, Any]) -> np.ndarray:
    """Transmat and endprob as rows (K, width); what is not given is made up from what is."""
    name = "transmat_init"
    if not end:
        return transitions.check_rows(values["transmat"], (k, k), name)
    endings = (
        np.full(k, 0.1) if "endprob" not in values else transitions.check_rows(values["endprob"], (k,), "endprob_init", total=None)
    )
    if "transmat" not in values:
        return np.column_stack([np.repeat((1.0 - endings)[:, None] / k, k, axis=1), endings])
    matrix = transitions.check_rows(values["transmat"], (k, k), name, total=None)
    if np.allclose(matrix.sum(axis=1), 1.0) and not np.allclose(endings, 0.0):
        matrix = matrix * (1.0 - endings)[:, None]
    return transitions.check_rows(np.column_stack([matrix, endings]), (k, k + 1), f"{name} with endprob")
