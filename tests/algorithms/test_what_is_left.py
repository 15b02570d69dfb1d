"""CONVERGED means that less than ``tol`` is left: at the edge of what parameters may be, along flat directions, in random fits."""

import numpy as np
import pytest

from emkit import (
    EM,
    Accelerated,
    ArraySource,
    Auto,
    Bernoulli,
    Categorical,
    Dirichlet,
    FiniteMixture,
    Gaussian,
    HiddenMarkov,
    Poisson,
    SequenceSource,
    StopReason,
)
from emkit.algorithms.lbfgs import Curvature
from emkit.core.fit import Rules, run
from support.fits import problem_of
from support.slow import SLOW


def follow(problem, start, algorithm=None, tol=1e-3, most=1000):
    return run(problem, algorithm or Accelerated(), start, Rules(tol, most))


# --- the edge -----------------------------------------------------------------------------------------------------------------


def at_the_edge(name):
    rng = np.random.default_rng(3)
    if name == "a state that emits nothing but zeros":
        levels = np.repeat(rng.integers(0, 2, 60), 20) * 2.0
        return HiddenMarkov(Poisson(), 2), SequenceSource(rng.poisson(levels).astype(float)[:, None], [300] * 4)
    if name == "an absorbing state":
        ends = rng.integers(10, 40, 20)
        return HiddenMarkov(Gaussian(), 2), SequenceSource(
            np.concatenate([rng.normal(np.repeat([0.0, 2.0], [end, 60 - end])) for end in ends])[:, None], [60] * 20
        )
    if name == "components that are not needed":
        return FiniteMixture(Poisson(), 5), ArraySource(rng.poisson(np.repeat([[3.0], [9.0]], 300, axis=0)).astype(float))
    if name == "weights that a prior pulls to zero":
        return FiniteMixture(Poisson(), 4, Dirichlet(0.5)), ArraySource(
            rng.poisson(np.repeat([[3.0], [9.0]], 300, axis=0)).astype(float)
        )
    certain = np.array([[0.0, 0.3, 0.5, 0.9, 1.0], [1.0, 0.0, 0.2, 1.0, 0.5]])
    return FiniteMixture(Bernoulli(), 2), ArraySource((rng.random((400, 5)) < np.repeat(certain, 200, axis=0)).astype(float))


@pytest.mark.parametrize(
    "name",
    [
        "a state that emits nothing but zeros", "an absorbing state", "components that are not needed",
        "weights that a prior pulls to zero", "answers that are certain",
    ],
)  # fmt: skip
def test_an_optimum_at_the_edge_is_reached(name):
    model, source = at_the_edge(name)
    problem = problem_of(model, source)
    found = follow(problem, problem.model.init(source, np.random.default_rng(0)))
    assert found.reason is StopReason.CONVERGED
    polished = follow(problem, found.params, EM(), tol=1e-8, most=500).objective
    assert polished - found.objective < 1e-3


@pytest.mark.parametrize("algorithm", [EM(), Accelerated(), Auto()], ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("name", ["four symbols", "full overlapping"])
def test_a_flat_direction_that_no_step_has_taken_is_reckoned_with(name, algorithm):
    """Steps become small while all there is to gain lies along a ridge; with four symbols, a transition becomes impossible too."""
    if name == "four symbols":
        problem = problem_of(HiddenMarkov(Categorical(), 3), four_symbols())
        probs = np.array([[[0.5, 0.2, 0.2, 0.1]], [[0.2, 0.3, 0.3, 0.2]], [[0.1, 0.2, 0.2, 0.5]]])
        family, transmat = problem.model.family, 0.1 + 0.7 * np.eye(3)
        start = problem.model.Params(np.full(3, 1 / 3), transmat, family.Params(probs))
    else:
        problem = problem_of(*SLOW[name]())
        start = problem.model.init(problem.source, np.random.default_rng(1), 1)
    found = follow(problem, start, algorithm, most=5000)
    assert found.reason is StopReason.CONVERGED
    further = follow(problem, found.params, tol=1e-9, most=3000)
    polished = max(further.objective, follow(problem, further.params, EM(), tol=0, most=100).objective)
    assert polished - found.objective < 1e-3


def four_symbols():
    """2,000 symbols that three states use differently, but not very."""
    rng = np.random.default_rng(3)
    jumps = (rng.random(2000) >= 0.9).astype(int) * rng.integers(1, 3, 2000)
    probs = np.array([[0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]])[np.cumsum(jumps) % 3]
    return SequenceSource((rng.random((2000, 1)) > probs.cumsum(axis=1)[:, :3]).sum(axis=1).astype(float)[:, None], [2000])


def test_no_step_along_a_coordinate_at_its_edge():
    """However far EM moved there, where nothing depends on it any more."""
    known = Curvature.unknown(2).learned(np.array([1.0, -300.0]), np.array([0.5, 0.0]), np.array([1.0, 0.0]), 30)
    np.testing.assert_allclose(known.step(np.array([1.0, 0.0]), np.array([1.0, 0.0])), [2.0, 0.0])
