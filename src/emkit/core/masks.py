"""Boolean masks in place of held values."""

from typing import Any

import numpy as np

from emkit.core.errors import ParameterError


def is_mask(value: Any) -> bool:
    """Whether a fixed value is a boolean mask."""
    try:
        return np.asarray(value).dtype == bool
    except ValueError:  # ragged: whoever reads it says so
        return False


def masked(mask: Any, init: np.ndarray | None, name: str, parameter: str) -> np.ndarray:
    """A boolean mask stands for: these entries, at their starting values. Raises ParameterError if there are none."""
    mask = np.asarray(mask)
    if init is None:
        raise ParameterError(
            f"{name} is a mask, so {parameter}_init must say at which values the entries are held", parameter=parameter
        )
    if mask.shape != init.shape:
        raise ParameterError(f"{name} has shape {mask.shape}, {parameter}_init {init.shape}", parameter=parameter)
    return np.where(mask, init, np.nan)
