"""openai state dicts: codes in float64, bit-equal weights there and back, what cannot be said is refused."""

import numpy as np
import pytest
from exchange_samples import DIM, NOTHING, WIDTH, check_codes, numbers, relu, rows, same, wide

from mpsae.exchange import openai, torch_file
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK

STATE = {
    "pre_bias": numbers(DIM),
    "encoder.weight": numbers(WIDTH, DIM, seed=1),
    "latent_bias": numbers(WIDTH, seed=2),
    "decoder.weight": numbers(DIM, WIDTH, seed=3),
}
MORE = {
    "stats_last_nonzero": np.arange(WIDTH),
    "activation": "ReLU",
    "activation_state_dict": {},
}


def file(tmp_path, tensors):
    path = tmp_path / "autoencoder.pt"
    path.write_bytes(torch_file.write(tensors))
    return path


def test_codes_are_those_of_its_formula(tmp_path):
    x, t = rows(), wide(STATE)
    z = relu((x - t["pre_bias"]) @ t["encoder.weight"].T + t["latent_bias"])
    foreign = openai.read(file(tmp_path, STATE), NOTHING)
    check_codes(foreign, z, z @ t["decoder.weight"].T + t["pre_bias"], x)


def test_tensors_come_back_bit_for_bit_and_counters_do_not_matter(tmp_path):
    foreign = openai.read(file(tmp_path, STATE), NOTHING)
    written = openai.write(foreign.sae, foreign.params, NOTHING)
    path = tmp_path / "back.pt"
    path.write_bytes(written.files[openai.WEIGHTS])
    found = torch_file.read(path)
    same({name: found[name] for name in STATE}, STATE)
    assert found.keys() - STATE.keys() == set(openai.COUNTERS)
    again = openai.read(path, NOTHING)
    assert again.sae == foreign.sae
    same(again.params, foreign.params)


def test_a_file_that_torch_saved_is_read(tmp_path):
    """With a name, an empty dict and counters of whole numbers beside the weights."""
    torch = pytest.importorskip("torch")
    state = {name: torch.from_numpy(value) for name, value in STATE.items()}
    path = tmp_path / "saved.pt"
    torch.save(state | MORE | {"stats_last_nonzero": torch.arange(WIDTH)}, path)
    same(openai.read(path, NOTHING).params, openai.read(file(tmp_path, STATE), NOTHING).params)


@pytest.mark.parametrize(
    "change, said",
    [
        (
            {"activation": "TopK", "activation_state_dict": {"k": 2}},
            "'TopK': rows are standardised before it",
        ),
        ({"activation": "Identity"}, "activation = 'Identity': must be 'ReLU'"),
        ({"activation_state_dict": {"k": 2}}, "which has no state"),
        ({"decoder.linear.weight": STATE["encoder.weight"]}, "has a tensor decoder.linear.weight"),
        ({"decoder.weight": numbers(DIM, 2)}, r"decoder.weight has shape \[6, 2\]"),
    ],
)
def test_what_cannot_be_said_is_refused(tmp_path, monkeypatch, change, said):
    monkeypatch.setattr(torch_file, "read", lambda path: STATE | MORE | change)
    with pytest.raises(ValueError, match=said):
        openai.read(tmp_path / "x.pt", NOTHING)


def test_what_is_no_state_dict_and_other_saes_are_refused(tmp_path, monkeypatch):
    params = openai.read(file(tmp_path, STATE), NOTHING).params
    with pytest.raises(ValueError, match="sae = topk: openai has no activation with its codes"):
        openai.write(TopK(k=2), params, NOTHING)
    with pytest.raises(ValueError, match="sae.centre = 'none': openai cannot say this, only 'bias'"):
        openai.write(ReLU(centre="none"), params, NOTHING)
    monkeypatch.setattr(torch_file, "read", lambda path: [1])
    with pytest.raises(ValueError, match="must hold a state dict"):
        openai.read(tmp_path / "x.pt", NOTHING)
