"""Posteriors, most probable states, draws, surgery and impossible rows against enumeration."""

from itertools import product

import numpy as np
import pytest

from emkit import DataError, ParameterError
from emkit.models.bayesnet.drawing import drawn, sampled_given
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.impossible import ImpossibleRowError, impossible
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.most_probable import most_probable
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.posterior import log_probability, node_posteriors, posterior
from emkit.models.bayesnet.surgery import do
from models.bayesnet.small_networks import completions, probability, random_layout, random_rows, random_tables


def network(seed, most=7, zeros=None):
    """A random network, every third with tied tables, every second with zeros; and rows that it can produce."""
    rng = np.random.default_rng(seed)
    layout = random_layout(rng, most=most, tied=seed % 3 == 0)
    tables = random_tables(layout, rng, (0.2 if seed % 2 else 0.0) if zeros is None else zeros)
    groups = [tuple(n for n in range(len(layout.graph)) if layout.shared[n] == first) for first in layout.owners]
    model = BayesNet(layout.graph, layout.cards, tied=tuple(group for group in groups if len(group) > 1))
    return model, BayesNetParams(tables), random_rows(layout, tables, 12, rng), rng


def every(model, params, row, soft=None):
    """Each completion of a row, and its probability times the likelihoods of soft evidence."""
    found = []
    for states in completions(model.layout, row):
        value = probability(model.layout, params.tables, states)
        for node, likelihoods in (soft or {}).items():
            value *= likelihoods[states[node]]
        found.append((states, value))
    return found


def joint(model, found, targets):
    """The posterior of some nodes from all completions."""
    table = np.zeros([model.cards[t] for t in targets])
    for states, value in found:
        table[tuple(states[t] for t in targets)] += value
    return table / table.sum()


def soft_evidence(model, rng):
    """Likelihoods, some of them 0, of up to two nodes."""
    nodes = rng.choice(len(model.graph), min(2, len(model.graph)), replace=False)
    return {int(node): rng.random(model.cards[node]) * 3 + 0.1 for node in nodes}


