"""What executors on a cluster have in common. A new one, for whatever runs tasks elsewhere, is these functions and sixty lines.

The parts of a source are dealt out once, a share of consecutive ones to each worker, which reads them and keeps the blocks. In each
iteration an ``EStep`` goes out to all workers; a worker adds up its own share, part by part; the shares are added in a tree of
fan-in 16, in their order. So what comes back has the same bits whoever worked on which share, and neither rows nor anything of the
size of the data is ever sent twice.
"""

import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, pairwise
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from emkit.core.block import Block, Part, Source, blocks_of
from emkit.core.errors import ClusterError, ParameterError
from emkit.execute.threads import Threads

FAN_IN = 16
"""How many sums are added at a time: with 1,000 workers nobody receives more than sixteen."""
SMALL = 20_000
"""Rows up to which sending them costs more than working on them here: samples, on which starts are tried."""

T = TypeVar("T")
Found = tuple[Any, Any]
"""Statistics and log-likelihood: what an E-step gives; statistics None where there was no block."""


class Blocks:
    """Blocks that stay with a worker; a cluster's scheduler may ask how much memory they take."""

    def __init__(self, blocks: Sequence[Block]):
        self.blocks = tuple(blocks)

    def parts(self) -> Sequence[Block]:
        """The blocks, which need no reading any more."""
        return self.blocks

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (a for block in self.blocks for a in (block.x, block.weights, block.lengths, block.labels) if a is not None)
        return sum(int(np.asarray(a).nbytes) for a in arrays)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes


class OnCluster(ABC):
    """Base of executors on clusters. You implement ``on_each_share`` and ``check_workers``; you get the rest of an ``Executor``.

    Attributes
    ----------
    local_rows : int
        Sources of so few rows are worked on in this process.
    own_source : type of Source
        What lies on the cluster already, and is never worked on here.
    """

    local_rows: int
    own_source: ClassVar[type[Source]]

    def __init__(self, local_rows: int):
        self.local_rows = local_rows
        self._here, self._depth = Threads(), 0
        self._dealt: dict[int, Any] = {}

    @abstractmethod
    def on_each_share(self, how: Callable[..., Any], fn: Any, source: Source, sums: bool) -> Sequence[Any]:
        """``how(fn, share, threads)`` of each share, in order; with ``sums`` these may be added up on the way."""

    @abstractmethod
    def check_workers(self) -> None:
        """Raise ClusterError if the workers' versions are others than here."""

    def __deepcopy__(self, memo: Any) -> Self:
        """Estimators are cloned with their settings; a cluster is not."""
        return self

    def map_reduce(self, fn: Callable[[Block], Found], source: Source) -> Found:
        """The sum of ``fn(block)`` over the blocks, added on the workers first."""
        if self._may_stay_here(source):
            return self._here.map_reduce(fn, source)
        return add(self.on_each_share(work, fn, source, True))

    def map(self, fn: Callable[[Block], Any], source: Source) -> Iterator[Any]:
        """``fn(block)`` for each block, in order."""
        if self._may_stay_here(source):
            return self._here.map(fn, source)
        return chain.from_iterable(self.on_each_share(work_each, fn, source, False))

    @contextmanager
    def session(self) -> Iterator[Self]:
        """Keep the blocks with the workers for the length of a fit. Sessions nest: the outermost one counts."""
        if not self._depth:
            self.check_workers()
        self._depth += 1
        try:
            with self._here.session():
                yield self
        finally:
            self._depth -= 1
            if not self._depth:
                self._dealt.clear()

    def _may_stay_here(self, source: Source) -> bool:
        return not isinstance(source, self.own_source) and 0 < source.n_rows <= self.local_rows


def shares(parts: Sequence[Part], workers: int) -> list[list[Part]]:
    """Consecutive parts for each worker, in numbers as equal as can be; with fewer parts than workers some of these get none."""
    many = max(1, min(workers, len(parts)))
    bounds = np.linspace(0, len(parts), many + 1).round().astype(int).tolist()
    return [list(parts[a:b]) for a, b in pairwise(bounds)]


def load(parts: Sequence[Part]) -> Blocks:
    """What a worker keeps of its share: the blocks that E-steps of one process see."""
    return Blocks([block for part in parts for block in blocks_of(part)])


def work(task: Callable[[Block], Found], blocks: Any, threads: int = 1) -> Found:
    """``task`` over a share, added up in the order of its parts; with as many threads as the worker has, and BLAS on one each."""
    with Threads(threads).one_blas_thread() as here:
        return here.map_reduce(task, blocks)


def work_each(task: Callable[[Block], T], blocks: Any, threads: int = 1) -> list[T]:
    """``task`` of each block of a share."""
    with Threads(threads).one_blas_thread() as here:
        return list(here.map(task, blocks))


def add(found: Sequence[Found]) -> Found:
    """Sums of shares, or of sums of them, added in their order."""
    stats, total = None, 0.0
    for more, log_likelihood in found:
        if more is not None:
            stats, total = more if stats is None else stats + more, total + log_likelihood
    return stats, total


def level(items: Sequence[T], add_up: Callable[[Sequence[T]], T]) -> list[T]:
    """The tree down to its last level: sums of ``FAN_IN``, of such sums, and so on, until at most ``FAN_IN`` are left to ``add``.

    ``add_up`` submits the addition of some of them, in their order, to a worker.
    """
    left = list(items)
    while len(left) > FAN_IN:
        left = [add_up(left[i : i + FAN_IN]) for i in range(0, len(left), FAN_IN)]
    return left


def versions() -> dict[str, str]:
    """What must agree between here and a worker: statistics of other code may mean something else."""
    import numba

    from emkit._version import __version__

    return {"emkit": __version__, "numba": numba.__version__, "Python": ".".join(platform.python_version_tuple()[:2])}


def refuse_other_versions(found: Mapping[str, Mapping[str, str] | str]) -> None:
    """Raise ClusterError for the first worker, by name, that has other versions, or none, which it then says."""
    here = versions()
    for worker, there in found.items():
        if isinstance(there, str):
            raise ClusterError(f"worker {worker} cannot import emkit: {there}. Install emkit {here['emkit']} there")
        different = [name for name in here if there.get(name) != here[name]]
        if different:
            said = ", ".join(f"{name} {there.get(name, 'none')} where this process has {name} {here[name]}" for name in different)
            raise ClusterError(f"worker {worker} has {said}; install the same versions everywhere")


def not_installed(what: str, extra: str) -> ParameterError:
    """The error for a package that is not there."""
    return ParameterError(f"{what} is not installed; pip install 'emkit[{extra}]'", parameter="executor")
