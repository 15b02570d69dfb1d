"""Laws of ``Model.infer``: what a model says of its data fits together, and follows what is known of the labels.

Log-likelihoods under known labels define the rest: p(labels, data) is the likelihood of data whose labels are known. So marginals
and the most probable assignment of any model can be checked without knowing what kind of model it is.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.model import Inference
from emkit.testing.cases import Law, ModelCase
from emkit.testing.compare import close, require


def log_likelihoods_add_up(case: ModelCase) -> None:
    """Each unit's log-likelihood is the same whatever else is asked for; times weights they add up to the E-step's."""
    each = _says(case, case.block, "log_likelihood").log_likelihood
    require(np.shape(each) == (case.units,), f"log_likelihood has shape {np.shape(each)}, expected ({case.units},)")
    used = case.weights > 0
    total = float(np.sum(each[used] * case.weights[used]))
    size = float(np.sum(np.abs(each[used]) * case.weights[used])) + 1.0
    close("sum of the units' log-likelihoods", total, case.model.e_step(case.params, case.block)[1], size, _rtol(case))
    unweighted = _says(case, replace(case.block, weights=None), "log_likelihood").log_likelihood
    close("log-likelihoods without weights", unweighted, each, 1.0 + np.abs(each), 1e-12)
    order = case.rng().permutation(case.units)[: max(case.units // 2, 1)]
    alone = _says(case, case.block.take(order), "log_likelihood").log_likelihood
    close("log-likelihoods of some units in another order", alone, each[order], 1.0 + np.abs(each[order]), _rtol(case))
    if case.model.n_hidden is not None:
        beside = _says(case, case.block, "marginals").log_likelihood
        close("log-likelihoods beside marginals", beside, each, 1.0 + np.abs(each), _rtol(case))


def marginals_add_up(case: ModelCase) -> bool | None:
    """Marginals lie in [0, 1] and add up to one at each row; they are written where one asks for them."""
    if case.model.n_hidden is None:
        return False
    case = case.at(case.other)  # a start of its own may be too simple, such as a chain without memory
    out = np.full((case.block.n, case.k), np.nan)
    given = case.model.infer(case.params, case.block, "marginals", out).marginals
    require(given is out, "infer must put marginals into the array it was given")
    marginals = _marginals(case, case.block)
    close("marginals put into a given array", out, marginals, 0.0)
    require(bool((marginals >= 0).all() and (marginals <= 1 + 1e-12).all()), "marginals must lie in [0, 1]")
    close("sum of a row's marginals", marginals.sum(axis=1), np.ones(case.block.n), 1.0, _rtol(case))
    return None


def marginals_are_conditional_probabilities(case: ModelCase) -> bool | None:
    """The marginal of a label is the likelihood with that label known over the likelihood without, at some row of every unit."""
    if case.model.n_hidden is None:
        return False
    case = case.at(case.other)  # a start of its own may be too simple, such as a chain without memory
    marginals, evidence = _marginals(case, case.block), _evidence(case)
    plain = _says(case, case.block, "log_likelihood").log_likelihood
    for rows in _a_row_of_each_unit(case):
        for label in range(case.k):
            known = evidence.copy()
            known[rows] *= np.arange(case.k) == label
            joint = _says(case, replace(case.block, labels=known), "log_likelihood").log_likelihood
            close(f"marginals of label {label}", marginals[rows, label], np.exp(joint - plain), 1.0, 1e-4 if case.narrow else 1e-8)
    return None


def mode_is_most_probable(case: ModelCase) -> bool | None:
    """No labels are more probable than the mode: not the best row by row, not the mode with one changed, not sampled ones."""
    if case.model.n_hidden is None:
        return False
    for params in (case.params, case.other):
        _mode_wins(case.at(params), case.block, None)
    case = case.at(case.other)
    simulated = case.model.simulate(case.params, 200, case.rng())
    if simulated is not None:
        simulated = replace(simulated, x=np.asarray(simulated.x, dtype=np.float64), labels=None)
        labels = (case.model.simulate(case.params, 200, case.rng()) or simulated).labels
        _mode_wins(case, simulated, None if labels is None else np.asarray(labels))
    return None


def _mode_wins(case: ModelCase, block: Block, simulated: np.ndarray | None) -> None:
    case = replace(case, block=block)
    found = _says(case, block, "mode")
    mode = np.asarray(found.mode)
    require(
        mode.shape == (block.n,) and mode.dtype.kind == "i",
        f"the mode is {mode.dtype} of shape {mode.shape}, expected integers ({block.n},)",
    )
    out = np.full(block.n, -7, dtype=np.int64)
    case.model.infer(case.params, block, "mode", out)
    require(np.array_equal(out, mode), "infer must put the mode into the array it was given")
    best, plain = _joint(case, mode), _says(case, block, "log_likelihood").log_likelihood
    size = 1.0 + np.abs(best)
    said = found.log_likelihood
    if not np.allclose(said, plain, rtol=1e-9, atol=1e-9):
        close("log-likelihood beside the mode: the joint of mode and data, or the data's", said, best, size, _rtol(case))
    rng, marginals = case.rng(), _marginals(case, block)
    others = [("the labels that are most probable row by row", marginals.argmax(axis=1))]
    for _ in range(8):
        drawn = (rng.random((block.n, 1)) * marginals.sum(axis=1, keepdims=True) >= marginals.cumsum(axis=1)).sum(axis=1)
        others.append(("labels drawn from the marginals", np.minimum(drawn, case.k - 1)))
    for rows in _a_row_of_each_unit(case) * 3:
        changed = mode.copy()
        changed[rows] = rng.integers(case.k, size=len(rows))
        others.append(("the mode with a label of each unit changed", changed))
    if simulated is not None:
        others.append(("the labels that the data were simulated with", simulated))
    for what, labels in others:
        joint = _joint(case, labels)
        worse = np.flatnonzero(joint > best + 1e-9 * size)
        require(not len(worse), f"{what} have log probability {joint[worse[:1]]} with unit {worse[:1]}, the mode {best[worse[:1]]}")


def known_labels_are_respected(case: ModelCase) -> bool | None:
    """Where a label is known, marginals are 1 and the mode is it; known as a number or as probabilities, it counts the same."""
    if case.model.n_hidden is None or (case.block.labels is not None and np.ndim(case.block.labels) == 2):
        return False
    case = case.at(case.other)
    rng, mode = case.rng(), np.asarray(_says(case, case.block, "mode").mode)
    known = np.where(rng.random(case.block.n) < 0.5, mode, -1)
    if case.k > 1:  # in each unit one label that is not the most probable, as long as it is possible at all
        rows = _a_row_of_each_unit(case)[0]
        marginals = _marginals(case, case.block)[rows]
        second = np.argsort(marginals, axis=1)[:, -2]
        known[rows] = np.where(marginals[np.arange(len(rows)), second] > 1e-6, second, mode[rows])
    numbered = replace(case.block, labels=known)
    possible = np.repeat(np.isfinite(_says(case, numbered, "log_likelihood").log_likelihood), _lengths(case.block))
    known = np.where(possible, known, -1)
    numbered = replace(case.block, labels=known)
    given = known >= 0
    close(
        "marginals of the known labels",
        _marginals(case, numbered)[given, known[given]],
        np.ones(int(given.sum())),
        1.0,
        _rtol(case),
    )
    found = np.asarray(_says(case, numbered, "mode").mode)
    require(np.array_equal(found[given], known[given]), "the mode differs from known labels")
    stated = replace(case.block, labels=np.where(given[:, None], np.arange(case.k) == known[:, None], 1.0))
    (a, x), (b, y) = (case.model.e_step(case.params, block) for block in (numbered, stated))
    close("log-likelihood with labels known as probabilities", y, x, case.magnitude[0], _rtol(case))
    close(
        "statistics with labels known as probabilities",
        b.pack(),
        a.pack(),
        2.0 * case.magnitude[1:] + np.abs(a.pack()),
        1e-3 if case.narrow else 1e-8,
    )
    return None


def impossible_units_are_named(case: ModelCase) -> bool | None:
    """A unit that no label can have produced has log-likelihood -inf and mode -1 throughout; the others are as before."""
    if case.model.n_hidden is None:
        return False
    case = case.at(case.other)  # a start of its own may be too simple, such as a chain without memory
    known = _evidence(case)
    known[0] = 0.0
    block, unit = replace(case.block, labels=known), np.repeat(np.arange(case.units), _lengths(case.block))
    found, before = _says(case, block, "mode"), _says(case, case.block, "mode")
    each = _says(case, block, "log_likelihood").log_likelihood
    require(each[0] == -np.inf and found.log_likelihood[0] == -np.inf, f"its log-likelihood is {each[0]}, expected -inf")
    wanted = np.where(unit == 0, -1, np.asarray(before.mode))
    require(
        np.array_equal(np.asarray(found.mode), wanted), f"its mode is {np.asarray(found.mode)[unit == 0]}, expected -1 throughout"
    )
    return None


# --- labels as evidence -------------------------------------------------------------------------------------------------


def _says(case: ModelCase, block: Block, want: str) -> Inference:
    return case.model.infer(case.params, block, want)


def _marginals(case: ModelCase, block: Block) -> np.ndarray:
    found = np.asarray(_says(case, block, "marginals").marginals)
    require(found.shape == (block.n, case.k), f"marginals have shape {found.shape}, expected {(block.n, case.k)}")
    return found


def _evidence(case: ModelCase) -> np.ndarray:
    """What the block knows of its labels, as probabilities (n, K)."""
    labels: Any = case.block.labels
    if labels is None:
        return np.ones((case.block.n, case.k))
    if np.ndim(labels) == 2:
        return np.array(labels, dtype=np.float64)
    return np.where(labels[:, None] >= 0, np.arange(case.k) == labels[:, None], 1.0)


def _joint(case: ModelCase, labels: np.ndarray) -> np.ndarray:
    """Log probability of these labels (n,) together with the data, for each unit."""
    known = _evidence(case) * (np.arange(case.k) == labels[:, None])
    return np.asarray(_says(case, replace(case.block, labels=known), "log_likelihood").log_likelihood)


def _lengths(block: Block) -> np.ndarray:
    return np.ones(block.n, dtype=np.int64) if block.lengths is None else np.asarray(block.lengths)


def _a_row_of_each_unit(case: ModelCase) -> list[np.ndarray]:
    """Three times: a row of every unit, (units,)."""
    lengths, rng = _lengths(case.block), case.rng()
    first = np.cumsum(lengths) - lengths
    return [
        first + np.floor(rng.random(len(lengths)) * lengths).astype(np.int64)
        for _ in range(3 if case.block.lengths is not None else 1)
    ]


def _rtol(case: ModelCase) -> float:
    return 1e-5 if case.narrow else 1e-10


LAWS: tuple[Law, ...] = (
    log_likelihoods_add_up,
    marginals_add_up,
    marginals_are_conditional_probabilities,
    mode_is_most_probable,
    known_labels_are_respected,
    impossible_units_are_named,
)
