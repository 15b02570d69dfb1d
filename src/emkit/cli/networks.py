"""A network's structure as it is given on the command line."""

from pathlib import Path
from typing import Any

from emkit.cli.exits import Refusal


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
