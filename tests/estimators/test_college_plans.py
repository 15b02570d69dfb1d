"""Heckerman's college plans (1995, A tutorial on learning with Bayesian networks, section 11): the scores that he prints."""

import itertools
from math import lgamma
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emkit import BayesianNetwork, BDeu, ParameterError

DATA = Path(__file__).parents[1] / "support" / "data"
ORDER = [["sex", "ses"], ["iq", "encouragement"], ["plans"]]
APART = "sex->ses, ses->sex"


@pytest.fixture(scope="module")
def students():
    table = pd.read_csv(DATA / "college_plans.csv")
    assert table["students"].sum() == 10_318
    return table.drop(columns="students"), table["students"]


@pytest.fixture(scope="module")
def best(students):
    return BayesianNetwork.learn(*students, score=BDeu(5), tiers=ORDER, forbidden=APART, random_state=0)


def test_the_best_graph_has_the_published_marginal_likelihood(best, students):
    assert round(best.search_.score) == -45653
    exact = BayesianNetwork.learn(*students, score=BDeu(5), tiers=ORDER, forbidden=APART, method="exact", random_state=0)
    assert exact.search_.score == pytest.approx(best.search_.score, abs=1e-9)
    assert exact.distance(best) == 0
    assert ("encouragement", "iq", True) in best.arcs()


def test_the_second_best_graph_has_the_published_marginal_likelihood(students):
    """In it encouragement depends on intelligence, not the reverse."""
    second = BayesianNetwork.learn(
        *students, score=BDeu(5), tiers=ORDER, forbidden=f"{APART}, encouragement->iq", required="iq->encouragement", random_state=0
    )
    assert round(second.search_.score) == -45699


def test_the_hidden_node_of_two_states_has_the_published_score(students):
    begin = "H->ses, H->iq, encouragement->iq, sex->encouragement, ses->encouragement, ses->plans, iq->plans, encouragement->plans"
    settings = {"score": BDeu(5), "start": begin, "required": begin, "restarts": 0}
    two, again, three = (
        BayesianNetwork.learn(*students, latent={"H": k}, random_state=seed, **settings).search_.score
        for k, seed in ((2, 0), (2, 1), (3, 0))
    )
    assert two == pytest.approx(-45629, abs=1.0)  # an approximation, printed as a whole number
    assert again == pytest.approx(two, abs=0.1)
    assert three < two - 30


def test_a_hidden_node_is_proposed_where_all_are_joined(best, students):
    (proposal,) = best.propose_hidden(*students, states=(2, 3), most=1)
    assert proposal.group == ("ses", "iq", "encouragement", "plans") and proposal.gain > 50
    assert proposal.network.search_.score - best.search_.score == pytest.approx(proposal.gain)
    assert proposal.network.structure_.hidden == (0,) and proposal.network.latent == {"H": proposal.states}
    with pytest.raises(ParameterError, match="was learnt"):
        BayesianNetwork("ses->iq").fit(students[0]).propose_hidden(*students)


def test_score_of_a_prior_network_by_hand():
    """BDe of a -> b against the ratio of gamma functions, its prior the joint distribution of a network."""
    from emkit import BDe

    tables = {"a": [0.25, 0.75], "b": [[0.5, 0.5], [0.2, 0.8]]}
    states = {"a": ["n", "y"], "b": ["n", "y"]}
    prior = BayesianNetwork.from_tables(["a", "b"], states, {"b": ["a"]}, tables)
    rows = pd.DataFrame([("n", "n"), ("n", "y"), ("y", "y"), ("y", "y"), ("y", "n"), ("y", "y")], columns=["a", "b"])
    net = BayesianNetwork.learn(rows, score=BDe(prior, 8.0), required="a->b", states=states, random_state=0)
    alpha = 8 * np.array([[0.125, 0.125], [0.15, 0.6]])
    counts = np.array([[1, 1], [1, 3]])

    def rising(prior, n):
        ratios = [lgamma(a + k) - lgamma(a) for a, k in zip(prior, n, strict=True)]
        return lgamma(prior.sum()) - lgamma(prior.sum() + n.sum()) + sum(ratios)

    want = rising(alpha.sum(axis=1), counts.sum(axis=1)) + sum(itertools.starmap(rising, zip(alpha, counts, strict=True)))
    assert net.search_.score == pytest.approx(want, abs=1e-10)
