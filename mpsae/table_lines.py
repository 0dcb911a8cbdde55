"""The cells of a table in text, line by line."""

import csv
import io
from collections.abc import Iterator


def table_lines(text: str, path: str, separator: str) -> Iterator[tuple[str, list[str]]]:
    """("line 3", cells) of every line, no cells where it is empty. ValueError, with the line, for a quote left open."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for cells in rows:
            yield f"line {rows.line_num}", cells
    except csv.Error as error:
        raise ValueError(f"{path}, line {rows.line_num}: {error}") from None
