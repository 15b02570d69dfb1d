"""Errors say where in fields, and cross processes whole."""

import pickle

import pytest

from emkit import CollapseError, DataError, ModelFileError, ParameterError
from emkit.core.errors import ImpossibleSequenceError

ERRORS = [
    DataError("column 'age' row 17 is inf", column="age", row=17),
    ParameterError("n_states=0", parameter="n_states"),
    ImpossibleSequenceError(3),
    CollapseError("a point"),
    ModelFileError("damaged"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_pickled_they_are_the_same(error):
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_fields():
    assert (ERRORS[0].column, ERRORS[0].row, ERRORS[0].sequence) == ("age", 17, None)
    assert ERRORS[1].parameter == "n_states"
    assert ERRORS[2].sequence == 3
    assert str(ERRORS[2]).startswith("sequence 3 has probability zero")
