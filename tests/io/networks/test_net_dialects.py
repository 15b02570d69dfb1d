"""Hugin NET as other programs write it."""

import numpy as np
import pytest

from emkit.core.errors import DataError
from emkit.io.networks import net

HUGIN = r"""class Chest
{
    inputs = ();
    node_size = (80 40);
    HR_Desc = "In a \"chest\" clinic;\nsee {above}";

    node L
    {
        label = "Has lung cancer";
        position = (10 -20);
        states = ("yes" "not sure" "no");
    }

    discrete node S
    {
        states = ("yes" "no");  % of cigarettes
    }

    potential (S)
    {
        data = ( 0.5 0.5 );
    }

    potential (L | S)
    {
        model_nodes = ();
        data = ((  0.1  0.2  0.7 )   % S=yes
                (  0.01 0.09 0.9 ));  % S=no
    }
}
"""

# bnlearn and aGrUM: numbers without inner brackets, a bar without parents.
FLAT = """net
{
}
node a { states = ( "0" "1" ); }
node b { states = ( "x" "y" ); }
node c { states = ( "t" "f" ); }
potential ( a | ) { data = ( 0.25 0.75 ) ; }
potential ( b ) { data = ( 0.5, 0.5 ) ; }
potential ( c | a b ) { data = ( 0.1 0.9 0.2 0.8 0.3 0.7 0.4 0.6 ) ; }
"""


def test_hugin_with_a_class_labels_and_comments():
    network = net.read(HUGIN)
    assert network.names == ("L", "S") and network.title == "Chest"
    assert network.states[0] == ("yes", "not sure", "no")
    assert network.said("L") == {"label": "Has lung cancer", "position": "(10 -20)"}
    assert network.remarks["HR_Desc"] == 'In a "chest" clinic;\nsee {above}'
    assert network.table("L").tolist() == [[0.1, 0.2, 0.7], [0.01, 0.09, 0.9]]


def test_flat_tables_have_the_child_fastest():
    assert np.array_equal(net.read(FLAT).table("c")[..., 0], [[0.1, 0.2], [0.3, 0.4]])


def test_rows_are_weights_as_hugin_has_them():
    assert net.read(HUGIN.replace("0.5 0.5", "1 1")).table("S").tolist() == [0.5, 0.5]
    assert net.read(HUGIN.replace("0.01 0.09 0.9", "1 3 4")).table("L")[1].tolist() == [0.125, 0.375, 0.5]


def test_a_name_that_is_no_identifier_is_shown_as_label():
    text = net.write(
        net.read(FLAT.replace("node a", 'node "air quality"').replace("a |", '"air quality" |').replace("a b", '"air quality" b'))
    )
    assert "node air_quality" in text and 'label = "air quality";' in text
    assert net.read(text).names[0] == "air quality" and net.read(text).said("air quality") == {}


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("node L", "continuous node L", 7, "found 'continuous node'; only discrete nodes"),
        ("discrete node S", "utility S", 14, "found 'utility S'"),
        ("potential (S)", "potential (T)", 19, "the potential of 'T' has no node"),
        ("potential (S)", "potential (L)", 24, "node 'L' has two potentials"),
        ("(L | S)", "(L | T)", 24, "node 'L' has the parent 'T'"),
        ("(L | S)", "(L S)", 24, "names no child"),
        ("data = ( 0.5 0.5 );", "", 19, "node 'S' has no data"),
        ("data = ( 0.5 0.5 );", "model_data = (Distribution(1, 1));", 19, "'S' has a model .an expression. alone"),
        ("0.01 0.09 0.9 ", "0.01 0.99", 24, "node 'L' has 5 numbers; its parents and states make 6"),
        ("0.01 0.09 0.9 ", "0 0 0", 24, "row 1 of the table of node 'L' adds up to 0, not to 1"),
        ("0.01 0.09 0.9 ", "-1 1 1", 24, "node 'L' has -1.0 in row 1"),
        ("0.01 0.09 0.9 ", "inf 1 1", 24, "node 'L' has inf in row 1"),
        ('("yes" "no")', '("yes" "yes")', 19, "node 'S' has the state 'yes' twice"),
        ('"yes" "no")', '"yes" "no)', 16, "';' is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old, new, line, message):
    assert old in HUGIN
    with pytest.raises(DataError, match=f"^<text>, line {line}: .*(?:{message})"):
        net.read(HUGIN.replace(old, new, 1))


def test_truncated_and_deeply_nested_files_are_refused():
    with pytest.raises(DataError, match=r"the class is not closed|ends early"):
        net.read(HUGIN.rstrip()[:-1])
    with pytest.raises(DataError, match="node 'a' has 0 numbers"):
        net.read(FLAT.replace("( 0.25 0.75 )", "(" * 300_000))
