"""The held-out pairs that are kept whole (a value, no metric)."""

from mpsae.metrics.base import Pool, shared


@shared
def pool(parts):
    """The Pool: rows, reconstructions and codes of the first 1000 held-out pairs."""
    return Pool(parts.sides["image"], parts.sides["text"], parts.empty)
