"""Starting values of tables: what rows say in which a whole family is observed, jittered; random tables where a node is hidden."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.errors import DataError
from emkit.core.seeding import seed_labels
from emkit.models.bayesnet.params import BayesNetParams, ConditionalGaussianParams
from emkit.models.bayesnet.scanning import Scanner

_JITTER = 0.2


def start(
    model: Any, cases: np.ndarray | None, rng: np.random.Generator, attempt: int, hidden: Sequence[int] | None = None
) -> BayesNetParams:
    """Tables for start number ``attempt``; given starting values and what is held win.

    ``cases``: weights of the rows in which a whole family is observed, by its states, (T,); None where there are no data.

    Families with a hidden node are drawn at random: equal tables would be a saddle, which EM never leaves. ``hidden``: which nodes
    these are, where cases say something of some.
    """
    layout, unknown = model.layout, set(model.hidden if hidden is None else hidden)
    drawn = rng.gamma(1.0, size=layout.total) + 1e-3
    if attempt % 2 == 0 and cases is not None:
        jitter = rng.gamma(1.0 / _JITTER, _JITTER, layout.total) if attempt else np.ones(layout.total)
        for node in layout.owners:
            family = {node, *layout.graph.parents[node]}
            if not family & unknown:
                part = slice(int(layout.offsets[node]), int(layout.offsets[node] + layout.sizes[node]))
                drawn[part] = (cases[part] + 1.0) * jitter[part]
    tables = drawn / layout.sums(drawn)[layout.row_of]
    for node in layout.owners:
        value = model.start_values.get(layout.graph.names[node])
        if value is not None:
            layout.table(tables, node)[...] = value
    held = model.held_tables
    tables = tables if held is None else layout.mode(tables, held, tables)
    if not model.noisy_or:
        return BayesNetParams(tables)
    links = rng.uniform(0.1, 0.9, sum(part.stop - part.start for part in model.link_parts.values()))
    for node, part in model.link_parts.items():
        name = f"{layout.graph.names[node]}_links"
        links[part] = model.start_values.get(name, links[part])
        given = model.held(name, links[part].shape)
        links[part] = np.where(np.isnan(given), links[part], given)
    return model.with_links(tables, links)


def start_of_numbers(model: Any, block: Block, rng: np.random.Generator, attempt: int) -> ConditionalGaussianParams:
    """Tables and regressions for start number ``attempt``; given starting values win.

    Hidden nodes are first guessed, as clusters of the numbers below them, or at random; then every family is fitted to the rows in
    which it is observed, together with one row's worth of what is true of all configurations.
    """
    weights = np.ones(block.n) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
    codes, z = model.cells(block.x, weights)
    for node in model.hidden:
        below = [model.linear.place[child] for child in model.graph.children[node] if not model.cards[child]]
        points = np.where(np.isnan(z[:, below]), 0.0, z[:, below]) if below else None
        kind = ("kmeans", "k-means++", "random_from_data", "random")[attempt % 4] if below else "random"
        try:
            guess = seed_labels(points, len(z), weights, model.cards[node], rng, kind)
        except DataError:  # there are fewer distinct rows than states
            guess = seed_labels(None, len(z), weights, model.cards[node], rng, "random")
        codes[:, node] = guess.argmax(axis=1)
    scanner = Scanner(model.tables.layout)
    scanner.add(np.ascontiguousarray(codes[:, list(model.discrete)]), weights)
    tables = start(model.tables, scanner.counts, rng, 2 * attempt, ())
    linear, units = model.linear, model.known_units
    coefficients, variances = [], []
    for g in range(len(linear.nodes)):
        b, v = _cases(linear, g, codes, z, weights)
        if attempt:
            b[:, 0] += _JITTER * np.sqrt(v) * rng.standard_normal(len(v))
        natural = units.natural(linear, g, b, v)
        coefficients.append(natural[0])
        variances.append(natural[1])
    params = ConditionalGaussianParams(tables, linear.joined(coefficients), linear.joined(variances))
    values = {**model.own(params), **{name: np.asarray(value) for name, value in model.start_values.items()}}
    made: ConditionalGaussianParams = model.made(params, values, {"tables": tables})
    return made


def _cases(linear: Any, g: int, codes: np.ndarray, z: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Regressions of a family on the rows in which it is observed, in standard units."""
    which = linear.configurations(g, codes)
    seen = ~np.isnan(z[:, [*linear.continuous[g], g]]).any(axis=1) & (weights > 0)
    seen &= (codes[:, list(linear.discrete[g])] >= 0).all(axis=1)
    design = np.column_stack([np.ones(int(seen.sum())), z[np.ix_(seen, [*linear.continuous[g], g])]])
    width, many, w = design.shape[1], linear.many[g], weights[seen]
    moments = np.zeros((many, width, width))
    for c in range(many):
        own = which[seen] == c
        moments[c] = (design[own] * w[own][:, None]).T @ design[own]
    whole, total = moments.sum(axis=0), float(w.sum())
    column = z[~np.isnan(z[:, g]) & (weights > 0), g]
    alone = np.eye(width)  # uncorrelated, of the column's own spread
    alone[-1, -1] = max(float(np.var(column)), 1e-6) if len(column) else 1.0
    moments = moments + (whole + alone) / (total + 1.0)
    inverse = np.linalg.pinv(moments[:, :-1, :-1], rcond=1e-9, hermitian=True)
    b = np.einsum("cij,cj->ci", inverse, moments[:, :-1, -1])
    left = moments[:, -1, -1] - np.einsum("ci,ci->c", b, moments[:, :-1, -1])
    return b, np.maximum(left / moments[:, 0, 0], 1e-3 * alone[-1, -1])
