"""The picture of a graph: layers, what is drawn, nothing that crosses without need."""

import matplotlib
import pytest

matplotlib.use("Agg")

from emkit.plots.network import draw_network, layers_of

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
