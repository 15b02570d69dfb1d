"""Laws of models: of the objective, of executors, of runs cut off and taken up again, of data simulated."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

from emkit.algorithms.em import EM
from emkit.core.block import Block
from emkit.core.block_source import BlockSource
from emkit.core.errors import CollapseError
from emkit.core.fit import Algorithm, Problem, iterate
from emkit.core.result import Step, aitken
from emkit.execute.threads import Threads
from emkit.testing.cases import Law, ModelCase, cut
from emkit.testing.compare import close, gradients_agree, like, prior_mode, require, same_bits, slopes
from emkit.testing.parameter_laws import owners, relabelled


def labels_do_not_matter(case: ModelCase) -> bool | None:
    """Relabelled components have the same log-likelihood and relabelled marginals, and relabelling commutes with the M-step."""
    if case.model.n_hidden is None:
        return False
    stats, log_likelihood = case.model.e_step(case.params, case.block)
    new = case.model.m_step(stats, case.params)
    marginals = np.asarray(case.model.infer(case.params, case.block, "marginals").marginals)
    for order, model, permuted in relabelled(case):
        block = replace(case.block, labels=_relabelled_evidence(case.block.labels, order))
        stats_permuted, value = model.e_step(permuted, block)
        close("log-likelihood of relabelled components", value, log_likelihood, case.magnitude[0], 1e-10)
        found = model.infer(permuted, block, "marginals").marginals
        close("marginals of relabelled components", found, marginals[:, order], 1.0, 1e-5 if case.narrow else 1e-8)
        like("M-step of relabelled components", model.m_step(stats_permuted, permuted), model.permute(new, order), 1e-7)
    return None if relabelled(case) else False


def _relabelled_evidence(labels: Any, order: np.ndarray) -> Any:
    if labels is None:
        return None
    if np.ndim(labels) == 2:
        return np.asarray(labels)[:, order]
    return np.where(labels >= 0, np.argsort(order)[labels], -1)


def objective_never_falls(case: ModelCase) -> None:
    """Log-likelihood plus log prior never falls from one EM iteration to the next, from a good start or a random one."""
    problem = Problem(case.model, case.source, Threads(1), float(np.finfo(case.block.x.dtype).eps))
    for name, start in (("a start of its own", case.params), ("a random start", case.other)):
        last: Step | None = None
        for step in _steps(problem, start, 12):
            if last is not None:
                require(
                    step.objective >= last.objective - problem.rounding(last.objective),
                    f"from {name}, iteration {step.iteration} took the objective from "
                    f"{last.objective:.12g} to {step.objective:.12g}",
                )
            last = step


def em_ends_where_nothing_is_to_gain(case: ModelCase) -> bool | None:
    """Where EM comes to rest, the gradient of the objective is zero.

    If r nats are still to gain, the slope along a coordinate, over a step that bends the objective by b, is at most sqrt(2 b r)
    (Cauchy-Schwarz); r is estimated by Aitken's rule, and ten times that slope is allowed.
    """
    problem = Problem(case.model, case.source, Threads(1))
    trace: list[float] = []
    remaining, step = np.inf, None
    for step in _steps(problem, case.params, 300):
        trace.append(step.objective)
        remaining = aitken(trace)
        if len(trace) > 3 and (remaining < 1e-8 or abs(trace[-1] - trace[-2]) < 1e-10):
            break
    assert step is not None
    vector = case.model.pack(step.params)
    if not len(vector) or not np.isfinite(vector).all() or np.abs(vector).max() > 600 or not remaining < 1e-2:
        return False
    (slope,) = slopes(lambda v: case.objective(case.model.unpack(v, step.params)), at=vector)
    allowed = 10.0 * np.sqrt(0.02 * max(remaining, 1e-10))
    close(f"slope of the objective after {step.iteration} iterations", slope, np.zeros_like(slope), 1.0, allowed)
    return None


def prior_alone_gives_its_mode(case: ModelCase) -> None:
    """With nothing counted, the M-step gives the prior's mode."""
    prior_mode(case.model, case.m_step, case.all()[0], case.params, stay=False)


