"""Parametric bootstrap of latent class models: data drawn from the fitted model, and fitted again."""

from collections.abc import Callable
from typing import Any

import numpy as np

from emkit.algorithms.starts import fit
from emkit.core.columns import Columns
from emkit.core.executor import Executor
from emkit.core.model import Model
from emkit.data.rows import ArraySource
from emkit.inference.answers import Answers, Measurement


def refitted(
    model: Model,
    params: Any,
    columns: Columns,
    answers: Answers,
    group: int | None,
    measure: Callable[[Any], Measurement],
    statistic: Callable[[Measurement, Answers], np.ndarray],
    times: int,
    executor: Executor,
    rng: np.random.Generator,
) -> np.ndarray:
    """The statistic of ``times`` data sets that were drawn from the model, each at its own fit, (times, ...).

    A data set has as many rows as the data, with holes in the same places. Weights that are whole numbers say how many rows a row
    stands for; others, such as survey weights, stay with the place of their row. Each fit starts from ``params``, which the data
    were drawn from (Langeheine, Pannekoek and van de Pol 1996, Sociol. Methods Res. 24, 492-516).

    Parameters
    ----------
    model, params : the fitted model
    columns : Columns
        Of the model, the group among them.
    answers : Answers
        The data.
    group : int or None
        The number of the column that holds the group.
    measure : callable
        From Params to the model in the form of the statistics.
    statistic : callable
    times : int
    executor, rng
    """
    rows = np.repeat(np.arange(answers.n), answers.weights.astype(np.int64)) if answers.are_counts else np.arange(answers.n)
    holes = np.isnan(answers.items[rows])
    weights = np.ones(len(rows)) if answers.are_counts else answers.weights
    others = [j for j in range(len(columns)) if j != group]
    found = []
    for _ in range(times):
        block = model.simulate(params, len(rows), rng)
        assert block is not None
        x = np.asarray(block.x, dtype=np.float64)
        drawn = Answers(
            np.where(holes, np.nan, x[:, others]), np.zeros(len(x), int) if group is None else x[:, group].astype(int), weights
        )
        drawn = drawn.take(drawn.weights > 0)
        if drawn.patterns.n >= (model.n_hidden or 1):  # a fit wants a row for each class
            drawn = drawn.patterns
        again = np.empty((drawn.n, len(columns)))
        again[:, others] = drawn.items
        if group is not None:
            again[:, group] = drawn.group
        source = ArraySource(again, drawn.weights, columns, checked=True)
        result = fit(model, source, executor=executor, starts=[params], tol=1e-3, max_iter=2000, rng=rng)
        found.append(statistic(measure(result.params), drawn))
    return np.array(found)


def p_value(drawn: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(1 + how many drawn values are as large) / (1 + draws): never 0 (Davison and Hinkley 1997, section 4.2)."""
    large = (drawn >= np.asarray(seen) - 1e-9).sum(axis=0)
    p = (1.0 + large) / (1.0 + len(drawn))
    return np.where(np.isnan(seen), np.nan, p)
