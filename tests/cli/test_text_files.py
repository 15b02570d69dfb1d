"""Text files of every kind that people have, read as Python's csv module and pandas read them."""

import csv
import io
import itertools
import random
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emkit.cli import reading, text
from emkit.cli.exits import Refusal
from emkit.cli.reading import first_bad_number, read_table


@pytest.fixture
def read(tmp_path):
    """The table of a file with that content, as a dict of lists, and what was said on the way."""

    def run(content, name="x.csv", **settings):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        said = []
        table = read_table(path, say=said.append, **settings)
        return table.to_pydict(), said

    return run


@pytest.fixture
def refusal(read):
    def run(content, name="x.csv", **settings):
        with pytest.raises(Refusal) as caught:
            read(content, name, **settings)
        assert "\n" not in str(caught.value) and name in str(caught.value)
        return str(caught.value)

    return run


AB = {"a": [1.5, 2.0], "b": [2.5, 4.0]}


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1.5,2.5\n2,4.0\n",
        "a;b\n1.5;2.5\n2;4.0\n",
        "a;b\r\n1,5;2,5\r\n2;4,0",
        "a\tb\r1.5\t2.5\r2\t4.0",
        "a\tb\n1,5\t2,5\n2\t4,0\n",
        "a|b\n1.5|2.5\n2|4.0\n",
        "a b\n1.5 2.5\n2 4.0\n",
        "  a    b\n1.5\t 2.5  \n  2  4.0\n\n",
        "a b\n1,5 2,5\n2 4,0\n",
        'a,b\n"1,5","2,5"\n"2","4,0"\n',
        "sep=;\na;b\n1,5;2,5\n2;4,0\n",
        "\n\na,b\n\n1.5,2.5\n   \n2,4.0\n\n",
        'a,b\n"1.5",2.5\n"2\n",4.0\n',
    ],
)
@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.txt"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_separators_decimals_and_encodings_are_recognised(read, content, name, encoding):
    assert read(content.encode(encoding), name) == (AB, [])


@pytest.mark.parametrize(
    ("content", "settings", "expected"),
    [
        ("a:b\n1:2\n", {"separator": ":"}, {"a": [1], "b": [2]}),
        ("a;b,c\n1;2,3\n", {"separator": "semicolon", "decimal": "comma"}, {"a": [1], "b,c": [2.3]}),
        ("a;b,c\n1;2,3\n", {"separator": "comma"}, {"a;b": ["1;2"], "c": [3]}),
        ("a\n1,5\n2,5\n", {"decimal": ","}, {"a": [1.5, 2.5]}),
        ("a\n1,5\n2,5\n", {"separator": ";"}, {"a": [1.5, 2.5]}),
        ("a\tb\n1,234\t2\n", {"decimal": ","}, {"a": [1.234], "b": [2]}),
        ('a b\n"x  y" 2\n', {"separator": "blank"}, {"a": ["x  y"], "b": [2]}),
        ("a\tb\n1\t2\n", {"separator": r"\t"}, {"a": [1], "b": [2]}),
    ],
)
def test_they_can_be_asked_for_by_name(read, content, settings, expected):
    assert read(content, **settings)[0] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # The separator of the extension wins where it will do, whatever else stands in the cells.
        ("a,b\nx;y,1\nz|t,2\n", {"a": ["x;y", "z|t"], "b": [1, 2]}),
        ("first name,last name\nAnn Lee,Bo Kim\n", {"first name": ["Ann Lee"], "last name": ["Bo Kim"]}),
        ("note\nfirst words\nother words\n", {"note": ["first words", "other words"]}),
        ("x,mm;y,mm\n1,5;2,5\n", {"x,mm": [1.5], "y,mm": [2.5]}),
        ('"a;b",c\n1,2\n', {"a;b": [1], "c": [2]}),
        # Groups of thousands are not taken for fractions.
        ('a,b\n"1,234",2\n"5,678",3\n', {"a": ["1,234", "5,678"], "b": [2, 3]}),
        ("a\tb\n1,234\t2\n", {"a": ["1,234"], "b": [2]}),
        ("a;b\n1,234;1\n1,234,567;3\n", {"a": ["1,234", "1,234,567"], "b": [1, 3]}),
        ("a;b\n1.234,5;1\n", {"a": ["1.234,5"], "b": [1]}),
        ("a;b\n0,125;7\n", {"a": [0.125], "b": [7]}),
        # One word that is no number does not hide the decimal comma of the others.
        ("a;b\n1,5;2,5\nx;3,5\n", {"a": ["1,5", "x"], "b": [2.5, 3.5]}),
    ],
)
def test_doubtful_starts(read, content, expected):
    assert read(content) == (expected, [])


