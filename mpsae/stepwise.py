"""What the SAEs that take one atom a step share: a code that is a path, and a bias that may be absent."""

import jax

from mpsae.code import Code
from mpsae.pursuit import Path
from mpsae.sae import SAE, leaf, static


class Stepwise(SAE, abstract=True):
    """An SAE whose code is the path of a pursuit of at most k steps; a subclass defines `path`.

    bias: `pre` is subtracted before the pursuit and added after, `none` is absent. tol: a row ends
    once the length of its residual is below it.
    """

    k: int = static(default=8, low=1)
    bias: str = static(default="pre", choices=("pre", "none"))
    tol: float = leaf(default=0.0, low=0.0)

    def init(self, key, dim, width):
        params = super().init(key, dim, width)
        if self.bias == "none":
            del params["bias"]
        return params

    def path(self, params: dict[str, jax.Array], x: jax.Array) -> Path:
        """The pursuit of x [batch, dim]: indices, values, residual."""
        raise TypeError(f"{type(self).__name__} does not define path(params, x)")

    def steps(self, params, x):
        """(indices [batch, k], values [batch, k]) in the order the atoms were taken."""
        path = self.path(params, x)
        return path.indices, path.values

    def encode(self, params, x):
        indices, values = self.steps(params, x)
        return Code(values=values, indices=indices, width=len(params["atoms"]))
