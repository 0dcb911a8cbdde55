"""Read an embedding folder: existence, sizes, digests, schema, shapes and values, then trust."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from mpsae.array_files import tensors_in
from mpsae.files import read_verified, verify
from mpsae.form import TEXT, check, parsed
from mpsae.record import read_record
from mpsae.store.index import COMPLETE, DTYPES, FORM, INDEX, SCHEMA, fingerprint, rows_of
from mpsae.store.integers import widened
from mpsae.store.labels import Labels
from mpsae.store.memory import MODALITIES, Rows, Store, check_pairs, no_pairs
from mpsae.store.shards import checked, mapped

ITEM = {"m": TEXT, "text?": TEXT, "name?": TEXT}


def read(folder: Path | str, *, digests: bool = True) -> Store:
    """The store in `folder`, its rows memory-mapped.

    `digests=False` skips reading every row once to compare the shards' digests and to look for
    values that cannot be; `record["verified"]` says which it was. Every failure is a ValueError
    of one sentence naming the file: missing, damaged, of an unknown schema, not complete.
    """
    folder = Path(folder)
    index = _index(folder)
    rows: dict[str, Rows] = {}
    ids: dict[str, np.ndarray] = {}
    for modality in index["modalities"]:
        rows[modality], ids[modality] = _modality(folder, index, modality, digests)
    return Store(
        rows=rows,
        ids=ids,
        pairs=_pairs(folder, index),
        items=_items(folder, index),
        labels=_labels(folder, index),
        record={key: value for key, value in index.items() if key != "self"} | {"verified": digests},
        fingerprint=index["fingerprint"],
    )


def with_rows_of(store: Store, folder: Path | str, modality: str) -> Store:
    """`store` with the rows of one modality from another folder, which need hold no more than its index and these.

    For another model's rows of the same images or captions. Raises ValueError as `read` does, and where those
    rows are not of the same items, in the same order and as long as those of `store`.
    """
    folder, wanted = Path(folder), store.rows[modality].shape
    index = _index(folder)
    there = (rows_of(index).get(modality, 0), index["dim"])
    if there != wanted:
        raise ValueError(
            f"{folder / INDEX}: must hold {wanted[0]} {modality} rows of {wanted[1]}, found {there[0]} of {there[1]}"
        )
    rows, ids = _modality(folder, index, modality, True)
    if not np.array_equal(ids, store.ids[modality]):
        raise ValueError(f"{folder}: its {modality} rows are of other items, or in another order")
    record = {key: value for key, value in index.items() if key != "self"} | {"verified": True}
    return dataclasses.replace(
        store, rows=store.rows | {modality: rows}, record=record, fingerprint=index["fingerprint"]
    )


def _modality(folder: Path, index: dict[str, Any], modality: str, digests: bool) -> tuple[Rows, np.ndarray]:
    entry = index["modalities"][modality]
    shards = [_shard(folder / shard["file"], shard, index, digests) for shard in entry["shards"]]
    rows = Rows([shard["rows"] for shard in shards])
    if len(rows) != entry["rows"]:
        raise ValueError(f"{folder / INDEX}: {modality} has {entry['rows']} rows, its shards {len(rows)}")
    return rows, np.concatenate([shard["id"] for shard in shards])


def _index(folder: Path) -> dict[str, Any]:
    path = folder / INDEX
    index = read_record(path, SCHEMA, FORM)
    if not index["complete"]:
        so_far = ", ".join(f"{rows} {modality} rows" for modality, rows in rows_of(index).items())
        raise ValueError(f"{path}: not complete ({so_far} so far), the command that began it goes on with it")
    missing = [key for key in COMPLETE if key not in index]
    if missing or not index["modalities"] or not all(rows_of(index).values()):
        raise ValueError(f"{path}: the index lacks {', '.join(missing) or 'rows'}")
    check(index, COMPLETE, str(path))
    if index["dtype"] not in DTYPES or index["modalities"].keys() - set(MODALITIES):
        raise ValueError(
            f"{path}: must hold {' or '.join(DTYPES)} rows of {' or '.join(MODALITIES)},"
            f" found {index['dtype']} rows of {', '.join(index['modalities'])}"
        )
    if fingerprint(index) != index["fingerprint"]:
        raise ValueError(f"{path}: damaged, its fingerprint should be {fingerprint(index)}")
    return index


def _shard(path: Path, entry: dict[str, Any], index: dict[str, Any], digests: bool) -> dict[str, np.ndarray]:
    if digests:
        verify(path, entry["bytes"], entry["sha256"])
    elif not path.is_file():
        raise ValueError(f"{path}: this file is missing")
    shard = mapped(path, entry, index["dim"], index["dtype"])
    if digests:
        for first, block in Rows([shard["rows"]]).blocks():
            checked(block, index["dtype"], str(path), first=first)
    return shard | {"id": np.array(shard["id"])}  # each map is an open file, and there are limits to those


def _tensors(folder: Path, entry: dict[str, Any], shapes: dict[str, list[int]]) -> dict[str, np.ndarray]:
    path = folder / entry["file"]
    tensors = tensors_in(read_verified(path, entry["bytes"], entry["sha256"]), path)
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if found != shapes:
        raise ValueError(f"{path}: {INDEX} says it holds {shapes}, found {found}")
    return {name: widened(tensor) for name, tensor in tensors.items()}


def _pairs(folder: Path, index: dict[str, Any]) -> np.ndarray:
    entry = index["pairs"]
    if entry is None:
        return no_pairs()
    tensors = _tensors(folder, entry, {modality: [entry["rows"]] for modality in MODALITIES})
    pairs = np.stack([tensors[modality] for modality in MODALITIES], axis=1)
    check_pairs(pairs, rows_of(index), str(folder / entry["file"]))
    return pairs


def _labels(folder: Path, index: dict[str, Any]) -> Labels:
    entry = index["labels"]
    if entry is None:
        return Labels()
    path, tensors = folder / entry["file"], _tensors(folder, entry, entry["shapes"])
    lacking = [factor for factor in entry["trees"] if f"tree.{factor}" not in tensors]
    if lacking:
        raise ValueError(f"{path}: lacks the tensor tree.{lacking[0]}")
    labels = Labels.of(entry, tensors)
    labels.check(rows_of(index), str(path))
    return labels


def _items(folder: Path, index: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    entry = index["items"]
    if entry is None:
        return {}
    path = folder / entry["file"]
    items: dict[str, list[dict[str, Any]]] = {}
    for number, line in enumerate(read_verified(path, entry["bytes"], entry["sha256"]).splitlines()):
        try:
            item = parsed(line)
            check(item, ITEM, "")
            here = items.setdefault(item.pop("m"), [])
            if item.pop("row") != len(here):
                raise ValueError
            here.append({key: value for key, value in item.items() if key != "id"})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"{path}, line {number + 1}: must be an item with m, row and id, in order"
            ) from None
    counts = {modality: len(here) for modality, here in items.items()}
    if not counts.items() <= rows_of(index).items():
        raise ValueError(f"{path}: has {counts} items for {rows_of(index)} rows")
    return items
