"""Embed a collection into a folder, shard by shard."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import mpsae
from mpsae.embed.collection import Collection
from mpsae.embed.encoder import Encoder
from mpsae.progress import Progress
from mpsae.provenance import checkout, reduce_paths, version
from mpsae.store.writer import Writer


def embed(
    collection: Collection,
    encoder: Encoder,
    out: Path | str,
    *,
    dtype: str = "float32",
    shard_rows: int = 4096,
    batch: int = 64,
    command: str,
    progress: Progress,
) -> None:
    """Fill `out`, from where an earlier run with the same inputs and model was stopped.

    Batches begin anew with each shard, so that a run that was stopped ends in the same bytes as one
    that was not. Raises ValueError when the folder holds something else or a row is not finite.
    """
    request = {"model": encoder.model, "inputs": collection.inputs, "shard": shard_rows}
    parts: dict[str, tuple[Sequence[Any], Callable[[Any], np.ndarray]]] = {}
    if len(collection.images):
        parts["image"] = (collection.images, encoder.image)
    if len(collection.captions):
        if encoder.text is None:
            raise ValueError("this encoder makes rows of images alone, and there are captions")
        parts["text"] = (collection.captions, encoder.text)
    for note in encoder.notes:
        progress.say(note)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with Writer(out, request=request, dtype=dtype) as writer:
        if writer.complete:
            progress.say(f"{out} is complete already")
            return
        for modality, (inputs, encode) in parts.items():
            _fill(writer, modality, inputs, encode, collection.ids[modality], shard_rows, batch, progress)
        writer.finish(
            pairs=collection.pairs,
            items=collection.items,
            ids={modality: ids.tolist() for modality, ids in collection.ids.items()},
            labels=collection.labels,
            model=encoder.model,
            preprocess=encoder.preprocess,
            provenance={
                "mpsae": version("mpsae"),
                **checkout(Path(mpsae.__file__).resolve().parent),
                **encoder.environment,
                "inputs": collection.inputs,
                "batch": batch,
                "command": reduce_paths(command),
                "started": started,
            },
            left_out=collection.left_out,
        )


def _fill(
    writer: Writer,
    modality: str,
    inputs: Sequence[Any],
    encode: Callable[[Any], np.ndarray],
    ids: np.ndarray,
    shard_rows: int,
    batch: int,
    progress: Progress,
) -> None:
    begun, before = time.monotonic(), writer.rows(modality)
    if 0 < before < len(inputs):
        progress.say(f"{modality}: {before} of {len(inputs)} are there already")
    for first in range(before, len(inputs), shard_rows):
        last = min(first + shard_rows, len(inputs))
        rows = []
        for start in range(first, last, batch):
            progress.show(_so_far(modality, start, len(inputs), start - before, time.monotonic() - begun))
            rows.append(encode(inputs[start : min(start + batch, last)]))
        writer.add(modality, np.concatenate(rows), ids[first:last])
    progress.say(f"{modality}: {len(inputs)} rows")


def _so_far(modality: str, done: int, total: int, now: int, seconds: float) -> str:
    text = f"{modality}: {done} of {total}"
    if not now or not seconds:
        return text
    left = (total - done) * seconds / now
    shown = f"{left / 60:.0f} min" if left > 99 else f"{left:.0f} s"
    return f"{text}, {now / seconds:.3g} a second, {shown} left"
