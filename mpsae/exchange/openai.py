"""openai/sparse_autoencoder (arXiv 2406.04093): one torch file, a state dict beside the name of an activation."""

from pathlib import Path

import numpy as np

from mpsae.exchange import torch_file
from mpsae.exchange.foreign import Foreign, Format, Params, Written, require
from mpsae.exchange.settings import Settings
from mpsae.exchange.tensors import exactly
from mpsae.sae import SAE
from mpsae.saes.relu import ReLU

WEIGHTS = "autoencoder.pt"
SHAPES = {
    "pre_bias": "n_inputs",
    "encoder.weight": "n_latents n_inputs",
    "latent_bias": "n_latents",
    "decoder.weight": "n_inputs n_latents",
}
COUNTERS = ("stats_last_nonzero", "latents_activation_frequency", "latents_mean_square")  # no code needs them


def read(path: Path, given: Settings) -> Foreign:
    """relu: z = ReLU(W (x - pre_bias) + latent_bias), atoms the columns of the decoder, as stored.

    A file without `activation` is one of ReLU, as to its own loader. Refused: TopK, for which that loader standardises
    every row first, which no SAE of ours does; Identity, whose codes have signs; tied weights, which it does not load.
    """
    state = torch_file.read(path)
    if not isinstance(state, dict):
        raise ValueError(f"{path}: must hold a state dict, names and tensors")
    tensors = dict(state)
    activation = tensors.pop("activation", "ReLU")
    rest = tensors.pop("activation_state_dict", {})
    if activation == "TopK":
        raise ValueError(
            f"{path}: activation = 'TopK': rows are standardised before it, which cannot be said"
        )
    if activation != "ReLU" or rest:
        raise ValueError(f"{path}: activation = {activation!r:.100}: must be 'ReLU', which has no state")
    for name in COUNTERS:
        tensors.pop(name, None)
    found, _ = exactly(path, tensors, SHAPES)
    params = {
        "atoms": np.ascontiguousarray(found["decoder.weight"].T),
        "bias": found["pre_bias"],
        "encoder": np.ascontiguousarray(found["encoder.weight"].T),
        "encoder_bias": found["latent_bias"],
    }
    return Foreign("ReLU", ReLU(centre="bias", norm="init"), params, {"activation": activation})


def write(sae: SAE, params: Params, given: Settings) -> Written:
    """The state dict of an Autoencoder with ReLU, its counters as of one that was not trained.

    Refused: all but relu that subtracts its bias.
    """
    if not isinstance(sae, ReLU):
        raise ValueError(f"sae = {sae.name}: openai has no activation with its codes, or no exact one")
    require(sae, "openai", centre="bias", input_scale="none")
    width = len(params["atoms"])
    tensors = {
        "pre_bias": params["bias"],
        "latent_bias": params["encoder_bias"],
        "stats_last_nonzero": np.zeros(width, np.int32),
        "latents_activation_frequency": np.ones(width, np.float32),
        "latents_mean_square": np.zeros(width, np.float32),
        "encoder.weight": np.ascontiguousarray(params["encoder"].T),
        "decoder.weight": np.ascontiguousarray(params["atoms"].T),
    }
    usage = (
        "import torch\nfrom sparse_autoencoder import Autoencoder  # of openai/sparse_autoencoder\n\n"
        f'state = torch.load("FOLDER/{WEIGHTS}", weights_only=True)\n'
        "codes, _ = Autoencoder.from_state_dict(state).encode(x)"
    )
    return Written({WEIGHTS: torch_file.write(tensors)}, usage)


FORMAT = Format(mark=None, to_read=(), to_write=(), library=None, read=read, write=write)
