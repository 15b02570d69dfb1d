"""Which columns of a table matter to a mixture: the others have the same distribution in all components."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.algorithms.starts import fit
from emkit.core.block import Block, Source
from emkit.core.checks import count, one_of
from emkit.core.errors import CollapseError, DataError, ParameterError
from emkit.core.executor import Executor
from emkit.core.family import Family
from emkit.core.model import Infer
from emkit.core.result import Result
from emkit.core.seeding import seed_labels
from emkit.core.selected import SelectedColumns
from emkit.families.column_parts import ColumnPart
from emkit.families.per_column import PerColumn, PerColumnParams
from emkit.families.tied import Tied
from emkit.models.mixture import FiniteMixture
from emkit.selection.criteria import bic_price
from emkit.selection.integrated import Integrated
from emkit.selection.relevance import Column, Hypothesis, Selector, run

CRITERIA = ("bic", "aic", "micl")
_SHORT, _FEW = 8, 4  # iterations of every start, and how many starts are carried on
_ROUNDS = 10  # of improving the best end, at most
_DROPPED = 10  # columns that are left out in turn
_SAMPLE = 5_000  # rows that starts are tried on
_FEW_ROWS = 500  # that say whether a family's M-step is the last one
_SEEDINGS = ("kmeans", "k-means++", "random_from_data")


@dataclass(frozen=True)
class Relevance:
    """Which columns matter.

    Attributes
    ----------
    result : Result
        Of the mixture in which irrelevant columns are ``Tied``: a fit like any other.
    family : PerColumn
        That mixture's, not resolved.
    names : tuple of str
        Of the columns; of a block of dependent columns all of them, with commas.
    columns : tuple of tuples of int
        Their numbers.
    relevant : bool array of shape (B,)
    gains : array of shape (B,)
        Nats by which distributions of their own describe each column better than a common one, given who belongs where.
    prices : array of shape (B,)
        Nats that they have to gain.
    score, score_of_all : float
        BIC, AIC or MICL, in the usual sign, lower is better: of ``result``, and of the mixture in which all columns are relevant.
        Where no column is relevant, weights mean nothing and are not counted in BIC and AIC.
    reached : int
        How many of the starts that were carried on ended there.
    carried_on : int
        Of how many.
    """

    result: Result
    family: PerColumn
    names: tuple[str, ...]
    columns: tuple[tuple[int, ...], ...]
    relevant: np.ndarray
    gains: np.ndarray
    prices: np.ndarray
    score: float
    score_of_all: float
    reached: int
    carried_on: int


def relevant_columns(
    model: FiniteMixture,
    source: Source,
    *,
    executor: Executor,
    rng: np.random.Generator,
    by: str = "bic",
    starts: int = 40,
    tol: float = 1e-3,
    max_iter: int = 1000,
) -> Relevance:
    """Fit a mixture and choose the columns that matter to it, both at once, by a penalised likelihood.

    From many first guesses at the columns and the partition, EM whose M-steps also choose the columns: a column is relevant if
    distributions of its own for every component gain more than their further parameters cost. The penalised likelihood never falls.
    From the best end on, columns are left out one at a time, and the chosen ones fitted from starts of their own, while that helps.
    What comes of it is fitted as any mixture is.

    Parameters
    ----------
    model : FiniteMixture
        Not resolved, of at least two components, with nothing held or given; its family has columns that are independent given the
        component, or blocks of columns that are chosen or not together.
    source : Source
    executor : Executor
    rng : Generator
    by : {"bic", "aic", "micl"}
        What a parameter costs: half the logarithm of the number of rows, or one nat. "micl" is the integrated complete-data
        likelihood of the best partition found instead, times -2: ``emkit.selection.integrated``, begun from what "bic" finds.
    starts : int
        Besides the fit in which all columns are relevant.
    tol, max_iter
        See ``emkit.fit``.

    Raises
    ------
    ParameterError
        For a model of one component, one with values that are held or given, or columns that all depend on each other; for
        "micl", for a family whose marginal probability of complete data has no closed form.
    CollapseError
        Without a prior, if every start collapsed.

    References
    ----------
    Marbac and Sedki (2017), Variable selection for model-based clustering using the integrated complete-data likelihood, Statistics
    and Computing 27, 1049-1063; their R package VarSelLCM. Green (1990), JRSS B 52, 443-452: EM for penalised likelihood.
    """
    price = 1.0 if one_of(by, CRITERIA, "by") == "aic" else 0.5 * bic_price(source.total_weight)
    count(starts, "n_starts", 0)
    blocks = _blocks(model, source)
    with executor.session(), np.errstate(over="ignore", invalid="ignore"):
        whole = fit(_mixture(model, blocks, [True] * len(blocks)), source, executor=executor, rng=rng, tol=tol, max_iter=max_iter)
        columns = tuple(_column(block, model.n_hidden, source, executor, price) for block in blocks)
        rows = _integrated(model, columns, source) if by == "micl" else None
        pseudo, weights = 0.0 if model.prior is None else model.prior.pseudo, model.n_hidden - 1
        selector = Selector(columns, pseudo, executor, price * weights)
        tried = _tried(selector, whole, source, starts, rng, tol)
        ends = _ends(selector, source, tried, tol, max_iter)
        if not ends:
            raise CollapseError(
                "every start ended in a component collapsed onto a point; use the default prior, or fewer components"
            )
        end = max([*ends, _as_it_is(selector, _of_all(whole), source)], key=_value)
        end = _improved(end, selector, model, source, rng, tol, max_iter)
        best, prices = end[0], selector.prices
        if rows is not None:
            choice = _by_integrated(rows, (end, *ends), whole, rng)
            best, end, prices = choice.best, (choice.best, choice.value, choice.gains), np.zeros(len(columns))
            ends = list(choice.ends)
        parts = tuple(p if used else c.alone for c, p, used in zip(columns, best.parts, best.relevant, strict=True))
        final = _mixture(model, blocks, best.relevant.tolist())
        given = [final.Params(best.weights, PerColumnParams(parts))]
        result = fit(final, source, executor=executor, starts=given, rng=rng, tol=tol, max_iter=max_iter)
    family: Any = final.family
    score = 2.0 * (price * (result.n_free - (0 if best.relevant.any() else weights)) - result.log_likelihood)
    score_of_all = 2.0 * (price * whole.n_free - whole.log_likelihood)
    if rows is not None:
        score, score_of_all = -2.0 * choice.value, -2.0 * choice.value_of_all
    return Relevance(
        result,
        family,
        tuple(c.block.name for c in columns),
        tuple(c.block.columns for c in columns),
        best.relevant,
        end[2],
        prices,
        score,
        score_of_all,
        sum(np.array_equal(one[0].relevant, best.relevant) and one[1] > end[1] - 10.0 * tol for one in ends),
        len(ends),
    )


@dataclass(frozen=True)
class _Choice:
    """The best by the integrated likelihood, its value and gains; that of all columns; and where each of the ends came to."""

    best: Hypothesis
    value: float
    gains: np.ndarray
    value_of_all: float
    ends: tuple[tuple[Hypothesis, float, np.ndarray], ...]


def _of_all(whole: Result) -> Hypothesis:
    """The fit in which all columns are relevant."""
    parts = whole.params.components.parts
    return Hypothesis(whole.params.weights, parts, np.ones(len(parts), dtype=bool))


def _as_it_is(selector: Selector, at: Hypothesis, source: Source) -> tuple[Hypothesis, float, np.ndarray]:
    """What a hypothesis is worth."""
    stats, value = selector.e_step(at, source)
    return at, value, selector.m_step(stats, at, choose=False)[1]


def _integrated(model: FiniteMixture, columns: Sequence[Column], source: Source) -> Integrated:
    return Integrated(columns, source, model.n_hidden, None if model.prior is None else model.prior.concentration)


def _by_integrated(rows: Integrated, ends: Sequence[Any], whole: Result, rng: np.random.Generator) -> _Choice:
    """The best partition and columns from the partitions of all ends, and from that of the fit in which all columns matter."""
    every = np.ones(len(rows.columns), dtype=bool)
    of_whole = rows.partition(whole.params.weights, whole.params.components.parts, every)
    found = [rows.best_from(rows.partition(at.weights, at.parts, at.relevant)) for at, _, _ in ends]
    best = max([*found, rows.best_from(of_whole)], key=lambda one: one.value)
    value_of_all = max(rows.best_from(labels, every).value for labels in (of_whole, best.labels))
    as_ends = tuple((replace(at, relevant=one.relevant), one.value, one.gains) for (at, _, _), one in zip(ends, found, strict=True))
    hypothesis = Hypothesis(*rows.parts(best, rng), best.relevant)
    return _Choice(hypothesis, best.value, best.gains, value_of_all, as_ends[1:])


def _blocks(model: FiniteMixture, source: Source) -> list[ColumnPart]:
    """The family of each column, or block of columns that are chosen together. Raises ParameterError if there is no choice."""
    if model.n_hidden < 2:
        raise ParameterError("which columns matter is a question about two components or more", parameter="n_components")
    if model.has_values:
        raise ParameterError("which columns matter can only be chosen where no parameter is held or given", parameter="fixed")
    columns = source.columns
    found = model.family.blocks(columns)
    if len(columns) < 2:
        raise ParameterError("a single column leaves no choice: which columns matter is asked of two or more", parameter="X")
    if len(found) < 2:
        raise ParameterError(
            f"{model.family.called}: its {len(columns)} column(s) depend on each other, so none can be irrelevant alone; give them "
            'families of their own, such as PerColumn or Gaussian("diag")',
            parameter="family",
        )
    return [ColumnPart(",".join(str(columns[j].name) for j in places), places, family) for places, family in found]


def _mixture(model: FiniteMixture, blocks: Sequence[ColumnPart], relevant: Sequence[bool]) -> FiniteMixture:
    """The mixture in which irrelevant columns have one distribution."""
    shared = (0,) * model.n_hidden
    parts = [b if used else replace(b, family=Tied(b.family, shared)) for b, used in zip(blocks, relevant, strict=True)]
    return replace(model, family=PerColumn(parts))


def _column(block: ColumnPart, k: int, source: Source, executor: Executor, price: float) -> Column:
    """Resolved, with the fit of its one distribution."""
    own = SelectedColumns(source, block.columns)
    resolved: Family = block.family.resolve(own, k)
    alone = _alone(block, source, executor)
    more = resolved.n_free(resolved.null(k, len(block.columns))) - alone.n_free
    one, params = alone.model.family, alone.params.components
    everywhere = _repeated(one, params, resolved, k, len(block.columns))
    slow = _takes_steps(resolved, own.sample(_FEW_ROWS, np.random.default_rng(0)).joined(), k)
    return Column(block, resolved, params, alone.log_likelihood, resolved.log_prior(everywhere), price * more, slow)


def _repeated(one: Family, params: Any, resolved: Family, k: int, d: int) -> Any:
    """K distributions that are all the one."""
    shown = one.shown(params)
    each = {name: (declared := one.parameter(name)) is not None and bool(declared.axes) for name in shown}
    return resolved.unshown({name: np.repeat(value, k, axis=0) if each[name] else value for name, value in shown.items()}, k, d)


def _takes_steps(resolved: Family, block: Block, k: int) -> bool:
    """Whether an M-step is not the last that given responsibilities ask for, as where a scale is hidden too."""
    x, rng = np.asarray(block.x), np.random.default_rng(1)
    resp = rng.dirichlet(np.ones(k), len(x))
    try:
        at = resolved.from_partition(x, resp, rng)
        once = resolved.update(resolved.stats(at, x, resp), at)
        twice = resolved.update(resolved.stats(once, x, resp), once)
    except CollapseError:
        return False
    pairs = zip(once.flatten().values(), twice.flatten().values(), strict=True)
    return not all(np.allclose(a, b, rtol=1e-6, atol=0.0, equal_nan=True) for a, b in pairs)


def _alone(block: ColumnPart, source: Source, executor: Executor) -> Result:
    """The fit of one distribution to the columns of a block."""
    return fit(FiniteMixture(block.family, 1), SelectedColumns(source, block.columns), executor=executor, tol=1e-6)


def _guesses(
    selector: Selector, whole: Result, block: Block, starts: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Responsibilities (n, K) and relevant columns: by the fit by all columns; then by columns drawn at random."""
    x, every, k = np.asarray(block.x), len(selector.columns), len(whole.params.weights)
    weights = None if block.weights is None else np.asarray(block.weights, dtype=np.float64)
    marginals = Infer(whole.model, whole.params, "marginals")(block).marginals
    yield np.asarray(marginals), np.ones(every, dtype=bool)
    for i, own in enumerate(rng.spawn(starts)):
        chosen = np.zeros(every, dtype=bool)
        chosen[own.permutation(every)[: own.integers(1, every, endpoint=True)]] = True
        points = [c.resolved.embed(x[:, list(c.block.columns)]) for c, used in zip(selector.columns, chosen, strict=True) if used]
        known = [p for p in points if p is not None]
        joined = np.concatenate(known, axis=1) if known else np.zeros((len(x), 1))
        apart = len(np.unique(joined if weights is None else joined[weights > 0], axis=0)) >= k
        kind = _SEEDINGS[i % len(_SEEDINGS)] if apart else "random"
        yield seed_labels(joined, len(x), weights, k, own, kind), chosen


