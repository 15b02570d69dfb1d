"""Bayesian networks over discrete nodes, fitted by exact EM from rows with holes and with hidden nodes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core import simplex
from emkit.core.block import Block, Source
from emkit.core.compiled import worth_compiling
from emkit.core.errors import ParameterError
from emkit.core.model import Inference, Model
from emkit.core.parameters import Parameter, Simplex, Unit
from emkit.core.prior import Dirichlet, Prior
from emkit.families.bernoulli import BetaPrior
from emkit.models.bayesnet import noisy_or as noisy
from emkit.models.bayesnet.compiled import Compiled, checked
from emkit.models.bayesnet.components import taken_apart
from emkit.models.bayesnet.enumerate import MOST_CONFIGURATIONS, FlatPlan
from emkit.models.bayesnet.evidence import EvidenceSource, Piece, check_cells, codes_of, columns_of
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.params import BayesNetParams, BayesNetStats
from emkit.models.bayesnet.plan import MAX_TABLE, Plan
from emkit.models.bayesnet.priors import BDeu
from emkit.models.bayesnet.row_by_row import logs_of_rows
from emkit.models.bayesnet.sampling import sampled
from emkit.models.bayesnet.scanning import Scanner
from emkit.models.bayesnet.starting import start
from emkit.models.bayesnet.tables import Layout

_FEW = 3  # priors that are named one by one
_PLAIN = 100.0  # nanoseconds of a cell in an E-step without compiled code
_PATTERNS = 4000  # patterns of missing nodes, times nodes, that are taken apart without it: a tenth of a second


@dataclass(frozen=True)
class BayesNet(Model):
    """p(x) = prod_i p(x_i | its parents), over discrete nodes of a directed acyclic graph.

    Parameters
    ----------
    graph : Graph
    cards : tuple of int
        States of each node.
    hidden : tuple of int
        Nodes that are no columns of the data; the others are the columns, in their order.
    prior : Dirichlet, BDeu, number, mapping or None
        Of every row of every table; a number is a concentration. A mapping from names of nodes gives each its own.
    tied : tuple of tuples of int
        Groups of nodes that share one table; the parameter has the name of the first.
    everything : bool
        Whether a row's missing nodes without observed descendants get expected counts. Without them (the default) the likelihood is
        the same, EM takes larger steps, and its limit usually is the same.
    max_table : float
        Cells of the largest table that may be summed over.
    noisy_or : tuple of int
        Nodes of two states whose tables are noisy-ORs of their parents, which count as there unless in their first state. Their
        parameter is called after the node with "_links" behind it: the probability that the leak, and that each parent alone, makes
        the second state. Of priors a mapping alone reaches them, with a BetaPrior.
    fixed, start_values : mapping, optional
        By name of the node: its table, with an axis for each parent and the node's own last; NaN marks free entries, and a zero is
        a structural zero.

    References
    ----------
    Lauritzen (1995), The EM algorithm for graphical association models with missing data, CSDA 19, 191-201. Heckerman (1995),
    A tutorial on learning with Bayesian networks, MSR-TR-95-06.
    """

    graph: Graph
    cards: tuple[int, ...]
    hidden: tuple[int, ...] = ()
    prior: Any = None
    tied: tuple[tuple[int, ...], ...] = ()
    everything: bool = False
    max_table: float = MAX_TABLE
    noisy_or: tuple[int, ...] = ()

    Params: ClassVar[Any] = BayesNetParams

    def __post_init__(self) -> None:
        if len(self.cards) != len(self.graph):
            raise ParameterError(f"cards={self.cards!r}: {len(self.graph)} nodes need as many numbers of states", parameter="cards")
        for group in self.tied:
            if len(group) < 2:
                raise ParameterError(f"tied={self.tied!r}: a group has at least two nodes", parameter="tied")
        for node in self.noisy_or:
            if self.cards[node] != 2 or any(node in group for group in self.tied):
                what = "shares a table" if self.cards[node] == 2 else f"has {self.cards[node]} states"
                name = self.graph.names[node]
                raise ParameterError(f"noisy_or: {name!r} {what}; it needs two and a table of its own", parameter="noisy_or")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """A collider with a hidden root, a chain with tied tables, a table with zeros; priors."""
        fork = Graph(("h", "x0", "x1"), ((), (0,), (0,)))
        pair = Graph(("x0", "x1"), ((), (0,)))
        triangle = Graph(("h", "x0", "x1"), ((), (0,), (0, 1)))
        zeros = {"x1": [[1.0, 0.0], [np.nan, np.nan]]}
        return [
            cls(fork, (2, 2, 2), (0,)),
            cls(fork, (3, 2, 2), (0,), BDeu(2.0), ((1, 2),)),
            cls(pair, (2, 2), (), Dirichlet(2.0), fixed=zeros),
            cls(pair, (2, 2), (), {"x0": 3.0, "x1": 1.5}, everything=True),
            cls(triangle, (2, 3, 2), (0,), {"h": 4.0, "x0": 2.0, "x1_links": BetaPrior(2.0, 2.0)}, noisy_or=(2,)),
        ]

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """Rows from tables drawn at random, which obey what is held."""
        return replace(self.simulate(self.draw_params(rng), n, rng), labels=None)

    def draw_params(self, rng: np.random.Generator) -> BayesNetParams:
        """Tables drawn at random, which obey what is held."""
        return start(self, None, rng, 1)

    # --- what follows from the settings -------------------------------------------------------------------------------

    @cached_property
    def layout(self) -> Layout:
        """Where the tables are."""
        return Layout.of(self.graph, self.cards, self.tied)

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """The column of each node, -1 for a hidden one."""
        return columns_of(len(self.graph), self.hidden)

    @cached_property
    def rank(self) -> np.ndarray:
        """The place of each node in the order of elimination."""
        rank = np.empty(len(self.graph), np.int64)
        rank[list(self.graph.elimination_order(self.cards))] = np.arange(len(self.graph))
        return rank

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:  # type: ignore[override]
        """A table for each node that has its own, under the node's name."""
        found = []
        for node in self.layout.owners:
            if node in self.noisy_or:
                found.append(Parameter(f"{self.graph.names[node]}_links", f"l{node}", Unit(), BetaPrior))
                continue
            letters = " ".join(f"n{member}" for member in (*self.graph.parents[node], node))
            found.append(Parameter(self.graph.names[node], letters, Simplex(), Dirichlet))
        return tuple(found)

    @cached_property
    def priors(self) -> dict[str, Prior]:  # type: ignore[override]
        """Of each table that has one."""
        tables = [p.name for p in self.parameters if p.prior is Dirichlet]
        given = self.prior if isinstance(self.prior, Mapping) else dict.fromkeys(tables, self.prior)
        unknown = sorted(set(given) - {p.name for p in self.parameters})
        if unknown:
            raise ParameterError(f"prior={unknown}: the tables are {', '.join(map(repr, self.names))}", parameter="prior")
        found: dict[str, Prior] = {}
        for p, node in zip(self.parameters, self.layout.owners, strict=True):
            value, shape = given.get(p.name), self.layout.shape(node)
            if p.prior is BetaPrior:
                found.update({p.name: value} if value is not None else {})
                continue
            prior = value.of_table(shape) if isinstance(value, BDeu) else Dirichlet.of(value, "prior", shape)
            if prior is not None:
                found[p.name] = prior
        return found

    @cached_property
    def pseudo(self) -> np.ndarray | None:
        """Pseudo-counts of the priors, (T,)."""
        if not self.priors:
            return None
        tables = []
        for p, node in zip(self.parameters, self.layout.owners, strict=True):
            prior: Any = self.priors.get(p.name) if p.prior is Dirichlet else None
            tables.append(np.broadcast_to(0.0 if prior is None else prior.pseudo, self.layout.shape(node)))
        return self.layout.flat(tables)

    @cached_property
    def held_tables(self) -> np.ndarray | None:
        """What is held of all tables, (T,), NaN where free; None if nothing is."""
        if not self.fixed:
            return None
        held = (self.held(self.graph.names[node], self.layout.shape(node)) for node in self.layout.owners)
        return self.layout.flat(list(held))

    @cached_property
    def link_parts(self) -> dict[int, slice]:
        """Where the links of each noisy-OR node are."""
        ends = np.cumsum([0, *(1 + len(self.graph.parents[node]) for node in self.noisy_or)]).tolist()
        return {node: slice(ends[i], ends[i + 1]) for i, node in enumerate(self.noisy_or)}

    def with_links(self, tables: np.ndarray, links: np.ndarray | None) -> BayesNetParams:
        """Parameters in which the tables of noisy-OR nodes are made of their links."""
        if links is None or not self.noisy_or:
            return BayesNetParams(tables)
        tables = tables.copy()
        for node, part in self.link_parts.items():
            self.layout.table(tables, node)[...] = noisy.table(links[part], self.layout.shape(node))
        return BayesNetParams(tables, links)

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """States of each node."""
        links = {f"l{node}": part.stop - part.start for node, part in self.link_parts.items()}
        return {"d": d, "K": k, **{f"n{node}": card for node, card in enumerate(self.cards)}, **links}

    def own(self, params: Any) -> dict[str, np.ndarray]:
        """The tables by name, and the links of noisy-OR nodes."""
        links = {f"{self.graph.names[node]}_links": params.links[part] for node, part in self.link_parts.items()}
        return {**self._by_node(params.tables), **links}

    def made(self, params: Any, values: Mapping[str, np.ndarray], parts: Mapping[str, Any]) -> Any:
        """From tables and links by name."""
        names = self.graph.names
        tables = [
            np.full(self.layout.shape(node), 0.5) if node in self.link_parts else values[names[node]] for node in self.layout.owners
        ]
        links = [np.asarray(values[f"{names[node]}_links"], dtype=np.float64) for node in self.noisy_or]
        return self.with_links(self.layout.flat(tables), np.concatenate(links) if links else None)

    @property
    def n_hidden(self) -> int | None:
        """None: hidden nodes are variables, not labels of rows."""
        return None

    @property
    def in_words(self) -> str:
        """As "Bayesian network: 8 nodes, 8 edges, 1 hidden"."""
        hidden = f", {len(self.hidden)} hidden" if self.hidden else ""
        return f"Bayesian network: {len(self.graph)} nodes, {len(self.graph.edges)} edges{hidden}"

    def priors_in_words(self) -> list[str]:
        """Each prior by the table that it is of; of many only how many."""
        return super().priors_in_words() if len(self.priors) <= _FEW else [f"priors of {len(self.priors)} tables"]

    # --- fitting ------------------------------------------------------------------------------------------------------

    def resolve(self, source: Source) -> Self:
        """Checks the cells, reads fixed and starting tables."""
        self.check(source)
        return self.with_values(1, source.n_features)

    def check(self, source: Source) -> None:
        """Raise DataError, naming column and row, for a cell that is no state of its node."""
        seen = [node for node in range(len(self.graph)) if self.columns[node] >= 0]
        check_cells(source, [self.graph.names[node] for node in seen], [self.cards[node] for node in seen])

    def prepared(self, source: Source) -> EvidenceSource:
        """The rows compiled into components, once for all E-steps."""
        if isinstance(source, EvidenceSource):
            return source
        key = ("prepared", self.layout, self.columns, self.everything, self.max_table)
        if key not in source.kept:
            source.kept[key] = EvidenceSource(source, self._plan(source), self.prepared)
        found: EvidenceSource = source.kept[key]
        return found

    def _plan(self, blocks: Iterable[Block]) -> Plan | FlatPlan:
        """By NumPy alone where data are so few that this is quicker than loading what is compiled."""
        blocks = list(blocks)
        if not worth_compiling(_PLAIN * len(self.graph) * sum(block.n for block in blocks)):
            flat = self._flat_plan(blocks)
            if flat is not None:
                return flat
        scanner = Scanner(self.layout, self.everything)
        for block in blocks:
            scanner.add(codes_of(block.x, self.columns), block.weights)
        return Plan.of(scanner, self.rank, self.max_table)

    def _flat_plan(self, blocks: list[Block]) -> FlatPlan | None:
        weights = None if blocks[0].weights is None else np.concatenate([np.asarray(b.weights) for b in blocks])
        codes = np.concatenate([codes_of(block.x, self.columns) for block in blocks])
        patterns = len(np.unique(np.packbits(codes < 0, axis=1), axis=0))
        if patterns * len(self.graph) > _PATTERNS:
            return None
        most = min(self.max_table, MOST_CONFIGURATIONS)  # of larger ones the tape says whether they are too large
        return FlatPlan.of(self.layout, *taken_apart(self.layout, codes, weights, np.full(len(self.graph), self.everything)), most)

    def one_by_one(self, source: Source) -> int:
        """Eight starts with hidden nodes; three with missing cells only; one where nothing is missing."""
        if self.hidden:
            return 8
        return 3 if np.isnan(np.asarray(source.joined().x)).any() else 1

    def kind_of_start(self, attempt: int) -> str:
        """Tables of available cases first, then jittered ones and random ones in turn."""
        return ("available cases", "random tables", "jittered cases")[0 if not attempt else 1 + attempt % 2]

    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> BayesNetParams:
        """See ``emkit.models.bayesnet.starting``."""
        return self.put_back(start(self, self.prepared(source).plan.counts, rng, attempt))

    def e_step(self, params: BayesNetParams, block: Block) -> tuple[BayesNetStats, float]:
        """Expected counts and log-likelihood of a run of components, or of rows, which are compiled on the way."""
        piece = self._piece(block)
        plan, (begin, end) = piece.plan, piece.part
        counts = np.zeros(self.layout.total)
        logs = np.zeros(plan.n_components)
        plan.sweep(params.tables, piece.part, counts, logs)
        counted = plan.mass[begin:end] > 0
        total = float(plan.mass[begin:end][counted] @ logs[begin:end][counted])
        if piece.first:
            counts += plan.counts
            used = plan.counts > 0
            with np.errstate(divide="ignore"):
                total += float(plan.counts[used] @ np.log(params.tables[used]))
        return BayesNetStats(counts), total

    def _piece(self, block: Block) -> Piece:
        found: Piece | None = block.kept.get("piece")
        if found is None:
            key = ("piece", self.layout, self.columns, self.everything)
            found = block.kept.get(key)
        if found is None:
            plan = self._plan([block])
            found = block.kept[key] = Piece(plan, (0, plan.n_components), True)
        return found

    def m_step(self, stats: BayesNetStats, params: BayesNetParams) -> BayesNetParams:
        """Each row's counts, with the prior's, over their sum."""
        counts = stats.counts if self.pseudo is None else stats.counts + self.pseudo
        tables = self.layout.mode(counts, self.held_tables, params.tables)
        if params.links is None:
            return BayesNetParams(tables)
        links = params.links.copy()
        for node, part in self.link_parts.items():
            held = self.held(f"{self.graph.names[node]}_links", links[part].shape)
            links[part] = noisy.links_from(self.layout.table(stats.counts, node), links[part], held, self._link_pseudo(node))
        return self.with_links(tables, links)

    def _link_pseudo(self, node: int) -> np.ndarray:
        """Pseudo-counts of each link's having fired, and not, (1 + P, 2)."""
        prior: Any = self.priors.get(f"{self.graph.names[node]}_links")
        own = (0.0, 0.0) if prior is None else (prior.a - 1.0, prior.b - 1.0)
        return np.broadcast_to(np.array(own, dtype=np.float64), (1 + len(self.graph.parents[node]), 2))

    def q(self, stats: BayesNetStats, params: BayesNetParams) -> float:
        """Counts times log tables."""
        used = stats.counts > 0
        return float(stats.counts[used] @ np.log(np.maximum(params.tables[used], simplex.TINY)))

    def gradient(self, stats: BayesNetStats, params: BayesNetParams) -> dict[str, np.ndarray]:
        """Of each table: counts over probabilities; of links as ``noisy_or`` has it."""
        tables = self._by_node(simplex.gradient(stats.counts, params.tables))
        return {**tables, **self._of_links(noisy.slope, stats, params)}

    def curvature(self, stats: BayesNetStats, params: BayesNetParams) -> dict[str, np.ndarray]:
        """Of each table, from as many rows as were counted; of links likewise."""
        counts, tables = self._by_node(stats.counts), self._by_node(params.tables)
        found = {name: simplex.curvature(counts[name], table, self.held(name, table.shape)) for name, table in tables.items()}
        return {**found, **self._of_links(noisy.information, stats, params)}

    def _by_node(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """The tables in a flat vector, but for those of noisy-OR nodes."""
        return {self.graph.names[n]: self.layout.table(flat, n) for n in self.layout.owners if n not in self.link_parts}

    def _of_links(self, what: Any, stats: BayesNetStats, params: BayesNetParams) -> dict[str, np.ndarray]:
        """``what`` of the counts and links of each noisy-OR node, by the name of the parameter."""
        if params.links is None:
            return {}
        table = self.layout.table
        return {f"{self.graph.names[n]}_links": what(table(stats.counts, n), params.links[p]) for n, p in self.link_parts.items()}

    def without_chance(self, params: BayesNetParams, source: Source) -> BayesNetParams:
        """The same hypothesis with uniform rows of tables where no row of the data says anything, instead of a start's."""
        counts = np.zeros(self.layout.total)
        for block in self.prepared(source):
            counts += self.e_step(params, block)[0].counts
        return self.evened(params, counts)

    def evened(self, params: BayesNetParams, counts: np.ndarray) -> BayesNetParams:
        """The same hypothesis with uniform rows of tables where neither ``counts`` (T,) nor a prior says anything."""
        counts = counts if self.pseudo is None else counts + np.abs(self.pseudo)
        unused = (self.layout.sums(counts) <= 0.0)[self.layout.row_of]
        if not unused.any():
            return params
        even = (1.0 / self.layout.sums(np.ones(self.layout.total)))[self.layout.row_of]
        return self.put_back(self.with_links(np.where(unused, even, params.tables), params.links))

    def infer(self, params: BayesNetParams, block: Block, want: str, out: np.ndarray | None = None) -> Inference:
        """Log-likelihood of each row."""
        codes = checked(self, codes_of(block.x, self.columns))
        if self._few(codes):
            found = logs_of_rows(self.layout, params.tables, codes, min(self.max_table, MOST_CONFIGURATIONS))
            if found is not None:
                return Inference(found)
        return Inference(Compiled.of(self, codes, self.everything).log_probability(params.tables))

    def _few(self, codes: np.ndarray) -> bool:
        """Whether rows, and patterns of missing cells, are so few that NumPy alone is quicker than loading what is compiled."""
        if worth_compiling(_PLAIN * codes.size):
            return False
        return len(np.unique(np.packbits(codes < 0, axis=1), axis=0)) * len(self.graph) <= _PATTERNS

    def simulate(self, params: BayesNetParams, n: int, rng: np.random.Generator) -> Block:
        """N rows of the observed nodes."""
        states = sampled(self.layout, params.tables, n, rng)
        seen = [node for node in range(len(self.graph)) if self.columns[node] >= 0]
        return Block(states[:, seen].astype(np.float64))
