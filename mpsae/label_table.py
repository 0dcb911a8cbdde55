"""Classes of rows from a table: a column per factor, a line per row."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from mpsae.files import read_bytes
from mpsae.labels import Labels
from mpsae.table_lines import table_lines

SEPARATORS = {".csv": ",", ".tsv": "\t"}
UNKNOWN = -1


class LabelTable(NamedTuple):
    """By factor the class of every row, -1 where not known, its classes, and of some the coarser factor."""

    of: Mapping[str, Int[np.ndarray, " rows"]]
    classes: Mapping[str, tuple[str, ...]]
    parent: tuple[tuple[str, str], ...] = ()

    def of_rows(self, rows: Int[np.ndarray, " scored"]) -> Labels:
        """What is known of some rows. Classes that none of them has are left out, or ids would make huge tables."""
        of, names = {}, {}
        for factor, values in self.of.items():
            there, number = np.unique(values[rows], return_inverse=True)
            known = there >= 0
            of[factor] = np.where(known, np.cumsum(known) - 1, UNKNOWN)[number].astype(np.int32)
            names[factor] = tuple(self.classes[factor][place] for place in there[known])
        return Labels(of=of, classes=tuple(sorted(names.items())), parent=self.parent)


def read_labels(file: str, rows: int) -> LabelTable:
    """The table of a .csv or .tsv file whose first line names the factors; an empty cell is not known.

    Every line counts, an empty one too, or labels would slip to other rows.

    ValueError of one sentence, with file and line: another suffix, no UTF-8, a factor without a name of a-z, 0-9
    and _ that begins with a letter, one named twice or without any class, lines of another length, and not a
    line for each of `rows`.
    """
    separator = SEPARATORS.get(os.path.splitext(file)[1])
    if separator is None:
        raise ValueError(f"{file}: a table of labels must end in {' or '.join(SEPARATORS)}")
    try:
        text = read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not text in UTF-8 ({error.reason})") from None
    lines = table_lines(text, file, separator)
    names = [name.strip() for name in next(lines, ("", []))[1]]
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or names.count(name) > 1:
            raise ValueError(
                f"{file}, line 1: column {name!r} is a factor: it needs a name of its own,"
                " of a-z, 0-9 and _, a letter first"
            )
    cells = []
    for where, line in lines:
        line = line or [""]  # an empty line of a table of one column is a row of unknown class
        if len(line) != len(names):
            raise ValueError(f"{file}, {where}: {len(line)} columns, the first line has {len(names)}")
        cells.append([cell.strip() for cell in line])
    if len(cells) != rows or not names:
        raise ValueError(f"{file}: {len(cells)} lines below the names of factors, for {rows} rows")
    of, classes = {}, {}
    for name, column in zip(names, zip(*cells, strict=True), strict=True):
        classes[name] = tuple(sorted(set(column) - {""}))
        if not classes[name]:
            raise ValueError(f"{file}: column {name!r} is empty: no row has a class")
        number = {"": UNKNOWN} | {value: place for place, value in enumerate(classes[name])}
        of[name] = np.array([number[value] for value in column], np.int32)
    return LabelTable(of, classes)