def test_a_guess_at_decimal_commas_is_told(read):
    table, said = read("a;b\n1,234;2\n")
    assert table == {"a": [1.234], "b": [2]}
    assert len(said) == 1 and "1,234" in said[0] and "group thousands" in said[0]


def test_a_header_of_many_columns_and_long_rows_and_cells(read):
    names = [f"gene_number_{j}" for j in range(45_000)]
    rows = [[j % 7 + row for j in range(45_000)] for row in range(3)]
    table, _ = read("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]))
    assert list(table) == names and [table[name][2] for name in names] == rows[2]
    long = "y" * 6_000_000  # longer than a block
    for content in (f"a,b\n{long},1\nx,2\n", f'a,b\nx,2\n"{long}\n",1\n', f"{long},b\nx,2\n"):
        table, _ = read(content)
        assert [[*map(str, column)] for column in ([*table], *map(list, zip(*table.values(), strict=True)))] == list(
            csv_rows(content)
        )


def csv_rows(content, separator=","):
    with text.long_cells():
        return list(csv.reader(io.StringIO(content, newline=""), delimiter=separator))


def test_a_first_column_without_a_name_is_a_row_index(read):
    content = ",a,b\n0,1,x\n1,2,y\n"
    table, said = read(content)
    assert table == {"a": [1, 2], "b": ["x", "y"]}
    assert len(said) == 1 and "left out the first column" in said[0] and "row index" in said[0]
    assert read(content, columns=["b", "a"]) == ({"b": ["x", "y"], "a": [1, 2]}, [])
    assert read(content, columns=["", "a"]) == ({"": [0, 1], "a": [1, 2]}, [])
    assert read(content, as_text=True) == ({"": ["0", "1"], "a": ["1", "2"], "b": ["x", "y"]}, [])
    assert read('" ",a\nr1,1\n')[0] == {"a": [1]}


def test_later_columns_without_a_name(read):
    table, said = read("a,b,,\n1,2,,\n3,4,,\n")
    assert table == {"a": [1, 3], "b": [2, 4]}
    assert len(said) == 1 and "column 3, 4" in said[0]
    assert read("a,,\n1,2,x\n") == ({"a": [1], "Unnamed: 1": [2], "Unnamed: 2": ["x"]}, [])


def test_blanks_around_names_do_not_count(read, refusal):
    content = "a , b\n1,2\n"
    assert read(content)[0] == {"a ": [1], " b": [2]}
    assert read(content, columns=["b", "a"])[0] == {" b": [2], "a ": [1]}
    assert "has no column 'c'; it has: a ,  b" in refusal(content, columns=["c"])
    assert "found more than once: a" in refusal("a,b,a\n1,2,3\n")


def test_missing_cells_are_those_of_pandas(read):
    from pandas._libs.parsers import STR_NA_VALUES

    words = sorted(STR_NA_VALUES)
    content = "a,b,c\n" + "".join(f'{word},"{word}",x{i % 2}\n' for i, word in enumerate(words)) + "1,z,NA\n"
    table, _ = read(content)
    assert table["a"] == [None] * len(words) + [1] and table["b"] == [None] * len(words) + ["z"] and table["c"][-1] is None
    # Blanks beside them do not count in a column of numbers; text stays as it is.
    assert read("a,b\n1, NA\n , \n3,x \n") == ({"a": [1, None, 3], "b": [" NA", " ", "x "]}, [])
    assert read('a,b\n"",\nNA, x\n', as_text=True)[0] == {"a": ["", "NA"], "b": [None, " x"]}
    assert read("a\n1\n\n3\n\n")[0] == {"a": [1, None, 3, None]}  # a single column has a row in every line


def test_what_is_a_number(read):
    table, _ = read("a,b,c,d,e\n007,0x1F,1_000,+3,inf\n1e3,0x2,5,.5,-Infinity\n")
    assert table == {"a": [7, 1000], "b": ["0x1F", "0x2"], "c": ["1_000", "5"], "d": [3, 0.5], "e": [np.inf, -np.inf]}


@pytest.mark.parametrize(
    ("content", "name", "settings", "expected"),
    [
        ("a,b\n1,2\n1_000,3\n", "a", {}, (1, "1_000")),
        ("a,b\n1_000,2\n1,3\n", "a", {}, (0, "1_000")),
        ("a,b\n\n1,2\n,2\nx,3\ny,3\n", "a", {}, (2, "x")),
        ("a,b\n0x1F,2\n1,2\n", "a", {}, (0, "0x1F")),
        ("a;b\n1,5;1,5\n2;1.5\n3;x\n", "b", {}, (1, "1.5")),
        ("a;b\n1,5;1\n1.5;2\n", "a", {"decimal": "."}, (0, "1,5")),
        ("a;b\n1,5;1\n1.5;2\n", "a", {"decimal": ","}, (1, "1.5")),
        ("a,b\n2020-01-01,1\n2020-01-02,1\n", "a", {}, (0, "2020-01-01")),
        ("a,b\n1.5,1\nNA,1\n", "a", {}, None),
        ("a,b\n,1\nNA,1\n", "a", {}, None),
        ("a,b\ntrue,1\nfalse,1\n", "a", {}, None),
        ('a,b\n1,2\n"3\n4",2\n', "a", {}, (1, "3\n4")),
    ],
)
def test_the_first_bad_number(tmp_path, content, name, settings, expected):
    (tmp_path / "x.csv").write_text(content)
    table = read_table(tmp_path / "x.csv", **settings)
    decimal = settings.get("decimal") or ("," if expected == (1, "1.5") else None)
    assert first_bad_number(table[name], decimal) == expected


def test_the_first_bad_number_far_down_and_of_other_columns(tmp_path):
    rows = [f"{i},{'1.234' * 20}" for i in range(120_000)]
    rows[110_000] = "oops,x"
    (tmp_path / "x.csv").write_text("a,b\n" + "\n".join(rows))
    column = read_table(tmp_path / "x.csv")["a"]
    assert column.num_chunks > 1 and first_bad_number(column) == (110_000, "oops")
    assert first_bad_number(pa.chunked_array([["1"], [None, "2", "z"]]).dictionary_encode()) == (3, "z")
    assert first_bad_number(pa.chunked_array([[None, [1]]])) == (1, "[1]")
    assert first_bad_number(pa.array(["1", "1,5", "2,5"])) is None
    assert first_bad_number(pa.array(["1", "1.5", "2,5"])) == (2, "2,5")
    assert first_bad_number(pa.array([None, None])) is None and first_bad_number(pa.array([1, None])) is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "Empty CSV file"),
        ("\n\r\n  \n", "Empty CSV file"),
        ("a,b\n1,2\n3\n5,6", "line 3: Expected 2 columns, got 1; correct the line"),
        ("a,b\n1,2,3\n3,4\n", "line 2: Expected 2 columns, got 3"),
        ("a;b\n1;2\n\n3;4;5", "line 4: Expected 2 columns, got 3"),
        ('a,b\n"1\n\n",2\n3\n', "line 5: Expected 2 columns, got 1"),
        ("sep=;\na;b\n1;2;3\n", "line 3: Expected 2 columns, got 3"),
        (
            "a b\n1 2\n1 2\n3\n",
            "line 4: Expected 2 columns, got 1; correct the line, or give the --separator if it is not a tab",
        ),
        ("a\n1\n1,5\n", "line 3: Expected 1 column, got 2"),
        ('a,b\n1,2\n3,"4', 'a quoted cell (") is never closed, in the row that begins on line 3'),
        ('a,b\n1,5"x\n3,"4,""\n5,6\n', 'a quoted cell (") is never closed, in the row that begins on line 3'),
        ('a,"b\n1,2\n3,4', 'a quoted cell (") is never closed, in the row that begins on line 1'),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "is it cut short?"),
    ],
)
def test_refused(refusal, content, expected):
    message = refusal(content)
    assert message.startswith("cannot read ") and expected in message


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"separator": "ab"}, "separator 'ab' cannot be one; give one character, or a name: comma, semicolon, tab, pipe, blank"),
        ({"separator": '"'}, "cannot be one"),
        ({"separator": "§"}, "cannot be one"),
        ({"decimal": ";"}, "decimal ';' is unknown; give '.' or ','"),
    ],
)
def test_settings_that_cannot_be(tmp_path, settings, expected):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(Refusal, match=re.escape(expected)):
        read_table(tmp_path / "x.csv", **settings)
    np.save(tmp_path / "x.npy", np.eye(2))
    with pytest.raises(Refusal, match=r"is not a text file; leave out --separator and --decimal"):
        read_table(tmp_path / "x.npy", separator=",")


