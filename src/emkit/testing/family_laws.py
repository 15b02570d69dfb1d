"""Laws of families: of the M-step, the prior, missing cells, compiled twins and samples."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from emkit.core.bayes import Pass
from emkit.core.block import Block
from emkit.core.compiled import compiling
from emkit.core.errors import CollapseError
from emkit.core.result import aitken
from emkit.testing.cases import FamilyCase, Law, unit_weights
from emkit.testing.compare import close, gradients_agree, like, plain_difference, prior_mode, require, slopes
from emkit.testing.parameter_laws import relabelled


def labels_do_not_matter(case: FamilyCase) -> bool | None:
    """Permuted components have permuted columns of log_prob, and permuting commutes with the M-step."""
    family, x = case.family, case.block.x
    plain = np.asarray(family.log_prob(case.params, x))
    new = family.update(case.all()[0], case.params)
    for order, moved, permuted in relabelled(case):
        close("log_prob of permuted components", moved.log_prob(permuted, x), plain[:, order], 1.0 + np.abs(plain[:, order]), 1e-12)
        new_permuted = moved.update(moved.stats(permuted, x, case.weighted[:, order]), permuted)
        like("M-step of permuted components", new_permuted, family.permute(new, order), 1e-7)
    return None if relabelled(case) else False


def m_step_never_lowers(case: FamilyCase) -> None:
    """The M-step never lowers the responsibility-weighted log-likelihood plus log prior."""
    for name, start in (("first guess", case.params), ("random start", case.other)):
        params, value = start, case.objective(start)
        for i in range(5):
            params = case.family.update(case.at(params).all()[0], params)
            new = case.objective(params)
            allowed = 1e-11 * (abs(value) + case.units)
            require(new >= value - allowed, f"from the {name}, M-step {i + 1} took it from {value:.12g} to {new:.12g}")
            value = new


def m_steps_end_where_nothing_is_to_gain(case: FamilyCase) -> bool | None:
    """Repeated M-steps under the same responsibilities end at a stationary point of what they maximise."""
    family, params, trace = case.family, case.params, [case.objective(case.params)]
    for _ in range(300):
        new = family.update(case.at(params).all()[0], params)
        difference = plain_difference(new, params)
        params = new
        trace.append(case.objective(params))
        if difference < 1e-12:
            break
    vector = family.pack(params)
    if not len(vector) or not np.isfinite(vector).all():
        return False
    (slope,) = slopes(lambda v: case.objective(family.unpack(v, params)), at=vector)
    # An M-step may be an iteration itself, and not yet at rest: see em_ends_where_nothing_is_to_gain.
    remaining = 0.0 if abs(trace[-1] - trace[-2]) < 1e-10 else aitken(trace)
    if not remaining < 1e-2:
        return False
    allowed = max(1e-5, 10.0 * np.sqrt(0.02 * remaining))
    close("slope of the expected log posterior after the M-steps", slope, np.zeros_like(slope), 1.0, allowed)
    return None


def prior_alone_gives_its_mode(case: FamilyCase) -> None:
    """With nothing counted, the M-step gives the prior's mode; what has no prior stays where it is."""
    prior_mode(case.family, case.m_step, case.all()[0], case.params, stay=True)


def fisher_identity(case: FamilyCase) -> bool | None:
    """Gradient of the responsibility-weighted log-likelihood = gradient of ``q``, where the statistics were taken."""
    family = case.family
    for params in (case.params, case.other):
        stats = case.at(params).all()[0]
        if family.q(stats, params) is None or not family.n_free(params):
            return False
        gradients_agree(case.log_likelihood, partial(family.q, stats), family, params)
    return None


def _blocks(case: FamilyCase) -> Iterator[tuple[Block, Any]]:
    """The rows as they are, with weights, and with known labels; each within a context, plain or with everything compiled."""
    rng = case.rng()
    weights = rng.integers(0, 3, size=case.units).astype(case.block.x.dtype)
    weights[0] = 1.0
    labels = np.where(rng.random(case.units) < 0.5, rng.integers(case.k, size=case.units), -1)
    for block in (case.block, replace(case.block, weights=weights), replace(case.block, weights=weights, labels=labels)):
        yield block, nullcontext()
        if case.compiled:
            yield block, compiling(True)


