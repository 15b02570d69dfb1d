"""Starting values of tables: what rows say in which a whole family is observed, jittered; random tables where a node is hidden."""

from typing import Any

import numpy as np

from emkit.models.bayesnet.params import BayesNetParams

_JITTER = 0.2


def start(model: Any, cases: np.ndarray | None, rng: np.random.Generator, attempt: int) -> BayesNetParams:
    """Tables for start number ``attempt``; given starting values and what is held win.

    ``cases``: weights of the rows in which a whole family is observed, by its states, (T,); None where there are no data.

    Families with a hidden node are drawn at random: equal tables would be a saddle, which EM never leaves.
    """
    layout, hidden = model.layout, set(model.hidden)
    drawn = rng.gamma(1.0, size=layout.total) + 1e-3
    if attempt % 2 == 0 and cases is not None:
        jitter = rng.gamma(1.0 / _JITTER, _JITTER, layout.total) if attempt else np.ones(layout.total)
        for node in layout.owners:
            family = {node, *layout.graph.parents[node]}
            if not family & hidden:
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
