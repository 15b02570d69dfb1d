"""What tests of executors on a cluster share; workers import it, too."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emkit import Block, FiniteMixture, Gaussian, HiddenMarkov
from emkit.core.block import Source
from emkit.core.block_source import BlockSource
from emkit.core.columns import Columns
from emkit.core.model import EStep
from emkit.execute.threads import Threads
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet

MODELS = ("mixture", "hmm", "network")


@dataclass(frozen=True)
class FilePart:
    """Rows in a file of their own."""

    path: str
    start: int
    n_rows: int

    def read(self) -> Block:
        return Block(np.load(self.path), start=self.start, source_rows=self.n_rows)


class Files(Source):
    """Rows in files: what travels to a worker are paths."""

    def __init__(self, folder: Path, blocks: list[np.ndarray]):
        self.columns = Columns.numbered(blocks[0].shape[1])
        self.n_rows = sum(map(len, blocks))
        self.total_weight = float(self.n_rows)
        self._parts, start = [], 0
        for i, x in enumerate(blocks):
            np.save(folder / f"{i}.npy", x)
            self._parts.append(FilePart(str(folder / f"{i}.npy"), start, self.n_rows))
            start += len(x)

    def parts(self) -> list[FilePart]:
        return self._parts

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        return BlockSource([self.joined()]).sample(n, rng)


@dataclass(frozen=True)
class Mortal(FiniteMixture):
    """A mixture whose E-step ends the process that runs it, once, if it finds the file ``armed``."""

    armed: str = ""

    def e_step(self, params: Any, block: Block) -> tuple[Any, float]:
        found = super().e_step(params, block)
        try:
            os.remove(self.armed)
        except FileNotFoundError:
            return found
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")


def rows(n: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 2)) + 4.0 * rng.integers(0, 2, size=(n, 1))
    x[rng.random(x.shape) < 0.05] = np.nan
    return x


def problem(kind: str) -> tuple[EStep, Source]:
    """An E-step of a small model and weighted data in several parts; for an HMM sequences, for a network symbols with holes."""
    rng, x = np.random.default_rng(1), rows()
    cuts = np.split(np.arange(len(x)), [500, 700, 1500, 1501, 2400])
    weights = rng.integers(0, 3, size=len(x)).astype(float)
    if kind == "mixture":
        model: Any = FiniteMixture(Gaussian(), 2)
        source = BlockSource([Block(x[i], weights[i], start=i[0], missing=True, source_rows=len(x)) for i in cuts])
    elif kind == "hmm":
        model = HiddenMarkov(Gaussian(), 2)
        source = BlockSource(
            [
                Block(x[i], np.array([2.0, 1.0]) if len(i) > 1 else np.array([1.0]), start=2 * j, missing=True, source_rows=len(x),
                      lengths=np.array([len(i) - 1, 1] if len(i) > 1 else [1]))
                for j, i in enumerate(cuts)
            ]
        )  # fmt: skip
    else:
        model = BayesNet(Graph.of_edges("abcd", [("a", "b"), ("b", "c"), ("a", "d")]), (3, 3, 3, 3))
        codes = rng.integers(0, 3, size=(len(x), 4)).astype(float)
        codes[rng.random(codes.shape) < 0.3] = np.nan
        source = BlockSource([Block(codes[i], weights[i], start=i[0], missing=True, source_rows=len(x)) for i in cuts])
    model = model.resolve(source)
    params = model.init(source, np.random.default_rng(0), 0)
    return EStep(model, params), model.prepared(source)


def agree(executor: Any, kind: str) -> None:
    """Statistics on the executor are those of one thread, to rounding; twice the same bits."""
    step, source = problem(kind)
    expected, log_likelihood = Threads(1).map_reduce(step, source)
    with executor.session():
        (stats, found), (again, _) = (executor.map_reduce(step, source) for _ in range(2))
    scale = np.abs(expected.pack()).max()
    np.testing.assert_allclose(stats.pack(), expected.pack(), rtol=1e-12, atol=1e-12 * scale)
    assert abs(found - log_likelihood) <= 1e-12 * abs(log_likelihood)
    assert again.pack().tobytes() == stats.pack().tobytes()
    assert stats.labels().keys() == expected.labels().keys()


class Names:
    """Text that adds up, so that the order shows."""

    def __init__(self, names):
        self.names = names

    def __add__(self, other):
        return Names(self.names + other.names)
