"""Laws of families: of the M-step, the prior, missing cells, samples and files."""

from dataclasses import replace

import numpy as np

from emkit.core.errors import CollapseError, ParameterError
from emkit.core.model import sliced_pass
from emkit.testing.cases import FamilyCase, Law
from emkit.testing.compare import close, like, plain_difference, require, same_bits, slopes
from emkit.testing.model_laws import described_again, fisher_identity_of, prior_mode


def labels_do_not_matter(case: FamilyCase) -> bool | None:
    """Permuted components have permuted columns of log_prob, and permuting commutes with the M-step."""
    family, x = case.family, case.block.x
    order = np.roll(np.arange(case.k), 1)
    try:
        permuted = family.permute(case.params, order)
    except ParameterError:
        return False  # its components have names, such as those that share distributions
    plain = np.asarray(family.log_prob(case.params, x))
    close("log_prob of permuted components", family.log_prob(permuted, x), plain[:, order], 1.0 + np.abs(plain[:, order]), 1e-12)
    moved = family.permuted(order)  # what is fixed follows its component
    if not np.isclose(moved.log_prior(permuted), family.log_prior(case.params), rtol=1e-12, atol=1e-12):
        return None
    new = family.m_step(case.all()[0], case.params)
    new_permuted = moved.m_step(moved.stats(permuted, x, case.weighted[:, order]), permuted)
    like("M-step of permuted components", new_permuted, family.permute(new, order), 1e-7)
    return None


def m_step_never_lowers(case: FamilyCase) -> None:
    """The M-step never lowers the responsibility-weighted log-likelihood plus log prior."""
    for name, start in (("first guess", case.params), ("random start", case.other)):
        params, value = start, case.expected(start)
        for i in range(5):
            params = case.family.m_step(case.family.stats(params, case.block.x, case.weighted), params)
            new = case.expected(params)
            allowed = 1e-11 * (abs(value) + case.units)
            require(new >= value - allowed, f"from the {name}, M-step {i + 1} took it from {value:.12g} to {new:.12g}")
            value = new


def m_steps_end_where_nothing_is_to_gain(case: FamilyCase) -> bool | None:
    """Repeated M-steps under the same responsibilities end at a stationary point of what they maximise."""
    family, params = case.family, case.params
    for _ in range(300):
        new = family.m_step(family.stats(params, case.block.x, case.weighted), params)
        moved = plain_difference(new, params)
        params = new
        if moved < 1e-12:
            break
    vector = family.pack(params)
    if not len(vector) or not np.isfinite(vector).all():
        return False
    (slope,) = slopes(lambda v: case.expected(family.unpack(v, params)), at=vector)
    close("slope of the expected log posterior after the M-steps", slope, np.zeros_like(slope), 1.0, 1e-5)
    return None


def prior_alone_gives_its_mode(case: FamilyCase) -> None:
    """With nothing counted, the M-step gives the prior's mode; what has no prior stays where it is."""
    prior_mode(case.family, case.all()[0], case.params, stay=True)


