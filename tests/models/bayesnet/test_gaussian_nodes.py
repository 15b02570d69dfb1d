"""Networks with Gaussian nodes: against published steps, enumeration with dense algebra, and models that they contain."""

import csv
import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from emkit import (
    ArraySource,
    CollapseError,
    ConditionalGaussianNet,
    DataError,
    FiniteMixture,
    Gaussian,
    NormalInverseGamma,
    ParameterError,
    Threads,
    fit,
)
from emkit.core.block import Block
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.mixed_answers import as_states, drawn_values, expectations, most_probable_values
from emkit.models.bayesnet.params import ConditionalGaussianParams
from emkit.models.bayesnet.posterior import node_posteriors
from emkit.models.bayesnet.sampling import sampled, with_numbers

FOLDER = Path(__file__).parents[2] / "reference" / "bayesnet"


def published(name):
    """A network, its rows, and what its first EM steps are."""
    told = json.loads((FOLDER / f"{name}.json").read_text())
    with open(FOLDER / f"{name}.csv", newline="") as file:
        head, *rows = csv.reader(file)
    nodes = told["nodes"]
    names = [node["name"] for node in nodes]
    parents = tuple(tuple(names.index(p) for p in node["discrete_parents"] + node["gaussian_parents"]) for node in nodes)
    hidden = tuple(i for i, node in enumerate(nodes) if node["hidden"])
    x = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])
    x = x[:, [head.index(name) for i, name in enumerate(names) if i not in hidden]]
    cards = tuple(node["states"] for node in nodes)
    net = ConditionalGaussianNet.of(Graph(tuple(names), parents), cards, hidden, everything=True, gaussian_prior=None)

    def params(given):
        values = {"D": np.array(given["D"])}
        for name in names[1:]:
            for what in ("intercept", "coefficients", "variance"):
                values[f"{name}_{what}"] = np.array([given[name][c][what] for c in "01"])
        return net.unshown(values, 1, x.shape[1])

    return net, x, told, params


@pytest.mark.parametrize("name", ["clg_holes60", "clg_hidden_root80"])
def test_the_published_steps(name):
    net, x, told, made = published(name)
    source = ArraySource(x)
    net, params = net.resolve(source), made(told["start"])
    expected = told["log_likelihood_after_updates"]
    for step in range(11):
        stats, value = net.e_step(params, Block(x))
        if str(step) in expected:
            assert value == pytest.approx(expected[str(step)], abs=2e-9)
        if step == 10:
            after = made(told["params_after_10"])
            np.testing.assert_allclose(params.coefficients, after.coefficients, atol=1e-11)
            np.testing.assert_allclose(params.variances, after.variances, atol=1e-11)
            np.testing.assert_allclose(params.tables.tables, after.tables.tables, atol=1e-11)
        params = net.m_step(stats, params)
    result = fit(net, source, starts=[made(told["start"])], tol=1e-8, executor=Threads(1))
    assert result.log_likelihood == pytest.approx(told["limit"], abs=1e-6)


def random_net(rng, everything):
    """Up to three discrete nodes and three Gaussian ones in a random order, parameters, and rows with holes."""
    discrete, many = int(rng.integers(1, 4)), int(rng.integers(4, 7))
    cards = [int(rng.integers(2, 4)) for _ in range(discrete)] + [0] * (many - discrete)
    parents = []
    for node in range(many):
        above = [p for p in range(node) if not cards[node] or cards[p]]
        parents.append(tuple(int(p) for p in rng.permutation(above)[: int(rng.integers(0, 4))]) if above else ())
    graph = Graph(tuple(f"n{node}" for node in range(many)), tuple(parents))
    net = ConditionalGaussianNet.of(graph, cards, (), everything=everything, gaussian_prior=None)
    linear = net.linear
    parts = [rng.normal(size=(c, w)) for c, w in zip(linear.many, linear.widths, strict=True)]
    params = ConditionalGaussianParams(
        net.tables.draw_params(rng), linear.joined(parts), rng.gamma(2.0, 0.5, size=sum(linear.many)) + 0.2
    )
    states = sampled(net.tables.layout, params.tables.tables, 14, rng)
    x = with_numbers(linear, params, net.spread_out(states), rng)
    x[rng.random(x.shape) < 0.45] = np.nan
    return net, params, x


def active(net, row):
    """Nodes that are observed, or have an observed descendant."""
    found = ~np.isnan(row)
    for node in net.graph.topological[::-1]:
        found[node] |= any(found[child] for child in net.graph.children[node])
    return found


