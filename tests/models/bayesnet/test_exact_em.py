"""Expected counts and likelihoods against enumeration; and what other models say where a network is one of them."""

import pickle

import numpy as np
import pytest

from emkit import ArraySource, Categorical, DataError, FiniteMixture, HiddenMarkov, ParameterError, SequenceSource, Threads, fit
from emkit.core.block import Block
from emkit.core.compiled import compiling
from emkit.models.bayesnet.enumerate import FlatPlan
from emkit.models.bayesnet.evidence import codes_of
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.plan import Plan
from emkit.models.bayesnet.scanning import Scanner
from models.bayesnet.small_networks import enumerated, random_layout, random_rows, random_tables


def holes(codes):
    return np.where(codes < 0, np.nan, codes.astype(np.float64))


@pytest.mark.parametrize("seed", range(40))
def test_counts_and_likelihood_are_those_of_enumeration(seed):
    rng = np.random.default_rng(seed)
    layout = random_layout(rng, tied=seed % 3 == 0)
    tables = random_tables(layout, rng, zeros=0.2 if seed % 4 == 0 else 0.0)
    codes = random_rows(layout, tables, 12, rng)
    weights, everything = rng.gamma(2.0, size=12), seed % 2 == 0
    tied = [tuple(n for n in range(len(layout.graph)) if layout.shared[n] == first) for first in layout.owners]
    model = BayesNet(layout.graph, layout.cards, tied=tuple(group for group in tied if len(group) > 1), everything=everything)
    stats, value = model.e_step(BayesNetParams(tables), Block(holes(codes), weights))
    counts, expected = enumerated(layout, tables, codes, weights, everything)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(stats.counts, counts, rtol=1e-10, atol=1e-12)
    each = model.infer(BayesNetParams(tables), Block(holes(codes)), "log_likelihood").log_likelihood
    assert each @ weights == pytest.approx(expected, rel=1e-12)


def test_a_network_without_anything_observed_has_log_likelihood_zero():
    layout = random_layout(np.random.default_rng(3))
    model = BayesNet(layout.graph, layout.cards, everything=True)
    tables = random_tables(layout, np.random.default_rng(4))
    x = np.full((3, len(layout.graph)), np.nan)
    assert model.e_step(BayesNetParams(tables), Block(x))[1] == pytest.approx(0.0, abs=1e-12)
    assert model.infer(BayesNetParams(tables), Block(x), "log_likelihood").log_likelihood == pytest.approx(0.0, abs=1e-12)


def test_complete_data_need_one_update_and_no_components():
    rng = np.random.default_rng(0)
    layout = random_layout(rng)
    codes = random_rows(layout, random_tables(layout, rng), 300, rng, missing=0.0)
    model, source = BayesNet(layout.graph, layout.cards), ArraySource(holes(codes))
    assert model.prepared(source).plan.n_components == 0
    result = fit(model, source, executor=Threads(1), rng=rng)
    assert len(result.starts) == 1
    for node, parents in enumerate(layout.graph.parents):
        table = layout.table(result.params.tables, node)
        for row in codes[:20]:
            same = (codes[:, list(parents)] == row[list(parents)]).all(axis=1)
            share = (codes[same, node] == row[node]).mean()
            assert table[(*row[list(parents)], row[node])] == pytest.approx(share, abs=1e-12)


def test_a_hidden_root_over_independent_leaves_is_a_mixture_iteration_by_iteration():
    rng = np.random.default_rng(1)
    x = rng.integers(3, size=(200, 4)).astype(float)
    x[rng.random(x.shape) < 0.1] = np.nan
    graph = Graph(("h", "a", "b", "c", "d"), ((), *[(0,)] * 4))
    net, mixture = BayesNet(graph, (2, 3, 3, 3, 3), (0,)), FiniteMixture(Categorical(n_categories=3), 2)
    source = ArraySource(x)
    mixture = mixture.resolve(source)
    theirs = mixture.init(source, rng)
    ours = BayesNetParams(np.concatenate([theirs.weights, theirs.components.probs.transpose(1, 0, 2).ravel()]))
    for _ in range(5):
        a, value = net.e_step(ours, Block(x))
        b, expected = mixture.e_step(theirs, Block(x, missing=True))
        assert value == pytest.approx(expected, rel=1e-12)
        ours, theirs = net.m_step(a, ours), mixture.m_step(b, theirs)
        np.testing.assert_allclose(ours.tables[:2], theirs.weights, rtol=1e-10)
        np.testing.assert_allclose(ours.tables[2:], theirs.components.probs.transpose(1, 0, 2).ravel(), rtol=1e-9, atol=1e-12)


