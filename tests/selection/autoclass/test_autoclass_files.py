"""AutoClass C's files: what they say is read, and what is wrong is named with its line."""

import pytest

from emkit import DataError, read_autoclass
from support.datasets import FOLDER

HD2 = """;; a comment
num_db2_format_defs 3
number_of_attributes 4
separator_char ','
unknown_token 'NA'
0 discrete nominal "kind of thing" range 3
1 real location "x" error 0.5
2 real scalar "y" zero_point 1.0 rel_error 0.01
3 dummy nil "id"
"""
DB2 = """! a comment before the first row
a,1.5,2.0,7
"b, c",NA,3.0,8

; a comment between rows
a,2.5,NA,9
"""
MODEL = """; a comment
model_index 0 2
single_normal_cn 1 2
single_multinomial default
model_index 1 3
multi_normal_cn 1 2
ignore 3
single_multinomial 0
"""


@pytest.fixture
def files(tmp_path):
    def write(hd2=HD2, db2=DB2, model=MODEL):
        for suffix, text in (("hd2", hd2), ("db2", db2), ("model", model)):
            if text is not None:
                (tmp_path / f"t.{suffix}").write_text(text)
        return tmp_path / "t.db2"

    return write


def test_header_cells_and_model(files):
    found = read_autoclass(files())
    assert found.names == ("kind of thing", "x", "y", "id")
    assert found.columns == (["a", "b, c", "a"], [1.5, None, 2.5], [2.0, 3.0, None], ["7", "8", "9"])
    assert [(a.kind, a.n_levels, a.error, a.zero_point) for a in found.model.attributes[:3]] == [
        ("discrete", 2, 0.0, 0.0),
        ("location", 0, 0.5, 0.0),
        ("scalar", 0, 0.01, 1.0),
    ]
    assert [(t.kind, t.columns) for t in found.model.terms] == [
        ("single_normal_cn", (1,)),
        ("single_normal_cn", (2,)),
        ("single_multinomial", (0,)),
        ("ignore", (3,)),
    ]


def test_another_model_of_the_file(files):
    terms = read_autoclass(files(), which=1).model.terms
    assert [(t.kind, t.columns) for t in terms] == [("multi_normal_cn", (1, 2)), ("ignore", (3,)), ("single_multinomial", (0,))]


def test_without_a_model_terms_follow_from_types_and_missing_cells(files):
    terms = read_autoclass(files(model=None)).model.terms
    assert [t.kind for t in terms] == ["single_multinomial", "single_normal_cm", "single_normal_cm", "ignore"]


def test_blanks_between_cells_and_names_used_twice(files):
    hd2 = 'num_db2_format_defs 1\nnumber_of_attributes 2\n0 real location "x" error .1\n1 real location "x" error .1\n'
    found = read_autoclass(files(hd2, "1   2\n ? 4\n3\t4\n", None))
    assert found.columns == ([1.0, None, 3.0], [2.0, 4.0, 4.0])
    assert found.names == ("x 0", "x 1")


def test_the_programs_own_examples():
    cars = read_autoclass(FOLDER / "imports-85c.db2")
    assert len(cars.names) == 26
    assert {len(column) for column in cars.columns} == {205}
    assert sum(cell is None for column in cars.columns for cell in column) == 59
    assert cars.settings["types"]["symboling"] == "ignore"
    assert cars.settings["types"]["price"] == "log"
    assert cars.settings["missing"]["price"] == "outcome"
    synthetic = read_autoclass(FOLDER / "autoclass_synthetic.db2")
    assert synthetic.settings["types"][("x", "y")] == "correlated"
    assert synthetic.settings["errors"]["h"] == 0.005


def line(old, new):
    return HD2.replace(old, new)


