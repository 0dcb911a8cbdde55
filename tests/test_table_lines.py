"""Lines of tables, sound and broken, against what was written."""

import csv
import io

import pytest

from mpsae.table_lines import table_lines


def test_what_a_writer_wrote_comes_back_with_its_line():
    cells = [["a", "b,c"], ["two\nlines", 'a "quote"'], ["", "end"]]
    text = io.StringIO()
    csv.writer(text).writerows(cells)
    found = list(table_lines(text.getvalue() + "\nlast", "t.csv", ","))
    assert found == [
        ("line 1", cells[0]),
        ("line 3", cells[1]),
        ("line 4", cells[2]),
        ("line 5", []),
        ("line 6", ["last"]),
    ]
    assert list(table_lines("a\tb,c\n", "t.tsv", "\t")) == [("line 1", ["a", "b,c"])]


def test_a_quote_left_open_is_refused_by_line():
    with pytest.raises(ValueError, match=r"^t.csv, line 2: "):
        list(table_lines('a\n"b', "t.csv", ","))
