"""A network's structure as it is given on the command line."""

from pathlib import Path
from typing import Any

from emkit.cli.exits import Refusal

CALLED = {"required": "require", "forbidden": "forbid", "start": "edges"}
"""Options that are called otherwise than the settings of ``StructureSearch`` that they give."""


def network_settings(structure: Path | None, edges: str | None, latent: str | None) -> dict[str, Any]:
    """Edges, states and hidden nodes as settings of an estimator; None for what is not given."""
    if structure is not None and edges is not None:
        raise Refusal("--structure and --edges both say what the graph is; leave one out")
    found: dict[str, Any] = {"edges": edges, "latent": None if latent is None else _hidden(latent)}
    if structure is None:
        return found
    from emkit.io.networks.dispatch import read_network

    network = read_network(structure)
    pairs = [(parent, name) for name, parents in zip(network.names, network.parents, strict=True) for parent in parents]
    return {**found, "edges": pairs, "states": dict(zip(network.names, network.states, strict=True))}


def search_settings(settings: dict[str, Any], learn: bool, **how: Any) -> dict[str, Any]:
    """Settings of an estimator in which the edges are to be learnt, where ``learn`` says so; ``how``: None for what is not given.

    Raises Refusal where edges are not to be learnt, and something is said of how.
    """
    given = {name: value for name, value in how.items() if value is not None}
    if not learn:
        if given:
            first = next(iter(given))
            raise Refusal(f"--{CALLED.get(first, first.replace('_', '-'))} says how edges are learnt; add --learn")
        return settings
    from emkit.estimators.structure_search import StructureSearch

    if "tiers" in given:
        given["tiers"] = [[name.strip() for name in group.split(",") if name.strip()] for group in given["tiers"].split(";")]
    return {**settings, "edges": StructureSearch(**given, start=settings.get("edges"))}


def _hidden(text: str) -> Any:
    """``H=2,G=3`` as numbers of states by name; names alone where a structure has their states."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise Refusal("--latent is empty: write NODE=STATES, e.g. --latent H=2")
    if not any("=" in part for part in parts):
        return parts
    found: dict[str, int] = {}
    for part in parts:
        name, _, number = (piece.strip() for piece in part.rpartition("="))
        if not name or not number.isdigit():
            raise Refusal(f"--latent {part!r}: write NODE=STATES, e.g. --latent H=2")
        found[name] = int(number)
    return found