def _anew(selector: Selector, model: FiniteMixture, at: Hypothesis, source: Source, rng: np.random.Generator) -> Hypothesis:
    """The best fit to the relevant columns alone, from starts as every mixture has them."""
    used = np.flatnonzero(at.relevant).tolist()
    if not used:
        return at
    blocks = [selector.columns[b].block for b in used]
    places = [j for block in blocks for j in block.columns]
    parts = [replace(block, columns=tuple(places.index(j) for j in block.columns)) for block in blocks]
    alone = replace(model, family=PerColumn(parts))
    found = fit(alone, SelectedColumns(source, places), executor=selector.executor, rng=rng).params
    new = dict(zip(used, found.components.parts, strict=True))
    return replace(at, weights=found.weights, parts=tuple(new.get(b, old) for b, old in enumerate(at.parts)))


def _improved(
    end: tuple[Hypothesis, float, np.ndarray],
    selector: Selector,
    model: FiniteMixture,
    source: Source,
    rng: np.random.Generator,
    tol: float,
    max_iter: int,
) -> tuple[Hypothesis, float, np.ndarray]:
    """From the best end on, as long as something is gained.

    The chosen columns get starts of their own, which may find a better optimum. And the columns that gain least are left out one at
    a time: groups that a column itself has made speak for it, so that EM alone would keep it. Left out to the last, no column
    matters, and the weights cost nothing either.
    """
    for _ in range(_ROUNDS):
        at, value, gains = end
        tried = []
        with suppress(CollapseError, DataError):  # such as one column with fewer values than components
            tried.append(_anew(selector, model, at, source, rng))
        margins, order = gains - selector.prices, np.flatnonzero(at.relevant)
        for b in order[np.argsort(margins[order], kind="stable")][:_DROPPED]:
            tried.append(replace(at, relevant=at.relevant & (np.arange(len(margins)) != b)))
        end = max([end, *_ends(selector, source, tried, tol, max_iter)], key=_value)
        if end[1] < value + tol:
            break
    return end


