"""Bayesian networks in files: BIF, XMLBIF, Hugin NET, GeNIe XDSL, UAI; networkx and pgmpy objects."""

from emkit.io.networks.conversion import from_networkx, from_pgmpy, to_networkx, to_pgmpy
from emkit.io.networks.dispatch import read_network, write_network
from emkit.io.networks.record import Network

__all__ = ["Network", "from_networkx", "from_pgmpy", "read_network", "to_networkx", "to_pgmpy", "write_network"]
