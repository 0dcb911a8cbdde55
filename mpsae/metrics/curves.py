"""What a curve over inference sparsity says: k90, overshoot, area. The loop is `score.curves`.

A curve is {k: value} for one trained variant. `steps` means k pursuit steps or the k
largest pre-activations, where the variant can; `largest` means its k largest codes.
"""

from collections.abc import Mapping

import numpy as np

from mpsae.metrics.base import Value

Curve = Mapping[int, float | None]


def grid(limit: int, *, also: int | None = None) -> list[int]:
    """1, 2, 4, ... up to `limit`, with the trained k among them if it is given and fits."""
    ks = {2**i for i in range(limit.bit_length())}
    if also is not None and 1 <= also <= limit:
        ks.add(also)
    return sorted(ks)


def k90(ev: Curve) -> Value:
    """Smallest k with ev(k) >= .9 ev(last k); a count. Null where the final ev is not above 0."""
    points = _points(ev)
    if not points or points[-1][1] <= 0:
        return Value(None, note="the final ev is not above 0")
    return Value(float(next(k for k, value in points if value >= 0.9 * points[-1][1])), len(points))


def overshoot(nmse: Curve, k_train: int | None) -> Value:
    """max over k > k_train of nmse(k) - nmse(k_train); (-inf, inf), above 0 = more atoms do harm."""
    start = None if k_train is None else nmse.get(k_train)
    later = [value for k, value in _points(nmse) if k_train is not None and k > k_train]
    if start is None or not later:
        return Value(None, note="no trained k, or no larger k on the curve")
    return Value(float(max(later) - start), len(later))


def auc_k(ev: Curve) -> Value:
    """Mean of ev over log k (trapezoids, divided by the range of log k); (-inf, 1], dimensionless."""
    points = _points(ev)
    if len(points) < 2:
        return Value(None, len(points), note="fewer than two points")
    k, value = np.log([k for k, _ in points]), np.array([value for _, value in points])
    return Value(float(np.trapezoid(value, k) / (k[-1] - k[0])), len(points))


def _points(curve: Curve) -> list[tuple[int, float]]:
    return sorted((k, value) for k, value in curve.items() if value is not None)
