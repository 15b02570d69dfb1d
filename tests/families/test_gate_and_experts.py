"""Experts: the laws of families and models with missing inputs, and what is integrated out against integrals by brute force."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from emkit import ArraySource, DataError, Experts, FiniteMixture, Gaussian, LinearExpert, LogitExpert, ParameterError, Poisson
from emkit.core.block import Block
from emkit.families.column_parts import ColumnPart
from emkit.families.experts import joint
from emkit.families.experts.logits import log_classes
from emkit.families.experts.nodes import nodes
from emkit.families.gaussian.conditional import matrices
from emkit.testing import check_family, check_model
from support.datasets import FOLDER

REFERENCE = json.loads((FOLDER / "experts.json").read_text())


@pytest.mark.parametrize("family", [*LinearExpert.examples(), *LogitExpert.examples(), *Experts.examples()])
def test_conform(family):
    assert len(check_family(family)) > 20


@pytest.mark.parametrize("shape", ["spherical", "diag", "tied-diag", "tied-spherical", "full", "tied", "VEE"])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("n", [60, 5000])
def test_gate_and_line_as_one_normal_distribution(shape, constant, n):
    """As for a mixture of normals the E-step is what it is part by part: by features, or compiled where rows are many."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3)) * [1.0, 30.0, 0.1] + [0.0, 500.0, -3.0]
    y = np.where(x[:, 0] > 0, 0.1 * x[:, 1], -20.0 * x[:, 2]) + rng.normal(size=n)
    table = np.column_stack([y, x])
    expert = LinearExpert(on=()) if constant else LinearExpert(target=0)
    family = Experts.of(Gaussian(shape), expert, (1, 2, 3), target=0, constant=constant)
    model = FiniteMixture(family, 3).resolve(ArraySource(table))
    params = model.init(ArraySource(table), rng, 0)
    family, components, log_weights = model.family, params.components, params.log_weights
    block = Block(table, rng.uniform(0.5, 2.0, n), source_rows=10 * n)
    quick, plain = (way(components, log_weights, block) for way in (family.joint_pass, family.plain_pass))
    assert_allclose(quick.log_likelihood, plain.log_likelihood, rtol=1e-12)
    assert_allclose(quick.stats.pack(), plain.stats.pack(), rtol=1e-9, atol=1e-9 * np.abs(plain.stats.pack()).max())
    each = [way(components, log_weights, block, rows=True, responsibilities=True) for way in (family.joint_pass, family.plain_pass)]
    assert_allclose(each[0].rows, each[1].rows, rtol=1e-9, atol=1e-9)
    assert_allclose(each[0].responsibilities, each[1].responsibilities, atol=1e-9)


def test_the_joint_distribution_is_made_once_for_all_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(100, 2))
    model = FiniteMixture(Experts.of(Gaussian("full"), LinearExpert(target=1), (0,), target=1), 2).resolve(ArraySource(table))
    params, made = model.init(ArraySource(table), rng, 0), []
    monkeypatch.setattr(joint, "matrices", lambda gate: made.append(gate) or matrices(gate))
    for block in (Block(table[:60]), Block(table[60:], start=60)):
        model.e_step(params, block)
    assert len(made) == 1


def test_a_line_without_spread_is_worked_on_part_by_part():
    x = np.linspace(-1.0, 1.0, 50)
    table = np.column_stack([x, 1e6 * x + 1e-3 * np.cos(30 * x)])
    model = FiniteMixture(Experts.of(Gaussian("tied-diag"), LinearExpert(target=1), (0,), target=1), 1).resolve(ArraySource(table))
    expert = model.family.parts[1].family
    around = expert.Params(np.zeros(1), np.full((1, 1), 1e6), np.full(1, 1e-6))
    components = model.init(ArraySource(table), np.random.default_rng(0), 0).components
    components = type(components)((components.parts[0], around))
    block = Block(table)
    assert model.family._joint().params(components) is None
    found = model.family.joint_pass(components, np.zeros(1), block)
    assert_allclose(found.stats.parts[1].square, (1e-6 * np.cos(30 * x) ** 2).sum(), rtol=1e-6)


