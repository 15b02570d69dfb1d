"""Laws of models: of the objective, of executors, of runs cut off and taken up again."""

import json
from collections.abc import Iterator
from copy import deepcopy
from itertools import islice
from typing import Any

import numpy as np

from emkit.algorithms.em import EM
from emkit.core.block import Block, Source
from emkit.core.describe import classes_in, describe, rebuild, same_description
from emkit.core.errors import CollapseError, ParameterError
from emkit.core.fit import Algorithm, Problem, iterate
from emkit.core.result import Step, aitken
from emkit.data.rows import ArraySource
from emkit.execute.threads import Threads
from emkit.models.mixture import Mixture
from emkit.testing.cases import Law, ModelCase, Pieces
from emkit.testing.compare import close, like, require, same_bits, slopes


def labels_do_not_matter(case: ModelCase) -> bool | None:
    """Relabelled components have the same log-likelihood, and relabelling commutes with the M-step."""
    model: Any = case.model
    k = getattr(model, "n_components", getattr(model, "n_states", None))
    if not hasattr(model, "permute") or k is None:
        return False
    order = np.roll(np.arange(k), 1)
    try:
        permuted = model.permute(case.params, order)
    except ParameterError:
        return False  # its components have names, such as states that share distributions
    if hasattr(model, "permuted"):
        model = model.permuted(order)  # what is fixed follows its component
    stats, log_likelihood = case.model.e_step(case.params, case.block)
    stats_permuted, value = model.e_step(permuted, case.block)
    close("log-likelihood of relabelled components", value, log_likelihood, case.magnitude[0], 1e-10)
    same_prior = np.isclose(model.log_prior(permuted), case.model.log_prior(case.params), rtol=1e-12, atol=1e-12)
    if same_prior and (hasattr(model, "permuted") or nothing_is_fixed(model, permuted, case.params)):
        new = model.permute(case.model.m_step(stats, case.params), order)
        like("M-step of relabelled components", model.m_step(stats_permuted, permuted), new, 1e-7)
    return None


