"""SAEs of ours and of others, and models: valid samples, and reading them as a command does."""

import hashlib
import json
import shutil

import numpy as np
from exchange_samples import numbers, write_safetensors
from hostile_reader import table

from mpsae.exchange.tensors import to_safetensors
from mpsae.record import sealed


def make_saved(folder):
    import jax

    from mpsae.sae import find
    from mpsae.saved import save

    sae = find("mp")(k=2)
    source = {"name": "embeddings", "path": "rows.npy", "held_out": 0.2, "norm": "unit", "world": 0}
    about = {"source": source, "fingerprint": "f00d", "steps": 1}
    params = sae.init(jax.random.key(0), 4, 6)
    transform = {"center": "global", "scale": 1.0, "tensors": {"center": np.ones(4)}}
    save(
        folder / "sae",
        sae,
        params,
        dim=4,
        width=6,
        trained_on=about,
        provenance={"command": "x"},
        scores=[],
        transform=transform,
    )


def read_saved(folder):
    from mpsae.verbs.explore import _facts
    from mpsae.verbs.opened import load_sae, trained_on

    sae, params, record = load_sae(folder / "sae")
    source, world = trained_on(record, folder / "sae")
    _facts(folder / "sae", record, params)
    return repr(sae), {name: np.asarray(value).tobytes() for name, value in params.items()}, source, world


def make_saelens(folder):
    config = {"architecture": "topk", "k": 2, "d_in": 4, "d_sae": 6, "apply_b_dec_to_input": True}
    config |= {"normalize_activations": "none", "metadata": {"sae_lens_version": "6.0.0"}}
    tensors = {"W_enc": numbers(4, 6), "W_dec": numbers(6, 4), "b_enc": numbers(6), "b_dec": numbers(4)}
    write_safetensors(folder / "theirs", config, tensors, weights="sae_weights.safetensors")


def make_sparsify(folder):
    config = {"activation": "topk", "d_in": 4, "num_latents": 6, "expansion_factor": 1, "k": 2}
    tensors = {"encoder.weight": numbers(6, 4), "encoder.bias": numbers(6), "W_dec": numbers(6, 4)}
    write_safetensors(folder / "theirs", config, tensors | {"b_dec": numbers(4)}, weights="sae.safetensors")


def make_gemma_scope(folder):
    from mpsae.exchange.gemma_scope import FIRST, OURS

    (folder / "theirs").mkdir()
    arrays = {"atoms": (6, 4), "bias": (4,), "encoder": (4, 6), "encoder_bias": (6,), "threshold": (6,)}
    tensors = {name: np.abs(numbers(*arrays[ours])) for name, ours in OURS.items()}
    with open(folder / "theirs" / FIRST, "wb") as file:
        np.savez(file, **tensors)


def make_dictionary_learning(folder):
    from mpsae.exchange import torch_file

    (folder / "theirs").mkdir()
    config = {"trainer": {"dict_class": "AutoEncoderTopK", "k": 2, "dict_size": 6}, "buffer": {}}
    (folder / "theirs" / "config.json").write_text(json.dumps(config))
    tensors = {"decoder.weight": numbers(4, 6), "encoder.weight": numbers(6, 4), "encoder.bias": numbers(6)}
    tensors |= {"b_dec": numbers(4), "k": np.array(2, np.int32), "threshold": np.array(-1, np.float32)}
    (folder / "theirs" / "ae.pt").write_bytes(torch_file.write(tensors))


def read_folder(folder):
    from mpsae.exchange.formats import recognise
    from mpsae.exchange.settings import given
    from mpsae.exchange.transfer import bring

    place = folder / "theirs"
    out = folder.parent / "brought"
    shutil.rmtree(out, ignore_errors=True)
    return repr(bring(place, recognise(place), given([]), out, command="x")._replace(params={}))


def make_overcomplete(folder):
    from mpsae.exchange import torch_file

    tensors = {"dictionary._weights": numbers(6, 4), "dictionary.multiplier": np.zeros((), np.float32)}
    (folder / "state_dict.pt").write_bytes(torch_file.write(tensors))


def read_overcomplete(folder):
    from mpsae.exchange.formats import read
    from mpsae.exchange.settings import given

    told = given(["class=MpSAE", "normalization=l2", "k=2"])
    return repr(read(folder / "state_dict.pt", "overcomplete", told))


def make_openai(folder):
    from mpsae.exchange import torch_file

    shapes = {"pre_bias": (4,), "encoder.weight": (6, 4), "latent_bias": (6,), "decoder.weight": (4, 6)}
    tensors = {name: numbers(*shape) for name, shape in shapes.items()}
    (folder / "autoencoder.pt").write_bytes(torch_file.write(tensors))


def read_openai(folder):
    from mpsae.exchange.formats import read
    from mpsae.exchange.settings import given

    return repr(read(folder / "autoencoder.pt", "openai", given([])))


def make_mnist_mp(folder):
    from mpsae.exchange import torch_file

    atoms = numbers(3, 28, 28)
    (folder / "MP.pt").write_bytes(torch_file.write({"D": atoms, "W": atoms, "b_pre": numbers(1, 28, 28)}))


def read_mnist_mp(folder):
    from mpsae.exchange.formats import read
    from mpsae.exchange.settings import given

    return repr(read(folder / "MP.pt", "mnist_mp", given(["k=2"])))


def make_clip(folder):

    import safetensors.numpy

    data = safetensors.numpy.save({"text_projection": table()})
    (folder / "weights.safetensors").write_bytes(data)
    about = {
        "schema": "mpsae.clip/1",
        "config": {"embed_dim": 4, "text_cfg": {"context_length": 6, "heads": 2}},
        "words": ["a", "cat"],
        "weights": {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
        "provenance": {},
    }
    (folder / "clip.json").write_text(sealed(about))


def read_clip(folder):
    from mpsae.clip import text

    text._read.cache_clear()
    tower = text.TextTower(folder)
    return tower.words, tower.longest


def make_cast(folder):
    from mpsae.cast.training import fresh
    from mpsae.cast.weights import save

    save(fresh(), folder, {})


def read_cast(folder):
    import jax

    from mpsae.cast.weights import load, read_record

    return read_record(folder)["provenance"], [
        leaf.tobytes() for leaf in map(np.asarray, jax.tree.leaves(load(folder)))
    ]


def make_local(folder):
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"text_cfg": {"width": 4}}}))
    (folder / "open_clip_model.safetensors").write_bytes(to_safetensors({"rows": table()}))


def read_local(folder):
    from mpsae.embed.weights import find_weights

    return find_weights(None, f"local-dir:{folder}", None)


def make_checkpoint(folder):
    from mpsae.checkpoint import write

    arrays = {"atoms": table(), "silent": np.arange(6), "on": np.array([True, False])}
    write(folder / "stack", 7, arrays, {"members": ["9f2c"], "made": {}, "seconds": 0.5})


def read_checkpoint(folder):
    from mpsae.checkpoint import newest

    step = newest(folder / "stack", allow_older=False, say=print)
    if step is None:
        raise ValueError(f"{folder}: holds no checkpoint")
    return step.step, step.about, {name: array.tobytes() for name, array in step.arrays.items()}