def joint_pass_is_the_plain_pass(case: FamilyCase) -> None:
    """``joint_pass`` agrees with Bayes' rule written out (``sliced_pass``): statistics, rows and responsibilities."""
    rng = case.rng()
    log_weights = np.log(rng.dirichlet(np.ones(case.k)))
    empty = np.append(np.zeros(case.k - 1), -np.inf) if case.k > 1 else log_weights
    weights = rng.integers(0, 3, size=case.units).astype(case.block.x.dtype if case.block.x.dtype.kind == "f" else np.float64)
    weights[0] = 1.0
    narrow = case.block.x.dtype == np.float32
    blocks = [case.block, replace(case.block, weights=weights)]
    if case.compiled:
        # As part of a source large enough for compiled code to be worth loading.
        blocks += [replace(block, source_rows=10**12) for block in blocks]
    for block in blocks:
        for lw in (log_weights, empty):
            rtol = 1e-3 if narrow and block.source_rows > case.source.n_rows else 1e-8
            plain = sliced_pass(case.family, case.params, lw, block, rows=False, responsibilities=False)
            each = sliced_pass(case.family, case.params, lw, block, rows=True, responsibilities=True)
            own = case.family.joint_pass(case.params, lw, block)
            require(own.stats is not None and own.counts is not None, "joint_pass gave no statistics")
            assert plain.stats is not None and each.rows is not None and own.stats is not None
            size = 1.0 + np.abs(each.rows)
            used = np.ones(block.n) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
            with np.errstate(invalid="ignore"):
                total_size = float(np.sum((size * used)[np.isfinite(size)]))
            close("log-likelihood of joint_pass", own.log_likelihood, plain.log_likelihood, total_size, rtol)
            close("counts of joint_pass", own.counts, plain.counts, block.n, rtol)
            scale = 2.0 * case.magnitude[1:] + np.abs(plain.stats.pack())
            close("statistics of joint_pass", own.stats.pack(), plain.stats.pack(), scale, rtol)
            rows = case.family.joint_pass(case.params, lw, block, rows=True).rows
            close("rows' log-likelihoods of joint_pass", rows, each.rows, size, rtol)
            resp = case.family.joint_pass(case.params, lw, block, responsibilities=True).responsibilities
            assert each.responsibilities is not None
            positive = used > 0
            assert resp is not None
            close("responsibilities of joint_pass", resp[positive], each.responsibilities[positive], 1.0, rtol)


def blocks_are_their_rows(case: FamilyCase) -> None:
    """``log_prob_block`` and ``stats_block`` of a block are ``log_prob`` and ``stats`` of its rows."""
    family, block = case.family, case.block
    blocks = [block, replace(block, source_rows=10**12)] if case.compiled else [block]
    rtol = 1e-3 if block.x.dtype == np.float32 else 1e-9
    plain = np.asarray(family.log_prob(case.params, block.x))
    for one in blocks:
        found = family.log_prob_block(case.params, one)
        require(found.dtype == np.float64, f"log_prob_block gave {found.dtype}; it must be float64")
        close("log_prob_block", found, plain, 1.0 + np.abs(plain), rtol)
        given = np.full(plain.shape, np.nan)
        require(family.log_prob_block(case.params, one, given) is given, "log_prob_block must return the array it was given")
        close("log_prob_block", given, plain, 1.0 + np.abs(plain), rtol)
        stats = family.stats_block(case.params, one, case.weighted).pack()
        close("stats_block", stats, case.all()[0].pack(), case.magnitude[1:], rtol)


def rows_add_up(case: FamilyCase) -> None:
    """A block's log-likelihood is the weighted sum of its rows'; each row's responsibilities add up to 1."""
    log_weights = np.full(case.k, -np.log(case.k))
    block, family = case.block, case.family
    rows = family.joint_pass(case.params, log_weights, block, rows=True).rows
    resp = family.joint_pass(case.params, log_weights, block, responsibilities=True).responsibilities
    total = family.joint_pass(case.params, log_weights, block).log_likelihood
    assert rows is not None and resp is not None
    narrow = 1e-5 if case.block.x.dtype == np.float32 else 1e-10
    close("sum of the rows' log-likelihoods", np.sum(rows * case.weights), total, np.sum(np.abs(rows) * case.weights), narrow)
    possible = np.isfinite(rows)
    close("sum of a row's responsibilities", resp.sum(axis=1)[possible], np.ones(int(possible.sum())), 1.0, narrow)


def fisher_identity(case: FamilyCase) -> bool | None:
    """Gradient of a mixture's log-likelihood = gradient of the expected complete log-likelihood at the current parameters."""
    mixture = case.mixture()
    weights = case.rng().dirichlet(np.full(case.k, 5.0))
    start = mixture.init(case.source, case.rng())
    params = replace(start, weights=weights, components=case.params)
    return fisher_identity_of(mixture, params, case.block)


