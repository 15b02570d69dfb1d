"""Torch tensors as data in host memory. Nothing here imports torch: who has a tensor has done so."""

from typing import Any

import numpy as np
from array_api_compat import is_torch_array

from emkit.core.errors import DataError


def is_tensor(x: Any) -> bool:
    """Whether it is a torch tensor."""
    return bool(is_torch_array(x))


def on_cpu(x: Any) -> bool:
    """Whether a tensor lies in host memory."""
    return bool(x.device.type == "cpu")


def on_host(x: Any) -> Any:
    """A tensor in host memory as a NumPy array that shares it; what is no tensor as it is.

    Raises
    ------
    DataError
        For a tensor on another device: copying it would be a surprise.
    """
    if not is_tensor(x):
        return x
    if not on_cpu(x):
        raise DataError(
            f"the data are a tensor on {x.device}, and what was asked is done in host memory: give X.cpu(). Only complete rows "
            "without labels stay on a device, in predictions and EM fits of GaussianMixture (n_components given, noise=False)"
        )
    if x.is_sparse:
        raise DataError("sparse data is not supported: pass X.to_dense() if it fits in memory")
    x = x.detach().resolve_conj().resolve_neg()
    return (x if str(x.dtype) != "torch.bfloat16" else x.float()).numpy()


def as_given(x: Any, found: np.ndarray) -> Any:
    """What was found of the rows of ``x``: a tensor on its device if ``x`` is one, otherwise as it is."""
    if not is_tensor(x):
        return found
    import torch

    return torch.from_numpy(found).to(x.device)