def dense(net, params, row):
    """For every configuration: log weight, mean and covariance of all Gaussian nodes given the observed ones, and all states."""
    linear, graph = net.linear, net.graph
    numbers, found = list(linear.nodes), []
    tables = [net.tables.layout.table(params.tables.tables, i) for i in range(len(net.discrete))]
    for states in product(*(range(net.cards[n]) if np.isnan(row[n]) else (int(row[n]),) for n in net.discrete)):
        full = np.zeros(len(row), int)
        full[list(net.discrete)] = states
        prior = 1.0
        for i, n in enumerate(net.discrete):
            prior *= tables[i][(*(full[p] for p in graph.parents[n]), full[n])]
        shift, slope, noise = np.zeros(len(numbers)), np.zeros((len(numbers), len(numbers))), np.zeros(len(numbers))
        for g in range(len(numbers)):
            b = linear.coefficients(params.coefficients, g)[configuration(net, g, full)]
            shift[g], slope[g, list(linear.continuous[g])] = b[0], b[1:]
            noise[g] = linear.variances(params.variances, g)[configuration(net, g, full)]
        spread = np.linalg.inv(np.eye(len(numbers)) - slope)
        mean, covariance = spread @ shift, spread @ np.diag(noise) @ spread.T
        z = row[numbers]
        seen = ~np.isnan(z)
        inner, off = covariance[np.ix_(seen, seen)], (z - mean)[seen]
        density = -0.5 * (seen.sum() * np.log(2 * np.pi) + np.linalg.slogdet(inner)[1] + off @ np.linalg.solve(inner, off))
        gain = covariance[:, seen] @ np.linalg.inv(inner)
        left = covariance - gain @ covariance[seen]
        left[seen] = left[:, seen] = 0.0
        found.append((np.log(prior) + density, np.where(seen, z, mean + gain @ off), left, full))
    return found


def configuration(net, g, states):
    return sum(s * states[p] for p, s in zip(net.linear.discrete[g], net.linear.strides[g], strict=True))


def enumerated(net, params, x, weights):
    """Log-likelihood, counts and moments (in the user's units), by every configuration and one dense normal distribution each."""
    linear, graph = net.linear, net.graph
    counts, moments, total = np.zeros(net.tables.layout.total), np.zeros(linear.n_moments), 0.0
    for row, weight in zip(x, weights, strict=True):
        used = np.ones(len(row), bool) if net.tables.everything else active(net, row)
        found = dense(net, params, row)
        logs = np.array([one[0] for one in found])
        top = logs.max()
        total += weight * (top + np.log(np.exp(logs - top).sum()))
        for share, (_, mean, covariance, full) in zip(np.exp(logs - top) / np.exp(logs - top).sum(), found, strict=True):
            value = np.concatenate([[1.0], mean])
            products = np.outer(value, value)
            products[1:, 1:] += covariance
            for i, n in enumerate(net.discrete):
                if used[n]:
                    net.tables.layout.table(counts, i)[(*(full[p] for p in graph.parents[n]), full[n])] += weight * share
            for g, node in enumerate(linear.nodes):
                if used[node]:
                    members = [0, *(1 + p for p in linear.continuous[g]), 1 + g]
                    linear.moments(moments, g)[configuration(net, g, full)] += weight * share * products[np.ix_(members, members)]
    return total, counts, moments