def test_no_rows_are_not_an_error(read):
    assert read("a,b\n") == read("a,b") == read("a,b\n\n \n") == ({"a": [], "b": []}, [])
    assert read("a\n", as_text=True)[0] == {"a": []}


def test_letters_that_are_not_utf8(read):
    table, said = read("größe;b\n1,5;ä\n".encode("cp1252"))
    assert table == {"größe": [1.5], "b": ["ä"]} and len(said) == 1 and "Windows-1252" in said[0]
    assert read(b"a,b\n1,\x81\n")[0] == {"a": [1], "b": ["\x81"]}


def test_line_breaks_in_cells_wherever_a_block_ends(tmp_path, monkeypatch):
    """pyarrow alone drops the second half of a line break that two blocks share."""
    path = tmp_path / "x.csv"
    for size in range(24, 40):
        monkeypatch.setattr(reading, "_BLOCK", size)
        for ends in ("\n", "\r", "\r\n"):
            rows = [[f"{i}", "é\r\n\n\r" * (i % 3), 'x,"y'] for i in range(8)]
            content = io.StringIO(newline="")
            csv.writer(content, lineterminator=ends, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c\r\n"], *rows])
            path.write_bytes(content.getvalue().encode())
            table = read_table(path, as_text=True)
            assert table.column_names == ["a", "b", "c\r\n"]
            assert [list(row.values()) for row in table.to_pylist()] == rows


def random_text(rand):
    """A text, its separator, and whether pandas reads it without peculiarities."""
    separator, width = rand.choice(",,,;\t|"), rand.randint(1, 4)
    break_ = rand.choice(["\n", "\r\n", "\r", None])
    odd = rand.random() < 0.4  # quotes where none belong, and line breaks in cells

    def end():
        return break_ or rand.choice(["\n", "\r\n", "\r"])

    def cell():
        if rand.random() < 0.5:
            found = rand.choice(
                ["1", "2.5", "-3e4", "NA", "nan", "null", "1_000", "0x1F", "007", "inf", "x", "None", "true", "é", "", "5 ", "1,5"]
            )
        else:
            found = "".join(rand.choices(["a", "1", " ", "é", ";", "|", ",", *('"' if odd else "")], k=rand.randint(0, 4)))
        if separator in found and rand.random() < 0.98:
            return '"' + found.replace('"', '""') + '"'
        if rand.random() < 0.2:
            inside = ["a", "1", separator, '""', "é", *(("\n", "\r", "\r\n") if odd else ())]
            return '"' + "".join(rand.choices(inside, k=rand.randint(0, 4))) + '"' + ("x" if odd and rand.random() < 0.2 else "")
        return found

    names = rand.sample(["a", "b ", " c", '"d\ne"', "é", '"x""y"'], width)
    lines = [separator.join(names)]
    for _ in range(rand.randint(1, 7)):
        count = width + (rand.random() < 0.02) - (rand.random() < 0.02 and width > 1)
        lines += rand.choices([[], [""], ["  "]], [92, 6, 2])[0]
        lines.append(separator.join(cell() for _ in range(count)))
    content = "".join(line + end() for line in lines)
    if rand.random() < 0.3:
        content = content.rstrip("\r\n")
    return content, separator, width > 1 and not odd and break_ in ("\n", "\r\n")


def by_csv_module(content, separator):
    """Names and rows as the csv module has them, without blank lines; or a word for what is wrong."""
    lines = itertools.chain(io.StringIO(content, newline=""), ["the end"])
    *found, last = csv.reader(lines, delimiter=separator)
    if last != ["the end"]:
        return "never closed"
    header, *rows = found
    rows = [row or [""] for row in rows if len(header) == 1 or not (row == [] or (len(row) == 1 and not row[0].strip(" \t")))]
    return "Expected" if any(len(row) != len(header) for row in rows) else (header, rows)


@pytest.mark.parametrize("block", [24, reading._BLOCK])
def test_random_files_agree_with_the_csv_module_and_pandas(tmp_path, monkeypatch, block):
    monkeypatch.setattr(reading, "_BLOCK", block)
    rand, path, with_pandas = random.Random(block), tmp_path / "x.csv", 0
    for _ in range(1200):
        content, separator, plain = random_text(rand)
        path.write_bytes(content.encode(rand.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])))
        expected = by_csv_module(content, separator)
        if isinstance(expected, str):
            with pytest.raises(Refusal, match=expected):
                read_table(path, separator=separator)
            continue
        table = read_table(path, as_text=True, separator=separator)
        rows = [[cell or "" for cell in row] for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]
        assert (table.column_names, rows) == expected, content
        if len(expected[0]) > 1:
            assert read_table(path, as_text=True).equals(table), content  # the separator is recognised
        if plain:
            with_pandas += 1
            theirs = pd.read_csv(io.StringIO(content, newline=""), sep=separator, index_col=False)
            compare(read_table(path, separator=separator, decimal="."), theirs, content)
    assert with_pandas > 150