def joint_pass_is_the_plain_pass(case: FamilyCase) -> None:
    """``joint_pass`` agrees with Bayes' rule written out (``plain_pass``): statistics, rows, responsibilities, also with labels."""
    log_weights = np.log(case.rng().dirichlet(np.ones(case.k)))
    empty = np.append(np.zeros(case.k - 1), -np.inf) if case.k > 1 else log_weights
    for block, context in _blocks(case):
        rtol = 1e-3 if case.narrow and not isinstance(context, nullcontext) else 1e-8
        with context:
            for lw in (log_weights, log_weights if block.labels is not None else empty):
                _same_pass(case, block, lw, rtol)


def _same_pass(case: FamilyCase, block: Block, lw: np.ndarray, rtol: float) -> None:
    plain = case.family.plain_pass(case.params, lw, block)
    each = case.family.plain_pass(case.params, lw, block, rows=True, responsibilities=True)
    own: Pass = case.family.joint_pass(case.params, lw, block)
    require(own.stats is not None and own.counts is not None, "joint_pass gave no statistics")
    assert plain.stats is not None and each.rows is not None and own.stats is not None
    size, used = 1.0 + np.abs(each.rows), unit_weights(block)
    with np.errstate(invalid="ignore"):
        total_size = float(np.sum((size * used)[np.isfinite(size)]))
    close("log-likelihood of joint_pass", own.log_likelihood, plain.log_likelihood, total_size, rtol)
    close("counts of joint_pass", own.counts, plain.counts, block.n, rtol)
    scale = 2.0 * case.magnitude[1:] + np.abs(plain.stats.pack())
    close("statistics of joint_pass", own.stats.pack(), plain.stats.pack(), scale, rtol)
    rows = case.family.joint_pass(case.params, lw, block, rows=True).rows
    close("rows' log-likelihoods of joint_pass", rows, each.rows, size, rtol)
    resp = case.family.joint_pass(case.params, lw, block, responsibilities=True).responsibilities
    assert each.responsibilities is not None and resp is not None
    close("responsibilities of joint_pass", resp[used > 0], each.responsibilities[used > 0], 1.0, rtol)


def blocks_are_their_rows(case: FamilyCase) -> None:
    """``log_prob_block`` and ``stats_block`` of a block are ``log_prob`` and ``stats`` of its rows."""
    family, block = case.family, case.block
    rtol = 1e-3 if case.narrow else 1e-9
    plain, stats = np.asarray(family.log_prob(case.params, block.x)), case.all()[0].pack()
    for context in (nullcontext(), compiling(True)) if case.compiled else (nullcontext(),):
        with context:
            found = family.log_prob_block(case.params, block)
            require(found.dtype == np.float64, f"log_prob_block gave {found.dtype}; it must be float64")
            close("log_prob_block", found, plain, 1.0 + np.abs(plain), rtol)
            given = np.full(plain.shape, np.nan)
            require(family.log_prob_block(case.params, block, given) is given, "log_prob_block must return the array it was given")
            close("log_prob_block", given, plain, 1.0 + np.abs(plain), rtol)
            close("stats_block", family.stats_block(case.params, block, case.weighted).pack(), stats, case.magnitude[1:], rtol)


def rows_add_up(case: FamilyCase) -> None:
    """A block's log-likelihood is the weighted sum of its rows'; each row's responsibilities add up to 1."""
    log_weights = np.full(case.k, -np.log(case.k))
    block, family = case.block, case.family
    rows = family.joint_pass(case.params, log_weights, block, rows=True).rows
    resp = family.joint_pass(case.params, log_weights, block, responsibilities=True).responsibilities
    total = family.joint_pass(case.params, log_weights, block).log_likelihood
    assert rows is not None and resp is not None
    rtol = 1e-5 if case.narrow else 1e-10
    close("sum of the rows' log-likelihoods", np.sum(rows * case.weights), total, np.sum(np.abs(rows) * case.weights), rtol)
    possible = np.isfinite(rows)
    close("sum of a row's responsibilities", resp.sum(axis=1)[possible], np.ones(int(possible.sum())), 1.0, rtol)