def test_a_chain_with_tied_tables_is_a_hidden_markov_model_iteration_by_iteration():
    rng = np.random.default_rng(2)
    steps, x = 4, rng.integers(3, size=(30, 4)).astype(float)
    hidden, seen = range(steps), range(steps, 2 * steps)
    parents = ((), *((z - 1,) for z in hidden[1:]), *((z,) for z in hidden))
    graph = Graph((*(f"z{t}" for t in hidden), *(f"x{t}" for t in hidden)), parents)
    net = BayesNet(graph, (2,) * steps + (3,) * steps, tuple(hidden), tied=(tuple(hidden[1:]), tuple(seen)))
    source = SequenceSource(x.reshape(-1, 1), np.full(len(x), steps))
    chain = HiddenMarkov(Categorical(n_categories=3), 2).resolve(source)
    theirs = chain.init(source, rng)

    def as_tables(params):
        return np.concatenate([params.startprob, params.transmat.ravel(), params.emissions.probs[:, 0].ravel()])

    ours = BayesNetParams(as_tables(theirs))
    for _ in range(5):
        a, value = net.e_step(ours, Block(x))
        b, expected = chain.e_step(theirs, source.joined())
        assert value == pytest.approx(expected, rel=1e-12)
        ours, theirs = net.m_step(a, ours), chain.m_step(b, theirs)
        np.testing.assert_allclose(ours.tables, as_tables(theirs), rtol=1e-9, atol=1e-12)
    x[rng.random(x.shape) < 0.3] = np.nan  # with holes the likelihood is the same, but not what steps without symbols count for
    source = SequenceSource(x.reshape(-1, 1), np.full(len(x), steps))
    assert net.e_step(ours, Block(x))[1] == pytest.approx(chain.e_step(theirs, source.joined())[1], rel=1e-9)


def test_rows_cut_into_chunks_merge_into_the_same_plan():
    rng = np.random.default_rng(5)
    layout = random_layout(rng)
    tables = random_tables(layout, rng)
    codes, rank = random_rows(layout, tables, 400, rng), np.arange(len(layout.graph))
    plans = []
    for parts in (1, 7):
        scanner = Scanner(layout)
        for part in np.array_split(codes, parts):
            scanner.add(part)
        plans.append(Plan.of(scanner, rank))
    one, many = plans
    np.testing.assert_array_equal(one.mass, many.mass)
    np.testing.assert_array_equal(one.counts, many.counts)
    assert one.n_components < 400


@pytest.mark.parametrize("compiled", [True, False])
def test_pieces_travel_to_other_processes(compiled):
    rng = np.random.default_rng(8)
    layout = random_layout(rng)
    tables = BayesNetParams(random_tables(layout, rng))
    model = BayesNet(layout.graph, layout.cards)
    with compiling(compiled):
        source = model.prepared(ArraySource(holes(random_rows(layout, tables.tables, 80, rng))))
    here = [model.e_step(tables, block) for block in source]
    there = [model.e_step(tables, pickle.loads(pickle.dumps(part)).read()) for part in source.parts()]
    for (a, value), (b, expected) in zip(there, here, strict=True):
        assert value == expected
        np.testing.assert_array_equal(a.counts, b.counts)