@pytest.mark.parametrize("seed", range(40))
def test_posteriors_of_nodes_are_those_of_enumeration(seed):
    model, params, codes, rng = network(seed)
    codes[0] = -1
    found = node_posteriors(model, params, codes)
    some = [int(node) for node in rng.choice(len(model.graph), 2, replace=False)]
    fewer = node_posteriors(model, params, codes, some)
    for i, row in enumerate(codes):
        whole = every(model, params, row)
        for node, values in enumerate(found):
            np.testing.assert_allclose(values[i], joint(model, whole, [node]), rtol=1e-10, atol=1e-13)
        for node, values in zip(some, fewer, strict=True):
            np.testing.assert_allclose(values[i], found[node][i], rtol=1e-10, atol=1e-13)
        assert log_probability(model, params, codes)[i] == pytest.approx(np.log(sum(p for _, p in whole)), rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_joint_posteriors_are_those_of_enumeration(seed):
    model, params, codes, rng = network(seed)
    soft = soft_evidence(model, rng) if seed % 2 else None
    targets = [int(t) for t in rng.choice(len(model.graph), min(3, len(model.graph)), replace=False)]
    for row in codes[:6]:
        whole = every(model, params, row, soft)
        np.testing.assert_allclose(
            posterior(model, params, row, targets, soft), joint(model, whole, targets), rtol=1e-10, atol=1e-13
        )
        expected = np.log(sum(p for _, p in whole))
        assert log_probability(model, params, row[None], soft)[0] == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_most_probable_rows_are_those_of_enumeration(seed):
    model, params, codes, rng = network(seed)
    soft = soft_evidence(model, rng) if seed % 2 else None
    filled, logs = most_probable(model, params, codes, soft)
    np.testing.assert_array_equal(filled[codes >= 0], codes[codes >= 0])
    for row, best, value in zip(codes, filled, logs, strict=True):
        whole = dict(every(model, params, row, soft))
        assert value == pytest.approx(np.log(max(whole.values())), rel=1e-10, abs=1e-12)
        assert whole[tuple(best.tolist())] == pytest.approx(max(whole.values()), rel=1e-10)


def test_ties_go_to_the_first_state():
    model = BayesNet(Graph.of_edges("abc", [("a", "b"), ("b", "c")]), (3, 3, 3))
    params = BayesNetParams(np.full(model.layout.total, 1 / 3))
    filled, logs = most_probable(model, params, np.array([[-1, -1, -1], [-1, 2, -1]]))
    np.testing.assert_array_equal(filled, [[0, 0, 0], [0, 2, 0]])
    np.testing.assert_allclose(logs, -3 * np.log(3))


@pytest.mark.parametrize("seed", range(6))
def test_draws_have_the_joint_distribution_that_enumeration_has(seed):
    model, params, codes, rng = network(seed, most=5)
    soft = soft_evidence(model, rng) if seed % 2 else None
    times = 20_000
    many = drawn(model, params, codes[:3], rng, times, soft)
    assert many.shape == (times, 3, len(model.graph))
    for i, row in enumerate(codes[:3]):
        whole = dict(every(model, params, row, soft))
        z = sum(whole.values())
        states, counts = np.unique(many[:, i], axis=0, return_counts=True)
        chi2 = cells = 0.0
        for state, count in zip(states, counts, strict=True):
            expected = times * whole[tuple(state.tolist())] / z  # a completion of probability 0 is a KeyError or divides by 0
            assert expected > 0
            chi2 += (count - expected) ** 2 / expected
            cells += 1
        assert chi2 < cells + 6 * np.sqrt(2 * cells)


def test_draws_repeat_and_equal_rows_get_draws_of_their_own():
    model, params, _, _ = network(2)
    rows = np.full((50, len(model.graph)), -1)
    one, two = (drawn(model, params, rows, np.random.default_rng(7), 2) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert len(np.unique(one.reshape(100, -1), axis=0)) > 1


def test_samples_given_evidence_agree_with_posteriors_of_nodes():
    model, params, codes, rng = network(4)
    many = sampled_given(model, params, 40_000, codes[1], rng)
    for node, values in enumerate(node_posteriors(model, params, codes[1:2])):
        shares = np.bincount(many[:, node], minlength=model.cards[node]) / 40_000
        np.testing.assert_allclose(shares, values[0], atol=0.015)


@pytest.mark.parametrize("seed", range(20))
def test_a_network_in_which_nodes_are_set_has_the_truncated_product(seed):
    model, params, _, rng = network(seed)
    nodes = [int(node) for node in rng.choice(len(model.graph), 2, replace=False)]
    states = {node: int(rng.integers(model.cards[node])) for node in nodes}
    cut, tables = do(model, params, states)
    assert cut.graph.names == model.graph.names
    assert all(cut.graph.parents[node] == () for node in nodes)
    for complete in product(*map(range, model.cards)):
        value = 1.0
        for node, parents in enumerate(model.graph.parents):
            if node in states:
                value *= complete[node] == states[node]
            else:
                value *= model.layout.table(params.tables, node)[(*(complete[p] for p in parents), complete[node])]
        assert np.exp(log_probability(cut, tables, np.array([complete])))[0] == pytest.approx(value, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("seed", range(40))
def test_impossible_rows_are_found_with_the_fewest_nodes_that_explain_them(seed):
    model, params, _, rng = network(seed, zeros=0.4)
    codes = np.stack([rng.integers(card, size=15) for card in model.cards], axis=1)
    codes[rng.random(codes.shape) < 0.4] = -1
    found = impossible(model, params, codes)
    possible = [sum(p for _, p in every(model, params, row)) > 0 for row in codes]
    if found is None:
        assert all(possible)
        return
    row, names = found
    assert not possible[row]
    assert all(possible[:row])
    nodes = [model.graph.names.index(name) for name in names]
    alone = np.full(len(model.graph), -1)
    alone[nodes] = codes[row, nodes]
    assert sum(p for _, p in every(model, params, alone)) == 0
    for node in nodes:
        fewer = alone.copy()
        fewer[node] = -1
        assert sum(p for _, p in every(model, params, fewer)) > 0


def collider():
    """Cause and effect that agree for certain, and a bystander."""
    model = BayesNet(Graph.of_edges(["rain", "wet", "mood"], [("rain", "wet")]), (2, 2, 2))
    return model, BayesNetParams(np.array([0.5, 0.5, 1.0, 0.0, 0.0, 1.0, 0.3, 0.7]))


def test_evidence_of_probability_zero_is_refused_by_name():
    model, params = collider()
    said = r"the evidence has probability zero: the tables rule out 'rain' in state 0 and 'wet' in state 1 together"
    with pytest.raises(ImpossibleRowError, match=said) as caught:
        posterior(model, params, np.array([0, 1, -1]), [2])
    assert caught.value.states == {"rain": 0, "wet": 1}
    rows = np.array([[0, 0, 1], [1, 0, -1]])
    with pytest.raises(DataError, match="row 1 has probability zero"):
        node_posteriors(model, params, rows)
    with pytest.raises(DataError, match="row 1 has probability zero"):
        most_probable(model, params, rows)
    with pytest.raises(DataError, match="row 1 has probability zero"):
        drawn(model, params, rows, np.random.default_rng(0))


def test_questions_that_cannot_be_asked_are_refused():
    model, params = collider()
    row = np.full(3, -1)
    with pytest.raises(ParameterError, match="'wet' is asked for twice"):
        posterior(model, params, row, [1, 1])
    with pytest.raises(ParameterError, match=r"soft evidence on 'wet'.*2 states"):
        posterior(model, params, row, [0], {1: np.array([0.5, -0.5])})
    with pytest.raises(ParameterError, match="do: node 'rain' has the states 0 to 1"):
        do(model, params, {0: 2})
    with pytest.raises(DataError, match=r"node 'mood' has the states 0 to 1.*row 0 has 5"):
        node_posteriors(model, params, np.array([[0, 0, 5]]))
    with pytest.raises(DataError, match="rows of 3"):
        node_posteriors(model, params, np.array([[0, 0]]))
    small = BayesNet(model.graph, model.cards, max_table=3)
    with pytest.raises(ParameterError, match=r"joint table.*4 cells; max_table"):
        posterior(small, params, row, [0, 1])
    with pytest.raises(ParameterError, match=r"'rain', 'wet' depend on each other.*max_table"):
        most_probable(small, params, row[None])


def test_no_rows_have_no_answers():
    model, params, _, rng = network(1)
    none = np.zeros((0, len(model.graph)), np.int32)
    assert [values.shape for values in node_posteriors(model, params, none)] == [(0, card) for card in model.cards]
    assert most_probable(model, params, none)[0].shape == none.shape
    assert drawn(model, params, none, rng, 2).shape == (2, *none.shape)
    assert impossible(model, params, none) is None


def test_what_has_no_bearing_on_the_question_is_left_out():
    parents = tuple(range(12))
    wide = BayesNet(Graph((*(f"p{i}" for i in range(12)), "child"), (*((),) * 12, parents)), (3,) * 12 + (2,), max_table=1000)
    rng = np.random.default_rng(0)
    params = BayesNetParams(random_tables(wide.layout, rng))
    rows = np.full((2, 13), -1)
    assert node_posteriors(wide, params, rows, [3])[0].shape == (2, 3)
    assert drawn(wide, params, rows, rng).min() == 0
    with pytest.raises(ParameterError, match="max_table"):
        node_posteriors(wide, params, rows)


def test_a_cause_of_five_hundred_signs_does_not_underflow():
    rng = np.random.default_rng(3)
    n = 500
    model = BayesNet(Graph(("h", *(f"x{i}" for i in range(n))), ((), *((0,),) * n)), (2, *(4,) * n))
    params = BayesNetParams(random_tables(model.layout, rng))
    row = np.concatenate([[-1], rng.integers(4, size=n)])
    given = [np.log(model.layout.table(params.tables, 0)[h]) for h in range(2)]
    for node in range(1, n + 1):
        given += np.log(model.layout.table(params.tables, node)[:, row[node]])
    expected = np.logaddexp(*given)
    assert expected < -750  # exp of it is 0
    assert log_probability(model, params, row[None])[0] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(node_posteriors(model, params, row[None], [0])[0][0], np.exp(given - expected), rtol=1e-8)
    assert most_probable(model, params, row[None])[0][0, 0] == np.argmax(given)


def test_tapes_that_outgrow_their_room_are_laid_out_in_more():
    model = BayesNet(Graph((*(f"p{i}" for i in range(10)), "child"), (*((),) * 10, tuple(range(10)))), (3,) * 10 + (2,))
    params = BayesNetParams(random_tables(model.layout, np.random.default_rng(0)))
    row = np.full((3, 11), -1)
    row[:, 10] = 1
    row[0, 3] = row[1, 5] = 0  # three shapes, of 20,000 and 59,000 cells
    whole = model.layout.table(params.tables, 10)[..., 1]
    for parent in range(10):
        whole = whole * params.tables[3 * parent : 3 * parent + 3].reshape([-1 if i == parent else 1 for i in range(10)])
    np.testing.assert_allclose(
        np.exp(log_probability(model, params, row)), [whole[:, :, :, 0].sum(), whole[:, :, :, :, :, 0].sum(), whole.sum()]
    )
    np.testing.assert_allclose(posterior(model, params, row[2], [4, 1]), whole.sum(axis=(0, 2, 3, 5, 6, 7, 8, 9)).T / whole.sum())
