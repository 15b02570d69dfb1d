"""The observed information of a fitted model, and each unit's score: what standard errors are made of."""

from collections.abc import Callable
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.executor import Executor
from emkit.core.model import Infer
from emkit.inference.coordinates import Coordinates
from emkit.inference.sandwich import squared_weights

Evaluate = Callable[[Any], tuple[Any, float]]
_SECOND = 0.1  # of a standard error: the step of second differences of values


def observed_information(coordinates: Coordinates, evaluate: Evaluate) -> np.ndarray:
    """Minus the second derivatives of the objective, log-likelihood plus log prior, at the fit, (P, P), nats.

    Central differences of the score, which Fisher's identity takes from the statistics of one E-step (Oakes 1999, JRSS B 61,
    479-482; Louis 1982, JRSS B 44, 226-233); of values, for models that say nothing of their Q.
    """
    p = len(coordinates.at)
    if p == 0:
        return np.zeros((0, 0))
    if score(coordinates, coordinates.params, evaluate) is None:
        return _by_values(coordinates, evaluate)
    rows = []
    for i in range(p):
        if coordinates.at_edge[i]:
            rows.append(np.zeros(p))
            continue
        above, below, apart = coordinates.beside(i)
        high, low = score(coordinates, above, evaluate), score(coordinates, below, evaluate)
        assert high is not None and low is not None
        rows.append((low - high) / apart)
    return _of_the_free(coordinates, np.array(rows))


def _of_the_free(coordinates: Coordinates, found: np.ndarray) -> np.ndarray:
    """Symmetric, and 0 for what is at an edge."""
    free = ~coordinates.at_edge
    return np.asarray(np.where(np.outer(free, free), 0.5 * (found + found.T), 0.0))


def score(coordinates: Coordinates, params: Any, evaluate: Evaluate) -> np.ndarray | None:
    """The slope of the objective: what the model says of it, or differences of its Q, which need no data."""
    model = coordinates.model
    stats, _ = evaluate(params)
    known = model.slope(stats, params)
    if known is not None:
        return known
    if model.q(stats, params) is None:
        return None
    here, found = Coordinates(model, params, model.pack(params), coordinates.steps, coordinates.at_edge), []
    for i in range(len(here.at)):
        slopes = []
        for share in (1e-2, 5e-3):
            above, below, apart = here.beside(i, share)
            high, low = ((model.q(stats, one) or 0.0) + model.log_prior(one) for one in (above, below))
            slopes.append((high - low) / apart)
        found.append((4.0 * slopes[1] - slopes[0]) / 3.0)
    return np.array(found)


def _by_values(coordinates: Coordinates, evaluate: Evaluate) -> np.ndarray:
    """Second differences of the objective."""
    model, at = coordinates.model, coordinates.at
    moves = np.diag(_SECOND * coordinates.steps)

    def value(vector: np.ndarray) -> float:
        params = coordinates.hypothesis(vector)
        return float(evaluate(params)[1]) + float(model.log_prior(params))

    found, first = np.zeros((len(at), len(at))), value(at)
    for i in range(len(at)):
        for j in range(i + 1):
            if i == j:
                bend = value(at + moves[i]) - 2.0 * first + value(at - moves[i])
            else:
                bend = 0.25 * (
                    value(at + moves[i] + moves[j]) - value(at + moves[i] - moves[j])
                    - value(at - moves[i] + moves[j]) + value(at - moves[i] - moves[j])
                )  # fmt: skip
            found[i, j] = found[j, i] = -bend / (moves[i, i] * moves[j, j])
    return _of_the_free(coordinates, found)


def squared_scores(coordinates: Coordinates, source: Source, executor: Executor) -> np.ndarray:
    """sum_u w_u g_u g_u', (P, P), over units u, rows or sequences; g_u is the slope of a unit's log-likelihood.

    By central differences of the log-likelihoods of all units at once. Weights that are no whole numbers are squared, as those of
    a survey.
    """
    model, p = coordinates.model, len(coordinates.at)
    pairs = [coordinates.beside(i, 3.0 * 3e-3) for i in range(p)]

    def one(block: Block) -> np.ndarray:
        scores = np.empty((block.units, p))
        for i, (above, below, apart) in enumerate(pairs):
            high, low = (Infer(model, params, "log_likelihood")(block).log_likelihood for params in (above, below))
            scores[:, i] = (high - low) / apart
        scores = np.where(np.isfinite(scores), scores, 0.0)
        weights = np.ones(block.units) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        return np.asarray(scores.T @ (squared_weights(weights)[:, None] * scores))

    total = np.zeros((p, p))
    for part in executor.map(one, source):
        total += part
    return total
