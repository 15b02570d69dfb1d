"""How sure the arcs of a learnt graph are: the search again, on rows drawn anew."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.checks import number
from emkit.core.columns import Columns
from emkit.core.errors import ParameterError
from emkit.core.monitor import Monitor
from emkit.data.rows import ArraySource
from emkit.estimators.network_structure import Structure
from emkit.estimators.structure_search import Hunt, StructureSearch
from emkit.execute.processes import ProcessPool
from emkit.execute.threads import Threads
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.structure.equivalence import arcs_of, directed, equivalence_class

_WORTH = 5.0  # seconds of work from which processes are started


@dataclass(frozen=True)
class ArcStrengths:
    """What the graphs have in common that are learnt from rows drawn anew.

    Friedman, Goldszmidt and Wyner (1999), Data analysis with Bayesian networks: a bootstrap approach, UAI, 196-205.

    Attributes
    ----------
    names : tuple of str
        Nodes.
    strength : array (N, N)
        The share of graphs in which two nodes are joined, whatever the direction; symmetric.
    direction : array (N, N)
        Entry [a, b]: of the graphs that join a and b, the share in which the arc runs from a to b; those whose equivalence class
        has it in both directions count half. 0 where none joins them.
    n_resamples : int
    """

    names: tuple[str, ...]
    strength: np.ndarray
    direction: np.ndarray
    n_resamples: int

    def table(self) -> Any:
        """A pandas frame with a row for each pair that some graph joins, the strongest first: from, to, strength, direction."""
        from emkit.data.frames import pandas

        found = [
            (self.names[a], self.names[b], self.strength[a, b], self.direction[a, b])
            for a, b in np.argwhere(self.strength > 0)
            if self.direction[a, b] > self.direction[b, a] or (self.direction[a, b] == self.direction[b, a] and a < b)
        ]
        found.sort(key=lambda row: (-row[2], -row[3], row[0], row[1]))
        return pandas().DataFrame(found, columns=["from", "to", "strength", "direction"])

    def averaged(self, threshold: float = 0.5) -> list[tuple[str, str]]:
        """The edges of the averaged network: pairs that are joined in more than this share of graphs, without circles.

        By default in most of them: where the distribution of strengths is nearest to one that knows every arc for sure (Scutari and
        Nagarajan 2013, Artificial Intelligence in Medicine 57, 207-217). Directions are those that most graphs have.

        Raises ParameterError for a threshold outside of 0 to 1.
        """
        if not number(threshold, "threshold", "a share from 0 to 1") <= 1:
            raise ParameterError(f"threshold={threshold!r}: give a share from 0 to 1", parameter="threshold")
        arcs = directed(self.strength > threshold, self.direction)
        return [(self.names[a], self.names[b]) for a, b in np.argwhere(arcs)]

    def plot(self, threshold: float = 0.5, *, ax: Any = None) -> Any:
        """The averaged network, its arrows as thick as they are strong, by matplotlib. Returns the axes."""
        from emkit.plots.graphs import draw_network

        parents = Graph.of_edges(self.names, self.averaged(threshold)).parents
        strengths = {(p, c): float(self.strength[p, c]) for c, of in enumerate(parents) for p in of}
        return draw_network(self.names, parents, strengths=strengths, ax=ax)


@dataclass(frozen=True)
class Resampling:
    """What is drawn anew and searched, in whichever process."""

    search: StructureSearch
    x: np.ndarray
    weights: np.ndarray | None
    columns: Columns
    known: Structure
    most: tuple[float, float]
    directions: np.ndarray

    def classes(self, seeds: list[Any]) -> list[np.ndarray]:
        """The equivalence class, (N, N), of the graph from each seed's rows."""
        found = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            source = ArraySource(self.x, self._weights(rng), self.columns, checked=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of columns: not once for every resample
                learnt = Hunt(self.search, source, self.known, Threads(1), rng, Monitor(), *self.most).learn(keep=False)
            graph = Graph.of_edges(self.known.graph.names, learnt.edges)
            found.append(equivalence_class(arcs_of(graph.parents), self.directions))
        return found

    def _weights(self, rng: np.random.Generator) -> np.ndarray:
        """How often each row is drawn, with its weight. Whole weights say how many rows one stands for, each drawn for itself."""
        weights = np.ones(len(self.x)) if self.weights is None else np.asarray(self.weights, dtype=np.float64)
        if (weights == np.round(weights)).all():
            return rng.multinomial(int(weights.sum()), weights / weights.sum()).astype(np.float64)
        some = np.flatnonzero(weights)
        times = np.zeros(len(weights))
        times[some] = rng.multinomial(len(some), np.full(len(some), 1.0 / len(some)))
        return times * weights


def strengths_of(asked: Resampling, n_resamples: int, seeds: np.random.SeedSequence, n_jobs: int) -> ArcStrengths:
    """Of so many graphs; several processes share them where there is work enough. The outcome does not depend on it."""
    every, found = seeds.spawn(n_resamples), list[np.ndarray]()
    begun = time.monotonic()
    while len(found) < n_resamples:
        found += asked.classes([every[len(found)]])
        left = (time.monotonic() - begun) / len(found) * (n_resamples - len(found))
        if n_jobs > 1 and left > _WORTH:
            found += [one for part in _shared(asked, every[len(found) :], n_jobs) for one in part]
    joined = sum((one | one.T).astype(np.float64) for one in found)
    ways = sum(one * np.where(one.T, 0.5, 1.0) for one in found)
    strength = np.asarray(joined) / n_resamples
    direction = np.divide(ways, joined, out=np.zeros_like(strength), where=strength > 0)
    return ArcStrengths(asked.known.graph.names, strength, direction, n_resamples)


def _shared(asked: Resampling, seeds: list[Any], n_jobs: int) -> Iterator[list[np.ndarray]]:
    with ProcessPool(n_jobs) as pool:
        for future in [pool.submit(asked.classes, seeds[i : i + 5]) for i in range(0, len(seeds), 5)]:
            yield future.result()