def fisher_identity(case: ModelCase) -> bool | None:
    """Gradient of the log-likelihood = gradient of ``q`` at the parameters that the statistics were taken at."""
    model, params = case.model, case.other
    stats = model.e_step(params, case.block)[0]
    if model.q(stats, params) is None or not model.n_free(params):
        return False
    gradients_agree(lambda p: model.e_step(p, case.block)[1], partial(model.q, stats), model, params)
    return None


def executors_agree(case: ModelCase) -> None:
    """Every executor gives the same bits, with 1 thread, with 3, and wherever else."""
    source = cut(case.source, 7)
    runs = []
    for executor in (Threads(1), Threads(3), *case.executors):
        with executor.session():
            runs.append(list(_steps(Problem(case.model, source, executor), case.params, 3)))
    for where, found in zip(("Threads(3)", *map(repr, case.executors)), runs[1:], strict=True):
        for a, b in zip(found, runs[0], strict=True):
            _same_step(f"iteration {a.iteration} under {where}", a, b)


def resumed_is_uninterrupted(case: ModelCase) -> bool | None:
    """A run cut off after 3 iterations and taken up from parameters and what was carried has the bits of the uninterrupted one."""
    problem = Problem(case.model, cut(case.source, 3), Threads(1))
    another = deepcopy(case.algorithm)  # a resumed run begins with a new algorithm object
    whole = list(_steps(problem, case.params, 7, case.algorithm))
    if len(whole) < 8:
        return False
    kept = whole[3]
    carried = {name: np.array(value) for name, value in kept.carried.items()}
    for a, b in zip(_steps(problem, kept.params, 4, another, 3, carried), whole[3:], strict=True):
        _same_step(f"resumed run, iteration {b.iteration}", a, b)
    return None


def samples_fit(case: ModelCase) -> bool | None:
    """Data simulated from the model, with labels and without: fitting improves on the truth, by no more than chance allows.

    A posterior is no truth that data could be simulated from: there it does not apply.
    """
    model, truth = case.model, case.params
    if any(owner.is_posterior for owner, _ in owners(model, truth)):
        return False
    block, again = (model.simulate(truth, 2000, np.random.default_rng(case.seed)) for _ in range(2))
    if block is None or again is None:
        return False
    require(np.array_equal(block.x, again.x, equal_nan=True), "simulate does not repeat with the same generator")
    block = replace(block, x=np.asarray(block.x, dtype=np.float64), source_rows=block.n)
    free = model.n_free(truth)
    limit = 0.5 * (2.0 * free + 6.0 * np.sqrt(4.0 * free) + 20.0)
    kinds: list[tuple[str, Block, int]] = [("", replace(block, labels=None), 12)]
    if block.labels is not None:
        kinds.append((" with its labels", block, 3))
    for what, sample, iterations in kinds:
        steps = list(_steps(Problem(model, BlockSource([sample]), Threads(1)), truth, iterations))
        gain = steps[-1].objective - steps[0].objective
        require(gain >= -1e-9 * sample.n, f"fitting a sample{what} lowered the objective by {-gain:.3g}")
        plain = steps[-1].log_likelihood - steps[0].log_likelihood
        require(
            plain <= limit,
            f"fitting a sample of {sample.n} rows{what} gained {plain:.4g} nats on the truth, chance allows {limit:.4g} "
            f"for {free} free parameters: simulate and e_step disagree",
        )
    return None


def _steps(
    problem: Problem,
    start: Any,
    n: int,
    algorithm: Algorithm | None = None,
    iteration: int = 0,
    carried: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Step]:
    """The start and ``n`` iterations, or as many as there are before a component collapses."""
    try:
        yield from islice(iterate(problem, algorithm or EM(), start, iteration, carried), n + 1)
    except CollapseError:
        return


def _same_step(what: str, found: Step, expected: Step) -> None:
    require(
        found.log_likelihood == expected.log_likelihood,
        f"{what}: log-likelihood {found.log_likelihood!r}, expected the same bits as {expected.log_likelihood!r}",
    )
    same_bits(f"{what}: parameters", found.params, expected.params)
    if expected.stats is not None and found.stats is not None:
        same_bits(f"{what}: statistics", found.stats, expected.stats)


LAWS: tuple[Law, ...] = (
    labels_do_not_matter,
    objective_never_falls,
    em_ends_where_nothing_is_to_gain,
    prior_alone_gives_its_mode,
    fisher_identity,
    executors_agree,
    resumed_is_uninterrupted,
    samples_fit,
)
