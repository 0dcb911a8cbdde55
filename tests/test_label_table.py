"""Tables of labels: what is read, and what is refused in one sentence."""

import numpy as np
import pytest

from mpsae.label_table import read_labels


def test_a_column_is_a_factor_and_an_empty_cell_is_not_known(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text('\ufeffkind,made_of\ncat, wood\n,stone\n"a, b",\n')
    table = read_labels(str(file), 3)
    assert table.classes == {"kind": ("a, b", "cat"), "made_of": ("stone", "wood")}
    np.testing.assert_array_equal(table.of["kind"], [1, -1, 0])
    np.testing.assert_array_equal(table.of["made_of"], [1, 0, -1])
    tabs = tmp_path / "labels.tsv"
    tabs.write_text("kind\na, b\ncat\n")
    np.testing.assert_array_equal(read_labels(str(tabs), 2).of["kind"], [0, 1])
    tabs.write_text("kind\na\n\nb\n")
    np.testing.assert_array_equal(read_labels(str(tabs), 3).of["kind"], [0, -1, 1])


def test_only_the_classes_of_the_scored_rows_are_left(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("id,kind\n" + "".join(f"{i:05},{'ab'[i % 2] if i % 3 else ''}\n" for i in range(9000)))
    labels = read_labels(str(file), 9000).of_rows(np.array([8000, 3, 70]))
    assert labels.names("id") == ("00003", "00070", "08000") and labels.names("kind") == ("a",)
    np.testing.assert_array_equal(labels.of["id"], [2, 0, 1])
    np.testing.assert_array_equal(labels.of["kind"], [0, -1, 0])


BAD = {
    "suffix": ("labels.json", b"{}", ["must end in .csv or .tsv"]),
    "no UTF-8": ("labels.csv", b"kind\n\xff\n\n", ["not text in UTF-8"]),
    "name": ("labels.csv", b"Kind\na\nb\n", ["line 1", "'Kind'", "a-z"]),
    "no name": ("labels.csv", b"kind,\na,b\nb,c\n", ["line 1", "''"]),
    "twice": ("labels.csv", b"kind,kind\na,b\nb,c\n", ["line 1", "'kind'", "name of its own"]),
    "cells": ("labels.csv", b"kind,size\na\nb,c\n", ["line 2", "1 columns, the first line has 2"]),
    "empty line": ("labels.csv", b"kind,size\na,b\n\nb,c\n", ["line 3", "1 columns, the first line has 2"]),
    "lines": ("labels.csv", b"kind\na\n", ["1 lines", "for 2 rows"]),
    "empty": ("labels.csv", b"", ["0 lines", "for 2 rows"]),
    "nothing known": ("labels.tsv", b"kind\tsize\na\t\nb\t \n", ["'size' is empty"]),
    "quote": ("labels.csv", b'kind\na\n"b', ["line 3"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables_are_refused(tmp_path, case):
    name, content, words = BAD[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as error:
        read_labels(str(tmp_path / name), 2)
    text = str(error.value)
    assert text.startswith(str(tmp_path / name)) and "\n" not in text, text
    assert all(word in text for word in words), text


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"labels\.csv"):
        read_labels(str(tmp_path / "labels.csv"), 2)
