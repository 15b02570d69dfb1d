"""Starts from the optima of neighbours: a component split in two, two merged, one left out, the same with more freedom."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from emkit.algorithms.starts import subsample_size
from emkit.core.block import Block, Source
from emkit.core.errors import CollapseError, DataError
from emkit.core.model import Model
from emkit.core.result import Result
from emkit.core.seeding import seed_labels

_SPLIT, _MERGED = 3, 2  # components that are split, one after the other; pairs that are merged
_LEAN = 0.05  # of each row: by how much the halves of a component that is doubled differ


def starts_from(model: Model, source: Source, neighbour: Result, rng: np.random.Generator, *, sure: bool = False) -> list[Any]:
    """Starts of a model, resolved, from the optimum of another one on the same data: pairs of a kind, for the table, and Params.

    The other may have as many labels, one fewer or one more; for anything else there are none. With ``sure`` a component of the
    smaller model is only doubled: the start is then about as good as its optimum is, and EM can only gain from there.
    """
    block = source.sample(subsample_size(model.n_hidden or 1, source.n_features), rng).joined()
    if block.labels is not None or model.has_values or neighbour.model.has_values:  # labels have names: theirs may differ
        return []
    more = (model.n_hidden or 0) - (neighbour.model.n_hidden or 0)
    if more not in (-1, 0, 1) or not model.n_hidden:
        return []
    resp = neighbour.model.infer(neighbour.params, block, "marginals").marginals
    assert resp is not None
    if more == 0:
        guesses = iter([("nested", resp)])
    elif more > 0:
        guesses = _doubled(model, block, resp) if sure else _split(model, block, resp, rng)
    else:
        guesses = _merged(block, resp)
    found = []
    for kind, guess in guesses:
        try:
            params = model.start_from(block, guess, rng)
        except CollapseError:
            continue
        if params is not None:
            found.append((kind, params))
    return found


def _weights(block: Block) -> np.ndarray:
    weights = block.row_weights
    return np.ones(block.n) if weights is None else np.asarray(weights, dtype=np.float64)


def _by_dispersion(points: np.ndarray | None, weighted: np.ndarray) -> np.ndarray:
    """Components, those first whose rows lie farthest apart in all; the largest first where rows are no points."""
    size = weighted.sum(axis=0)
    if points is None:
        return np.argsort(-size, kind="stable")
    means = weighted.T @ points / np.maximum(size, 1e-300)[:, None]
    spread = weighted.T @ (points**2).sum(axis=1) - size * (means**2).sum(axis=1)
    return np.argsort(-spread, kind="stable")


def _split(model: Model, block: Block, resp: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """The components whose rows lie farthest apart, each parted in two by k-means."""
    points, weights = model.points(block.x), _weights(block)
    weighted = resp * weights[:, None]
    for j in _by_dispersion(points, weighted)[:_SPLIT]:
        try:
            halves = seed_labels(points, block.n, weighted[:, j], 2, rng, "kmeans")
        except DataError:  # all its rows are alike
            continue
        yield "split", _with_halves(resp, int(j), halves)


def _with_halves(resp: np.ndarray, j: int, halves: np.ndarray) -> np.ndarray:
    """Side by side, so that a label with a part of its own, such as noise, stays the last."""
    out = np.insert(resp, j + 1, resp[:, j] * halves[:, 1], axis=1)
    out[:, j] *= halves[:, 0]
    return out


def _doubled(model: Model, block: Block, resp: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each component twice, with half of its rows each, but for a slight lean along its longest axis."""
    points, weights = model.points(block.x), _weights(block)
    weighted = resp * weights[:, None]
    for j in _by_dispersion(points, weighted)[:_SPLIT]:
        side = np.where(np.arange(block.n) % 2, 1.0, -1.0)
        if points is not None and weighted[:, j].sum() > 0:
            off = points - weighted[:, j] @ points / weighted[:, j].sum()
            axis = np.linalg.eigh((weighted[:, j] * off.T) @ off)[1][:, -1]
            side = np.sign(off @ axis)
        yield "doubled", _with_halves(resp, int(j), 0.5 + _LEAN * side[:, None] * np.array([1.0, -1.0]))


def _merged(block: Block, resp: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The pairs that overlap most, each as one; and without the smallest component."""
    weighted = resp * _weights(block)[:, None]
    size = weighted.sum(axis=0)
    root = np.sqrt(np.maximum(size, 1e-12))
    overlap = (resp.T @ weighted) / (root[:, None] * root)
    pairs = sorted(combinations(range(resp.shape[1]), 2), key=lambda pair: -overlap[pair])
    for a, b in pairs[:_MERGED]:
        joined = np.delete(resp, b, axis=1)
        joined[:, a] += resp[:, b]
        yield "merged", joined
    rest = np.delete(resp, int(np.argmin(size)), axis=1)
    total = rest.sum(axis=1, keepdims=True)
    yield "left out", np.where(total > 1e-12, rest / np.maximum(total, 1e-12), 1.0 / rest.shape[1])
