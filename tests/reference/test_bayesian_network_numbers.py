"""Traces of EM for networks with holes and hidden nodes, made by two other programs and by enumeration."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from emkit import ArraySource, Dirichlet
from emkit.algorithms.em import EM
from emkit.core.fit import Problem, iterate
from emkit.execute.threads import Threads
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams
from support.datasets import FOLDER

HERE = Path(__file__).parent / "bayesnet"  # asia200.csv, which a page of the documentation reads too, is with the other tables
TRACES = {False: "barren_nodes_not_counted", True: "all_families_counted"}


def network(nodes, **settings):
    """The graph with its hidden nodes, and the names of the columns."""
    names = list(nodes)
    parents = tuple(tuple(names.index(p) for p in nodes[name]["parents"]) for name in names)
    hidden = tuple(i for i, name in enumerate(names) if nodes[name].get("hidden"))
    cards = tuple(len(nodes[name]["states"]) for name in names)
    return BayesNet(Graph(tuple(names), parents), cards, hidden, **settings)


def rows(path, nodes):
    """The rows as numbers of states, in the order of the nodes that are not hidden, and their weights."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
        table = list(csv.DictReader(file))
    seen = [name for name, node in nodes.items() if not node.get("hidden")]
    x = [[nodes[n]["states"].index(row[n]) if row[n] != "" else np.nan for n in seen] for row in table]
    weights = np.array([float(row["weight"]) for row in table]) if "weight" in table[0] else None
    return np.array(x, dtype=float), weights


def tilt(layout):
    """P(state k | configuration j) proportional to 1 + ((k + j) mod card)."""
    tables = []
    for node in layout.owners:
        card = layout.cards[node]
        j, k = np.indices((int(layout.sizes[node]) // card, card))
        table = 1.0 + (k + j) % card
        tables.append(table / table.sum(axis=1, keepdims=True))
    return BayesNetParams(layout.flat(tables))


def trace(model, source, start, updates):
    model = model.resolve(source)
    problem = Problem(model, model.prepared(source), Threads(1))
    found = []
    for step in iterate(problem, EM(), start):
        found.append(step)
        if step.iteration == updates:
            return found


@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize(
    "name",
    ["sprinkler8", "sprinkler8_fixed", "sprinkler8_map", "sprinkler8_weighted", "hidden_middle120", "two_hidden150", "asia200"],
)
def test_small_networks_follow_the_trace(name, everything):
    said = json.loads((HERE / f"{name}.json").read_text())
    x, weights = rows((FOLDER if name == "asia200" else HERE) / f"{name}.csv", said["nodes"])
    model = network(said["nodes"], everything=everything, prior=Dirichlet(2.0) if name.endswith("map") else None)
    start = tilt(model.layout)
    if name.endswith("fixed"):
        node = model.graph.names.index("Wet")
        held = {"Wet": model.layout.table(start.tables, node)}
        model = network(said["nodes"], everything=everything, fixed=held)
    expected = said[TRACES[everything]]
    steps = trace(model, ArraySource(x, weights), start, max(map(int, expected["objective_after_updates"])))
    for update, value in expected["objective_after_updates"].items():
        assert steps[int(update)].objective == pytest.approx(value, abs=1e-8)
    for name, node in expected["params_after_last"].items():
        found = model.layout.table(steps[-1].params.tables, model.graph.names.index(name))
        np.testing.assert_allclose(found, node["table"], atol=1e-9)


@pytest.mark.parametrize("everything", [False, True])
def test_alarm_with_a_fifth_of_its_cells_missing_follows_the_trace(everything):
    nodes = json.loads((HERE / "alarm_graph.json").read_text())
    said = json.loads((HERE / "alarm1000.json").read_text())[TRACES[everything]]
    x, _ = rows(HERE / "alarm1000.csv.gz", nodes)
    model = network(nodes, everything=everything)
    ones = np.ones(model.layout.total)
    uniform = BayesNetParams(ones / model.layout.sums(ones)[model.layout.row_of])
    steps = trace(model, ArraySource(x), uniform, 10)
    for update, value in said["log_likelihood_after_updates"].items():
        assert steps[int(update)].log_likelihood == pytest.approx(value, abs=2e-6)


def test_a_hidden_root_with_two_children_by_hand():
    """MIT 6.825, lecture 18: hidden root H, children A and B."""
    x = np.array([[0, 0]] * 6 + [[1, 1]] * 4 + [[0, 1]] + [[1, 0]], dtype=float)
    model = BayesNet(Graph(("H", "A", "B"), ((), (0,), (0,))), (2, 2, 2), (0,))
    start = BayesNetParams(np.array([0.6, 0.4, 0.39, 0.61, 0.45, 0.55, 0.48, 0.52, 0.57, 0.43]))
    steps = trace(model, ArraySource(x), start, 2000)
    for step, value in zip(steps, (-17.061552, -16.187528, -16.008448), strict=False):
        assert step.log_likelihood == pytest.approx(value, abs=1e-6)
    after = steps[16].params.tables
    expected = [0.4831506309876892, 0.16999377694907378, 0.9697230233524186, 0.16996309206255378, 0.9697517075748878]
    np.testing.assert_allclose(after[[0, 2, 4, 6, 8]], expected, rtol=1e-12)
    assert steps[-1].log_likelihood == pytest.approx(-13.523145537608, abs=1e-10)
