"""Rows in host memory, copied to a device of torch's."""

from dataclasses import replace
from typing import Any

import numpy as np

from emkit.core.block_source import BlockSource
from emkit.data.sequences import SequenceSource


class TensorSequences(BlockSource):
    """Complete sequences whose rows are copied to a device; all that is one number for each sequence stays in host memory."""

    def __init__(self, source: SequenceSource, device: Any):
        x = to_tensor(source.x, device)
        ends = np.cumsum([block.n for block in source.blocks]).tolist()
        super().__init__([replace(block, x=x[end - block.n : end]) for block, end in zip(source.blocks, ends, strict=True)])


def to_tensor(x: np.ndarray, device: Any) -> Any:
    """An array's copy on a device; on the CPU it shares memory, where it can."""
    import torch

    return torch.from_numpy(x if x.flags.writeable and x.flags.c_contiguous else np.array(x)).to(device)
