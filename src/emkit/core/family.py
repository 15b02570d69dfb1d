"""The contract of a family: K distributions of one kind over one row, what a component of a mixture or a state of an HMM emits."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.bayes import Pass, grouped_pass, slice_rows, sliced_pass, slices
from emkit.core.block import Block, Source
from emkit.core.columns import Columns
from emkit.core.declared import Declared
from emkit.core.errors import ParameterError
from emkit.core.profiles import differences
from emkit.core.records import column_of, columns_joined
from emkit.core.slivers import few_rows
from emkit.core.support import Support


@dataclass(frozen=True)
class Seen:
    """What a family was shown of the columns when it was resolved, (d,) each: see ``emkit.core.summary.ColumnSummary``."""

    mean: np.ndarray
    variance: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Family(Declared):
    """A family of distributions. Configuration only, immutable; ``k`` is the number of components, ``n`` of rows, ``d`` of columns.

    You implement these: ``parameters``, ``support``, ``log_prob``, ``stats``, ``m_step``, ``first_guess``, ``sample``.

    You get: mixtures and HMMs of it, missing cells, weights, fixed and partly fixed parameters, starting values, restarts, threads,
    checkpoints, model files, the command line, and ``emkit.testing.check_family``.

    You may add: ``q`` (standard errors), ``gradient`` and ``curvature`` (acceleration), ``moments`` (forecasts, order of states,
    imputation), ``filled`` and ``drawn`` (imputation, where columns depend on each other or a mean says little), ``cdf``
    (pseudo-residuals), ``complete_marginal`` (Cheeseman and Stutz's criterion), ``slivers`` (what is degenerate), ``own_away`` and
    ``remarks`` (values that ran away), ``narrowest`` (densities that only a prior bounds), ``ready`` (defaults that depend on
    data), ``examples`` (configurations for the conformance kit), and compiled twins of ``joint_pass``, ``log_prob_block`` and
    ``stats_block``; ``over``, ``given``, ``settled`` and ``responses`` (columns that it conditions on and does not describe).
    """

    seen: Seen | None = field(default=None, kw_only=True, repr=False)

    support: ClassVar[Support]
    columnwise: ClassVar[bool] = False
    """Whether columns are independent given the component, and every array of Params and Stats has them as its second axis."""
    independent: ClassVar[bool] = False
    """Whether columns are independent given the component, whatever its arrays are like: what ``columnwise`` says too."""
    made_of_others: ClassVar[bool] = False
    """Whether it is built over another family, so that a word alone cannot ask for it."""
    race: ClassVar[tuple[int, int]] = (24, 4)
    """Starts of a mixture side by side, and how many of them are carried on: more where optima are many and close."""

    on_arrays: ClassVar[bool] = False
    """Whether what takes blocks here takes some whose rows are no NumPy array, but one on a device; complete and without labels."""

    hierarchical: ClassVar[bool] = False
    """Whether hierarchical clusterings of the rows are among the starts of its mixtures."""

    # --- what you implement -------------------------------------------------------------------------------------------

    @abstractmethod
    def log_prob(self, params: Any, x: Any) -> Any:
        """Log density or probability of each row under each component, (n, k). A missing cell contributes nothing."""

    @abstractmethod
    def stats(self, params: Any, x: Any, resp: Any) -> Any:
        """Expected sufficient statistics summed over rows; ``resp`` (n, k) has the row weights multiplied in."""

    @abstractmethod
    def m_step(self, stats: Any, params: Any) -> Any:
        """Argmax over the parameters of the expected log-likelihood plus log prior.

        What is held is put back afterwards, by ``update``.
        """

    @abstractmethod
    def first_guess(self, stats: Any) -> Any:
        """Parameters from the statistics of a first guess at the responsibilities, away from the edge of their domain."""

    @abstractmethod
    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``, (len(component), d)."""

    # --- what you may add ---------------------------------------------------------------------------------------------

    @property
    def relatives(self) -> tuple["Family", ...]:
        """Resolved families over the same columns whose mixtures find partitions that are worth starting from."""
        return ()

    def contains(self, other: "Family") -> bool:
        """Whether every K distributions of another family over the same columns are K of this one's too."""
        return False

    def ready(self, source: Source, k: int) -> Self:
        """The same family with defaults that depend on the data, such as a scale-free prior, made concrete."""
        return self

    def q(self, stats: Any, params: Any) -> float | None:
        """Expected complete-data log-likelihood of ``params`` under ``stats``, up to a constant; None if it is not known."""
        return None

    def complete_marginal(self, stats: Any, params: Any) -> float | None:
        """Log marginal probability of complete data with these statistics, less that at ``params``; None if it is not known.

        The prior is the family's own where it is proper, otherwise a weak one that is, which the family's own method names.
        """
        return None

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and variance of each column under each component, (k, d) each; None if the family does not say."""
        return None

    def narrowest(self, params: Any) -> np.ndarray | None:
        """Variance of each column within each component once its other columns are known, in the column's units, (k, d).

        NaN for what has no density that a variance of nearly 0 makes unbounded: counts, categories, columns that it conditions on.
        None if all are so, or the family does not say. By default the variance of ``moments``, of a family that has densities.
        """
        found = None if self.support.whole else self.moments(params)
        return None if found is None else found[1]

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """Rows (n, d) with a best guess in each missing cell, given the row's responsibilities ``resp`` (n, k).

        By default sum_k resp_k E_k[x_j], which is right for numbers in columns that are independent given the component. Raises
        ParameterError for a family of several columns that neither says that they are nor writes its own.
        """
        self._needs_own("filled", x)
        found = self.moments(params)
        if found is None:
            raise ParameterError(f"{self.called} does not say its means: give it a method moments, or filled, or draw (n_draws)")
        return np.where(np.isnan(x), resp @ found[0], x)

    def drawn(self, params: Any, x: np.ndarray, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rows (n, d) with each missing cell drawn from the row's ``component`` (n,), given its observed cells.

        By default from ``sample``, which is right for columns that are independent given the component. Raises ParameterError as
        ``filled`` does.
        """
        self._needs_own("drawn", x)
        return np.where(np.isnan(x), self.sample(params, component, rng), x)

    def _needs_own(self, method: str, x: np.ndarray) -> None:
        """Refuse to fill in one column as if the others said nothing, unless the family says so: by a word, or by calling this."""
        its_own = getattr(type(self), method) is not getattr(Family, method)
        if x.shape[1] > 1 and not (self.columnwise or self.independent or its_own):
            raise ParameterError(
                f"missing cells of {self.called}: its columns may depend on each other, so it must write a method {method}, "
                "or say independent = True"
            )

    def over(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """What columns, names or numbers, it is shown where it is given these: by default these."""
        return columns

    def given(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """Which of the columns that it is shown it only conditions on: by default none.

        A family that has some is a conditional distribution, such as a regression; it needs methods ``settled`` and ``responses``.
        """
        return ()

    def complete(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """Which of the columns that it is shown may not be missing: by default what it conditions on."""
        return self.given(columns)

    def settled(self, columns: tuple[Any, ...]) -> Self:
        """With the columns that it names known by their places among ``columns``, those that it is shown."""
        return self

    def responses(self, params: Any, component: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rows (n, d) with its own columns drawn given those that it conditions on, which ``x`` (n, d) has."""
        return self.sample(params, component, rng)

    def blocks(self, columns: Columns) -> tuple[tuple[tuple[int, ...], "Family"], ...]:
        """Numbers of columns that are independent of all others given the component, and the family of each such block.

        Of a family that is not resolved. By default each column alone where the family says that its columns are independent.
        """
        d = len(columns)
        if self.columnwise or self.independent:
            return tuple(((j,), self) for j in range(d))
        return ((tuple(range(d)), self),)

    def column_words(self, d: int) -> list[str]:
        """The word of the family of each of ``d`` columns, as ``emkit fit --types`` takes it."""
        return [type(self).__name__.lower()] * d

    def profile(self, params: Any, weights: np.ndarray, columns: Columns) -> list[tuple[np.ndarray, list[str]]]:
        """For each column how far each component, of these ``weights``, is from the whole, (k,), and in a few words.

        By default the mean's difference in standard deviations of the whole.
        """
        found = self.moments(params)
        if found is None:
            return []
        mean, variance = found
        return differences(mean, weights @ mean, mean - weights @ mean, variance, weights, columns)

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray] | None:
        """P(X < x) and P(X <= x) of one column, (n, k) each; with ``upper`` P(X >= x) and P(X > x), exact where these are small.

        None if the family does not say. NaN, a missing cell, gives NaN.
        """
        return None

    def slivers(self, params: Any, counts: np.ndarray) -> dict[int, str]:
        """Components that are not to be believed in, and why, in words that follow "component 2 holds 8 rows (weight 0.004), ".

        ``counts`` (k,) are the expected rows of each. By default those with fewer rows than free parameters of their own, if they
        have less than half of an equal share of the rows.
        """
        return few_rows(self, params, counts)

    def floored(self, params: Any, counts: np.ndarray) -> tuple[int, ...]:
        """Components whose spread is the prior's doing rather than the data's; ``counts`` (k,) are the expected rows of each."""
        return ()

    def anchor(self, k: int, d: int) -> Any:
        """Parameters that the first statistics are taken about. Only families whose statistics have a pivot care."""
        return self.null(k, d)

    @property
    def in_words(self) -> str:
        """Its name, as "negative binomial"."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(self).__name__).lower()

    def mixture_in_words(self, k: int) -> str:
        """How a summary calls a mixture of ``k`` of it."""
        name = self.in_words
        return f"{name[:1].upper()}{name[1:]} mixture: {k} component{'s' * (k > 1)}"

    def embed(self, x: Any) -> np.ndarray | None:
        """Rows as points for seeding by k-means++; None if there is no such thing."""
        seen = self._resolved()
        return self.support.embed(np.asarray(x), seen.mean, seen.variance)

    def partition(self, x: np.ndarray, weights: np.ndarray | None, k: int, rng: np.random.Generator) -> np.ndarray | None:
        """Responsibilities (n, k) of a guess of its own, drawn at random, where distances between rows say little; None: no such.

        It takes the place of partitions about rows drawn from the data.
        """
        return None

    def seeded(self, k: int) -> int:
        """Into how many groups of rows a first guess for ``k`` components parts them."""
        return k

    def apportioned(self, resp: np.ndarray) -> np.ndarray:
        """Responsibilities (n, k) from those of the groups that ``seeded`` asks for."""
        return resp

    def joint_pass(
        self, params: Any, log_weights: np.ndarray, block: Block, *, rows: bool = False, responsibilities: bool = False
    ) -> Pass:
        """A mixture's whole E-step over a block, in slices, so that nothing n x k is ever held: see ``sliced_pass``."""
        return self.plain_pass(params, log_weights, block, rows=rows, responsibilities=responsibilities)

    def side_by_side(self, params: Any, log_weights: np.ndarray, block: Block) -> Pass:
        """The E-steps of S mixtures of K components each, ``log_weights`` (S, K), in one pass: see ``grouped_pass``.

        ``params`` has the components of all of them, those of the first mixture first.
        """
        return grouped_pass(lambda x: self.log_prob(params, x), lambda x, resp: self.stats(params, x, resp), log_weights, block)

    def stats_of_values(self, params: Any, values: Sequence[np.ndarray], counts: Sequence[np.ndarray]) -> Any:
        """``stats`` from each column's distinct values, (V,), and how often each is expected, (V, k), if it is ``columnwise``."""
        each = []
        for j, (of_column, expected) in enumerate(zip(values, counts, strict=True)):
            there = expected.any(axis=1)
            x, resp = (of_column, expected) if there.all() or not there.any() else (of_column[there], expected[there])
            each.append(self.stats(params if len(values) == 1 else column_of(params, j), x[:, None], resp))
        return columns_joined(each)

    def normal_columns(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Means and variances, (k, d) each, if columns are independent and normal given the component; None otherwise."""
        return None

    def normal_stats(self, params: Any, counts: np.ndarray, mass: np.ndarray, first: np.ndarray, second: np.ndarray) -> Any:
        """``stats`` where ``normal_columns`` says so: from expected rows (k,), and of the observed cells of each column the
        expected rows and sums of x - mean and its square, (k, d) each.
        """
        raise NotImplementedError(f"{type(self).__name__} has normal_columns, so it needs normal_stats")

    def compile(self, source: Source, k: int) -> None:
        """Compile what the first ``joint_pass`` would compile, if anything. Called once, before a fit starts."""

    def log_prob_block(self, params: Any, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """``log_prob`` of all rows of a block, (n, k) in float64, C-contiguous; in ``out`` if that is given: an HMM's emissions."""
        # How many components there are, a first slice tells.
        begin, rows = 0, 256 if out is None else slice_rows(out.shape[1] * block.x.shape[1])
        while begin < block.n:
            here = np.asarray(self.log_prob(params, block.x[begin : begin + rows]))
            if out is None:
                out = np.empty((block.n, here.shape[1]))
            out[begin : begin + rows] = here
            begin, rows = begin + rows, slice_rows(here.shape[1] * block.x.shape[1])
        assert out is not None
        return out

    def stats_block(self, params: Any, block: Block, resp: np.ndarray) -> Any:
        """``stats`` of all rows of a block."""
        total: Any = None
        for part in slices(block.n, resp.shape[1] * block.x.shape[1]):
            here = self.stats(params, block.x[part], resp[part])
            total = here if total is None else total + here
        return total

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """Rows drawn from the support."""
        return Block(self.support.draw(rng, n, d))

    # --- what you get -------------------------------------------------------------------------------------------------

    def plain_pass(self, params: Any, log_weights: np.ndarray, block: Block, **what: bool) -> Pass:
        """``joint_pass`` by Bayes' rule written out: the twin of compiled passes."""
        return sliced_pass(
            lambda x: self.log_prob(params, x), lambda x, resp: self.stats(params, x, resp), log_weights, block, **what
        )

    def resolve(self, source: Source, k: int) -> Self:
        """The same family made concrete for these data: cells checked, defaults filled in, fixed and starting values read.

        Raises
        ------
        DataError
            Naming the first cell that the family cannot describe.
        ParameterError
            For values of the wrong shape or outside their domain.
        """
        self.check(source)
        summary = source.summary
        shown = replace(self, seen=Seen(summary.mean, summary.variance, summary.spread))
        return shown.ready(source, k).with_values(k, source.n_features)

    def check(self, source: Source) -> None:
        """Raise DataError, naming the cell, for the first one that the family cannot describe."""
        self.support.check(source)

    def _resolved(self) -> Seen:
        if self.seen is None:
            raise ParameterError(f"this {type(self).__name__} is not resolved: call resolve(source, k) first (fit does)")
        return self.seen

    @property
    def separable(self) -> bool:
        """Whether components have nothing in common but the settings, so that those of several mixtures can stand in one Params."""
        apart = not (self.made_of_others or self.children or self.has_values)
        apart = apart and all(p.letters.split()[0] == "K" for p in self.parameters)
        letters = {p.name: len(p.letters.split()) for p in self.parameters}
        return apart and all(np.ndim(part) < letters[name] for name, prior in self.priors.items() for part in vars(prior).values())

    def log_priors(self, params: Any) -> np.ndarray:
        """``log_prior``, component by component, (K,); for a family whose components are ``separable``."""
        values, total = self.own(params), np.zeros(0)
        for name, prior in self.priors.items():
            density = np.where(np.isnan(self.held(name, values[name].shape)), prior.log_density(values[name]), 0.0)
            here = density.reshape(len(density), -1).sum(axis=1)
            total = total + here if len(total) else here
        return total if len(total) else np.zeros(len(next(iter(values.values()))))

    def update(self, stats: Any, params: Any) -> Any:
        """The M-step, with what is held put back."""
        return self.put_back(self.m_step(stats, params))

    def start(self, stats: Any) -> Any:
        """Parameters from the statistics of a first guess; fixed and given starting values win."""
        params = self.first_guess(stats)
        if self.start_values:
            values = {**self.own(params), **self.start_values}
            params = self.made(params, values, {child.field: child.of(params) for child in self.children})
        return self.put_back(params)

    def from_partition(self, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> Any:
        """Starting values from a first guess at the responsibilities (n, k), row weights multiplied in.

        Moments are taken first about the anchor, then about the new parameters: the second time nothing cancels.
        """
        block = Block(x, missing=bool(np.isnan(np.asarray(x, dtype=np.float64)).any()))
        first = self.start(self.stats_block(self.anchor(resp.shape[1], x.shape[1]), block, resp))
        return self.start(self.stats_block(first, block, resp))