@pytest.mark.parametrize(
    ("hd2", "said"),
    [
        (line("number_of_attributes 4", "number_of_attributes four"), r"hd2 line 3: number_of_attributes takes a whole number"),
        (line("number_of_attributes 4\n", ""), r"hd2 line 5: number_of_attributes must come before"),
        (line("range 3", "range"), r"hd2 line 6: .*pairs of a name and a number"),
        (line("range 3", "size 3"), r"hd2 line 6: 'size' is no parameter of this type; there are range"),
        (line("location", "place"), r"hd2 line 7: real place is no type"),
        (line("error 0.5", "error -1"), r"hd2 line 7: error -1 must be above 0"),
        (line("error 0.5", "error x"), r"hd2 line 7: error: 'x' is not a number"),
        (line(" rel_error 0.01", ""), r"hd2 line 8: attribute 'y' needs a rel_error"),
        (line('3 dummy nil "id"\n', ""), r"hd2: attribute 3 of 4 is not defined"),
        (line("3 dummy", "2 dummy"), r"hd2 line 9: attribute 2 is defined twice"),
        (line("3 dummy", "4 dummy"), r"hd2 line 9: attribute 4 is beyond number_of_attributes 4"),
        (line('"id"', '"id'), r"hd2 line 9: a quotation mark is not closed"),
        (line("unknown_token", "unknown"), r"hd2 line 5: 'unknown' is neither a setting"),
        ("", r"hd2: number_of_attributes is missing"),
    ],
)
def test_a_malformed_header_names_the_line(files, hd2, said):
    with pytest.raises(DataError, match=said):
        read_autoclass(files(hd2))


@pytest.mark.parametrize(
    ("db2", "said"),
    [
        ("a,1,2\n", r"db2 line 1: 3 cells between ',', but the header defines 4 attributes"),
        ("a,1,2,7\na,one,2,7\n", r"db2 line 2: attribute 'x': 'one' is not a number"),
        ("a,inf,2,7\n", r"db2 line 1: attribute 'x': 'inf' is not finite"),
        ('"a,1,2,7\n', r"db2 line 1: a quotation mark is not closed"),
        ("! nothing\n", r"db2: there are no rows"),
    ],
)
def test_malformed_data_name_the_line(files, db2, said):
    with pytest.raises(DataError, match=said):
        read_autoclass(files(db2=db2))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("model_index 0\n", r"model line 1: write model_index, its number"),
        ("single_normal_cn 1\n", r"model line 1: a term without a model_index line"),
        ("model_index 0 1\nnormal 1\n", r"model line 2: 'normal' is no term"),
        ("model_index 0 1\nsingle_normal_cn 9\n", r"model line 2: '9' is no attribute; they are numbered from 0 to 3"),
        ("model_index 0 2\nignore 1\nignore 1 2\n", r"model line 3: attribute 1 has a term already, on line 2"),
        ("model_index 0 2\nignore 0 1 2 3\n", r"model: it ends where model 0 has 1 more line"),
        ("model_index 0 1\nignore 0 1 2\n", r"model: model 0 says nothing of attribute 3"),
        (
            "model_index 0 2\nsingle_normal_cn 0\nignore default\n",
            r"single_normal_cn of attribute 0 \('kind of thing'\), which is discrete",
        ),
        ("model_index 7 1\nignore default\n", r"there is no model 0; there are: 7"),
    ],
)
def test_a_malformed_model_names_the_line(files, model, said):
    with pytest.raises(DataError, match=said):
        read_autoclass(files(model=model))


def test_a_header_that_is_not_there(files):
    with pytest.raises(FileNotFoundError, match=r"t\.hd2"):
        read_autoclass(files(hd2=None))


def test_comments_with_blanks_before_them(files):
    path = files(db2=" a note\n" + DB2 + "  ; another, and one more, of four, cells\n")
    assert read_autoclass(path).columns[0] == ["a", "b, c", "a"]


def test_quotation_marks(files):
    """Those around a cell are taken off, and others are letters."""
    path = files(db2='a 5" pipe,1.5,2,7\n"x, y" ,2.5,3,8\n6",1.5,4,9\n')
    assert read_autoclass(path).columns[0] == ['a 5" pipe', "x, y", '6"']


def test_more_values_than_the_header_declares_are_named(files):
    path = files(hd2=HD2.replace("range 3", "range 1"))
    with pytest.warns(UserWarning, match="'kind of thing' has 2 values, more than its range 1"):
        assert len(read_autoclass(path).columns[0]) == 3
