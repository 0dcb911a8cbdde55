"""Embeddings of images and captions: a folder that is written shard by shard and checked when read.

    store.json            the index, sealed with its own digest (mpsae.record)
    image-00000.safetensors, text-00000.safetensors, ...
                          `rows` [n, dim] float32 or float16, `id` [n] int64
    pairs.safetensors     `image` [q], `text` [q]: row numbers that belong together
    items.jsonl           {"m": "text", "row": 17, "id": 42, "text": ..., "name": ...}, a line per row
    labels.safetensors    only where there are labels, trees or chains (mpsae.store.labels)

Whole numbers of pairs and labels are in the smallest signed type that holds them, and int64 once read.

Keys of the index: schema, complete, dim, dtype, unit_norm, modalities {name: {rows, shards [{file,
rows, bytes, sha256}]}}, request (what the folder was begun with), and once complete: pairs, items and
labels {file, bytes, sha256, ...}, model, preprocess, provenance, left_out, fingerprint.

`fingerprint` is the digest of schema, dim, dtype, the digests of all shards in order, of the pairs and,
where there are any, of the labels; names, captions, model and paths are not in it.

    read         a folder as a Store
    with_rows_of a Store with another model's rows of its images or texts
    write        a Store as a folder
    Writer       a folder filled shard by shard, taken up again where it was left
    from_files   the same Store from .npy, .npz, .safetensors or .bin files of somebody else
"""

from mpsae.store.foreign import from_files
from mpsae.store.labels import Labels, Tree
from mpsae.store.memory import Rows, Store
from mpsae.store.reader import read, with_rows_of
from mpsae.store.writer import Writer, write

__all__ = ["Labels", "Rows", "Store", "Tree", "Writer", "from_files", "read", "with_rows_of", "write"]
