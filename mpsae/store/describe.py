"""What embeddings look like at first sight: norms, how far the mean lies from 0, duplicates."""

import hashlib

import numpy as np

from mpsae.store.memory import Rows, Store


def describe(store: Store) -> list[str]:
    """A line for each modality, and one for the pairs."""
    lines = [f"{modality}: {_line(rows)}" for modality, rows in store.rows.items()]
    return [*lines, f"{len(store.pairs)} pairs"] if len(store.pairs) else lines


def _line(rows: Rows) -> str:
    norms, total, squares = [], np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    seen: set[bytes] = set()  # digests: the rows need not fit into memory
    for _, block in rows.blocks():
        wide = block.astype(np.float64)
        norms.append(np.linalg.norm(wide, axis=1))
        total += wide.sum(0)
        squares += np.square(wide).sum(0)
        seen |= {hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in block}
    norm, mean = np.concatenate(norms), total / len(rows)
    spread = np.sqrt(max(float((squares / len(rows) - np.square(mean)).sum()), 0.0))
    off = f"{np.linalg.norm(mean) / spread:.2f}" if spread > 0 else "undefined"
    return (
        f"{len(rows)} rows of {rows.shape[1]} values, norm {norm.min():.4g} to {norm.max():.4g},"
        f" |mean|/|std| {off}, {len(rows) - len(seen)} duplicates"
    )