@pytest.mark.parametrize("seed", range(30))
def test_counts_moments_and_likelihood_are_those_of_enumeration(seed):
    rng = np.random.default_rng(seed)
    net, params, x = random_net(rng, everything=seed % 2 == 0)
    weights = rng.gamma(2.0, size=len(x))
    stats, value = net.e_step(params, Block(x, weights))
    expected, counts, moments = enumerated(net, params, x, weights)
    assert value == pytest.approx(expected, rel=1e-11, abs=1e-9)
    np.testing.assert_allclose(stats.tables.counts, counts, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(stats.moments, moments, rtol=1e-8, atol=1e-9)
    each = net.infer(params, Block(x), "log_likelihood").log_likelihood
    assert each @ weights == pytest.approx(expected, rel=1e-11, abs=1e-9)


def test_a_hidden_root_over_correlated_numbers_is_a_gaussian_mixture_iteration_by_iteration():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(0, 1, (60, 3)), rng.normal(3, 1, (50, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]])])
    x[rng.random(x.shape) < 0.15] = np.nan
    graph = Graph(("h", "a", "b", "c"), ((), (0,), (0, 1), (0, 1, 2)))
    net = ConditionalGaussianNet.of(graph, (2, 0, 0, 0), (0,), everything=True, gaussian_prior=None)
    source = ArraySource(x)
    net, mixture = net.resolve(source), FiniteMixture(Gaussian(prior=None), 2).resolve(source)
    theirs = mixture.init(source, rng)

    def as_regressions(params):
        values = {"h": params.weights}
        for j, name in enumerate("abc"):
            slopes, means, variances = [], [], []
            for mean, covariance in zip(params.components.means, params.components.covariances, strict=True):
                b = np.linalg.solve(covariance[:j, :j], covariance[:j, j])
                slopes.append(b)
                means.append(mean[j] - b @ mean[:j])
                variances.append(covariance[j, j] - b @ covariance[:j, j])
            values |= {f"{name}_intercept": means, f"{name}_coefficients": slopes, f"{name}_variance": variances}
        return net.unshown({name: np.array(value) for name, value in values.items()}, 1, 3)

    ours = as_regressions(theirs)
    for _ in range(5):
        a, value = net.e_step(ours, Block(x))
        b, expected = mixture.e_step(theirs, Block(x, missing=True))
        assert value == pytest.approx(expected, rel=1e-12)
        ours, theirs = net.m_step(a, ours), mixture.m_step(b, theirs)
        same = as_regressions(theirs)
        np.testing.assert_allclose(ours.coefficients, same.coefficients, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(ours.variances, same.variances, rtol=1e-8)


def test_complete_rows_are_regressions_found_in_one_update():
    rng = np.random.default_rng(0)
    group = rng.integers(2, size=300)
    a = rng.normal(size=300) + 1e6  # far from zero: no digits are lost
    b = np.where(group, 3.0, -2.0) * (a - 1e6) + 7.0 + rng.normal(size=300)
    net = ConditionalGaussianNet.of(Graph(("g", "a", "b"), ((), (), (0, 1))), (2, 0, 0), gaussian_prior=None)
    result = fit(net, ArraySource(np.column_stack([group, a, b])), executor=Threads(1))
    assert len(result.starts) == 1
    shown = result.model.shown(result.params)
    for c in range(2):
        own = group == c
        design = np.column_stack([np.ones(own.sum()), a[own] - 1e6])
        best, left, *_ = np.linalg.lstsq(design, b[own], rcond=None)
        assert shown["b_coefficients"][c, 0] == pytest.approx(best[1], rel=1e-9)
        assert shown["b_intercept"][c] + 1e6 * shown["b_coefficients"][c, 0] == pytest.approx(best[0], abs=1e-6)
        assert shown["b_variance"][c] == pytest.approx(left[0] / own.sum(), rel=1e-9)


def test_a_conjugate_prior_is_as_good_as_the_rows_that_it_stands_for():
    rng = np.random.default_rng(1)
    a = rng.normal(size=40)
    x = np.column_stack([a, 2.0 * a + 1.0 + rng.normal(size=40)])
    prior = NormalInverseGamma(df=3.0, scale=0.7, mass=[0.0, 5.0], mean=[0.0, -1.0])
    net = ConditionalGaussianNet.of(Graph(("a", "b"), ((), (0,))), (0, 0), gaussian_prior={"a": None, "b": prior})
    found = fit(net, ArraySource(x), executor=Threads(1))
    design = np.column_stack([np.ones(40), a])
    normal = design.T @ design + np.diag([0.0, 5.0])
    best = np.linalg.solve(normal, design.T @ x[:, 1] + [0.0, -5.0])
    left = ((x[:, 1] - design @ best) ** 2).sum() + 5.0 * (best[1] + 1.0) ** 2 + 3.0 * 0.7
    shown = found.model.shown(found.params)
    assert (shown["b_intercept"], shown["b_coefficients"][0]) == pytest.approx(tuple(best), rel=1e-9)
    assert shown["b_variance"] == pytest.approx(left / (40 + 3 + 2 + 1), rel=1e-9)


def test_zeros_in_tables_rule_out_what_lies_nearest():
    graph = Graph(("d", "e", "x"), ((), (0,), (0,)))
    net = ConditionalGaussianNet.of(graph, (2, 2, 0))
    values = {"d": [0.5, 0.5], "e": [[1.0, 0.0], [0.0, 1.0]], "x_intercept": [0.0, 100.0], "x_variance": [1.0, 1.0]}
    params = net.unshown({name: np.array(value) for name, value in values.items()}, 1, 2)
    found = net.infer(params, Block(np.array([[np.nan, 1.0, 0.0]])), "log_likelihood").log_likelihood[0]
    assert found == pytest.approx(np.log(0.5) - 0.5 * np.log(2 * np.pi) - 5000.0)


def test_what_cannot_be_is_refused():
    with pytest.raises(ParameterError, match="discrete node 'b' has the Gaussian parent 'a'"):
        ConditionalGaussianNet.of(Graph(("a", "b"), ((), (0,))), (0, 2))
    with pytest.raises(ParameterError, match="hidden: 'a' is a Gaussian node"):
        ConditionalGaussianNet.of(Graph(("a", "b"), ((), (0,))), (0, 0), (0,))
    with pytest.raises(ParameterError, match="'a_variance', as a parameter of another"):
        ConditionalGaussianNet.of(Graph(("a", "a_variance"), ((), ())), (0, 2))
    wide = Graph((*(f"d{i}" for i in range(5)), "x"), (*(() for _ in range(5)), tuple(range(5))))
    net = ConditionalGaussianNet.of(wide, (3, 3, 3, 3, 3, 0), max_configurations=100)
    row = np.array([[np.nan] * 5 + [1.0]])
    with pytest.raises(ParameterError, match=r"row 0: 'd0', 'd1', .* in 243 configurations; max_configurations allows 100"):
        net.infer(net.null(1, 6), Block(row), "log_likelihood")
    pair = ConditionalGaussianNet.of(Graph(("a", "b"), ((), (0,))), (0, 0), gaussian_prior=None)
    with pytest.raises(DataError, match="column 1 row 0 is inf; give a finite number"):
        pair.resolve(ArraySource(np.array([[0.0, np.inf], [1.0, 2.0]]), checked=True))
    line = np.column_stack([np.arange(9.0), 2.0 * np.arange(9.0)])
    exact = pair.resolve(ArraySource(line))
    stats = exact.e_step(exact.null(1, 2), Block(line))[0]
    with pytest.raises(CollapseError, match="variance of node 'b' became zero"):
        exact.m_step(stats, exact.null(1, 2))
    with pytest.raises(ParameterError, match="prior: 'd' is no Gaussian node"):
        ConditionalGaussianNet.of(Graph(("d", "x"), ((), (0,))), (2, 0), gaussian_prior={"d": "weak"}).resolve(
            ArraySource(np.array([[0.0, 1.0], [1.0, 2.0]]))
        )


@pytest.mark.parametrize("seed", range(8))
def test_expectations_modes_and_draws_are_those_of_enumeration(seed):
    rng = np.random.default_rng([seed, 5])
    net, params, x = random_net(rng, everything=True)
    x = x[:3]
    codes, z = net.cells(x)
    means, variances = expectations(net, params, codes, z)
    values, logs = most_probable_values(net, params, codes, z)
    draws = np.stack(list(drawn_values(net, params, np.repeat(codes, 3000, axis=0), np.repeat(z, 3000, axis=0), rng)))[0]
    numbers = list(net.linear.nodes)
    for i, row in enumerate(x):
        found, best = dense(net, params, row), -np.inf
        weight = np.exp([one[0] for one in found])
        weight /= weight.sum()
        first = sum(w * one[1] for w, one in zip(weight, found, strict=True))
        second = sum(w * (np.diag(one[2]) + one[1] ** 2) for w, one in zip(weight, found, strict=True))
        np.testing.assert_allclose(means[i], first, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(variances[i], second - first**2, rtol=1e-6, atol=1e-8)
        for log_weight, mean, covariance, full in found:
            hole = np.isnan(row[numbers])
            at_mode = log_weight - 0.5 * np.linalg.slogdet(2 * np.pi * covariance[np.ix_(hole, hole)])[1]
            if at_mode > best:
                best, expected = at_mode, np.where(np.asarray(net.cards) > 0, full, 0.0)
                expected[numbers] = mean
        assert logs[i] == pytest.approx(best, rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(values[i], expected, rtol=1e-8, atol=1e-8)
        mine = draws[3000 * i : 3000 * (i + 1)][:, numbers]
        np.testing.assert_allclose(mine.mean(axis=0), first, atol=0.1 + 5 * np.sqrt(variances[i].max() / 3000))
        node_p = node_posteriors(
            *(lambda s: (s.net, s.params, s.codes))(as_states(net, params, codes, z)), range(len(net.discrete))
        )
        for j, node in enumerate(net.discrete):
            share = np.bincount([one[3][node] for one in found], weights=weight, minlength=net.cards[node])
            np.testing.assert_allclose(node_p[j][i], share, atol=1e-10)
            drawn_share = np.bincount(draws[3000 * i : 3000 * (i + 1), node].astype(int), minlength=net.cards[node]) / 3000
            np.testing.assert_allclose(drawn_share, share, atol=0.06)
