"""Fill an embedding folder shard by shard; a process that dies loses the shard it was at."""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mpsae.canonical import canonical
from mpsae.files import verify, write_bytes, write_text
from mpsae.record import read_record, sealed
from mpsae.store.index import (
    DTYPES,
    FORM,
    INDEX,
    ITEMS,
    LABELS,
    LARGEST_SHARD,
    PAIRS,
    SCHEMA,
    fingerprint,
    rows_of,
)
from mpsae.store.integers import narrowed
from mpsae.store.labels import Labels
from mpsae.store.memory import MODALITIES, Store, check_pairs
from mpsae.store.shards import checked, packed, unit

LOCK = ".writing"


class Writer:
    """An embedding folder that is being filled: `with Writer(folder, ...) as writer`.

    `request` (JSON) is what the folder is made from. A folder begun with an equal one is taken up
    where it was left, once its shards are as recorded; any other is refused with the first
    difference. Nobody else may write to the folder meanwhile. Raises ValueError of one sentence.
    """

    def __init__(self, folder: Path | str, *, request: Mapping[str, Any], dtype: str = "float32"):
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}: must be {' or '.join(DTYPES)}")
        self.folder = Path(folder)
        self.index: dict[str, Any] = {
            "schema": SCHEMA,
            "complete": False,
            "dim": None,
            "dtype": dtype,
            "unit_norm": True,
            "modalities": {},
            "request": json.loads(canonical(request)),
        }

    def __enter__(self) -> "Writer":
        refuse_strangers(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ValueError(f"{self.folder}: cannot be a folder of embeddings ({error.strerror})") from error
        if not self._locked():
            os.close(self.lock)
            raise ValueError(f"{self.folder}: another process is writing into this folder")
        try:
            self._take_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        (self.folder / LOCK).unlink()
        os.close(self.lock)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _locked(self) -> bool:
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process
            return os.path.samestat(os.fstat(self.lock), os.stat(self.folder / LOCK))
        except (BlockingIOError, FileNotFoundError):  # held, or just given up and removed
            return False

    @property
    def complete(self) -> bool:
        """Whether `finish` has been called, now or earlier."""
        return self.index["complete"]

    def rows(self, modality: str) -> int:
        """Rows of that modality that are safely stored."""
        return rows_of(self.index).get(modality, 0)

    def add(self, modality: str, rows: Float[np.ndarray, "n dim"], ids: Int[np.ndarray, "n"]) -> None:
        """Store one shard, the next rows of `modality`, and then say so in the index.

        Refused: rows that are not finite, zero, of another width than those before, no row at all
        or more than 65,536.
        """
        if modality not in MODALITIES:
            raise ValueError(f"modality {modality!r}: must be {' or '.join(MODALITIES)}")
        entry = self.index["modalities"].get(modality, {"rows": 0, "shards": []})
        name = f"{modality} rows for {self.folder}"
        rows = checked(rows, self.index["dtype"], name, first=entry["rows"])
        if len(rows) > LARGEST_SHARD or len(rows) != len(ids):
            raise ValueError(
                f"{name}: {len(rows)} rows with {len(ids)} ids, must be as many and at most {LARGEST_SHARD}"
            )
        if self.index["dim"] not in (None, rows.shape[1]):
            raise ValueError(
                f"{name}: {rows.shape[1]} values a row, the rows before have {self.index['dim']}"
            )
        file = f"{modality}-{len(entry['shards']):05d}.safetensors"
        shard = {"file": file, "rows": len(rows)} | self._put(file, packed(rows, ids))
        self.index["dim"] = rows.shape[1]
        self.index["unit_norm"] = self.index["unit_norm"] and unit(rows)
        self.index["modalities"][modality] = {
            "rows": entry["rows"] + len(rows),
            "shards": [*entry["shards"], shard],
        }
        write_text(self.folder / INDEX, sealed(self.index))

    def finish(
        self,
        *,
        pairs: Int[np.ndarray, "q 2"],
        items: Mapping[str, Sequence[Mapping[str, Any]]],
        ids: Mapping[str, Sequence[int]],
        labels: Labels,
        model: Mapping[str, Any],
        preprocess: Mapping[str, Any],
        provenance: Mapping[str, Any],
        left_out: Sequence[str],
    ) -> None:
        """Store what belongs to the rows and declare the folder complete; arguments as in `Store`."""
        import safetensors.numpy

        counts = rows_of(self.index)
        check_pairs(pairs, counts, f"pairs for {self.folder}")
        labels.check(counts, f"labels for {self.folder}")
        whole = self.index | {"complete": True, "pairs": None, "items": None, "labels": None}
        if len(pairs):
            columns = {name: narrowed(pairs[:, i]) for i, name in enumerate(MODALITIES)}
            whole["pairs"] = {"file": PAIRS, "rows": len(pairs)}
            whole["pairs"] |= self._put(PAIRS, safetensors.numpy.save(columns))
        if text := _item_lines(items, ids, counts, self.folder):
            whole["items"] = {"file": ITEMS} | self._put(ITEMS, text.encode("ascii"))
        if labels:
            tensors = {name: narrowed(tensor) for name, tensor in labels.tensors().items()}
            whole["labels"] = {"file": LABELS, **labels.entry()}
            whole["labels"] |= self._put(LABELS, safetensors.numpy.save(tensors))
        whole |= {"model": dict(model), "preprocess": dict(preprocess)}
        whole |= {"provenance": dict(provenance), "left_out": list(left_out)}
        whole["fingerprint"] = fingerprint(whole)
        write_text(self.folder / INDEX, sealed(whole))
        self.index = whole

    def _put(self, name: str, data: bytes) -> dict[str, Any]:
        write_bytes(self.folder / name, data)
        return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def _take_up(self) -> None:
        for part in self.folder.glob(".*.part-*"):  # left by a process that was killed
            part.unlink()
        path = self.folder / INDEX
        if not path.exists():
            return
        found = read_record(path, SCHEMA, FORM)
        _refuse_other_request(found, self.index, self.folder)
        for entry in found["modalities"].values():
            for shard in entry["shards"]:
                verify(self.folder / shard["file"], shard["bytes"], shard["sha256"])
        self.index = {key: value for key, value in found.items() if key != "self"}


def refuse_strangers(folder: Path | str) -> None:
    """ValueError unless `folder` is absent, empty, or one that a Writer began."""
    folder = Path(folder)
    if not folder.exists() or (folder / INDEX).exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder}: must be a folder, it is a file")
    for name in sorted(entry.name for entry in folder.iterdir()):
        # What a process that died before its first index can have left.
        ours = re.fullmatch(rf"\.?({'|'.join(MODALITIES)})-00000\.safetensors(\.part-\w+)?", name)
        if not ours and name != LOCK and not name.startswith(f".{INDEX}.part-"):
            raise ValueError(f"{folder}: holds something else ({name}), choose another folder")