def nothing_observed_says_nothing(case: FamilyCase) -> bool | None:
    """A row whose cells are all missing has log_prob 0 under every component, and teaches the M-step nothing."""
    x, family = case.block.x, case.family
    if not case.missing or x.dtype.kind != "f" or family.missing_counts:
        return False
    blank = np.full_like(x[:3], np.nan)
    close("log_prob of rows with nothing observed", family.log_prob(case.params, blank), np.zeros((3, case.k)), 1.0, 1e-12)
    mixed = np.concatenate([x[:3], blank])
    alone = np.asarray(family.log_prob(case.params, x[:3]))
    close("log_prob of rows beside rows with nothing observed", family.log_prob(case.params, mixed)[:3], alone, 1.0 + np.abs(alone))
    vector = family.pack(case.params)
    (pull,) = slopes(lambda v: float(family.log_prior(family.unpack(v, case.params))), at=vector)
    if not pull.any():  # no prior
        new = family.update(family.stats(case.params, blank, np.full((3, case.k), 1.0 / case.k)), case.params)
        like("parameters after rows with nothing observed", new, case.params)
    return None


def samples_fit(case: FamilyCase, each: int = 1000) -> bool | None:
    """Rows drawn with known labels: fitting improves on the truth, by no more than chance allows.

    Twice the gain over the truth is chi-squared with ``n_free`` degrees of freedom (Wilks 1938); samples that the density does
    not describe gain in proportion to their number. Expectations under a posterior are no densities: there it does not apply.
    """
    family = case.family
    if family.is_posterior:
        return False
    labels = np.repeat(np.arange(case.k), each)
    x = family.sample(case.params, labels, np.random.default_rng(case.seed))
    again = family.sample(case.params, labels, np.random.default_rng(case.seed))
    require(np.array_equal(x, again, equal_nan=True), "sample does not repeat with the same generator")
    expected = (len(labels), case.source.n_features)
    require(np.shape(x) == expected, f"sample gave shape {np.shape(x)}, expected {expected}")
    cells = np.asarray(x, dtype=np.float64)
    allowed = family.support.holds(cells) | (np.isnan(cells) & family.missing_counts)
    require(bool(allowed.all()), f"sample gave what is not {family.support.words}")
    drawn = replace(case, block=Block(np.asarray(x, dtype=np.float64)), resp=np.eye(case.k)[labels])
    params = case.params
    try:
        for _ in range(10):
            params = family.update(drawn.at(params).all()[0], params)
    except CollapseError:
        return False
    gain = drawn.objective(params) - drawn.objective(case.params)
    plain = drawn.log_likelihood(params) - drawn.log_likelihood(case.params)
    free = family.n_free(case.params)
    require(gain >= -1e-9 * drawn.units, f"fitting a sample lowered the objective by {-gain:.3g}")
    limit = 0.5 * (free + 6.0 * np.sqrt(2.0 * free) + 20.0)
    require(
        plain <= limit,
        f"fitting a sample of {len(labels)} rows gained {plain:.4g} nats on the truth, chance allows {limit:.4g} "
        f"for {free} free parameters: sample and log_prob disagree",
    )
    return None


def narrowest_is_of_all_columns(case: FamilyCase) -> None:
    """``narrowest`` is a variance, or NaN, for each column of each component."""
    found = case.family.narrowest(case.params)
    if found is not None:
        shape = (case.k, case.source.n_features)
        require(np.shape(found) == shape, f"narrowest has the shape {np.shape(found)}, not {shape}")
        require(not (np.asarray(found) < 0).any(), "narrowest has a negative variance")


LAWS: tuple[Law, ...] = (
    labels_do_not_matter,
    m_step_never_lowers,
    m_steps_end_where_nothing_is_to_gain,
    prior_alone_gives_its_mode,
    fisher_identity,
    joint_pass_is_the_plain_pass,
    blocks_are_their_rows,
    rows_add_up,
    nothing_observed_says_nothing,
    samples_fit,
    narrowest_is_of_all_columns,
)
