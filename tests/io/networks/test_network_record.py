"""The record checks what it is made of."""

import pickle

import numpy as np
import pytest
from network_samples import ASIA, two_nodes

from emkit.core.errors import DataError
from emkit.io.networks import Network, read_network

HALF = np.array([0.5, 0.5])


def one(table):
    return Network(("x",), (("a", "b"),), ((),), (np.asarray(table),))


def test_asia_has_the_published_counts():
    asia = read_network(ASIA)
    assert (len(asia), asia.n_edges, asia.n_free) == (8, 8, 18)
    assert asia.graph.names == asia.names and asia.cards == (2,) * 8
    either = asia.table("either")  # P(either | lung, tub)
    assert either[0, 1, 0] == 1.0 and either[1, 1, 0] == 0.0


def test_a_row_is_scaled_within_rounding_only():
    assert np.array_equal(one([0.3333333, 0.6666666]).tables[0], np.array([0.3333333, 0.6666666]) / (0.3333333 + 0.6666666))
    exact = np.array([0.1, 0.9 - 1e-14])
    assert np.array_equal(one(exact).tables[0], exact)
    with pytest.raises(DataError, match=r"row 0 of the table of node 'x' adds up to 0.97, not to 1"):
        one([0.5, 0.47])


def test_tables_are_copies_and_cannot_be_written_to():
    mine = HALF.copy()
    network = one(mine)
    mine[0] = 3.0
    assert network.tables[0][0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        network.tables[0][0] = 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("a", "a")}, "two nodes are called 'a'"),
        ({"names": ("", "wet")}, "empty name"),
        ({"states": (("yes", "yes"), ("y", "n"))}, "node 'rain' has the state 'yes' twice"),
        ({"states": ((), ("y", "n"))}, "node 'rain' has no states"),
        ({"parents": ((), ("snow",))}, "node 'wet' has the parent 'snow', but there is no such node"),
        ({"parents": ((), ("rain", "rain"))}, "node 'wet' has the parent 'rain' twice"),
        ({"parents": (("wet",), ("rain",))}, "in a circle: .*'rain' -> 'wet'|'wet' -> 'rain'"),
        ({"tables": (HALF,)}, "2 nodes have 1 tables"),
        ({"tables": (HALF, HALF)}, r"node 'wet' has the shape \(2,\); its parents and states make \(2, 2\)"),
        ({"tables": (np.array([1.5, -0.5]), np.eye(2))}, "node 'rain' has -0.5 in row 0"),
        ({"tables": (np.array([np.nan, 1.0]), np.eye(2))}, "node 'rain' has nan in row 0"),
        ({"properties": {"snow": {}}}, "properties are given of a node 'snow'"),
    ],
)
def test_what_makes_no_network_is_named(change, message):
    good = {name: getattr(two_nodes(), name) for name in ("names", "states", "parents", "tables")}
    with pytest.raises(DataError, match=message):
        Network(**{**good, **change})


def test_networks_travel_to_other_processes():
    again = pickle.loads(pickle.dumps(two_nodes()))
    assert again == two_nodes() and again.said("wet") == {}


def test_networks_are_equal_to_the_last_bit():
    assert two_nodes() == two_nodes()
    other = Network(("x",), (("a", "b"),), ((),), (np.array([0.5 + 2**-53, 0.5 - 2**-53]),))
    assert other != one(HALF) and one(HALF) != "x"
