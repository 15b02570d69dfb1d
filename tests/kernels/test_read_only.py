"""Read-only memory (Arrow, memory maps, Dask, Ray) runs the code that was compiled for ordinary arrays."""

import sys
from typing import Any, NamedTuple

import numpy as np
import pytest

from emkit import ArraySource, BayesNet, Block, Categorical, FiniteMixture, Gaussian, HiddenMarkov, PerColumn, SequenceSource
from emkit.core.model import EStep, Infer
from emkit.kernels.jit import kernel
from emkit.models.bayesnet.graph import Graph

N = 40_000  # rows from which every model here takes its compiled way


class Pair(NamedTuple):
    a: np.ndarray
    b: np.ndarray


@kernel()
def dot(pair: Any, c: Any) -> float:
    total = 0.0
    for i in range(len(c)):
        total += pair.a[i] * pair.b[i] * c[i]
    return total


def sealed(array: np.ndarray) -> np.ndarray:
    out = array.copy()
    out.flags.writeable = False
    return out


def test_one_signature_whatever_may_be_written_to():
    a, b, c = np.arange(3.0), np.ones(3), np.array([1.0, 10.0, 100.0])
    for pair, last in [
        (Pair(a, b), c), (Pair(sealed(a), b), c), (Pair(a, sealed(b)), sealed(c)), (Pair(sealed(a), sealed(b)), c),
    ]:  # fmt: skip
        assert dot(pair, last) == 210.0
    assert dot(Pair(a, b), c=sealed(c)) == 210.0
    assert len(dot.signatures) == 1
    assert dot(Pair(sealed(a[::2]), sealed(b[::2])), sealed(c[:2])) == 20.0  # strides are kept
    assert dot(Pair(a.astype(np.float32), b), sealed(c)) == 210.0  # what is another type is compiled
    assert len(dot.signatures) == 2
    assert not sealed(a).flags.writeable


def signatures() -> dict[str, int]:
    """How often each kernel of the package was compiled, or read from the cache."""
    return {
        f"{module.__name__}.{name}": len(value.signatures)
        for module in list(sys.modules.values()) if module.__name__.startswith("emkit.kernels.")
        for name, value in vars(module).items() if hasattr(value, "signatures")
    }  # fmt: skip


def problem(kind: str) -> tuple[Any, Any, np.ndarray, Any]:
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((N, 2)) + 3 * rng.integers(0, 2, size=(N, 1))
    symbols = rng.integers(0, 3, size=(N, 3)).astype(np.float64)
    if kind == "mixture":
        return FiniteMixture(Gaussian(), 2), ArraySource, numbers, None
    if kind == "table":
        family = PerColumn({0: Gaussian(), 1: Categorical()})
        return FiniteMixture(family, 2), ArraySource, np.column_stack([numbers[:, 0], symbols[:, 0]]), None
    if kind == "symbols":
        return FiniteMixture(Categorical(), 2), ArraySource, symbols, None
    if kind == "hmm":
        return HiddenMarkov(Gaussian(), 2), SequenceSource, numbers, [N // 4] * 4
    holes = np.where(rng.random(symbols.shape) < 0.2, np.nan, symbols)
    return BayesNet(Graph.of_edges("abc", [("a", "b"), ("b", "c")]), (3, 3, 3)), ArraySource, holes, None


@pytest.mark.parametrize("kind", ["mixture", "table", "symbols", "hmm", "network"])
@pytest.mark.parametrize("weighted", [False, True])
def test_an_e_step_on_a_memory_map_compiles_nothing_and_writes_nothing(kind, weighted, tmp_path):
    """The operating system ends a process that writes to the pages of a map that is read-only."""
    model, make, x, lengths = problem(kind)
    weights = np.ones(len(lengths or x)) if weighted else None
    more = {} if lengths is None else {"lengths": lengths}
    source = make(x, weights=weights, **more)
    model = model.resolve(source)
    params = model.init(source.sample(2000, np.random.default_rng(0)), np.random.default_rng(0))

    def all_of(source: Any) -> list[Any]:
        (block,) = [Block.join(list(source))]
        stats, log_likelihood = EStep(model, params)(block)
        return [stats.pack(), log_likelihood, *(Infer(model, params, want)(block).log_likelihood for want in ("marginals", "mode"))]

    expected, before = all_of(source), signatures()
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = all_of(make(mapped, weights=None if weights is None else sealed(weights), **more))
    assert signatures() == before
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
