"""E-steps on a GPU, or wherever torch has a device: the rows stay there, parameters go in, sums of statistics come back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from emkit.core.block import Block, Source
from emkit.core.errors import ParameterError
from emkit.core.model import EStep, Model
from emkit.data.rows import ArraySource
from emkit.data.sequences import SequenceSource
from emkit.execute.threads import Threads
from emkit.execute.torch_moved import TensorSequences, to_tensor
from emkit.execute.torch_source import TensorSource

SMALL = 20_000
"""Sources of so few rows are worked on in host memory: a device would wait for its orders most of the time."""


class TorchExecutor:
    """Executor on a device of torch's.

    E-steps of models that say ``on_arrays`` run where the rows are: those of mixtures of Gaussians, and of HMMs of Gaussians the
    emissions, while recursions over the steps take place here. Complete rows in host memory are copied to the device once for the
    length of a fit. Whatever else there is to do (other models, rows with missing cells or labels, small data and the samples on
    which starts are tried) is done in this process by ``Threads``.

    Parameters
    ----------
    device : str or torch.device, optional
        Where rows in host memory go, such as "cuda"; by default to the accelerator that torch finds, or they stay. Tensors are not
        moved.
    n_jobs : int, optional
        Threads for what is done in this process. On a CPU torch has threads of its own: ``torch.set_num_threads``.

    Raises
    ------
    ParameterError
        If there is no such device, or torch is not installed.
    """

    def __init__(self, device: Any = None, *, n_jobs: int | None = None):
        try:
            import torch
        except ImportError as error:
            raise ParameterError("a TorchExecutor needs torch: pip install 'emkit[torch]'", parameter="executor") from error
        try:
            self.device = torch.empty(0, device=device if device is not None else _accelerator()).device
        except (RuntimeError, AssertionError) as error:
            why = str(error).splitlines()[0]
            raise ParameterError(f"device={str(device)!r}: torch cannot use it: {why}", parameter="device") from error
        self.n_jobs = n_jobs
        self._here, self._there, self._depth = Threads(n_jobs), Threads(1), 0
        self._moved: dict[int, tuple[Source, Source]] = {}

    def __deepcopy__(self, memo: Any) -> "TorchExecutor":
        """Estimators are cloned with their settings; rows on a device are not."""
        return self

    def __reduce__(self) -> Any:
        return partial(TorchExecutor, n_jobs=self.n_jobs), (str(self.device),)

    def map_reduce(self, fn: Callable[[Block], tuple[Any, float]], source: Source) -> tuple[Any, float]:
        """The sum of ``fn(block)`` over the blocks, in their order."""
        with self.session():
            placed = self._placed(fn, source)
            with exact_products():
                return (self._there if isinstance(placed, TensorSource) else self._here).map_reduce(fn, placed)

    def map(self, fn: Callable[[Block], Any], source: Source) -> Iterator[Any]:
        """``fn(block)`` for each block, in order."""
        if not isinstance(source, TensorSource):
            yield from self._here.map(fn, source)
            return
        with exact_products():
            yield from self._there.map(fn, source)

    @contextmanager
    def session(self) -> Iterator["TorchExecutor"]:
        """Keep rows on the device for the length of a fit. Sessions nest: the outermost one counts."""
        self._depth += 1
        try:
            with self._here.session(), self._there.session():
                yield self
        finally:
            self._depth -= 1
            if not self._depth:
                self._moved.clear()

    def _placed(self, fn: Any, source: Source) -> Source:
        """The rows on the device, where the function can work on them there."""
        able = isinstance(fn, EStep) and isinstance(fn.model, Model) and fn.model.on_arrays
        if not able or source.n_rows <= SMALL or not isinstance(source, ArraySource | SequenceSource):
            return source
        if source.missing or source.labels is not None:
            return source
        if id(source) not in self._moved:
            self._moved[id(source)] = source, self._copied(source)
        return self._moved[id(source)][1]

    def _copied(self, source: ArraySource | SequenceSource) -> Source:
        if isinstance(source, SequenceSource):
            return TensorSequences(source, self.device)
        return TensorSource(to_tensor(source.x, self.device), source.weights, source.columns, self)


def _accelerator() -> str:
    """The device of a card, if torch finds one, or the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "xpu" if torch.xpu.is_available() else "cpu"


@contextmanager
def exact_products() -> Iterator[None]:
    """Until the end of the block products of float32 matrices have float32's digits, whatever was allowed to be rounded off."""
    import torch

    with ExitStack() as after:
        for owner in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul):
            if hasattr(owner, "fp32_precision"):  # torch 2.9 and newer
                after.callback(setattr, owner, "fp32_precision", owner.fp32_precision)
                owner.fp32_precision = "ieee"
        matmul = torch.backends.cuda.matmul
        if not hasattr(matmul, "fp32_precision"):
            after.callback(setattr, matmul, "allow_tf32", matmul.allow_tf32)
            matmul.allow_tf32 = False
        yield
