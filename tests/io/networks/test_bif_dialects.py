"""BIF as other programs write it."""

import numpy as np
import pytest

from emkit.core.errors import DataError
from emkit.io.networks import bif

# The dog problem in the first style of the format: quotes, no commas, comments, the child's states slowest.
OLD = """
// Bayesian network in the interchange format, version 0.15
network "Dog-Problem" { //2 variables
   property "credal-set constant-density-bounded 1.1" ;
}
variable  "bowel problem" { type discrete[2] {  "true"  "false" }; property "position = (335, 99)" ; }
variable  "family-out" { type discrete[2] { "true" "false" }; }
variable  "dog-out" { type discrete[2] {  "true"  "false" }; }
probability (  "bowel problem" ) { table 0.01 0.99 ; }
probability (  "family-out" ) { /* the child's
  states */ table 0.15, 0.85 ; }
probability (  "dog-out"  "bowel problem"  "family-out" ) { table 0.99 0.97 0.9 0.3 0.01 0.03 0.1 0.7 ; }
"""

# bnlearn's style with rows in another order, a default row, and tables before some variables.
ROWS = """network unknown {
}
variable smoke {
  type discrete [ 3 ] { <5, 5-10, >=10 };
}
probability ( smoke ) {
  table 0.25, 0.25, 0.5;
}
probability ( lung | sex, smoke ) {
  (m, >=10) 0.2, 0.8;  # of the survey
  default 0.5, 0.5;
  ( f,<5 ) 1e-1, 9.0E-1;
  property note = of 1988;
}
variable lung {
  type discrete [ 2 ] { yes, no };
}
variable sex {
  type discrete [ 2 ] { f, m };
}
probability ( sex ) {
  () 0.5, 0.5;
}
"""

# pgmpy 1.x writes spaces without quotes, and properties as it finds them.
SPACES = """network my net {
}
variable Air quality {
    type discrete [ 2 ] { quite low, high };
    property weight = None ;
}
variable C#/F {
    type discrete [ 1 ] { the only one };
}
probability ( Air quality ) {
    table 0.5, 0.5 ;
}
probability ( C#/F | Air quality ) {
    ( high ) 1.0;
    ( quite low ) 1.0;

}
"""


def test_the_first_style_with_quotes_and_slow_child():
    network = bif.read(OLD)
    assert network.names == ("bowel problem", "family-out", "dog-out")
    assert network.parents[2] == ("bowel problem", "family-out")
    assert network.title == "Dog-Problem" and network.remarks == {"credal-set constant-density-bounded 1.1": ""}
    assert network.said("bowel problem") == {"position": "(335, 99)"}
    assert np.array_equal(network.tables[2][..., 0], [[0.99, 0.97], [0.9, 0.3]])


def test_rows_in_any_order_and_a_default():
    network = bif.read(ROWS)
    assert network.names == ("smoke", "lung", "sex") and network.states[0] == ("<5", "5-10", ">=10")
    lung = network.table("lung")
    assert lung.shape == (2, 3, 2)
    assert lung[0, 0].tolist() == [0.1, 0.9] and lung[1, 2].tolist() == [0.2, 0.8] and lung[0, 1].tolist() == [0.5, 0.5]
    assert network.said("lung") == {"note": "of 1988"}
    assert network.title == ""


def test_names_with_spaces_without_quotes():
    network = bif.read(SPACES)
    assert network.names == ("Air quality", "C#/F") and network.title == "my net"
    assert network.states == (("quite low", "high"), ("the only one",))
    assert network.said("Air quality") == {"weight": "None"}


def test_quoted_states_in_rows():
    text = ROWS.replace("5-10", '"5, or (10)"').replace("(m, >=10) 0.2, 0.8", '(m, "5, or (10)") 0.2, 0.8')
    assert bif.read(text).table("lung")[1, 1].tolist() == [0.2, 0.8]


def test_a_file_in_latin_1_is_read(tmp_path):
    path = tmp_path / "old.bif"
    path.write_bytes(ROWS.replace("smoke", "für").encode("latin-1"))
    assert bif.read(path).names[0] == "für"


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[ 3 ]", "[ 99999999999 ]", 4, "'smoke' declares 99999999999 states and lists 3"),
        ("discrete [ 2 ] { yes", "continuous [ 2 ] { yes", 16, "'lung' is of type 'continuous'; only discrete"),
        ("0.25, 0.25, 0.5", "0.25, 0.25", 6, "node 'smoke' has 2 numbers; its parents and states make 3"),
        ("0.25, 0.25, 0.5", "0.25, 0.25, 0.4", 6, "row 0 of the table of node 'smoke' adds up to 0.9"),
        ("0.25, 0.25, 0.5", "0.25, 0.25, half", 7, "'half' is no number"),
        ("0.25, 0.25, 0.5", "0.25, 0.25, 0_0.5", 7, "'0_0.5' is no number"),
        ("0.25, 0.25, 0.5", "0.25, 0.25, inf", 6, "node 'smoke' has inf in row 0"),
        ("(m, >=10)", "(m, 11)", 10, "names '11', which its parent has not"),
        ("(m, >=10)", "(m)", 10, "names 1 states of 2 parents"),
        ("0.2, 0.8", "0.2, 0.8, 0", 10, "node 'lung' has 3 numbers for 2 states"),
        ("default 0.5, 0.5", "(m, >=10) 0.5, 0.5", 9, r"has the row \(m, >=10\) twice"),
        ("default 0.5, 0.5;", "", 9, r"has 2 rows of 6: the row \(f, 5-10\) is missing"),
        ("default 0.5, 0.5", "table 0.5, 0.5", 9, "has rows beside 'table'"),
        ("| sex, smoke", "| sex, fume", 9, "names 'fume', but there is no such variable"),
        ("variable sex", "variable lung", 18, "two variables are called 'lung'"),
        ("probability ( sex )", "probability ( smoke )", 21, "node 'smoke' has two tables"),
        ("probability ( sex ) {\n  () 0.5, 0.5;\n}", "", 18, "node 'sex' has no table"),
        ("  () 0.5, 0.5;\n}", "  () 0.5, 0.5", 21, "'}' is missing"),
        ("# of", "/* of", 10, "a comment begins and does not end"),
        ("{ yes", '{ "yes', 16, "quote"),
        ("network unknown", "belief network unknown", 1, "found 'belief'"),
        ("type discrete [ 2 ] { f, m };", "", 18, "'sex' has no type"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old, new, line, message):
    assert old in ROWS
    with pytest.raises(DataError, match=f"^<text>, line {line}: .*{message}"):
        bif.read(ROWS.replace(old, new, 1))


def test_a_table_with_the_child_fastest_is_refused_in_words():
    with pytest.raises(DataError, match="'dog-out' has its own states fastest; BIF has them slowest"):
        bif.read(OLD.replace("0.99 0.97 0.9 0.3 0.01 0.03 0.1 0.7", "0.99 0.01 0.97 0.03 0.9 0.1 0.3 0.7"))


def test_errors_have_the_node_as_a_field():
    with pytest.raises(DataError) as caught:
        bif.read(ROWS.replace("0.2, 0.8", "0.2"))
    assert caught.value.column == "lung"