def test_pools_grow_without_losing_anything():
    rng = np.random.default_rng(6)
    graph = Graph(tuple(f"n{i}" for i in range(12)), tuple((i - 1,) if i else () for i in range(12)))
    model = BayesNet(graph, (3,) * 12)
    tables = random_tables(model.layout, rng)
    codes = random_rows(model.layout, tables, 4000, rng, missing=0.5)
    scanner = Scanner(model.layout)
    rows, which = scanner.add(codes, pairs=True)
    assert scanner.sizes[1] > 300  # more than a pool has room for at first
    assert len(scanner.components.hashes) > len(Scanner(model.layout).components.hashes)
    assert scanner.mass[: scanner.sizes[1]].sum() == len(rows) == len(which)
    counts = np.bincount(which, minlength=scanner.sizes[1])
    np.testing.assert_array_equal(counts, scanner.mass[: scanner.sizes[1]])
    some = rng.choice(4000, 5, replace=False)
    each = model.infer(BayesNetParams(tables), Block(holes(codes)), "log_likelihood").log_likelihood
    for row in some:
        alone = model.infer(BayesNetParams(tables), Block(holes(codes[row : row + 1])), "log_likelihood").log_likelihood
        assert alone[0] == pytest.approx(each[row], rel=1e-12)


def test_a_component_that_is_too_large_is_refused_before_it_is_made():
    parents = tuple(() for _ in range(30))
    graph = Graph((*(f"p{i}" for i in range(30)), "child"), (*parents, ()))
    wide = Graph(graph.names, (*parents, tuple(range(10))))
    model = BayesNet(wide, (3,) * 31, max_table=1000)
    x = np.full((2, 31), np.nan)
    x[:, 30] = 1
    with pytest.raises(ParameterError, match=r"'p0', 'p1'.*cells.*max_table"):
        model.prepared(ArraySource(x, checked=True))


def test_a_state_that_there_is_not_is_named():
    model = BayesNet(Graph.of_edges("ab", [("a", "b")]), (2, 2))
    with pytest.raises(DataError, match=r"column 1 row 1 is 2; node 'b' has the states 0 to 1"):
        model.resolve(ArraySource(np.array([[0.0, 1.0], [1.0, 2.0]])))


def test_codes_leave_hidden_nodes_missing():
    np.testing.assert_array_equal(codes_of(np.array([[1.0, np.nan]]), (-1, 0, 1)), [[-1, 1, -1]])


@pytest.mark.parametrize("seed", range(12))
def test_the_compiled_code_and_its_twin_say_the_same(seed):
    rng = np.random.default_rng([seed, 9])
    layout = random_layout(rng, tied=seed % 3 == 0)
    tables = random_tables(layout, rng, zeros=0.2 if seed % 4 == 0 else 0.0)
    x, weights = holes(random_rows(layout, tables, 50, rng)), rng.gamma(2.0, size=50)
    weights[:3] = 0.0
    tied = [tuple(n for n in range(len(layout.graph)) if layout.shared[n] == first) for first in layout.owners]
    tied = tuple(group for group in tied if len(group) > 1)
    model = BayesNet(layout.graph, layout.cards, tied=tied, everything=seed % 2 == 0)
    found = []
    for always, kind in ((True, Plan), (False, FlatPlan)):
        with compiling(always):
            plan = model.prepared(ArraySource(x, weights)).plan
            stats, value = model.e_step(BayesNetParams(tables), Block(x, weights))
        assert type(plan) is kind
        found.append((plan.n_components, np.sort(plan.mass), plan.counts, stats.counts, value))
    assert found[0][0] == found[1][0]
    for compiled, plain in zip(found[0][1:], found[1][1:], strict=True):
        np.testing.assert_allclose(plain, compiled, rtol=1e-10, atol=1e-12)


def test_what_has_too_many_configurations_is_compiled_however_few_rows_there_are():
    graph = Graph(tuple(f"n{i}" for i in range(12)), tuple((i - 1,) if i else () for i in range(12)))
    x = np.full((2, 12), np.nan)
    x[:, 11] = 1.0
    with compiling(False):
        assert type(BayesNet(graph, (2,) * 12).prepared(ArraySource(x, checked=True)).plan) is Plan
        x[:, 3] = 0.0
        assert type(BayesNet(graph, (2,) * 12).prepared(ArraySource(x, checked=True)).plan) is FlatPlan
