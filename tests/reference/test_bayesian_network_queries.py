"""Questions to the Asia and sprinkler networks: answers from the literature and by enumeration."""

import json
from pathlib import Path

import numpy as np
import pytest

from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.most_probable import most_probable
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.posterior import log_probability, node_posteriors, posterior
from emkit.models.bayesnet.surgery import do

QUERIES = json.loads((Path(__file__).parent / "bayesnet" / "queries.json").read_text())
NAMES = ("asia", "tub", "smoke", "lung", "bronc", "either", "xray", "dysp")
STATES = ("yes", "no")


def asia():
    """Lauritzen and Spiegelhalter (1988), Local computations with probabilities on graphical structures, JRSS B 50, 157-224."""
    parents = ((), (0,), (), (2,), (2,), (3, 1), (5,), (4, 5))
    yes = ([0.01], [0.05, 0.01], [0.5], [0.1, 0.01], [0.6, 0.3], [1, 1, 1, 0], [0.98, 0.05], [0.9, 0.8, 0.7, 0.1])
    model = BayesNet(Graph(NAMES, parents), (2,) * 8)
    flat = np.concatenate([np.asarray(column, dtype=float) for column in yes])
    return model, BayesNetParams(np.stack([flat, 1 - flat], axis=1).ravel())


def numbers(named):
    """State numbers by node, in a row."""
    row = np.full(len(NAMES), -1)
    for name, state in named.items():
        row[NAMES.index(name)] = STATES.index(state)
    return row


def check_posteriors(model, params, row, expected):
    """Both ways of asking, against P(state) by name."""
    found = node_posteriors(model, params, row[None])
    for name, values in expected.items():
        node = NAMES.index(name)
        np.testing.assert_allclose(found[node][0], [values[state] for state in STATES], atol=1e-10)
        np.testing.assert_allclose(posterior(model, params, row, [node]), found[node][0], atol=1e-12)


@pytest.mark.parametrize("query", QUERIES["asia"], ids=lambda query: ",".join(query["evidence"]) or "nothing")
def test_asia_given(query):
    model, params = asia()
    row = numbers(query["evidence"])
    assert np.exp(log_probability(model, params, row[None])[0]) == pytest.approx(query["probability_of_evidence"], abs=1e-12)
    check_posteriors(model, params, row, query["posterior"])
    best, logs = most_probable(model, params, row[None])
    assert np.exp(logs[0]) == pytest.approx(query["joint_probability_of_it"], abs=1e-12)
    np.testing.assert_array_equal(best[0], numbers(query["most_probable"]))


def test_asia_in_which_bronchitis_is_set():
    model, params = do(*asia(), {NAMES.index("bronc"): 0})
    check_posteriors(model, params, numbers(QUERIES["asia_do"]["do"]), QUERIES["asia_do"]["posterior"])


def test_the_sprinkler_is_explained_away_by_rain():
    """Murphy (1998), A brief introduction to graphical models and Bayesian networks."""
    model = BayesNet(Graph(("C", "S", "R", "W"), ((), (0,), (0,), (1, 2))), (2,) * 4)
    tables = ([0.5, 0.5], [0.5, 0.5, 0.9, 0.1], [0.8, 0.2, 0.2, 0.8], [1, 0, 0.1, 0.9, 0.1, 0.9, 0.01, 0.99])
    params = BayesNetParams(np.concatenate([np.asarray(table, dtype=float) for table in tables]))
    assert posterior(model, params, np.array([-1, -1, -1, 1]), [1])[1] == pytest.approx(0.4298, abs=5e-5)
    assert posterior(model, params, np.array([-1, -1, 1, 1]), [1])[1] == pytest.approx(0.1945, abs=5e-5)
