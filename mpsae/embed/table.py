"""Captions in a table: one image and one caption a line, or an image and a chain of captions."""

import re

from mpsae.embed.caption_file import CaptionFile, Entry, image_name
from mpsae.table_lines import table_lines

IMAGE = ("image", "file_name", "image_url")
CAPTION = ("caption", "text")
ARROW = "=>"


def csv(text: str, path: str) -> CaptionFile:
    """Columns with commas; see `_read`."""
    return _read(text, path, ",")


def tsv(text: str, path: str) -> CaptionFile:
    """Columns with tabs; see `_read`."""
    return _read(text, path, "\t")


def _read(text: str, path: str, separator: str) -> CaptionFile:
    """Columns `image` and `caption` (an image on several lines has several captions), or only `caption`.

    A chain is `caption_1`, `caption_2`, ... from general to specific, or one column `captions` that
    reads "animal => cat => a cat on a mat", as HierarCaps has it; `image_url` then names the image.
    Chains of another depth than the first, and lines with an empty caption, are problems.
    """
    lines = (line for line in table_lines(text, path, separator) if line[1])
    _, columns = next(lines, ("", []))
    image = next((columns.index(name) for name in IMAGE if name in columns), None)
    caption = next((columns.index(name) for name in CAPTION if name in columns), None)
    numbered = re.compile(r"caption_(\d{1,9})")
    levels = sorted(
        (int(found[1]), column) for column, name in enumerate(columns) if (found := numbered.fullmatch(name))
    )
    arrows = columns.index("captions") if "captions" in columns else None
    if caption is None and arrows is None and not levels:
        raise ValueError(
            f"{path}: the first line must name the columns, image and caption or caption_1, caption_2, ...;"
            f" found {', '.join(columns) or 'none'}"
        )
    entries: list[Entry] = []
    problems: list[str] = []
    for where, cells in lines:
        if len(cells) != len(columns):
            raise ValueError(f"{path}, {where}: {len(cells)} columns, the first line has {len(columns)}")
        if caption is not None:
            captions = [cells[caption]]
        elif levels:
            captions = [cells[column] for _, column in levels]
        else:
            captions = cells[arrows or 0].split(ARROW)
        captions = [one.strip() for one in captions]
        name = None if image is None else image_name(cells[image], f"{path}, {where}")
        if not all(captions):
            problems.append(f"{where} (empty caption)")
        elif caption is None and (len(captions) < 2 or entries and len(captions) != len(entries[0].captions)):
            depth = len(entries[0].captions) if entries else "at least 2"
            problems.append(f"{where} (chain of {len(captions)} captions, not {depth})")
        else:
            number = len(entries) * len(captions)
            entries.append(Entry(where, name, tuple(captions), tuple(range(number, number + len(captions)))))
    return CaptionFile(entries=entries, chains=caption is None, problems=problems)
