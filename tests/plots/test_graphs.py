"""The picture of a graph: layers, what is drawn, nothing that crosses without need."""

import matplotlib
import pytest

matplotlib.use("Agg")

from emkit.plots.graphs import draw_network, layers_of, with_bends

DIAMOND = [(), (0,), (0,), (1, 2)]


def test_children_stand_below_their_parents():
    layers = layers_of(DIAMOND)
    assert [sorted(layer) for layer in layers] == [[0], [1, 2], [3]]


def test_a_root_stands_right_above_its_child():
    assert layers_of([(), (0,), (1,), (2, 4), ()])[2] == [2, 4]


def test_two_chains_do_not_cross():
    parents = [(), (), (1,), (0,), (2,), (3,)]
    layers = layers_of(parents)
    place = {node: i for layer in layers for i, node in enumerate(layer)}
    assert place[3] == place[0]
    assert place[4] == place[1]


def test_every_node_and_edge_is_drawn():
    ax = draw_network(["a b", "$b", "c", "d"], DIAMOND, hidden=[1], notes={3: "0.1\n0.9"})
    texts = [text.get_text() for text in ax.texts]
    assert sum(text == "" for text in texts) == 4
    assert {"a b", "$b", "c", "d\n0.1\n0.9"} <= set(texts)
    ax.figure.canvas.draw()
    matplotlib.pyplot.close(ax.figure)


@pytest.mark.parametrize("parents", [[], [()]])
def test_next_to_nothing_can_be_drawn(parents):
    ax = draw_network([f"n{i}" for i in range(len(parents))], parents)
    ax.figure.canvas.draw()
    matplotlib.pyplot.close(ax.figure)


def test_a_long_edge_runs_beside_the_node_that_it_passes():
    layers, bends = with_bends([(), (0,), (0, 1)])
    assert [len(layer) for layer in layers] == [1, 2, 1] and layers[1][0] != layers[1][1]
    assert bends == {(0, 2): [3]} and 3 in layers[1]
    ax = draw_network("abc", [(), (0,), (0, 1)], strengths={(0, 1): 1.0, (0, 2): 0.5, (1, 2): 0.25})
    at = {text.get_text(): text.get_position() for text in ax.texts if text.get_text()}
    assert {"1.00", "0.50", "0.25"} <= set(at) and abs(at["0.50"][0] - at["b"][0]) > 0.2
    ax.figure.canvas.draw()
    matplotlib.pyplot.close(ax.figure)
