"""The graph of a network: what it refuses, its orders, and what it says of hidden nodes."""

import numpy as np
import pytest

from emkit import ParameterError
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.tables import Layout


def test_a_circle_is_named():
    with pytest.raises(ParameterError, match="'a' -> 'b' -> 'c' -> 'a'"):
        Graph.of_edges("abc", [("a", "b"), ("b", "c"), ("c", "a")])


def test_a_circle_beside_a_tree_is_named():
    with pytest.raises(ParameterError, match="'b' -> 'c' -> 'b'"):
        Graph.of_edges("abcd", [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")])


@pytest.mark.parametrize(
    ("nodes", "edges", "said"),
    [("aab", [], "two nodes are called 'a'"), ("ab", [("a", "z")], "no node 'z'"), ("ab", [("a", "b")] * 2, "parent 'a' twice")],
)
def test_what_is_no_graph_is_refused(nodes, edges, said):
    with pytest.raises(ParameterError, match=said):
        Graph.of_edges(nodes, edges)


def test_parents_come_before_their_children():
    rng = np.random.default_rng(0)
    for _ in range(50):
        order = rng.permutation(9)
        edges = [(str(order[i]), str(order[j])) for i in range(9) for j in range(i + 1, 9) if rng.random() < 0.3]
        graph = Graph.of_edges(map(str, range(9)), edges)
        place = {node: i for i, node in enumerate(graph.topological)}
        assert all(place[p] < place[node] for node, parents in enumerate(graph.parents) for p in parents)
        assert sorted(graph.elimination_order([2] * 9)) == list(range(9))


def test_a_chain_is_eliminated_from_its_ends():
    graph = Graph.of_edges("abcde", zip("abcd", "bcde", strict=True))
    assert graph.elimination_order([2] * 5)[0] in (0, 4)


def test_hidden_nodes_of_which_data_say_nothing_are_named():
    graph = Graph.of_edges("hlax", [("a", "l"), ("h", "x")])
    (leaf, root) = sorted(graph.unidentified([0, 1]))[::-1]
    assert "'l' has no observed descendant" in leaf
    assert "'h' has no parent and the single child 'x'" in root
    assert not Graph.of_edges("hab", [("h", "a"), ("h", "b")]).unidentified([0])


def test_tables_lie_one_after_another_with_the_child_last():
    layout = Layout.of(Graph.of_edges("abc", [("a", "c"), ("b", "c")]), (2, 3, 4))
    assert layout.total == 2 + 3 + 24
    flat = np.arange(layout.total)
    assert layout.table(flat, 2).shape == (2, 3, 4)
    assert layout.table(flat, 2)[1, 2, 3] == layout.total - 1
    assert layout.rows.tolist() == [0, 2, *range(5, 29, 4)]


def test_tied_tables_are_stored_once_and_must_be_alike():
    graph = Graph.of_edges("abc", [("a", "b"), ("b", "c")])
    layout = Layout.of(graph, (2, 2, 2), [(1, 2)])
    assert layout.total == 2 + 4
    assert layout.offsets.tolist() == [0, 2, 2]
    with pytest.raises(ParameterError, match="that of 'c' has shape"):
        Layout.of(graph, (2, 3, 2), [(1, 2)])
