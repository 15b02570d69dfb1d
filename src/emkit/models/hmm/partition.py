"""A first guess at the states of all steps, which starting values are made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emkit.core.bayes import informed
from emkit.core.block import Source
from emkit.core.errors import DataError
from emkit.core.family import Family
from emkit.core.seeding import seed_labels


@dataclass(frozen=True)
class Partition:
    """Steps ``x`` (n, d), the sequences' ``lengths`` (S,), and ``weighted``, the guess times the steps' weights, (n, K)."""

    x: np.ndarray
    lengths: np.ndarray
    weighted: np.ndarray


def first_partition(family: Family, k: int, source: Source, rng: np.random.Generator, kind: str) -> Partition:
    """Seeded as ``kind`` says (see ``emkit.core.seeding``); what is known of the states counts."""
    return first_partitions(family, k, source, [rng], [kind])[0]


def first_partitions(
    family: Family, k: int, source: Source, rngs: Sequence[np.random.Generator], kinds: Sequence[str]
) -> list[Partition]:
    """Several."""
    block = source.joined()
    x, lengths = np.asarray(block.x), np.asarray(block.lengths)
    row_weights = block.row_weights
    step_weights = np.ones(block.n) if row_weights is None else row_weights
    points, found = family.embed(x), []
    for rng, kind in zip(rngs, kinds, strict=True):
        try:
            resp = seed_labels(points, len(x), step_weights, k, rng, kind)
        except DataError:  # fewer distinct values than states, as symbols often have: states may still differ in where they go
            resp = seed_labels(None, len(x), None, k, rng, "random")
        found.append(Partition(x, lengths, informed(resp, block.labels, step_weights)))
    return found
