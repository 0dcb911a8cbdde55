"""TopK: the k largest ReLU pre-activations of each row (arXiv 2406.04093)."""

import jax

from mpsae.code import Code
from mpsae.dead import WithAuxK
from mpsae.sae import static


class TopK(WithAuxK, name="topk"):
    """z = the k largest of ReLU(π), loss ‖x - x̂‖² + auxk · AuxK.

    `replace(k=...)` changes the sparsity at inference.
    """

    k: int = static(default=32, low=1)

    @property
    def nested(self):
        return True  # top_k orders by size

    def encode(self, params, x):
        values, indices = jax.lax.top_k(jax.nn.relu(self.preactivation(params, x)), self.k)
        return Code(values=values, indices=indices, width=len(params["atoms"]))
