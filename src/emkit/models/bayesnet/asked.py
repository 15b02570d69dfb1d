"""A network that is asked about rows, whatever its nodes are: one set of questions for discrete networks and mixed ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet import mixed_answers
from emkit.models.bayesnet.conditional_gaussian import ConditionalGaussianNet
from emkit.models.bayesnet.drawing import drawn, sampled_given
from emkit.models.bayesnet.evidence import MISSING, codes_of
from emkit.models.bayesnet.impossible import impossible
from emkit.models.bayesnet.linear import FARTHEST
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.most_probable import most_probable
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.posterior import node_posteriors, posterior
from emkit.models.bayesnet.sampling import sampled, with_numbers


@dataclass(frozen=True)
class Cells:
    """What rows have observed.

    Attributes
    ----------
    codes : int array (n, N)
        State numbers of all nodes, -1 where missing, 0 for Gaussian ones.
    z : array (n, G)
        Gaussian nodes in standard units, NaN where missing.
    """

    codes: np.ndarray
    z: np.ndarray


class Asked:
    """A discrete network.

    Parameters
    ----------
    model, params
    """

    def __init__(self, model: Any, params: Any):
        self.model, self.params = model, params

    @staticmethod
    def of(model: Any, params: Any) -> "Asked":
        """For whichever kind of network it is."""
        return (AskedMixed if isinstance(model, ConditionalGaussianNet) else Asked)(model, params)

    def cells(self, x: Any) -> Cells:
        """Rows (n, columns) as they come from a source."""
        codes = codes_of(x, self.model.columns)
        return Cells(codes, np.zeros((len(codes), 0)))

    def nothing(self) -> Cells:
        """A row of which nothing is known."""
        return Cells(np.full((1, len(self.model.graph)), MISSING, np.int32), np.zeros((1, 0)))

    def observe(self, cells: Cells, node: int, value: Any) -> None:
        """Set a node in all rows, in place: to a state number, or a number in the column's unit."""
        cells.codes[:, node] = value

    def forget(self, cells: Cells, nodes: Sequence[int]) -> None:
        """Take what is known of nodes away, in place."""
        cells.codes[:, list(nodes)] = MISSING

    def missing(self, cells: Cells) -> np.ndarray:
        """Which nodes of which rows are missing, (n, N)."""
        return cells.codes == MISSING

    def posteriors(self, cells: Cells, nodes: Sequence[int]) -> list[np.ndarray]:
        """See ``node_posteriors``; of discrete nodes."""
        return node_posteriors(self.model, self.params, cells.codes, nodes)

    def joint(self, cells: Cells, targets: Sequence[int], soft: Mapping[int, np.ndarray] | None) -> np.ndarray:
        """See ``posterior``; of discrete nodes, in a single row."""
        return posterior(self.model, self.params, cells.codes[0], targets, soft)

    def mixture(self, cells: Cells, node: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See ``mixed_answers.mixture_of``; of a Gaussian node, in a single row."""
        raise ParameterError(f"{self.model.graph.names[node]!r} is no Gaussian node", parameter="targets")

    def expectations(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of Gaussian nodes, (n, N) each; 0 for others."""
        return np.zeros(cells.codes.shape), np.zeros(cells.codes.shape)

    def most_probable(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """All nodes (n, N) at their jointly most probable values, states by number; and the log probability (n,)."""
        return most_probable(self.model, self.params, cells.codes)

    def drawn(self, cells: Cells, rng: np.random.Generator, times: int) -> Iterator[np.ndarray]:
        """All nodes (n, N), so many times, what is missing drawn from its posterior."""
        yield from drawn(self.model, self.params, cells.codes, rng, times)

    def sampled(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """All nodes (n, N) drawn from the network."""
        return sampled(self.model.layout, self.params.tables, n, rng)

    def sampled_given(self, n: int, cells: Cells, rng: np.random.Generator) -> np.ndarray:
        """All nodes (n, N) drawn given a single row."""
        return sampled_given(self.model, self.params, n, cells.codes[0], rng)

    def impossible(self, cells: Cells) -> tuple[int, dict[str, int | None]] | None:
        """The first row that the tables rule out, and the nodes with the states that exclude each other; None if there is none.

        None stands for the state of what are only numbers.
        """
        found = impossible(self.model, self.params, cells.codes)
        return None if found is None else (found[0], _states(self.model, cells.codes, *found))


def _states(net: BayesNet, codes: np.ndarray, row: int, names: Sequence[str]) -> dict[str, int | None]:
    return {name: int(codes[row, net.graph.names.index(name)]) for name in names}


class AskedMixed(Asked):
    """A network with Gaussian nodes."""

    def cells(self, x: Any) -> Cells:
        """Rows (n, columns) as they come from a source."""
        return Cells(*self.model.cells(x))

    def nothing(self) -> Cells:
        """A row of which nothing is known."""
        cells = Cells(np.zeros((1, len(self.model.graph)), np.int32), np.zeros((1, len(self.model.linear.nodes))))
        self.forget(cells, range(len(self.model.graph)))
        return cells

    def observe(self, cells: Cells, node: int, value: Any) -> None:
        """Set a node in all rows, in place."""
        g, units = self.model.linear.place.get(node), self.model.known_units
        if g is None:
            super().observe(cells, node, value)
        else:
            cells.z[:, g] = (value - units.centre[g]) / units.scale[g]
            if not np.abs(cells.z[:, g]).max() < FARTHEST:
                raise ParameterError(
                    f"{self.model.graph.names[node]!r}: {value:g} is too far from what was fitted to square the distance",
                    parameter="evidence",
                )

    def forget(self, cells: Cells, nodes: Sequence[int]) -> None:
        """Take what is known of nodes away, in place."""
        place = self.model.linear.place
        cells.codes[:, [node for node in nodes if node not in place]] = MISSING
        cells.z[:, [place[node] for node in nodes if node in place]] = np.nan

    def missing(self, cells: Cells) -> np.ndarray:
        """Which nodes of which rows are missing, (n, N)."""
        out = np.array(cells.codes == MISSING)
        out[:, list(self.model.linear.nodes)] = np.isnan(cells.z)
        return out

    def _as_states(self, cells: Cells) -> mixed_answers.AsStates:
        return mixed_answers.as_states(self.model, self.params, cells.codes, cells.z)

    def _inner(self, nodes: Sequence[int]) -> list[int]:
        return [self.model.discrete.index(node) for node in nodes]

    def posteriors(self, cells: Cells, nodes: Sequence[int]) -> list[np.ndarray]:
        """See ``node_posteriors``; of discrete nodes."""
        given = self._as_states(cells)
        return node_posteriors(given.net, given.params, given.codes, self._inner(nodes))

    def joint(self, cells: Cells, targets: Sequence[int], soft: Mapping[int, np.ndarray] | None) -> np.ndarray:
        """See ``posterior``; of discrete nodes, in a single row."""
        given, inner = self._as_states(cells), None
        if soft is not None:
            inner = dict(zip(self._inner(list(soft)), soft.values(), strict=True))
        return posterior(given.net, given.params, given.codes[0], self._inner(targets), inner)

    def mixture(self, cells: Cells, node: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See ``mixed_answers.mixture_of``; of a Gaussian node, in a single row."""
        return mixed_answers.mixture_of(self.model, self.params, cells.codes, cells.z, node)

    def expectations(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of Gaussian nodes, (n, N) each; 0 for others."""
        found = mixed_answers.expectations(self.model, self.params, cells.codes, cells.z)
        means, variances = np.zeros(cells.codes.shape), np.zeros(cells.codes.shape)
        means[:, list(self.model.linear.nodes)], variances[:, list(self.model.linear.nodes)] = found
        return means, variances

    def most_probable(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """All nodes (n, N) where probability times density is highest; and the log of that (n,)."""
        return mixed_answers.most_probable_values(self.model, self.params, cells.codes, cells.z)

    def drawn(self, cells: Cells, rng: np.random.Generator, times: int) -> Iterator[np.ndarray]:
        """All nodes (n, N), so many times, what is missing drawn from its posterior."""
        yield from mixed_answers.drawn_values(self.model, self.params, cells.codes, cells.z, rng, times)

    def sampled(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """All nodes (n, N) drawn from the network."""
        states = sampled(self.model.tables.layout, self.params.tables.tables, n, rng)
        return with_numbers(self.model.linear, self.params, self.model.spread_out(states), rng)

    def sampled_given(self, n: int, cells: Cells, rng: np.random.Generator) -> np.ndarray:
        """All nodes (n, N) drawn given a single row."""
        many = Cells(np.repeat(cells.codes, n, axis=0), np.repeat(cells.z, n, axis=0))
        return next(self.drawn(many, rng, 1))

    def impossible(self, cells: Cells) -> tuple[int, dict[str, int | None]] | None:
        """The first row that the tables rule out, and what excludes each other; None if there is none."""
        given = self._as_states(cells)
        tables: BayesNetParams = given.params
        found = impossible(given.net, tables, given.codes)
        if found is None:
            return None
        states, own = _states(given.net, given.codes, *found), set(self.model.tables.graph.names)
        return found[0], {name: state if name in own else None for name, state in states.items()}