def objective_never_falls(case: ModelCase) -> None:
    """Log-likelihood plus log prior never falls from one EM iteration to the next, from a good start or a random one."""
    problem = Problem(case.model, case.source, Threads(1))
    for name, start in (("a start of its own", case.params), ("a random start", case.other)):
        last: Step | None = None
        for step in _steps(problem, start, 12):
            if last is not None:
                require(
                    step.objective >= last.objective - problem.rounding(last.objective),
                    f"from {name}, iteration {step.iteration} took the objective from {last.objective:.12g} to {step.objective:.12g}",
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
    for step in _steps(problem, case.params, 600):
        trace.append(step.objective)
        remaining = aitken(trace)
        if len(trace) > 3 and (remaining < 1e-9 or abs(trace[-1] - trace[-2]) < 1e-10):
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
    prior_mode(case.model, case.all()[0], case.params, stay=False)


def fisher_identity(case: ModelCase) -> bool | None:
    """Gradient of a mixture's log-likelihood = gradient of the expected complete log-likelihood at the current parameters."""
    if not isinstance(case.model, Mixture):
        return False
    return fisher_identity_of(case.model, case.params, case.block)


def executors_agree(case: ModelCase) -> None:
    """Every executor gives the same bits, with 1 thread, with 3, and wherever else."""
    source = Pieces(case.source, 7)
    runs = []
    for executor in (Threads(1), Threads(3), *case.executors):
        with executor.session():
            runs.append(list(_steps(Problem(case.model, source, executor), case.params, 3)))
    for where, found in zip(("Threads(3)", *map(repr, case.executors)), runs[1:], strict=True):
        for a, b in zip(found, runs[0], strict=True):
            _same_step(f"iteration {a.iteration} under {where}", a, b)


def resumed_is_uninterrupted(case: ModelCase) -> bool | None:
    """A run cut off after 3 iterations and taken up from its parameters alone equals the uninterrupted one, bit for bit."""
    problem = Problem(case.model, Pieces(case.source, 3), Threads(1))
    another = deepcopy(case.algorithm)  # a resumed run begins with a new algorithm object
    whole = list(_steps(problem, case.params, 7, case.algorithm))
    if len(whole) < 8:
        return False
    for a, b in zip(_steps(problem, whole[3].params, 4, another, 3), whole[3:], strict=True):
        _same_step(f"resumed run, iteration {b.iteration}", a, b)
    return None


def samples_fit(case: ModelCase) -> bool | None:
    """Data drawn from the model: fitting improves on the truth, by no more than chance allows."""
    model: Any = case.model
    if case.draw is None and (not hasattr(model, "sample") or case.block.lengths is not None):
        return False
    truth = case.params
    source: Source
    if case.draw is not None:
        source = case.draw(truth, np.random.default_rng(case.seed))
    else:
        x = np.asarray(model.sample(truth, 2000, np.random.default_rng(case.seed))[0])
        again = np.asarray(model.sample(truth, 2000, np.random.default_rng(case.seed))[0])
        require(np.array_equal(x, again), "sample does not repeat with the same generator")
        source = ArraySource(x)
    steps = list(_steps(Problem(model, source, Threads(1)), truth, 20))
    gain = steps[-1].objective - steps[0].objective
    require(gain >= -1e-9 * source.n_rows, f"fitting a sample lowered the objective by {-gain:.3g}")
    free = model.n_free(truth)
    plain = steps[-1].log_likelihood - steps[0].log_likelihood
    limit = 0.5 * (2.0 * free + 6.0 * np.sqrt(4.0 * free) + 20.0)
    require(
        plain <= limit,
        f"fitting a sample of {source.n_rows} rows gained {plain:.4g} nats on the truth, chance allows {limit:.4g} "
        f"for {free} free parameters: sample and e_step disagree",
    )
    return None


def description_makes_the_model_again(case: ModelCase) -> None:
    """A description is plain JSON; what is read back from it is the same model; ``null_params`` has the shapes of a file."""
    model = case.model
    null = model.null_params(case.source.n_features)
    same_bits("parameters put back from a file's arrays", null.replace_arrays(case.params.flatten()), case.params)
    back = described_again(model)
    stats = case.all()[0]
    require(
        back.e_step(case.params, case.block)[1] == model.e_step(case.params, case.block)[1], "read back, another log-likelihood"
    )
    require(back.log_prior(case.params) == model.log_prior(case.params), "the model read back has another log prior")
    same_bits("M-step of the model read back", back.m_step(stats, case.params), model.m_step(stats, case.params))


def described_again(subject: Any) -> Any:
    """What is read back from the JSON text and the arrays that describe a family or a model; both must say the same again."""
    arrays: dict[str, np.ndarray] = {}
    description = describe(subject, arrays)
    text = json.dumps(description)
    back = rebuild(json.loads(text), arrays, classes_in(subject))
    again: dict[str, np.ndarray] = {}
    require(same_description(describe(back, again), json.loads(text)), f"read back as {back!r}, was {subject!r}")
    require(
        all(np.array_equal(again[name], value, equal_nan=True) for name, value in arrays.items()), "read back with other arrays"
    )
    return back


# --- what families and models share -------------------------------------------------------------------------------------


def nothing_is_fixed(subject: Any, params: Any, other: Any) -> bool:
    """Whether the packed vector says everything, so that ``like`` contributes no value."""
    back, whole = subject.unpack(subject.pack(params), other).flatten(), params.flatten()
    return all(np.allclose(back[name], whole[name]) for name in whole)


def prior_mode(subject: Any, stats: Any, params: Any, *, stay: bool) -> None:
    """M-steps from no counts at all reach a stationary point of the log prior. ``stay``: without a prior they change nothing."""
    nothing = stats * 0.0
    before = float(subject.log_prior(params))
    new = params
    for _ in range(200):
        last, new = new, subject.m_step(nothing, new)
        if all(np.array_equal(a, b) for a, b in zip(new.flatten().values(), last.flatten().values(), strict=True)):
            break
    after = float(subject.log_prior(new))
    require(after >= before - 1e-12 * abs(before), f"the log prior was {before:.12g} and is {after:.12g} after the M-step")
    vector = subject.pack(new)
    if not len(vector) or not np.isfinite(vector).all() or np.abs(vector).max() > 600:
        return

    def log_prior(v: np.ndarray) -> float:
        return float(subject.log_prior(subject.unpack(v, new)))

    (slope,) = slopes(log_prior, at=vector)
    close("slope of the log prior at what the M-step made of no counts", slope, np.zeros_like(slope), 1.0, 1e-6)
    old = subject.pack(params)
    if stay and np.isfinite(old).all() and not slopes(log_prior, at=old)[0].any():
        same_bits("parameters, without data or prior", new, params)


def fisher_identity_of(mixture: Mixture, params: Any, block: Block) -> bool | None:
    """Compare the two gradients for a mixture at ``params``; the log prior would add the same to both, and is left out."""
    vector = mixture.pack(params)
    if not len(vector) or not np.isfinite(vector).all():
        return False
    log_weights = params.log_weights
    resp = mixture.family.joint_pass(params.components, log_weights, block, responsibilities=True).responsibilities
    assert resp is not None
    resp = np.asarray(resp, dtype=np.float64)
    if block.weights is not None:
        resp = resp * np.asarray(block.weights, dtype=np.float64)[:, None]
    used = resp > 0

    def log_likelihood(v: np.ndarray) -> float:
        return float(mixture.e_step(mixture.unpack(v, params), block)[1])

    def expected(v: np.ndarray) -> float:
        there = mixture.unpack(v, params)
        joint = np.asarray(mixture.family.log_prob(there.components, block.x), dtype=np.float64) + there.log_weights
        return float(np.sum(resp[used] * joint[used]))

    of_log_likelihood, of_expected = slopes(log_likelihood, expected, at=vector)
    close(
        "gradient of the log-likelihood (by differences, beside that of Q)",
        of_log_likelihood,
        of_expected,
        1.0 + np.abs(of_expected),
        1e-6,
    )
    return None


def _steps(problem: Problem, start: Any, n: int, algorithm: Algorithm | None = None, iteration: int = 0) -> Iterator[Step]:
    """The start and ``n`` iterations, or as many as there are before a component collapses."""
    try:
        yield from islice(iterate(problem, algorithm or EM(), start, iteration), n + 1)
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
    description_makes_the_model_again,
)
