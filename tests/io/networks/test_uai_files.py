"""UAI: numbers alone."""

import numpy as np
import pytest
from network_samples import random_network

from emkit.core.errors import DataError
from emkit.io.networks import uai

PLAIN = """BAYES
3
2 2 3
3
1 0
2 0 1
2 1 2

2
 0.436 0.564

4
 0.128 0.872
 0.920 0.080

6
 0.210 0.333 0.457
 0.811 0.000 0.189
"""


def test_nodes_and_states_are_numbered():
    network = uai.read(PLAIN)
    assert network.names == ("0", "1", "2") and network.states[2] == ("0", "1", "2")
    assert network.parents == ((), ("0",), ("1",))
    assert network.table("2").tolist() == [[0.21, 0.333, 0.457], [0.811, 0.0, 0.189]]


def test_names_are_in_a_comment_that_other_programs_do_not_reach():
    network = random_network(3)
    text = uai.write(network)
    numbers, _, comment = text.rpartition("\n# emkit ")
    assert comment.count("\n") == 1
    assert all(map(np.array_equal, uai.read(numbers).tables, network.tables))


def test_tables_in_the_order_of_pgmpy_are_told_by_their_rows():
    wrong = PLAIN.replace("0.128 0.872\n 0.920 0.080", "0.128 0.920\n 0.872 0.080")
    wrong = wrong.replace("0.210 0.333 0.457\n 0.811 0.000 0.189", "0.210 0.811 0.333 0.000 0.457 0.189")
    assert uai.read(wrong) == uai.read(PLAIN)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("BAYES", "MARKOV", 1, "begins with 'MARKOV'"),
        ("BAYES\n3", "BAYES\n999999999999", 3, "999999999999 times a number of states are declared"),
        ("2 2 3\n3", "2 2 3\n2", 4, "3 variables have 2 tables"),
        ("2 0 1", "2 0 7", 6, "variables .0, 7.; they are 0 to 2"),
        ("2 1 2", "2 2 1", 7, "node '1' has two tables"),
        ("2 0 1", "2 1 1", 5, "in a circle: '1' -> '1'"),
        ("6\n 0.210", "999999999999\n 0.210", 16, "node '2' declares 999999999999 numbers; its parents and states make 6"),
        ("0.189", "", 16, "the table of node '2' has 5 numbers"),
        ("0.189", "0.289", 16, "row 1 of the table of node '2' adds up to 1.1"),
        ("0.189", "0.189 1", 18, "found '1' after the last table"),
        ("0.189", "nothing", 16, "'nothing' is no number"),
        ("2 2 3", "2 2 9999999", 4, "states, over a million"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old, new, line, message):
    assert old in PLAIN
    with pytest.raises(DataError, match=f"^<text>, line {line}: .*(?:{message})"):
        uai.read(PLAIN.replace(old, new, 1))
