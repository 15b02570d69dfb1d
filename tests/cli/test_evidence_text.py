"""Evidence and questions as they are typed, and what is said of those that make no sense."""

import numpy as np
import pytest

from emkit.cli.evidence_text import asked, assignments, likelihoods
from emkit.cli.exits import Refusal

NAMES = ["dysp", "smoke", "a, b", "x=y", "n", "ok"]
STATES = [("yes", "no"), ("no", "yes"), ("u, v", "w"), ("p=q", "r"), (0, 1, 2.5), (False, True)]


def test_evidence_is_read_by_name_and_state():
    assert assignments("dysp=yes, smoke = no", NAMES, STATES) == {0: 0, 1: 0}
    assert assignments("", NAMES, STATES) == {}


def test_commas_and_equals_signs_are_part_of_names_and_states():
    assert assignments('"a, b=u, v",x=y=p=q', NAMES, STATES) == {2: 0, 3: 0}
    assert assignments('"a, b"="u, v"', NAMES, STATES) == {2: 0}
    assert asked('"a, b",dysp', NAMES) == [2, 0]
    assert asked('"say ""hi"""', ['say "hi"']) == [0]


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("1.0", 1), ("2.5", 2)])
def test_numbers_are_states_however_they_are_written(text, number):
    assert assignments(f"n={text}", NAMES, STATES) == {4: number}


def test_truth_and_other_case_are_understood():
    assert assignments("ok=true,dysp=YES", NAMES, STATES) == {5: 1, 0: 0}
    with pytest.raises(Refusal, match="has no state 'Ab'; its states are ab, AB"):
        assignments("z=Ab", ["z"], [("ab", "AB")])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dysp=maybe", "--given: node 'dysp' has no state 'maybe'; its states are yes, no"),
        ("smoker=yes", "--given: there is no node 'smoker'; did you mean 'smoke'\\?"),
        ("q=yes", "--given: there is no node 'q'; the nodes are dysp, smoke, a, b"),
        ("dysp", "--given 'dysp': write NODE=STATE"),
        ("dysp=yes,dysp=no", "--given names 'dysp' more than once"),
        ("dysp=yes,,smoke=no", "nothing between two commas"),
        ('"dysp=yes', "double quote is not closed"),
        ("dysp=", "node 'dysp' has no state ''"),
    ],
)
def test_evidence_that_makes_no_sense_is_refused(text, said):
    with pytest.raises(Refusal, match=said):
        assignments(text, NAMES, STATES)


def test_questions_that_make_no_sense_are_refused():
    with pytest.raises(Refusal, match="--of is empty"):
        asked("", NAMES)
    with pytest.raises(Refusal, match="--of names 'n' more than once"):
        asked("n,n", NAMES)
    many = [f"column {i}" for i in range(50)]
    with pytest.raises(Refusal, match="column 19 and 30 more"):
        asked("zzz", many)


def test_likelihoods_of_states_are_read():
    found = likelihoods("dysp=yes:0.8;no:0.2,n=1:3", NAMES, STATES)
    np.testing.assert_array_equal(found[0], [0.8, 0.2])
    np.testing.assert_array_equal(found[4], [0.0, 3.0, 0.0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dysp=0.8", "'0.8' of 'dysp' has no number"),
        ("dysp=yes:much", "'much' is no likelihood"),
        ("dysp=yes:-1", "'-1' is no likelihood"),
        ("dysp=yes:nan", "'nan' is no likelihood"),
        ("dysp=yes:1;yes:2", "state 'yes' of 'dysp' more than once"),
        ("dysp=yes:0", "every state of 'dysp' the likelihood 0"),
        ("dysp=yes:1,dysp=no:1", "--soft names 'dysp' more than once"),
    ],
)
def test_likelihoods_that_make_no_sense_are_refused(text, said):
    with pytest.raises(Refusal, match=said):
        likelihoods(text, NAMES, STATES)


def test_a_node_without_states_is_a_number():
    assert assignments("dose=-2.5e1,dysp=no", [*NAMES, "dose"], [*STATES, ()]) == {6: -25.0, 0: 1}
    with pytest.raises(Refusal, match="'dose' is a number, 'much' is none"):
        assignments("dose=much", [*NAMES, "dose"], [*STATES, ()])
    with pytest.raises(Refusal, match="'dose' is a number, and uncertain evidence is of states"):
        likelihoods("dose=1:0.5", [*NAMES, "dose"], [*STATES, ()])