def _value(end: tuple[Hypothesis, float, np.ndarray]) -> float:
    return end[1]


def _tried(
    selector: Selector, whole: Result, source: Source, starts: int, rng: np.random.Generator, tol: float
) -> list[Hypothesis]:
    """A short run of every start, on a sample of many rows: the best few, the first of all among them."""
    sample = source.sample(_SAMPLE, rng)
    if sample is not source:  # what one distribution is worth there
        each = ((c, _alone(c.block, sample, selector.executor).log_likelihood) for c in selector.columns)
        selector = replace(selector, columns=tuple(replace(c, value=value) for c, value in each))
    block, tried = sample.joined(), []
    for i, (guess, chosen) in enumerate(_guesses(selector, whole, block, starts, rng)):
        resp = guess if block.weights is None else guess * np.asarray(block.weights, dtype=np.float64)[:, None]
        try:
            start = _of_all(whole) if i == 0 else selector.start(np.asarray(block.x), resp, chosen, rng)
            tried.append((i, *run(selector, sample, start, tol=tol, max_iter=_SHORT)[:2]))
        except CollapseError:
            continue
    tried.sort(key=lambda one: -one[2])
    return [at for _, at, _ in [*tried[:_FEW], *(one for one in tried[_FEW:] if one[0] == 0)]]


def _ends(
    selector: Selector, source: Source, tried: Sequence[Hypothesis], tol: float, max_iter: int
) -> list[tuple[Hypothesis, float, np.ndarray]]:
    """Carried on over all rows, until nothing more is gained."""
    ends = []
    for at in tried:
        try:
            ends.append(run(selector, source, at, tol=0.1 * tol, max_iter=max_iter))
        except CollapseError:
            continue
    return ends
