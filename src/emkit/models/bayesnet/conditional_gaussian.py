"""Bayesian networks with discrete and Gaussian nodes, fitted by exact EM from rows with holes and with hidden nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.child import Child
from emkit.core.errors import ParameterError
from emkit.core.model import Inference, Model
from emkit.core.parameters import Parameter
from emkit.models.bayesnet.evidence import MISSING, check_cells, codes_of, columns_of
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.linear import Linear, Units, refuse_parents
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.numbers import NumberedRows, parts
from emkit.models.bayesnet.params import BayesNetParams, BayesNetStats, ConditionalGaussianParams, ConditionalGaussianStats
from emkit.models.bayesnet.priors import NormalInverseGamma, Penalty, penalties_of
from emkit.models.bayesnet.regression import expected_log_density, information, regressed, regressed_with_held, slopes
from emkit.models.bayesnet.sampling import sampled, with_numbers
from emkit.models.bayesnet.starting import start_of_numbers


@dataclass(frozen=True)
class ConditionalGaussianNet(Model):
    """p(x) = prod_i p(x_i | its parents), where some nodes are numbers.

    A Gaussian node is a linear function of its Gaussian parents with normal noise; intercept, slopes and variance are others for
    each configuration of its discrete parents. A discrete node has no Gaussian parent.

    Parameters
    ----------
    graph : Graph
    tables : BayesNet
        The network of the discrete nodes, in the graph's order and under their names there. Build both with ``of``.
    gaussian_prior : {"weak"}, NormalInverseGamma, mapping by name of the node, or None
        Of each configuration of each Gaussian node. "weak": 2/n pseudo-observations with the column's variance.
    max_configurations : float
        Configurations of missing discrete parents in which a row's numbers are looked at together, at most.
    units : Units, optional
        Standard units of the Gaussian columns; ``resolve`` takes them from the data.
    penalties : tuple of Penalty, optional
        The priors, resolved.

    Notes
    -----
    Parameters of a node are called after it with "_intercept", "_coefficients" (one for each Gaussian parent, in their order) and
    "_variance" behind its name; the first axes are its discrete parents.

    References
    ----------
    Lauritzen (1992), Propagation of probabilities, means, and variances in mixed graphical association models, JASA 87, 1098-1108.
    """

    graph: Graph
    tables: BayesNet
    gaussian_prior: Any = "weak"
    max_configurations: float = 4096
    units: Units | None = None
    penalties: tuple[Penalty, ...] | None = None

    Params: ClassVar[Any] = ConditionalGaussianParams
    children: ClassVar[tuple[Child, ...]] = (Child("tables", "tables"),)

    @classmethod
    def of(
        cls,
        graph: Graph,
        cards: Sequence[int],
        hidden: Sequence[int] = (),
        prior: Any = None,
        tied: Sequence[Sequence[int]] = (),
        everything: bool = False,
        max_table: float = 2.0**26,
        noisy_or: Sequence[int] = (),
        **more: Any,
    ) -> Self:
        """From a whole graph, whose Gaussian nodes have the number of states 0; the rest is as in ``BayesNet``.

        Raises ParameterError for a Gaussian parent of a discrete node, and for a hidden Gaussian node.
        """
        refuse_parents(graph, cards)
        discrete = [node for node, card in enumerate(cards) if card]
        place = {node: i for i, node in enumerate(discrete)}
        for what, nodes in (("hidden", hidden), ("tied", [n for group in tied for n in group]), ("noisy_or", noisy_or)):
            numbers = [graph.names[node] for node in nodes if not cards[node]]
            if numbers:
                raise ParameterError(f"{what}: {numbers[0]!r} is a Gaussian node; only discrete ones can be that", parameter=what)
        inner = Graph(
            tuple(graph.names[node] for node in discrete),
            tuple(tuple(place[parent] for parent in graph.parents[node]) for node in discrete),
        )
        tables = BayesNet(
            inner, tuple(cards[node] for node in discrete), tuple(place[node] for node in hidden), prior,
            tuple(tuple(place[node] for node in group) for group in tied), everything, max_table,
            tuple(place[node] for node in noisy_or),
        )  # fmt: skip
        return cls(graph, tables, **more)

    def __post_init__(self) -> None:
        both = sorted(set(self.names) & set(self.tables.names))
        if both:
            raise ParameterError(f"a node is called {both[0]!r}, as a parameter of another one is; rename it", parameter="edges")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """A hidden root over correlated numbers; a regression in each state; numbers alone; what is held, and priors."""
        root = Graph(("h", "x0", "x1"), ((), (0,), (0, 1)))
        states = Graph(("x0", "x1"), ((), (0,)))
        numbers = Graph(("x0", "x1"), ((), (0,)))
        prior = NormalInverseGamma(4.0, 0.5, 0.3, 0.1)
        return [
            cls.of(root, (2, 0, 0), (0,)),
            cls.of(states, (2, 0), (), 2.0, gaussian_prior=prior),
            cls.of(numbers, (0, 0), (), None, (), True),
            cls.of(root, (2, 0, 0), (0,), 3.0, fixed={"x1_coefficients": [[0.5], [np.nan]]}, gaussian_prior={"x0": prior}),
        ]

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """Rows from a hypothesis drawn at random."""
        model = self.with_values(1, d)
        linear = model.linear
        parts = [rng.normal(size=(c, w)) for c, w in zip(linear.many, linear.widths, strict=True)]
        variances = rng.gamma(2.0, 0.5, size=sum(linear.many)) + 0.1
        tables = model.tables.draw_params(rng)
        params = model.put_back(ConditionalGaussianParams(tables, linear.joined(parts), variances))
        return replace(model.simulate(params, n, rng), labels=None)

    # --- what follows from the settings -------------------------------------------------------------------------------

    @cached_property
    def cards(self) -> tuple[int, ...]:
        """States of each node, 0 for a Gaussian one."""
        known = dict(zip(self.tables.graph.names, self.tables.cards, strict=True))
        return tuple(known.get(name, 0) for name in self.graph.names)

    @cached_property
    def linear(self) -> Linear:
        """Where the numbers of Gaussian nodes are."""
        return Linear(self.graph, self.cards)

    @cached_property
    def discrete(self) -> tuple[int, ...]:
        """Nodes of ``tables``, by their number in the graph."""
        return tuple(node for node, card in enumerate(self.cards) if card)

    @cached_property
    def hidden(self) -> tuple[int, ...]:
        """Nodes that are no columns."""
        return tuple(self.discrete[node] for node in self.tables.hidden)

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """The column of each node, -1 for a hidden one."""
        return columns_of(len(self.graph), self.hidden)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """Intercepts, coefficients and variances of each Gaussian node."""
        return self.linear.declared()

    @property
    def priors(self) -> dict[str, Any]:
        """None of a parameter alone: see ``log_prior``."""
        return {}

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """States of each node, and its Gaussian parents."""
        return {"d": d, "K": k, **self.linear.sizes()}

    def own(self, params: Any) -> dict[str, np.ndarray]:
        """Intercepts, coefficients and variances by name."""
        return self.linear.named(params.coefficients, params.variances)

    def made(self, params: Any, values: Mapping[str, np.ndarray], parts: Mapping[str, Any]) -> Any:
        """From intercepts, coefficients and variances by name, and the tables."""
        return self._joined([self.linear.of_named(values, g) for g in range(len(self.linear.nodes))], parts["tables"])

    def _joined(self, of_families: Sequence[tuple[np.ndarray, np.ndarray]], tables: BayesNetParams) -> ConditionalGaussianParams:
        coefficients, variances = zip(*of_families, strict=True)
        return ConditionalGaussianParams(tables, self.linear.joined(coefficients), self.linear.joined(variances))

    def of_family(self, params: ConditionalGaussianParams, g: int) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (C, 1 + parents) and variances (C,) of a family, in the user's units."""
        return self.linear.coefficients(params.coefficients, g), self.linear.variances(params.variances, g)

    @cached_property
    def _held(self) -> list[tuple[np.ndarray, np.ndarray] | None]:
        """What is held of each Gaussian node, NaN where free; None where nothing is."""
        sizes = self.linear.sizes()
        values = {p.name: self.held(p.name, p.form(sizes)) for p in self.parameters}
        found = (self.linear.of_named(values, g) for g in range(len(self.linear.nodes)))
        return [None if np.isnan(b).all() and np.isnan(v).all() else (b, v) for b, v in found]

    @property
    def n_hidden(self) -> int | None:
        """None: hidden nodes are variables, not labels of rows."""
        return None

    @property
    def in_words(self) -> str:
        """As "Bayesian network: 8 nodes, 3 of them Gaussian, 8 edges, 1 hidden"."""
        hidden = f", {len(self.hidden)} hidden" if self.hidden else ""
        numbers = f"{len(self.linear.nodes)} of them Gaussian"
        return f"Bayesian network: {len(self.graph)} nodes, {numbers}, {len(self.graph.edges)} edges{hidden}"

    def priors_in_words(self) -> list[str]:
        """Of tables, and of Gaussian nodes."""
        weak = ["weak prior of variances"] if isinstance(self.gaussian_prior, str) else []
        return [*super().priors_in_words(), *weak]

    # --- data ---------------------------------------------------------------------------------------------------------

    def resolve(self, source: Source) -> Self:
        """Checks the cells, takes standard units and priors from the columns, reads fixed and starting values."""
        self.check(source)
        units = Units.of([self.columns[node] for node in self.linear.nodes], source.summary, source.columns)
        names = [self.graph.names[node] for node in self.linear.nodes]
        penalties = penalties_of(self.gaussian_prior, names, self.linear.widths, units.scale**2, source.total_weight)
        tables = self.tables.with_values(1, len(self.tables.graph) - len(self.tables.hidden))
        return replace(self, units=units, penalties=penalties, tables=tables).with_values(1, source.n_features)

    def check(self, source: Source) -> None:
        """Raise DataError, naming column and row, for a cell that is no state of its node, or an infinite number."""
        seen = [node for node in range(len(self.graph)) if self.columns[node] >= 0]
        check_cells(source, [self.graph.names[node] for node in seen], [self.cards[node] for node in seen])

    @property
    def known_units(self) -> Units:
        """Standard units; those of the user where there were no data."""
        return self.units or Units(np.zeros(len(self.linear.nodes)), np.ones(len(self.linear.nodes)))

    def cells(self, x: Any, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """States (n, N), -1 where missing and 0 for Gaussian nodes, and Gaussian nodes in standard units (n, G).

        Raises DataError for a number, in a row of some weight, that is too far from all others to square its distance.
        """
        x, numbers = np.asarray(x), list(self.linear.nodes)
        columns = np.array(self.columns)
        states = columns.copy()
        states[numbers] = MISSING
        codes = codes_of(x, states)
        codes[:, numbers] = 0
        z = self.known_units.measured(x[:, columns[numbers]], [self.graph.names[node] for node in numbers], weights)
        return codes, z

    def compiled(self, codes: np.ndarray, z: np.ndarray, kept: bool | np.ndarray = False) -> NumberedRows:
        """Rows compiled; ``kept``: which nodes of the graph are asked for, whatever descends from them."""
        every = np.broadcast_to(np.asarray(kept, np.bool_), len(self.graph)).copy()
        return NumberedRows(
            self.tables, self.discrete, self.linear, codes, z, every, self.known_units.scale, self.max_configurations
        )

    def families(self, params: ConditionalGaussianParams) -> list[tuple[np.ndarray, np.ndarray]]:
        """Coefficients and variances of each Gaussian family in standard units."""
        return [self.known_units.standard(self.linear, g, *self.of_family(params, g)) for g in range(len(self.linear.nodes))]

    def _pieces(self, block: Block) -> list[tuple[NumberedRows, np.ndarray | None, Any]]:
        """The rows of a block, a few thousand at a time, compiled; with their weights, and their plan."""
        units = self.known_units
        key = (
            "numbers",
            self.graph,
            self.cards,
            self.columns,
            self.tables.everything,
            units.centre.tobytes(),
            units.scale.tobytes(),
        )
        found: list[tuple[NumberedRows, np.ndarray | None, Any]] | None = block.kept.get(key)
        if found is None:
            found = []
            weights = block.weights
            for part in parts(block.n):
                own = None if weights is None else np.asarray(weights[part], dtype=np.float64)
                rows = self.compiled(*self.cells(np.asarray(block.x)[part], own), self.tables.everything)
                found.append((rows, own, rows.plan_of(own)))
            block.kept[key] = found
        return found

    # --- fitting ------------------------------------------------------------------------------------------------------

    def one_by_one(self, source: Source) -> int:
        """Eight starts with hidden nodes; three with missing cells only; one where nothing is missing."""
        return self.tables.one_by_one(source)

    def kind_of_start(self, attempt: int) -> str:
        """Hidden nodes as clusters of the numbers below them, then as random labels."""
        return ("clusters", "random labels")[attempt % 4 == 3]

    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> ConditionalGaussianParams:
        """See ``emkit.models.bayesnet.starting``."""
        block = source.joined()
        found: ConditionalGaussianParams = self.put_back(start_of_numbers(self, block, rng, attempt))
        return found

    def e_step(self, params: ConditionalGaussianParams, block: Block) -> tuple[ConditionalGaussianStats, float]:
        """Expected counts and moments, and the log-likelihood."""
        families, length = self.families(params), len(params.tables.tables)
        counts, moments, total = np.zeros(length), np.zeros(self.linear.n_moments), 0.0
        for rows, weights, plan in self._pieces(block):
            evidence = rows.evidence(params.tables, families)
            expected, logs = np.zeros(len(evidence.tables)), np.zeros(plan.n_components)
            plan.sweep(evidence.tables, (0, plan.n_components), expected, logs)
            counted = plan.mass > 0
            total += float(plan.mass[counted] @ logs[counted])
            used = plan.counts > 0
            with np.errstate(divide="ignore"):
                total += float(plan.counts[used] @ np.log(evidence.tables[used]))
            own = np.ones(rows.n) if weights is None else weights
            total += float(own[own > 0] @ evidence.log_scale[own > 0])
            counts += expected[:length] + plan.counts[:length]
            for factor, share, kept in zip(rows.factors, rows.shares(expected, weights), evidence.remembered, strict=True):
                factor.add_moments(families, kept, share, moments)
        return ConditionalGaussianStats(BayesNetStats(counts), moments), total

    def m_step(self, stats: ConditionalGaussianStats, params: ConditionalGaussianParams) -> ConditionalGaussianParams:
        """Tables of counts, and a weighted regression for each configuration of each Gaussian node."""
        found = []
        for g in range(len(self.linear.nodes)):
            moments, held = self.linear.moments(stats.moments, g), self._held[g]
            about = (self.linear, self.known_units, g, moments, self._penalty(g), self.of_family(params, g))
            found.append(regressed(*about) if held is None else regressed_with_held(*about, held))
        return self._joined(found, self.tables.m_step(stats.tables, params.tables))

    def narrowest(self, params: ConditionalGaussianParams, stats: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Of Gaussian nodes, (1, d)."""
        out = np.full((2, 1, len(self.graph) - len(self.hidden)), np.nan)
        out[:, 0, [self.columns[node] for node in self.linear.nodes]] = self.linear.narrowest(params.variances, stats.moments)
        return out[0], out[1]

    def _penalty(self, g: int) -> Penalty:
        return self.penalties[g] if self.penalties is not None else Penalty.none(self.linear.widths[g])

    def log_prior(self, params: ConditionalGaussianParams) -> float:
        """Log density of tables and of Gaussian families, up to a constant."""
        of_families = (self._penalty(g).log_density(*self.of_family(params, g)) for g in range(len(self.linear.nodes)))
        return super().log_prior(params) + sum(of_families)

    def q(self, stats: ConditionalGaussianStats, params: ConditionalGaussianParams) -> float:
        """Counts times log tables, and the expected log densities of Gaussian nodes."""
        numbers = expected_log_density(self.linear, self.families(params), stats.moments)
        return self.tables.q(stats.tables, params.tables) + numbers

    def gradient(self, stats: ConditionalGaussianStats, params: ConditionalGaussianParams) -> dict[str, np.ndarray]:
        """Of intercepts, coefficients and variances, the prior's included."""
        found = []
        for g in range(len(self.linear.nodes)):
            found.append(slopes(self._natural_moments(stats, g), self._penalty(g), *self.of_family(params, g)))
        joined = self._joined(found, params.tables)
        return self.linear.named(joined.coefficients, joined.variances)

    def curvature(self, stats: ConditionalGaussianStats, params: ConditionalGaussianParams) -> dict[str, np.ndarray]:
        """Of intercepts, coefficients and variances, the prior's included."""
        found = []
        for g in range(len(self.linear.nodes)):
            found.append(information(self._natural_moments(stats, g), self._penalty(g), self.of_family(params, g)[1]))
        joined = self._joined(found, params.tables)
        return self.linear.named(joined.coefficients, joined.variances)

    def _natural_moments(self, stats: ConditionalGaussianStats, g: int) -> np.ndarray:
        return self.known_units.moments(self.linear, g, self.linear.moments(stats.moments, g))

    # --- what it says of rows -----------------------------------------------------------------------------------------

    def without_chance(self, params: ConditionalGaussianParams, source: Source) -> ConditionalGaussianParams:
        """The same hypothesis with uniform rows of tables where no row of the data says anything, instead of a start's."""
        counts = np.zeros(len(params.tables.tables))
        for block in source:
            counts += self.e_step(params, block)[0].tables.counts
        return replace(params, tables=self.tables.evened(params.tables, counts))

    def infer(self, params: ConditionalGaussianParams, block: Block, want: str, out: np.ndarray | None = None) -> Inference:
        """Log-likelihood of each row."""
        families, found = self.families(params), []
        for part in parts(block.n):
            rows = self.compiled(*self.cells(np.asarray(block.x)[part]))
            evidence = rows.evidence(params.tables, families)
            found.append(rows.compiled.log_probability(evidence.tables) + evidence.log_scale)
        return Inference(np.concatenate(found))

    def simulate(self, params: ConditionalGaussianParams, n: int, rng: np.random.Generator) -> Block:
        """N rows of the observed nodes."""
        states = sampled(self.tables.layout, params.tables.tables, n, rng)
        values = with_numbers(self.linear, params, self.spread_out(states), rng)
        seen = [node for node in range(len(self.graph)) if self.columns[node] >= 0]
        return Block(values[:, seen])

    def spread_out(self, states: np.ndarray) -> np.ndarray:
        """States of discrete nodes (n, D) as those of all nodes (n, N), 0 for Gaussian ones."""
        codes = np.zeros((len(states), len(self.graph)), np.int64)
        codes[:, list(self.discrete)] = states
        return codes
