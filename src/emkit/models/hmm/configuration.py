"""What a hidden Markov model is configured with, and how its parameters are declared, shown, held and relabelled."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.checks import count, number, one_of
from emkit.core.child import Child
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.core.model import Model
from emkit.core.parameters import Parameter, Simplex
from emkit.core.prior import Dirichlet
from emkit.core.seeding import KINDS_OF_START
from emkit.core.support import Support
from emkit.models.hmm import chain
from emkit.models.hmm.params import HMMParams
from emkit.models.hmm.stationary import stationary


@dataclass(frozen=True)
class ChainConfiguration(Model):
    """Configuration and parameters; ``HiddenMarkov`` adds what is computed with them."""

    family: Family
    n_states: int
    start: str = "free"
    end: bool = False
    startprob_prior: Any = None
    transmat_prior: Any = None
    sticky: float = 0.0
    seeding: str = "auto"
    held_chain: Mapping[str, np.ndarray] | None = None
    """Set by ``resolve``: for "startprob" (K,) and "transitions" (K, K or K + 1), the fixed values, NaN where free."""

    Params = HMMParams
    parameters = (Parameter("startprob", "K", Simplex()), Parameter("transitions", "K K", Simplex()))
    children = (Child("emissions", "family"),)

    def __post_init__(self) -> None:
        k = count(self.n_states, "n_states")
        one_of(self.start, ("free", "stationary"), "start")
        if self.start == "stationary" and self.end:
            raise ParameterError(
                "a chain that ends has no stationary distribution: start='stationary' and end=True exclude each other",
                parameter="start",
            )
        number(self.sticky, "sticky", "a number of pseudo-counts")
        one_of(self.seeding, KINDS_OF_START, "init_params")
        for name, shape in (("startprob_prior", (k,)), ("transmat_prior", (k, self.width))):
            object.__setattr__(self, name, Dirichlet.of(getattr(self, name), name, shape))
        super().__post_init__()

    @property
    def called(self) -> str:
        """How messages call it."""
        return "an HMM"

    @property
    def support(self) -> Support:
        """As the family has it."""
        return self.family.support

    @property
    def n_hidden(self) -> int:
        """K."""
        return int(self.n_states)

    @property
    def width(self) -> int:
        """Columns of a row of transitions: the states, and the end."""
        return self.n_hidden + int(self.end)

    # --- parameters: users know transmat and endprob, which are one simplex a row -------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """As users write them."""
        return ("startprob", "transmat", "endprob")

    def own(self, params: HMMParams) -> dict[str, np.ndarray]:
        """Start distribution, and rows of transitions with the end probability last."""
        return {"startprob": params.startprob, "transitions": self._rows(params)}

    def _rows(self, params: HMMParams) -> np.ndarray:
        return params.transmat if params.endprob is None else np.column_stack([params.transmat, params.endprob])

    def made(self, params: Any, values: Mapping[str, np.ndarray], parts: Mapping[str, Any]) -> HMMParams:
        """Transitions taken apart; a stationary start follows from them."""
        rows = values["transitions"]
        matrix = np.ascontiguousarray(rows[..., : self.n_hidden])
        start = stationary(matrix) if self.start == "stationary" else values["startprob"]
        return HMMParams(start, matrix, parts["emissions"], rows[:, self.n_hidden].copy() if self.end else None)

    def held(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Fixed values and structural zeros; a stationary start has nothing free."""
        if name == "startprob" and self.start == "stationary":
            return np.zeros(shape)
        held = self._resolved()[name]
        return held if held.shape == shape else np.broadcast_to(held, shape)

    def _resolved(self) -> Mapping[str, np.ndarray]:
        if self.held_chain is None:
            raise ParameterError("this HMM is not resolved: call resolve(source) first (fit does)")
        return self.held_chain

    def shown(self, params: HMMParams) -> dict[str, np.ndarray]:
        """startprob, transmat, endprob (if there is one), and the family's."""
        chain_values = {"startprob": params.startprob.copy(), "transmat": params.transmat.copy()}
        if params.endprob is not None:
            chain_values["endprob"] = params.endprob.copy()
        return {**chain_values, **self.family.shown(params.emissions)}

    def interval_scales(self) -> dict[str, str]:
        """Probabilities, and the family's."""
        chain_scales = dict.fromkeys(("startprob", "transmat", "endprob"), Simplex.scale)
        return {**chain_scales, **self.family.interval_scales()}

    def unshown(self, values: Mapping[str, Any], k: int, d: int) -> HMMParams:
        """Inverse of ``shown``."""
        rest = self.inside(self.children[0], values)
        start = chain.check_rows(values["startprob"], (k,), "startprob_")
        if not self.end:
            rows = chain.check_rows(values["transmat"], (k, k), "transmat_")
        else:
            matrix = chain.check_rows(values["transmat"], (k, k), "transmat_", total=None)
            endings = chain.check_rows(values["endprob"], (k,), "endprob_", total=None)
            rows = chain.check_rows(np.column_stack([matrix, endings]), (k, k + 1), "transmat_ with endprob_")
        matrix, ends = np.ascontiguousarray(rows[:, :k]), rows[:, k].copy() if self.end else None
        return HMMParams(start, matrix, self.family.unshown(rest, k, d), ends)

    @property
    def needed_names(self) -> tuple[str, ...]:
        """The chain's, and the family's."""
        return (*(("startprob", "transmat", "endprob") if self.end else ("startprob", "transmat")), *self.family.needed_names)

    @property
    def is_started(self) -> bool:
        """Whether the chain and what states emit have fixed or starting values throughout."""
        needed = {"transmat"} | ({"startprob"} if self.start == "free" else set()) | ({"endprob"} if self.end else set())
        given = {*self.start_values, *(name for name in self.fixed if self.is_held(name))}
        return needed <= given and self.family.is_started

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """Nothing is held."""
        k = self.n_hidden
        free = {"startprob": np.full(k, np.nan), "transitions": np.full((k, self.width), np.nan)}
        family = self.family.without_data(self.inside(self.children[0], values), d)
        return replace(self, fixed={}, start_values={}, family=family, held_chain=free)

    def null(self, k: int, d: int) -> HMMParams:
        """Uniform."""
        end = np.full(k, 1.0 / self.width) if self.end else None
        return HMMParams(np.full(k, 1.0 / k), np.full((k, k), 1.0 / self.width), self.family.null(k, d), end)

    def put_back(self, params: HMMParams) -> HMMParams:
        """The chain at its fixed values, and the family at its own."""
        own = self.own(params)
        values = {name: simplex.put_back(own[name], held) for name, held in self._resolved().items()}
        return self.made(params, values, {"emissions": self.family.put_back(params.emissions)})

    def permuted(self, order: np.ndarray) -> Self:
        """The configuration that goes with ``permute``: fixed, starting and structural values and priors follow their states."""
        order = np.asarray(order)
        square = Parameter("transitions", "K K", Simplex())

        def follow(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
            return {
                key: square.permute(np.asarray(v), order) if np.ndim(v) == 2 else np.asarray(v)[order] for key, v in values.items()
            }

        start, rows = self.startprob_prior, self.transmat_prior
        return replace(
            self,
            family=self.family.permuted(order),
            startprob_prior=None if start is None else start.permuted(order, (0,), 1),
            transmat_prior=None if rows is None else rows.permuted(order, (0, 1), 2),
            fixed=follow(self.fixed),
            start_values=follow(self.start_values),
            held_chain=None if self.held_chain is None else follow(self.held_chain),
        )

    # --- priors -------------------------------------------------------------------------------------------------------

    @cached_property
    def pseudo_start(self) -> np.ndarray:
        """The prior's pseudo-counts of starts, (K,)."""
        none = np.zeros(self.n_hidden)
        return none if self.startprob_prior is None else none + self.startprob_prior.pseudo

    @cached_property
    def pseudo_rows(self) -> np.ndarray:
        """Those of transitions, and of ends in the last column, (K, K or K + 1)."""
        pseudo = np.zeros((self.n_hidden, self.width))
        if self.transmat_prior is not None:
            pseudo = pseudo + self.transmat_prior.pseudo
        pseudo[np.arange(self.n_hidden), np.arange(self.n_hidden)] += self.sticky
        return pseudo

    def log_prior(self, params: HMMParams) -> float:
        """Of start and transitions, and of the family."""
        held = self._resolved()
        total = self.family.log_prior(params.emissions)
        total += float(chain.log_densities(self.pseudo_rows, held["transitions"], self._rows(params)).sum())
        if self.start == "free":
            total += float(chain.log_densities(self.pseudo_start, held["startprob"], params.startprob))
        return total

    # --- in words -----------------------------------------------------------------------------------------------------

    @property
    def in_words(self) -> str:
        """As "Hidden Markov model: 3 states, poisson emissions"."""
        k = self.n_hidden
        return f"Hidden Markov model: {k} state{'s' * (k > 1)}, {self.family.in_words} emissions"

    def label_table(self, params: HMMParams) -> tuple[str, list[str]]:
        """The chain: start probabilities, and the first transitions."""
        most = 12
        ends = params.endprob is not None
        heads = [f"{f'to {j}':>6}" for j in range(self.n_hidden)][:most] + ["to end"] * ends
        lines = []
        for i, row in enumerate(params.transmat):
            cells = [f"{p:6.4f}" for p in row[:most]] + ([f"{params.endprob[i]:6.4f}"] if params.endprob is not None else [])
            lines.append(f"{i:>5}   {params.startprob[i]:.4f}   {'  '.join(cells)}")
        return f"state    start   {'  '.join(heads)}", lines

    def priors_in_words(self) -> list[str]:
        """Of start, transitions and emissions."""
        own = [f"Dirichlet of {name}" for name in ("startprob", "transmat") if getattr(self, f"{name}_prior") is not None]
        return [*own, *([f"{self.sticky:g} pseudo-counts for staying"] if self.sticky else []), *self.family.priors_in_words()]

    def moments(self, params: HMMParams) -> tuple[np.ndarray, np.ndarray] | None:
        """Of what states emit."""
        return self.family.moments(params.emissions)
