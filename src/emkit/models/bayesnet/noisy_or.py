"""Noisy-OR: a table with one number for each cause, instead of one for each combination of causes.

Each cause that is there makes the effect happen with a probability of its own, whatever the others do, and so does a leak, which
is always there: P(effect absent | causes) = (1 - leak) prod_i (1 - link_i), over the causes that are there. Pearl (1988),
Probabilistic Reasoning in Intelligent Systems, section 4.3.2.
"""

from functools import lru_cache

import numpy as np

_STEPS, _HALVINGS = 50, 30
_LEAST, _MOST = 1e-12, 1.0 - 1e-12  # of a link, on the way
_A_LEAST, _A_MOST = float(-np.log1p(-_LEAST)), float(-np.log1p(-_MOST))


@lru_cache(maxsize=1024)
def present(shape: tuple[int, ...]) -> np.ndarray:
    """Which causes are there in each combination of the parents' states, booleans (Q, 1 + P): the leak always.

    ``shape``: of the table, the parents' states and then the two of the effect. A parent is there unless it is in its first state.
    """
    states = np.indices(shape[:-1]).reshape(len(shape) - 1, -1).T if len(shape) > 1 else np.zeros((1, 0))
    out = np.concatenate([np.ones((len(states), 1), bool), states > 0], axis=1)
    out.setflags(write=False)
    return out


def table(links: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The full table: absent and present for each combination of the parents' states.

    Parameters
    ----------
    links : array (1 + P,)
        Of the leak and of each parent.
    shape : tuple of int
    """
    with np.errstate(divide="ignore"):
        logs = np.log1p(-links)
    there = present(shape)
    absent = np.exp(np.where(there, logs, 0.0).sum(axis=1))
    return np.stack([absent, 1.0 - absent], axis=1).reshape(shape)


def links_from(counts: np.ndarray, links: np.ndarray, held: np.ndarray, pseudo: np.ndarray) -> np.ndarray:
    """The links that make expected counts of the full table most probable: the M-step.

    In a_i = -log(1 - link_i) >= 0 the log-likelihood, sum over rows of n_absent log e^(-s) + n_present log(1 - e^(-s)) with s the
    sum of a_i over the causes that are there, is concave. These are Newton steps, halved until nothing is lost, on those a_i that
    are not held at 0 by the bound.

    Parameters
    ----------
    counts : array (..., 2)
        Of the full table.
    links : array (1 + P,)
        Where to start.
    held : array (1 + P,)
        Values at which links are held, NaN where they are free.
    pseudo : array (1 + P, 2)
        Pseudo-counts of each link's having fired alone, and not.
    """
    there = np.concatenate([present(counts.shape), np.eye(len(links), dtype=bool)]).astype(np.float64)
    absent, happened = np.concatenate([counts.reshape(-1, 2), pseudo[:, ::-1]]).T
    free = np.isnan(held) & (there.T @ (absent + happened) > 0)
    a = -np.log1p(-np.clip(np.where(np.isnan(held), links, held), _LEAST, _MOST))
    value = _q(a, there, absent, happened)
    for _ in range(_STEPS):
        step = _newton(a, there, absent, happened, free)
        new, found = a, value
        for _ in range(_HALVINGS):
            trial = np.clip(a + step, _A_LEAST, _A_MOST)
            found = _q(np.where(free, trial, a), there, absent, happened)
            if found >= value:
                new = np.where(free, trial, a)
                break
            step = 0.5 * step
        gained, a, value = max(found - value, 0.0), new, max(found, value)
        if gained <= 1e-12 * (1.0 + abs(value)):
            break
    out = np.where(a <= _A_LEAST, 0.0, -np.expm1(-a))
    return np.asarray(np.where(np.isnan(held), np.where(free, out, links), held))


def _q(a: np.ndarray, there: np.ndarray, absent: np.ndarray, happened: np.ndarray) -> float:
    s = there @ a
    with np.errstate(divide="ignore"):
        return float(-absent @ s + happened[happened > 0] @ np.log(-np.expm1(-s[happened > 0])))


def _newton(a: np.ndarray, there: np.ndarray, absent: np.ndarray, happened: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The step of Newton's method in the free entries; those at a bound that the slope pushes against stay."""
    s = np.maximum(there @ a, _A_LEAST)
    rest = -np.expm1(-s)  # probability that the effect is there
    odds = np.exp(-s) / rest
    slope = there.T @ (happened * odds - absent)
    moving = free & ~((a <= _A_LEAST) & (slope < 0)) & ~((a >= _A_MOST) & (slope > 0))
    step = np.zeros_like(a)
    if moving.any():
        some = there[:, moving]
        bend = some.T @ (some * (happened * odds / rest)[:, None])
        bend[np.diag_indices_from(bend)] += 1e-9 * (1.0 + np.trace(bend))
        step[moving] = np.linalg.solve(bend, slope[moving])
    return step


def slope(counts: np.ndarray, links: np.ndarray) -> np.ndarray:
    """Derivatives of the log-likelihood of counts of the full table by the links, (1 + P,)."""
    there, absent, happened, odds = _at(counts, links)
    return np.asarray(there.T @ (happened * odds - absent) / (1.0 - np.minimum(links, _MOST)))


def information(counts: np.ndarray, links: np.ndarray) -> np.ndarray:
    """Expected information about each link in as many rows, (1 + P,): in a_i it is n (1 - p) / p for a row of probability p."""
    there, absent, happened, odds = _at(counts, links)
    return np.asarray(there.T @ ((absent + happened) * odds) / (1.0 - np.minimum(links, _MOST)) ** 2)


def _at(counts: np.ndarray, links: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Which causes are there, the counts, and the odds that the effect is absent, by combination of the parents' states."""
    there = present(counts.shape).astype(np.float64)
    absent, happened = counts.reshape(-1, 2).T
    s = np.maximum(there @ -np.log1p(-np.minimum(links, _MOST)), _A_LEAST)
    return there, absent, happened, np.exp(-s) / -np.expm1(-s)
