"""The contract of a model: latent structure over families."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from emkit.core.bayes import draw_labels
from emkit.core.block import Block, Source
from emkit.core.checks import one_of
from emkit.core.declared import Declared
from emkit.core.errors import ParameterError
from emkit.core.side_by_side import SideBySide
from emkit.core.slivers import Sliver
from emkit.core.support import Support

WANTS = ("log_likelihood", "marginals", "mode")


@dataclass(frozen=True)
class Inference:
    """What a model says of a block, unit by unit (a unit is a row, or a sequence).

    Attributes
    ----------
    log_likelihood : array of shape (units,)
        Of each unit, nats; -inf where it is impossible. For ``mode`` of a model with dependent labels: joint log probability of
        the mode and the unit.
    marginals : array of shape (n, K) or None
        Posterior probability of each label at each row.
    mode : int array of shape (n,) or None
        The most probable assignment of labels, jointly for each unit; -1 throughout an impossible one.
    """

    log_likelihood: np.ndarray
    marginals: np.ndarray | None = None
    mode: np.ndarray | None = None

    @classmethod
    def of_rows(cls, rows: np.ndarray, marginals: np.ndarray | None, want: str, out: np.ndarray | None = None) -> "Inference":
        """What a model of independent rows says, from log-likelihoods (n,) and, unless only these are wanted, marginals (n, K)."""
        if marginals is None or want == "log_likelihood":
            return cls(rows)
        found = marginals if want == "marginals" else np.where(np.isfinite(rows), marginals.argmax(axis=1), -1)
        if out is not None:
            out[:] = found
            found = out
        return cls(rows, marginals=found) if want == "marginals" else cls(rows, mode=found)


@dataclass(frozen=True)
class Model(Declared):
    """Latent structure over families: FiniteMixture, HiddenMarkov, ... Configuration only, immutable.

    You implement these: ``n_hidden``, ``resolve``, ``init``, ``e_step``, ``m_step``, ``infer``; ``parameters`` and ``children``
    are declared.

    You get: every Algorithm, every Executor, restarts, monitors, checkpoints, files, estimators' predictions, and
    ``emkit.testing.check_model``.

    You may add: ``q`` (Fisher's identity, standard errors), ``gradient`` and ``curvature`` (acceleration), ``moments`` and
    ``label_table`` (summaries, order of labels), ``filled`` and ``drawn`` (imputation), ``slivers`` (what is degenerate),
    ``own_away`` and ``remarks`` (values that ran away), ``narrowest`` (densities that only a prior bounds), ``support``,
    ``simulate``, ``redrawn``, ``compile``, ``kind_of_start``, ``side_by_side`` (many starts at once), ``tempered`` (annealing),
    ``drawn_labels`` (stochastic EM, where rows depend on each other), ``start_from``, ``points``, ``contains`` and
    ``complete_marginal`` (searches over models), ``prepared`` (data in the form that E-steps read fastest); ``examples``
    (configurations for the conformance kit) and ``draw`` (data for it, where rows of the first part will not do).
    """

    @property
    def called(self) -> str:
        """How messages call it."""
        return f"a {type(self).__name__} model"

    @property
    @abstractmethod
    def n_hidden(self) -> int | None:
        """Values of the hidden label of a row; None where labels mean nothing."""

    @abstractmethod
    def resolve(self, source: Source) -> Self:
        """The same model with data-dependent defaults made concrete; raises on settings that do not fit the data."""

    @abstractmethod
    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> Any:
        """Starting values from (a sample of) the data. ``attempt`` numbers the start, so that kinds of start can alternate."""

    @abstractmethod
    def e_step(self, params: Any, block: Block) -> tuple[Any, float]:
        """Expected statistics summed over the block, weights multiplied in, and the block's weighted log-likelihood."""

    @abstractmethod
    def m_step(self, stats: Any, params: Any) -> Any:
        """Argmax of the expected log posterior. Never needs the data; never lowers the objective."""

    @abstractmethod
    def infer(self, params: Any, block: Block, want: str, out: np.ndarray | None = None) -> Inference:
        """What the model says of a block: ``want`` is "log_likelihood", "marginals" or "mode". Weights play no part.

        Per-row results are written to ``out`` if that is given: (n, K) float64 for marginals, int64 (n,) for the mode.
        """

    # What you may add:

    def tempered(self, params: Any, block: Block, power: float) -> tuple[Any, float]:
        """As ``e_step``, with posteriors proportional to p(row, label)^power; and 1/power sum log sum_label p(row, label)^power.

        Raises ParameterError if the model does not say.
        """
        raise ParameterError(
            f"{self.called} does not say how its posterior is flattened, so it cannot be annealed: give it a method tempered, or "
            "take algorithm='em'",
            parameter="algorithm",
        )

    def drawn_labels(self, params: Any, block: Block, rng: np.random.Generator, power: float = 1.0) -> np.ndarray:
        """A label for each row, int (n,), drawn from its posterior raised to a power; -1 where a row is impossible.

        By default right for models whose rows are independent.
        """
        marginals = np.asarray(self.infer(params, block, "marginals").marginals)
        labels = draw_labels(marginals if power == 1.0 else marginals**power * (marginals > 0), rng)
        return np.where(marginals.any(axis=1), labels, -1)

    def q(self, stats: Any, params: Any) -> float | None:
        """Expected complete-data log-likelihood of ``params`` under ``stats``, up to a constant; None if the model does not say.

        By Fisher's identity its gradient at the parameters that ``stats`` were computed with is that of the log-likelihood.
        """
        return None

    @property
    def on_arrays(self) -> bool:
        """Whether E-steps take blocks whose rows are no NumPy array, but one on a device; see ``Family.on_arrays``."""
        return False

    @property
    def support(self) -> Support | None:
        """What its cells may be; None if columns differ."""
        return None

    def check(self, source: Source) -> None:
        """Raise DataError for the first cell that this model, resolved, cannot describe."""
        for child in self.children:
            self.part(child).check(source)

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and variance of each column under each value of the hidden label, (K, d) each; None if the model does not say."""
        return None

    def narrowest(self, params: Any, stats: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """How narrow densities are, as ``Family.narrowest``, and the expected rows that tell of each, (m, d) both.

        ``m`` is the number of labels, or 1 where rows have no single hidden one. None if there are no densities, or the model does
        not say.
        """
        counts = self.label_counts(stats)
        if counts is None:
            return None
        child = self.children[0]
        part: Any = self.part(child)
        found = part.narrowest(child.of(params))
        return None if found is None else (found, np.broadcast_to(counts[:, None], found.shape))

    def slivers(self, params: Any, stats: Any) -> tuple[Sliver, ...]:
        """Labels that are not to be believed in; ``stats`` were taken at ``params``. By default none: the model does not say."""
        return ()

    def label_counts(self, stats: Any) -> np.ndarray | None:
        """Expected rows of each value of the hidden label, (K,), from statistics; None if the model does not say."""
        return None

    def floored(self, params: Any, stats: Any) -> tuple[int, ...]:
        """Labels whose spread is the prior's doing, as the family says; ``stats`` were taken at ``params``."""
        counts = self.label_counts(stats)
        if counts is None:
            return ()
        child = self.children[0]
        part: Any = self.part(child)
        found: tuple[int, ...] = part.floored(child.of(params), counts)
        return found

    def label_table(self, params: Any) -> tuple[str, list[str]]:
        """For summaries: a heading, and a line for each value of the hidden label with what the model itself has for it."""
        return "label", [f"{i:>5}" for i in range(self.n_hidden or 1)]

    def simulate(self, params: Any, n: int, rng: np.random.Generator) -> Block | None:
        """Rows (about ``n``) drawn from the model as a block with their labels; None if the model cannot."""
        return None

    def redrawn(self, params: Any, block: Block, rng: np.random.Generator) -> Block | None:
        """Data drawn from the model in the form of ``block``: as many rows, or sequences as long; None if the model cannot.

        Weights and missing cells are left to the caller. By default by ``simulate``, which is right for independent rows.
        """
        return self.simulate(params, block.n, rng)

    def filled(self, params: Any, x: np.ndarray, marginals: np.ndarray) -> np.ndarray:
        """Rows (n, d) with a best guess in each missing cell, given the ``marginals`` (n, K) of each row's label."""
        raise ParameterError(f"{self.called} does not say how missing cells are filled in: give it a method filled")

    def drawn(self, params: Any, x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rows (n, d) with each missing cell drawn given the row's label, ``labels`` (n,), and its observed cells."""
        raise ParameterError(f"{self.called} does not say how missing cells are drawn: give it a method drawn")

    def start_from(self, block: Block, resp: np.ndarray, rng: np.random.Generator) -> Any:
        """Starting values from a guess at the labels of a block's rows, (n, K), row weights left out; None if the model cannot.

        Searches over models start it from its neighbours' optima by this.
        """
        return None

    def points(self, x: Any) -> np.ndarray | None:
        """Rows as points, for guesses at partitions; None if there is no such thing."""
        return None

    def complete_marginal(self, stats: Any, params: Any) -> float | None:
        """As ``Family.complete_marginal``, labels known: of the structure and of the family; None if it is not known."""
        return None

    def contains(self, other: "Model") -> bool:
        """Whether every distribution of another model, resolved on the same data, is one of this one's too."""
        return False

    def one_by_one(self, source: Source) -> int:
        """How many starts there are by default where they cannot be advanced side by side."""
        return 8

    def kind_of_start(self, attempt: int) -> str:
        """What start number ``attempt`` does, for the table of starts."""
        return "start"

    def side_by_side(self, source: Source) -> SideBySide | None:
        """What advances several hypotheses of this model, resolved, in one pass over the data; None where that cannot be done."""
        return None

    def prepared(self, source: Source) -> Source:
        """The same data in the form that E-steps of this model, resolved, read fastest; made once for a fit."""
        return source

    def compile(self, source: Source) -> None:
        """Compile what the first E-step would compile, if anything."""


@dataclass(frozen=True)
class EStep:
    """The E-step of a hypothesis, or of several, as a function of a block: small and picklable, so that it can travel."""

    model: Any
    params: Any

    def __call__(self, block: Block) -> tuple[Any, Any]:
        """Statistics and log-likelihood of the block. What overflows shows in them; NumPy's own warnings would say it to nobody."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.model.e_step(self.params, block)


@dataclass(frozen=True)
class Infer:
    """``Model.infer`` of one hypothesis as a function of a block."""

    model: Model
    params: Any
    want: str

    def __post_init__(self) -> None:
        one_of(self.want, WANTS, "want")

    def __call__(self, block: Block, out: np.ndarray | None = None) -> Inference:
        """What the model says of the block. Values beyond all that was fitted may overflow on the way: their density is zero."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.model.infer(self.params, block, self.want, out)