def nothing_observed_says_nothing(case: FamilyCase) -> bool | None:
    """A row whose cells are all missing has log_prob 0 under every component, and teaches the M-step nothing."""
    x = case.block.x
    if not case.missing or getattr(x, "dtype", np.dtype(object)).kind != "f":
        return False
    blank = np.full_like(x[:3], np.nan)
    close("log_prob of rows with nothing observed", case.family.log_prob(case.params, blank), np.zeros((3, case.k)), 1.0, 1e-12)
    mixed = np.concatenate([x[:3], blank])
    close(
        "log_prob of rows beside rows with nothing observed",
        case.family.log_prob(case.params, mixed)[:3],
        case.family.log_prob(case.params, x[:3]),
        1.0 + np.abs(np.asarray(case.family.log_prob(case.params, x[:3]))),
    )
    if not any(slopes_of_prior(case)):
        new = case.family.m_step(case.family.stats(case.params, blank, np.full((3, case.k), 1.0 / case.k)), case.params)
        like("parameters after rows with nothing observed", new, case.params)
    return None


def slopes_of_prior(case: FamilyCase) -> np.ndarray:
    """Slopes of the log prior at the parameters; all zero without a prior."""
    vector = case.family.pack(case.params)
    (slope,) = slopes(lambda v: float(case.family.log_prior(case.family.unpack(v, case.params))), at=vector)
    return slope


def samples_fit(case: FamilyCase, each: int = 1000) -> bool | None:
    """Rows drawn with known labels: fitting improves on the truth, by no more than chance allows.

    Twice the gain over the truth is chi-squared with ``n_free`` degrees of freedom (Wilks 1938); samples that the density does
    not describe gain in proportion to their number.
    """
    family = case.family
    labels = np.repeat(np.arange(case.k), each)
    x = family.sample(case.params, labels, np.random.default_rng(case.seed))
    again = family.sample(case.params, labels, np.random.default_rng(case.seed))
    require(np.array_equal(x, again), "sample does not repeat with the same generator")
    expected = (len(labels), case.source.n_features)
    require(np.shape(x) == expected, f"sample gave shape {np.shape(x)}, expected {expected}")
    drawn = replace(case, block=replace(case.block, x=np.asarray(x), weights=None, missing=False), resp=np.eye(case.k)[labels])
    params = case.params
    try:
        for _ in range(10):
            params = family.m_step(family.stats(params, drawn.block.x, drawn.weighted), params)
    except CollapseError:
        return False
    gain = drawn.expected(params) - drawn.expected(case.params)
    plain = gain - float(family.log_prior(params)) + float(family.log_prior(case.params))
    free = family.n_free(case.params)
    require(gain >= -1e-9 * drawn.units, f"fitting a sample lowered the objective by {-gain:.3g}")
    limit = 0.5 * (free + 6.0 * np.sqrt(2.0 * free) + 20.0)
    require(
        plain <= limit,
        f"fitting a sample of {len(labels)} rows gained {plain:.4g} nats on the truth, chance allows {limit:.4g} "
        f"for {free} free parameters: sample and log_prob disagree",
    )
    return None


def description_makes_the_family_again(case: FamilyCase) -> None:
    """A description is plain JSON; what is read back from it is the same family; ``null_params`` has the shapes of a file."""
    family = case.family
    null = family.null_params(case.k, case.source.n_features)
    same_bits("parameters put back from a file's arrays", null.replace_arrays(case.params.flatten()), case.params)
    back = described_again(family)
    require(back.log_prior(case.params) == family.log_prior(case.params), "the family read back has another log prior")
    close(
        "log_prob of the family read back",
        back.log_prob(case.params, case.block.x),
        family.log_prob(case.params, case.block.x),
        0.0,
    )
    stats = case.all()[0]
    same_bits("M-step of the family read back", back.m_step(stats, case.params), family.m_step(stats, case.params))


LAWS: tuple[Law, ...] = (
    labels_do_not_matter,
    m_step_never_lowers,
    m_steps_end_where_nothing_is_to_gain,
    prior_alone_gives_its_mode,
    joint_pass_is_the_plain_pass,
    blocks_are_their_rows,
    rows_add_up,
    fisher_identity,
    nothing_observed_says_nothing,
    samples_fit,
    description_makes_the_family_again,
)
