"""A mixture whose class weights depend on concomitant columns, and whose classes may be those of groups of rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.bayes import add_labels, draw_labels, informed, log_sum_exp, posterior, slices
from emkit.core.block import Block, Source
from emkit.core.model import Inference
from emkit.core.records import Stats
from emkit.core.selected import SelectedColumns, columns_of
from emkit.core.slivers import Sliver, slivers_of
from emkit.models.class_logits import LogitStats, class_directions, log_priors, logit_stats, newton
from emkit.models.concomitant_columns import ConcomitantColumns, ConcomitantParams, first_rows
from emkit.models.mixture import FiniteMixture


@dataclass(frozen=True)
class ConcomitantStats(Stats):
    """``counts`` (K,): expected rows of each class; ``logits``: of the class weights; ``components``: the family's Stats."""

    counts: np.ndarray
    logits: LogitStats
    components: Any


@dataclass(frozen=True)
class ConcomitantMixture(ConcomitantColumns):
    """p(x | u) = sum_k weight_k(u) p(x | component k), with weight_k(u) proportional to exp(intercept_k + coefficients_k u).

    Dayton and Macready (1988), JASA 83, 173-178. Where rows come in sequences, all rows of a sequence share their class, as the
    measurements of a person do: concomitant columns are then those of its first row, and weights those of sequences. Later rows'
    cells of these columns are not looked at; there is a warning where they differ.

    Parameters
    ----------
    family : Family
        What the components are.
    n_components : int
        K >= 1.
    concomitant : sequence of columns
        Names, or numbers where columns have none. A regression may condition on them too; no family may describe them.
    columns : sequence of columns, optional
        Those that the family describes; by default all others. What a regression names itself need not be said here.
    ridge : "weak" or float
        Pseudo-units behind each slope of the class weights: the log prior of standardised slopes, which add up to 0 over classes,
        is -ridge/8 times their squares, an even choice between two classes having information 1/4. "weak": 0.1/n. 0: none.
    seeding : str
        As for ``FiniteMixture``.
    fixed, start_values : mapping, optional
        "class_intercepts" (K,), "class_coefficients" (K, c): columns are held whole. Values are centred over classes, so that log
        odds against some class may be given.
    """

    @classmethod
    def examples(cls) -> list[Self]:
        """Of normal distributions; of regressions, without a ridge; of counts, with coefficients that are held."""
        from emkit.families.gaussian.family import Gaussian
        from emkit.families.poisson import Poisson
        from emkit.families.regression.family import Regression

        return [
            cls(Gaussian(), 2, (1,)),
            cls(Regression(on=(1,), ridge=1.0), 2, (1,), ridge=0.0),
            cls(Poisson(), 2, (0,), ridge=1.0, fixed={"class_coefficients": [[0.5], [-0.5]]}),
        ]

    # --- starting values ----------------------------------------------------------------------------------------------

    def _plain(self) -> FiniteMixture:
        return FiniteMixture(self.family, self.n_hidden, seeding=self.seeding)

    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> ConcomitantParams:
        """From a seeded partition of the family's rows, as a plain mixture; groups go where most of their rows do."""
        block = source.joined()
        own = columns_of(block, self.known[0].family)
        rows = replace(own, weights=own.row_weights, lengths=None)
        resp = self._plain().guess(rows, self.kind_of_start(attempt), attempt, rng)
        if block.lengths is not None:
            units = np.add.reduceat(resp, first_rows(block), axis=0)
            resp = np.repeat((units.argmax(axis=1)[:, None] == np.arange(self.n_hidden)).astype(float), block.lengths, axis=0)
        return self._from_partition(np.asarray(own.x), informed(resp, block.labels, rows.weights), rng)

    def _from_partition(self, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> ConcomitantParams:
        logs = np.log((resp.sum(axis=0) + 1.0) / (resp.sum() + self.n_hidden))
        intercepts = self.start_values.get("class_intercepts", logs - logs.mean())
        coefficients = self.start_values.get("class_coefficients", np.zeros((self.n_hidden, len(self.concomitant))))
        components = self.family.from_partition(x, resp, rng)
        found: ConcomitantParams = self.put_back(ConcomitantParams(intercepts, coefficients, components))
        return found

    def kind_of_start(self, attempt: int) -> str:
        """As a plain mixture's."""
        return self._plain().kind_of_start(attempt)

    def points(self, x: Any) -> np.ndarray | None:
        """As the family has them."""
        return self.family.embed(np.asarray(x)[:, list(self.known[0].family)])

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def _standard(self, params: ConcomitantParams) -> np.ndarray:
        return self.known[1].standard(params.class_intercepts, params.class_coefficients)

    def class_weights(self, params: ConcomitantParams, x: Any) -> np.ndarray:
        """P(class | concomitant columns) of each row, (n, K)."""
        layout, units = self.known
        return np.asarray(np.exp(log_priors(units.design(np.asarray(x)[:, list(layout.concomitant)]), self._standard(params))))

    def _pieces(self, params: ConcomitantParams, block: Block) -> Iterator["_Piece"]:
        """Bayes' rule for the units of a block: rows slice by slice, or groups of rows all at once."""
        layout, units = self.known
        pivot = self._standard(params)
        for part in slices(block.n) if block.lengths is None else [slice(0, block.n)]:
            rows = block.rows(part)
            starts = first_rows(rows if block.lengths is None else block)
            own = columns_of(rows, layout.family)
            logs = add_labels(self.family.log_prob_block(params.components, own), rows.labels)
            if block.lengths is not None:
                logs = np.add.reduceat(logs, starts, axis=0)
            design = units.design(np.asarray(rows.x)[starts][:, list(layout.concomitant)])
            prior = log_priors(design, pivot)
            joint = logs + prior
            weights = np.ones(len(starts))
            if block.weights is not None:
                weights = np.asarray(block.weights if block.lengths is not None else block.weights[part], dtype=np.float64)
            yield _Piece(part, own, design, prior, joint, log_sum_exp(joint), weights)

    def e_step(self, params: ConcomitantParams, block: Block) -> tuple[ConcomitantStats, float]:
        """Bayes' rule for every unit, and the statistics it implies."""
        return self.tempered(params, block, 1.0)

    def tempered(self, params: ConcomitantParams, block: Block, power: float) -> tuple[ConcomitantStats, float]:
        """The same by powers of the joint densities."""
        total, found, pivot = 0.0, None, self._standard(params)
        for piece in self._pieces(params, block):
            if power != 1.0:
                joint = power * piece.joint
                piece = replace(piece, joint=joint, value=log_sum_exp(joint))
            used = piece.weights > 0
            total += float(piece.weights[used] @ piece.value[used])
            resp = posterior(piece.joint, piece.value)
            possible = np.isfinite(piece.value)[:, None]
            logits = logit_stats(
                piece.design, piece.prior, np.where(possible, resp, np.exp(piece.prior)), piece.weights, pivot
            )  # fmt: skip
            rows = resp * piece.weights[:, None]
            if block.lengths is not None:
                rows = np.repeat(rows, block.lengths, axis=0)
            here = ConcomitantStats(rows.sum(axis=0), logits, self.family.stats_block(params.components, piece.own, rows))
            found = here if found is None else found + here
        assert found is not None
        return found, total / power

    def drawn_labels(self, params: ConcomitantParams, block: Block, rng: np.random.Generator, power: float = 1.0) -> np.ndarray:
        """One for each row, or each group of rows."""
        pieces = list(self._pieces(params, replace(block, weights=None)))
        resp = np.concatenate([posterior(power * piece.joint, log_sum_exp(power * piece.joint)) for piece in pieces])
        labels = np.where(resp.any(axis=1), draw_labels(resp, rng), -1)
        return labels if block.lengths is None else np.repeat(labels, block.lengths)

    def m_step(self, stats: ConcomitantStats, params: ConcomitantParams) -> ConcomitantParams:
        """One guarded Newton step for the class weights; the family does the rest."""
        units = self.known[1]
        k, c = params.class_coefficients.shape
        held = np.concatenate([self.held("class_intercepts", (k,))[:, None], self.held("class_coefficients", (k, c))], axis=1)
        along = class_directions(k, ~np.isnan(held).all(axis=0), units)
        new = newton(stats.logits, self._weight, along, units)
        return self.put_back(  # type: ignore[no-any-return]
            ConcomitantParams(*units.plain(new), self.family.update(stats.components, params.components))
        )

    @property
    def _weight(self) -> float:
        """Of the log prior of standardised slopes, as minus half their squares."""
        return 0.25 * float(self.ridge)

    def log_prior(self, params: ConcomitantParams) -> float:
        """Of the slopes of class weights, and the family's."""
        slopes = self._standard(params)[:, 1:]
        return float(-0.5 * self._weight * (slopes**2).sum()) + self.family.log_prior(params.components)

    def q(self, stats: ConcomitantStats, params: ConcomitantParams) -> float | None:
        """Of class weights, to second order, and components."""
        inner = self.family.q(stats.components, params.components)
        return None if inner is None else stats.logits.gain(self._standard(params)) + inner

    def gradient(self, stats: ConcomitantStats, params: ConcomitantParams) -> dict[str, np.ndarray]:
        """Of the class weights and their log prior."""
        units, standard = self.known[1], self._standard(params)
        by = standard - stats.logits.pivot
        slope = stats.logits.slope - np.einsum("kilj,lj->ki", stats.logits.bends, by)
        slope[:, 1:] -= self._weight * standard[:, 1:]
        return {"class_intercepts": slope[:, 0], "class_coefficients": slope[:, 1:] * units.scale + slope[:, :1] * units.centre}

    def curvature(self, stats: ConcomitantStats, params: ConcomitantParams) -> dict[str, np.ndarray]:
        """Of each entry."""
        units, bends = self.known[1], np.einsum("kikj->kij", stats.logits.bends)
        own = np.einsum("kii->ki", bends)
        of_slopes = (own[:, 1:] + self._weight) * units.scale**2 + own[:, :1] * units.centre**2
        return {
            "class_intercepts": own[:, 0],
            "class_coefficients": of_slopes + 2.0 * units.scale * units.centre * bends[:, 0, 1:],
        }

    def infer(self, params: ConcomitantParams, block: Block, want: str, out: np.ndarray | None = None) -> Inference:
        """Log-likelihood of each row, or group; its posterior, or the most probable class, for each of its rows."""
        value, resp = [], []
        for piece in self._pieces(params, replace(block, weights=None)):
            value.append(piece.value)
            resp.append(posterior(piece.joint, piece.value))
        each, marginals = np.concatenate(value), np.concatenate(resp)
        if block.lengths is None:
            return Inference.of_rows(each, marginals, want, out)
        rows = np.repeat(each, block.lengths)
        found = Inference.of_rows(rows, np.repeat(marginals, block.lengths, axis=0), want, out)
        return replace(found, log_likelihood=each)

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _wide(self, cells: np.ndarray, like: np.ndarray) -> np.ndarray:
        """Rows of all columns with the family's from ``cells``."""
        out = np.array(like, dtype=np.float64)
        out[:, list(self.known[0].family)] = cells
        return out

    def moments(self, params: ConcomitantParams) -> tuple[np.ndarray, np.ndarray] | None:
        """Of the components; NaN for what the family does not describe."""
        found = self.family.moments(params.components)
        if found is None:
            return None
        blank = np.full((self.n_hidden, self.known[0].width), np.nan)
        return self._wide(found[0], blank), self._wide(found[1], blank)

    def label_counts(self, stats: ConcomitantStats) -> np.ndarray:
        """Counts."""
        return stats.counts

    def narrowest(self, params: ConcomitantParams, stats: ConcomitantStats) -> tuple[np.ndarray, np.ndarray] | None:
        """Of the components, in the places of the family's columns."""
        found = self.family.narrowest(params.components)
        if found is None:
            return None
        wide = self._wide(found, np.full((self.n_hidden, self.known[0].width), np.nan))
        return wide, np.broadcast_to(stats.counts[:, None], wide.shape)

    def slivers(self, params: ConcomitantParams, stats: ConcomitantStats) -> tuple[Sliver, ...]:
        """As the family says of its components."""
        return slivers_of("component", stats.counts, self.family.slivers(params.components, stats.counts))

    @property
    def in_words(self) -> str:
        """As of a plain mixture, with the concomitant columns."""
        given = f", given {', '.join(map(str, self.concomitant))}" if self.concomitant else ""
        return self.family.mixture_in_words(self.n_hidden) + given

    def label_table(self, params: ConcomitantParams) -> tuple[str, list[str]]:
        """Weights at the average of the concomitant columns."""
        weights = np.exp(log_priors(np.eye(1, 1 + len(self.concomitant)), self._standard(params)))[0]
        return "component   weight", [f"{i:>9}   {weight:.4f}" for i, weight in enumerate(weights)]

    def simulate(self, params: ConcomitantParams, n: int, rng: np.random.Generator) -> Block:
        """N rows, each a unit, with normal concomitant columns within the ranges of the data."""
        layout, units = self.known
        x = np.full((n, layout.width), np.nan)
        u = np.clip(rng.standard_normal((n, len(layout.concomitant))), units.low, units.high)
        x[:, list(layout.concomitant)] = units.centre + units.scale * u
        labels = draw_labels(self.class_weights(params, x), rng)
        cells = self.family.sample(params.components, labels, rng)
        for place, j in enumerate(layout.family):
            if j in layout.concomitant:  # the family conditions on it too
                cells[:, place] = x[:, j]
        if self.family.given(layout.family):
            cells = self.family.responses(params.components, labels, cells, rng)
        return Block(self._wide(cells, x), labels=labels)

    def redrawn(self, params: ConcomitantParams, block: Block, rng: np.random.Generator) -> Block:
        """With the same concomitant columns, covariates and groups."""
        layout, _ = self.known
        x = np.asarray(block.x, dtype=np.float64)
        starts = first_rows(block)
        labels = draw_labels(self.class_weights(params, x[starts]), rng)
        labels = labels if block.lengths is None else np.repeat(labels, block.lengths)
        cells = self.family.responses(params.components, labels, x[:, list(layout.family)], rng)
        return replace(block, x=self._wide(cells, x), labels=labels, weights=None, missing=bool(np.isnan(x).any()))

    def filled(self, params: ConcomitantParams, x: np.ndarray, marginals: np.ndarray) -> np.ndarray:
        """As the family does it."""
        return self._wide(self.family.filled(params.components, x[:, list(self.known[0].family)], marginals), x)

    def drawn(self, params: ConcomitantParams, x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As the family does it."""
        return self._wide(self.family.drawn(params.components, x[:, list(self.known[0].family)], labels, rng), x)

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """Rows of the family, with concomitant columns of their own."""
        layout, shown = self._laid_out(tuple(range(d)))
        x = rng.standard_normal((n, d))
        x[:, list(layout.family)] = self.family.settled(shown).draw(rng, n, len(shown)).x
        return Block(x)

    def compile(self, source: Source) -> None:
        """Whatever the family compiles."""
        self.family.compile(SelectedColumns(source, self.known[0].family), self.n_hidden)


@dataclass(frozen=True)
class _Piece:
    """Bayes' rule for some units: rows ``own`` of the family, designs, log priors, joint and marginal log densities, weights."""

    part: slice
    own: Block
    design: np.ndarray
    prior: np.ndarray
    joint: np.ndarray
    value: np.ndarray
    weights: np.ndarray
