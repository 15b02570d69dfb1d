"""The waste incinerator, a network of three discrete and six Gaussian nodes, and what is printed of it.

Lauritzen (1992), Propagation of probabilities, means, and variances in mixed graphical association models, JASA 87, 1098-1108.
"""

import numpy as np
import pytest

from emkit import BayesianNetwork, ParameterError

STATES = {"F": ["intact", "defect"], "B": ["stable", "unstable"], "W": ["industrial", "household"]}
PARENTS = {"E": ["F", "W"], "D": ["B", "W", "E"], "C": ["B"], "L": ["D"], "Min": ["W"], "Mout": ["D", "Min"]}
TABLES = {
    "F": [0.95, 0.05],
    "B": [0.85, 0.15],
    "W": [2 / 7, 5 / 7],
    "E": {"intercept": [[-3.9, -3.2], [-0.4, -0.5]], "variance": [[2e-5, 2e-5], [1e-4, 1e-4]]},
    "D": {"intercept": [[6.5, 6.0], [7.5, 7.0]], "coefficients": np.ones((2, 2, 1)), "variance": [[0.03, 0.04], [0.1, 0.1]]},
    "C": {"intercept": [-2.0, -1.0], "variance": [0.1, 0.3]},
    "L": {"intercept": 3.0, "coefficients": [-0.5], "variance": 0.25},
    "Min": {"intercept": [0.5, -0.5], "variance": [0.01, 0.005]},
    "Mout": {"intercept": 0.0, "coefficients": [1.0, 1.0], "variance": 0.002},
}
NAMES = list(TABLES)


@pytest.fixture(scope="module")
def plant():
    return BayesianNetwork.from_tables(NAMES, STATES, PARENTS, TABLES, random_state=0)


PRINTED = {
    "E": (-3.25, 0.709),
    "D": (3.04, 0.770),
    "C": (-1.85, 0.507),
    "L": (1.48, 0.631),
    "Min": (-0.214, 0.459),
    "Mout": (2.83, 0.860),
}


@pytest.mark.parametrize("node", PRINTED)
def test_what_is_printed_before_anything_is_seen(plant, node):
    mean, sd = PRINTED[node]
    found = plant.query(node)
    assert found.mean == pytest.approx(mean, abs=0.006) and found.sd == pytest.approx(sd, abs=0.001)


def test_what_is_seen_changes_as_bayes_rule_has_it(plant):
    """Against a million samples, weighted by the density of what is seen: light penetrates by 1.1, carbon dioxide is at -.9."""
    rng = np.random.default_rng(0)
    n = 1_000_000
    b, f = (rng.random(n) < 0.15).astype(int), (rng.random(n) < 0.05).astype(int)
    e = rng.normal(np.array([-3.9, -0.4])[f], np.sqrt([2e-5, 1e-4])[f])
    d = rng.normal(np.array([6.5, 7.5])[b] + e, np.sqrt([0.03, 0.1])[b])
    weight = np.exp(-((1.1 - 3 + d / 2) ** 2) / 0.5 - (-0.9 - np.array([-2.0, -1.0])[b]) ** 2 / (2 * np.array([0.1, 0.3])[b]))
    weight /= np.sqrt(np.array([0.1, 0.3])[b])
    weight /= weight.sum()
    seen = {"W": "industrial", "L": 1.1, "C": -0.9}
    assert plant.query("B", seen)["unstable"] == pytest.approx(weight @ b, abs=2e-3)
    assert plant.query("F", seen)["defect"] == pytest.approx(weight @ f, abs=1e-3)
    assert plant.query("D", seen).mean == pytest.approx(weight @ d, abs=5e-3)
    assert plant.query("E", seen).sd == pytest.approx(np.sqrt(weight @ (e - weight @ e) ** 2), abs=5e-3)


def test_tables_that_lack_something_are_refused():
    with pytest.raises(ParameterError, match="there is none for 'L_coefficients'"):
        BayesianNetwork.from_tables(NAMES, STATES, PARENTS, {**TABLES, "L": {"intercept": 3.0, "variance": 0.25}})
    with pytest.raises(ParameterError, match="states: there are none of node 'L'"):
        BayesianNetwork.from_tables(NAMES, STATES, PARENTS, {**TABLES, "L": [0.5, 0.5]})