def compare(table, frame, content):
    assert table.num_rows == len(frame)
    for ours, (_, theirs) in zip(table.columns, frame.items(), strict=True):
        if theirs.dtype.kind in "iuf":
            values = [np.nan if value is None else value for value in ours.to_pylist()]
            np.testing.assert_array_equal(np.array(values, dtype=float), theirs.to_numpy(float), err_msg=content)
        elif pa.types.is_string(ours.type):
            assert ours.to_pylist() == [None if pd.isna(cell) else cell for cell in theirs], content
        else:
            # pandas keeps the text of true and false beside missing cells, and of numbers beside cells of blanks.
            assert pa.types.is_boolean(ours.type) or any(isinstance(cell, str) and not cell.strip() for cell in theirs), content


def test_random_numbers_keep_every_bit(tmp_path):
    values = np.random.default_rng(0).normal(size=(500, 3)) * 10.0 ** np.random.default_rng(1).integers(-30, 30, (500, 3))
    for separator, decimal in ((",", "."), (";", ","), ("\t", ","), (" ", ".")):
        pd.DataFrame(values, columns=list("abc")).to_csv(tmp_path / "x.csv", sep=separator, decimal=decimal, index=False)
        table = read_table(tmp_path / "x.csv")
        np.testing.assert_array_equal(np.column_stack([column.to_numpy() for column in table.columns]), values)
