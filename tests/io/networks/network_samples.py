"""Networks and formats for these tests."""

from pathlib import Path

import numpy as np

from emkit.io.networks import Network
from emkit.io.networks.dispatch import FORMATS

ASIA = Path(__file__).parent / "asia.bif"
EVERY_FORMAT = sorted(FORMATS)

AWKWARD = [
    "plain", "two words", " lead", "trail ", 'say "no"', "back\\slash", "a\\nb", "line\nbreak", "\t", "für", "日本", "😀", "a,b",
    "(x)", "{y}", "a|b", "a;b", "#", "//", "/*", "*/", "a//b", "%", "#x", "node", "net", "variable", "table", "default", "unknown",
    "Network", "emkit", "0", "1.5", "-", "a=b", "<t>", "&amp;", "\x00", "\ud800", "\r\n", "\u2028", "\xa0", ">=7.5", "<7.5", "x_",
    "label", "states", "x  y", "[1,2)", "\ufeff", "A" * 100,
]  # fmt: skip


def random_network(seed: int, names: list[str] = AWKWARD) -> Network:
    """Up to six nodes with names, states and properties drawn from a list; parents come before and after their children."""
    rng = np.random.default_rng(seed)

    def drawn(n: int) -> tuple[str, ...]:
        return tuple(names[i] for i in rng.choice(len(names), n, replace=False))

    n = int(rng.integers(1, 7))
    nodes, rank = drawn(n), rng.permutation(n)
    states = tuple(drawn(int(rng.integers(1, 5))) for _ in nodes)
    above = [[nodes[j] for j in rng.permutation(n) if rank[j] < rank[i]][:3] for i in range(n)]
    parents = tuple(map(tuple, above))
    cards = dict(zip(nodes, map(len, states), strict=True))
    tables = tuple(rng.dirichlet(np.ones(cards[c]), size=[cards[p] for p in ps]) for c, ps in zip(nodes, parents, strict=True))

    def said() -> dict[str, str]:
        return {key: names[rng.integers(len(names))] for key in drawn(int(rng.integers(0, 3)))}

    return Network(nodes, states, parents, tables, {node: said() for node in nodes}, drawn(1)[0], said())


def two_nodes() -> Network:
    """Rain and wet grass."""
    rain, wet = np.array([0.2, 0.8]), np.array([[0.9, 0.1], [0.3, 0.7]])
    return Network(("rain", "wet"), (("yes", "no"), ("y", "n")), ((), ("rain",)), (rain, wet))
