"""The numbers behind SynthSAEBench-16k (arXiv 2602.14687), and the rules that make it smaller."""

import dataclasses
import math
from typing import Self

import numpy as np
from jaxtyping import Float

from synthetic.forest import Forest

# What the probability of the most frequent feature becomes when the world is s times smaller.
RULES = {
    "fixed_interference": lambda top, s: top / math.sqrt(s),  # keeps L0 / dim
    "fixed_probability": lambda top, s: top,
}
RANGES = {  # name: (lowest, whether the lowest itself is allowed)
    "first_mean": (0, False),
    "last_mean": (0, False),
    "exponent": (0, False),
    "loading": (0, True),
    "spread": (0, True),
    "spread_std": (0, True),
    "apart_rate": (0, True),
    "offset": (0, True),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a SynthSAEBench world is made from; the defaults are SynthSAEBench-16k."""

    features: int = 16384
    dim: int = 768
    roots: int = 128  # the most frequent features are the roots
    branching: int = 4  # children per node, of which at most one is on
    depth: int = 3  # levels below the roots
    top_prob: float = 0.4  # of the most frequent feature
    low_prob: float = 5e-4  # of the rarest
    exponent: float = 0.5  # of Zipf's law in between
    rank: int = 25  # common causes of the gates
    loading: float = 0.1  # standard deviation of a gate's loading on one of them
    first_mean: float = 5.0  # mean coefficient of the most frequent feature
    last_mean: float = 4.0  # of the rarest; linear in between
    spread: float = 0.5  # the standard deviation of a feature's coefficient is |N(spread, spread_std²)|
    spread_std: float = 0.5
    apart_steps: int = 100  # of Adam, which pushes the directions apart
    apart_rate: float = 3e-4
    offset: float = 0.5  # length of the vector added to every row

    @property
    def forest(self) -> Forest:
        """The trees; features beyond its size stand alone."""
        return Forest(self.roots, self.branching, self.depth)

    @property
    def base_prob(self) -> Float[np.ndarray, " features"]:
        """p_r = low + (top - low) (u_r - u_N) / (u_1 - u_N), u_r = r^-exponent, for rank r = 1 ... N."""
        u = np.arange(1, self.features + 1, dtype=np.float64) ** -self.exponent
        return self.low_prob + (self.top_prob - self.low_prob) * (u - u[-1]) / (u[0] - u[-1])

    @property
    def size_mean(self) -> Float[np.ndarray, " features"]:
        """Mean coefficient by rank, before clipping at 0 and before scaling by the parent."""
        return np.linspace(self.first_mean, self.last_mean, self.features)

    def scaled(self, s: int, *, rule: str = "fixed_interference") -> Self:
        """The same recipe s times smaller: features, dim and roots divided by s, top_prob by `rule`.

        "fixed_interference" divides top_prob by √s, which keeps L0 / dim; "fixed_probability"
        leaves it. The width and every k of the SAEs are to be divided by s as well. Raises
        ValueError where s does not divide, or for another rule.
        """
        if rule not in RULES:
            raise ValueError(f"rule = {rule!r}: must be one of {', '.join(RULES)}")
        sizes = {name: getattr(self, name) for name in ("features", "dim", "roots")}
        if not isinstance(s, int) or s < 1 or any(size % s for size in sizes.values()):
            stated = ", ".join(f"{name} = {size}" for name, size in sizes.items())
            raise ValueError(f"s = {s}: must divide {stated}")
        smaller = {name: size // s for name, size in sizes.items()}
        return dataclasses.replace(self, **smaller, top_prob=RULES[rule](self.top_prob, s))

    def check(self) -> None:
        """Refuse, by ValueError, numbers of which no world can be made."""
        lows = {"features": 2, "dim": 2, "roots": 0, "branching": 1, "depth": 0, "rank": 1, "apart_steps": 0}
        for name, low in lows.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} = {getattr(self, name)}: must be at least {low}")
        for name, (low, inclusive) in RANGES.items():
            value = getattr(self, name)
            if not (low <= value < math.inf) or (value == low and not inclusive):
                words = "at least" if inclusive else "above"
                raise ValueError(f"{name} = {value}: must be a finite number, {words} {low}")
        if not 0 < self.low_prob <= self.top_prob < 1:
            raise ValueError(
                f"low_prob = {self.low_prob}, top_prob = {self.top_prob}:"
                " must be probabilities above 0 and below 1, low_prob not above top_prob"
            )
        # A deep forest of many branches would be counted level by level for ever.
        if self.depth > 64 or self.forest.size > self.features:
            raise ValueError(
                f"roots = {self.roots}, branching = {self.branching}, depth = {self.depth}:"
                f" the trees must fit {self.features} features"
            )
