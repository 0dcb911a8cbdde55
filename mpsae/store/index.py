"""The index of an embedding folder: its names, and the digest that names its content."""

from typing import Any

from mpsae.canonical import digest

SCHEMA = "mpsae.store/1"
INDEX, PAIRS, ITEMS, LABELS = "store.json", "pairs.safetensors", "items.jsonl", "labels.safetensors"
LARGEST_SHARD = 65536
DTYPES = ("float32", "float16")
NEEDED = ("complete", "dim", "dtype", "unit_norm", "modalities", "request")
NEEDED_WHEN_COMPLETE = (
    "pairs",
    "items",
    "labels",
    "fingerprint",
    "model",
    "preprocess",
    "provenance",
    "left_out",
)


def fingerprint(index: dict[str, Any]) -> str:
    """The digest of schema, dim, dtype and the digests of shards, pairs and labels, in order."""
    named: dict[str, Any] = {key: index[key] for key in ("schema", "dim", "dtype")}
    named["shards"] = {
        modality: [shard["sha256"] for shard in entry["shards"]]
        for modality, entry in index["modalities"].items()
    }
    named["pairs"] = index["pairs"] and index["pairs"]["sha256"]
    if index["labels"]:
        named["labels"] = [index["labels"]["sha256"], index["labels"]["classes"], index["labels"]["trees"]]
    return digest(named)


def rows_of(index: dict[str, Any]) -> dict[str, int]:
    """Rows of each modality."""
    return {modality: entry["rows"] for modality, entry in index["modalities"].items()}