def write(folder: Path | str, store: Store, *, shard_rows: int = LARGEST_SHARD) -> None:
    """A store in memory as a folder; rows keep their dtype. The folder must be new, empty or hold this store."""
    dtype = str(next(iter(store.rows.values())).dtype)
    with Writer(
        folder, request={"fingerprint": store.fingerprint, "shard": shard_rows}, dtype=dtype
    ) as writer:
        if writer.complete:
            return
        for modality, rows in store.rows.items():
            for first in range(writer.rows(modality), len(rows), shard_rows):
                here = slice(first, first + shard_rows)
                writer.add(modality, rows[here], store.ids[modality][here])
        writer.finish(
            pairs=store.pairs,
            items=store.items,
            ids={modality: ids.tolist() for modality, ids in store.ids.items()},
            labels=store.labels,
            **{key: store.record[key] for key in ("model", "preprocess", "provenance", "left_out")},
        )


def _refuse_other_request(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    old = found["request"] | {"dtype": found["dtype"]}
    new = wanted["request"] | {"dtype": wanted["dtype"]}
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise ValueError(
                f"{folder}: was begun with {key} {_short(old.get(key))}, not {_short(new.get(key))};"
                f" choose another folder, or remove this one"
            )


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) < 80 else f"{text[:76]}..."


def _item_lines(
    items: Mapping[str, Sequence[Mapping[str, Any]]],
    ids: Mapping[str, Sequence[int]],
    counts: Mapping[str, int],
    folder: Path,
) -> str:
    lines = []
    for modality in (modality for modality in MODALITIES if items.get(modality)):
        if not len(items[modality]) == len(ids[modality]) == counts.get(modality, 0):
            raise ValueError(
                f"items for {folder}: {len(items[modality])} for {counts.get(modality, 0)} {modality} rows"
            )
        for row, (number, item) in enumerate(zip(ids[modality], items[modality], strict=True)):
            lines.append(canonical({"m": modality, "row": row, "id": number} | dict(item)) + "\n")
    return "".join(lines)
