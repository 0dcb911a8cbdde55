"""A picture of the code space: where images and texts lie."""

import numpy as np

from mpsae.metrics.base import Matrix, Value, metric

PAIRS = 120


@metric(on_request=True)
def code_map(pool):
    """[2, pairs, 2] places of the first images and texts in a t-SNE map of their codes by cosine; Fig 9, 19.

    scikit-learn's t-SNE, perplexity 30 and a fixed seed. Distances in such a map mean nothing; whether
    images and texts share regions does. Codes without an entry are left out (NaN).
    """
    from scipy.sparse import vstack
    from sklearn.manifold import TSNE
    from sklearn.metrics.pairwise import cosine_distances

    codes = vstack([pool.image.z[:PAIRS], pool.text.z[:PAIRS]]).tocsr()
    there = np.diff(codes.indptr) > 0
    if there.sum() < 100:  # the map needs more rows than three times its perplexity
        return Value(None, note="fewer than 100 codes with an entry")
    distance = cosine_distances(codes[there])
    drawn = TSNE(
        metric="precomputed", init="random", perplexity=30, max_iter=500, random_state=0
    ).fit_transform(np.maximum(distance, 0.0))
    places = np.full((codes.shape[0], 2), np.nan)
    places[there] = drawn
    return Matrix(places.reshape(2, -1, 2))