def rows(seed=0, n=50, holes=0.3):
    """Two inputs of different units, a number and a class of three that depend on them; some inputs are missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2)) @ [[1.0, 0.5], [0.0, 1.0]] * [1.0, 30.0] + [3.0, 100.0]
    number = 2.0 * x[:, 0] - 0.05 * x[:, 1] + rng.normal(size=n)
    kind = (rng.random(n) < 1.0 / (1.0 + np.exp(3.0 - x[:, 0]))).astype(float) + (rng.random(n) < 0.3)
    x[rng.random((n, 2)) < holes] = np.nan
    return x, number, kind


@pytest.mark.parametrize(("shape", "constant"), [("tied-diag", False), ("full", False), ("spherical", True)])
def test_mixtures_conform_where_inputs_are_missing(shape, constant):
    x, number, _ = rows(n=30)
    expert = LinearExpert(on=()) if constant else LinearExpert(target=2)
    family = Experts.of(Gaussian(shape), expert, (0, 1), target=2, constant=constant)
    check_model(FiniteMixture(family, 2), ArraySource(np.column_stack([x, number])))


def test_mixtures_of_logits_conform_where_inputs_are_missing():
    """Among the laws: the gradient of the log-likelihood, by differences, is that of Q, and the objective never falls."""
    x, _, kind = rows(n=30, holes=0.2)
    kind = np.minimum(kind, 1.0)
    family = Experts.of(Gaussian("full"), LogitExpert(2, target=2), (0, 1), target=2)
    check_model(FiniteMixture(family, 2), ArraySource(np.column_stack([x, kind])))


# --- against integrals -----------------------------------------------------------------------------------------------

MEAN, COVARIANCE = np.array([3.0, 100.0]), np.array([[1.25, 18.0], [18.0, 950.0]])
PICKED = np.array([[2.0, np.nan], [np.nan, 130.0], [np.nan, np.nan]])


def resolved(expert, kind):
    """One component with a known gate, resolved with other rows, which only say the units."""
    x, number, classes = rows(holes=0.0)
    data = np.column_stack([x, classes if kind else number])
    family = Experts.of(Gaussian("full"), expert, (0, 1), target=2)
    return family.resolve(ArraySource(data), 1)


def moments(row, density):
    """Log density of a row, and the expected inputs, their squares and products given all that is known: sums over a fine grid."""
    gone = np.flatnonzero(np.isnan(row[:2]))
    sd = np.sqrt(np.diag(COVARIANCE))
    line = np.linspace(-9.0, 9.0, 601)
    cells = np.stack(np.meshgrid(*[line] * len(gone), indexing="ij"), axis=-1).reshape(-1, len(gone))
    x = np.tile(row[:2], (len(cells), 1))
    x[:, gone] = MEAN[gone] + cells * sd[gone]
    step = np.prod(sd[gone]) * (line[1] - line[0]) ** len(gone)
    w = step * multivariate_normal.pdf(x, MEAN, COVARIANCE) * density(x)
    return np.log(w.sum()), w @ x / w.sum(), (x * w[:, None]).T @ x / w.sum()


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_linear_expert_with_missing_inputs_is_the_integral(row):
    family = resolved(LinearExpert(target=2), False)
    gate = Gaussian.Params(MEAN[None], COVARIANCE[None])
    line = LinearExpert.Params(np.array([0.5]), np.array([[1.5, -0.04]]), np.array([0.6]))
    params = family.Params((gate, line))
    x = np.append(PICKED[row], 1.3)
    log_density, first, second = moments(x, lambda v: norm.pdf(1.3, 0.5 + v @ line.coefficients[0], np.sqrt(0.6)))
    assert_allclose(family.log_prob(params, x[None]), [[log_density]], atol=1e-8)
    found = family.stats(params, x[None], np.ones((1, 1))).parts[0]
    assert_allclose(found.first[0] + MEAN, first, rtol=1e-7)
    about = second - np.outer(first, MEAN) - np.outer(MEAN, first) + np.outer(MEAN, MEAN)
    assert_allclose(found.second[0], about, rtol=1e-5, atol=1e-6)
    _, _, (mean, variance) = next(iter(family.predicted(params, x[None])))
    line_of = first_and_second_of_line(x, line)
    assert_allclose([mean[0, 0], variance[0, 0]], line_of, rtol=1e-9)


def first_and_second_of_line(x, line):
    """Mean and variance of the target given observed inputs alone: quadrature over the missing ones."""
    gone = np.flatnonzero(np.isnan(x[:2]))
    seen = np.flatnonzero(~np.isnan(x[:2]))
    part = COVARIANCE[np.ix_(gone, gone)]
    mean = MEAN[gone]
    if len(seen):
        slope = COVARIANCE[np.ix_(gone, seen)] / COVARIANCE[seen[0], seen[0]]
        mean = mean + slope[:, 0] * (x[seen[0]] - MEAN[seen[0]])
        part = part - slope @ COVARIANCE[np.ix_(seen, gone)]
    points, weights = np.polynomial.hermite_e.hermegauss(30)
    weights = weights / weights.sum()
    grid = np.stack(np.meshgrid(*[points] * len(gone)), axis=-1).reshape(-1, len(gone))
    w = np.prod(np.stack(np.meshgrid(*[weights] * len(gone)), axis=-1).reshape(-1, len(gone)), axis=1)
    inputs = np.tile(x[:2], (len(grid), 1))
    inputs[:, gone] = mean + grid @ np.linalg.cholesky(part).T
    each = line.intercepts[0] + inputs @ line.coefficients[0]
    return w @ each, line.variances[0] + w @ (each - w @ each) ** 2


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_logit_expert_with_missing_inputs_is_the_integral(row):
    family = resolved(LogitExpert(3, target=2), True)
    gate = Gaussian.Params(MEAN[None], COVARIANCE[None])
    own = LogitExpert.Params(np.array([[-2.0, 3.0]]), np.array([[[0.9, -0.01], [-0.5, -0.02]]]))
    params = family.Params((gate, own))
    x = np.append(PICKED[row], 1.0)

    def density(v, c=1):
        return np.exp(log_classes(own.intercepts[0] + v @ own.coefficients[0].T)[:, c])

    log_density, first, second = moments(x, density)
    assert_allclose(family.log_prob(params, x[None]), [[log_density]], atol=1e-7)
    found = family.stats(params, x[None], np.ones((1, 1))).parts[0]
    assert_allclose(found.first[0] + MEAN, first, rtol=1e-6)
    about = second - np.outer(first, MEAN) - np.outer(MEAN, first) + np.outer(MEAN, MEAN)
    assert_allclose(found.second[0], about, rtol=1e-4, atol=1e-5)
    alone, _, _ = moments(x, lambda v: 1.0)
    _, _, p = next(iter(family.predicted(params, x[None])))
    assert_allclose(p[0, 0, 1], np.exp(log_density - alone), rtol=1e-6)
    assert_allclose(p.sum(), 1.0, rtol=1e-12)


def test_nodes_integrate_logistic_functions_of_any_steepness():
    for size in (0.5, 4.0, 30.0):
        points, logs = nodes(1, size)
        found = np.exp(logs) @ (1.0 / (1.0 + np.exp(-(0.7 + size * points[:, 0]))))
        exact = quad(lambda e, s=size: norm.pdf(e) / (1.0 + np.exp(-(0.7 + s * e))), -12, 12, epsabs=1e-13, limit=500)[0]
        assert found == pytest.approx(exact, abs=1e-9)
    points, logs = nodes(4)
    assert_allclose(np.exp(logs) @ points, 0.0, atol=1e-12)
    assert_allclose((points * np.exp(logs)[:, None]).T @ points, np.eye(4), atol=1e-12)


# --- what it refuses and leaves out ----------------------------------------------------------------------------------


def test_inputs_of_one_value_are_left_out():
    x, number, _ = rows(holes=0.1)
    data = np.column_stack([x[:, 0], np.full(len(x), 7.0), x[:, 1], number])
    family = Experts.of(Gaussian(), LinearExpert(target=3), (0, 1, 2), target=3).resolve(ArraySource(data), 2)
    other = Experts.of(Gaussian(), LinearExpert(target=2), (0, 1), target=2).resolve(ArraySource(data[:, [0, 2, 3]]), 2)
    resp = np.random.default_rng(0).dirichlet(np.ones(2), len(x))
    a, b = (f.from_partition(d, resp, np.random.default_rng(1)) for f, d in ((family, data), (other, data[:, [0, 2, 3]])))
    assert_allclose(family.log_prob(a, data), other.log_prob(b, data[:, [0, 2, 3]]), rtol=1e-12)


def test_what_cannot_be_an_expert_is_refused():
    parts = [ColumnPart("gate", (0,), Gaussian()), ColumnPart("expert", (1,), Poisson())]
    with pytest.raises(ParameterError, match="cannot be an expert"):
        _ = Experts(parts).expert
    x = np.column_stack([np.arange(9.0), np.arange(9.0) % 4])
    with pytest.raises(DataError, match=r"holds the class 3, beyond n_classes=3"):
        Experts.of(Gaussian(), LogitExpert(3, target=1), (0,), target=1).resolve(ArraySource(x), 1)
    with pytest.raises(ParameterError, match="n_classes"):
        LogitExpert(1)


def test_perfectly_separate_classes_have_finite_slopes():
    x = np.concatenate([np.linspace(-3, -1, 20), np.linspace(1, 3, 20)])
    data = np.column_stack([x, (x > 0).astype(float)])
    family = Experts.of(Gaussian("tied-diag"), LogitExpert(2, target=1), (0,), target=1).resolve(ArraySource(data), 1)
    params = family.from_partition(data, np.ones((40, 1)), np.random.default_rng(0))
    for _ in range(200):
        params = family.update(family.stats(params, data, np.ones((40, 1))), params)
    slope = params.parts[1].coefficients[0, 0, 0]
    assert 1.0 < slope < 20.0
    again = family.update(family.stats(params, data, np.ones((40, 1))), params)
    assert again.parts[1].coefficients[0, 0, 0] == pytest.approx(slope, rel=1e-9)
