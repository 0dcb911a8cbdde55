"""The small CLIP as a file, and what it says of images and captions."""

import json

import clip_package
import numpy as np
import pytest

from mpsae.clip import model
from mpsae.clip.training import fresh
from synthetic import scenes
from synthetic.scene_captions import captions
from synthetic.scene_drawing import draw


@pytest.fixture(scope="module")
def clip():
    clip_package.needed()
    return fresh(seed=3)


@pytest.fixture(scope="module")
def some():
    rng = np.random.default_rng(0)
    drawn = scenes.sample(12, rng)
    return draw(drawn, scenes.jitter(12, rng)), captions(drawn, "full")


def test_embeddings_are_unit_rows_that_do_not_depend_on_their_neighbours(clip, some):
    images, said = some
    for encode, given in ((model.encode_images, images), (model.encode_captions, said)):
        rows = encode(clip, given)
        assert rows.shape == (12, 64)
        assert rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(encode(clip, given[4:6]), rows[4:6], atol=1e-5)
        assert len(encode(clip, given[:0])) == 0
    assert clip.net.training  # as it was


def test_the_seed_decides_the_weights_and_leaves_torch_alone(clip, some):
    torch = clip_package.needed()
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    same, other = fresh(seed=3), fresh(seed=4)
    assert torch.equal(before, torch.random.get_rng_state())
    rows = model.encode_captions(clip, some[1])
    assert np.array_equal(rows, model.encode_captions(same, some[1]))
    assert not np.allclose(rows, model.encode_captions(other, some[1]), atol=0.1)


def test_saved_and_loaded_encodes_alike(clip, some, tmp_path):
    model.save(clip, tmp_path / "one", {"command": "test"})
    once = model.load(tmp_path / "one")
    model.save(once, tmp_path / "two", {"command": "test"})
    twice = model.load(tmp_path / "two")
    for encode, given in ((model.encode_images, some[0]), (model.encode_captions, some[1])):
        np.testing.assert_allclose(encode(once, given), encode(clip, given), atol=5e-3)  # float16 rounds
        assert np.array_equal(encode(once, given), encode(twice, given))
    for name in (model.RECORD, model.WEIGHTS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_damage_is_refused_by_the_name_of_the_file(clip, tmp_path):
    clip_package.needed()
    model.save(clip, tmp_path, {})
    weights, record = tmp_path / model.WEIGHTS, tmp_path / model.RECORD
    sound, text = weights.read_bytes(), record.read_text()
    for data in (sound[:-1], sound[:5000] + b"\x01\x02" + sound[5002:]):
        weights.write_bytes(data)
        with pytest.raises(ValueError, match=r"weights\.safetensors: damaged"):
            model.load(tmp_path)
    weights.unlink()
    with pytest.raises(ValueError, match=r"weights\.safetensors: this file is missing"):
        model.load(tmp_path)
    for broken, says in (
        (text.replace('"cat"', '"dog"'), "damaged, expected sha256"),
        (text.replace("  ", "   ", 1), "damaged, expected the file sha256"),
        (text[:-9], "damaged or no mpsae.clip/1 record"),
        (json.dumps(json.loads(text) | {"schema": "mpsae.clip/9"}), "schema 'mpsae.clip/9' is unknown"),
    ):
        record.write_text(broken)
        with pytest.raises(ValueError, match=rf"clip\.json: {says}"):
            model.load(tmp_path)


def test_weights_that_float16_cannot_hold_are_refused(tmp_path):
    torch = clip_package.needed()
    clip = fresh()
    with torch.no_grad():
        clip.net.logit_scale.fill_(1e6)
    with pytest.raises(ValueError, match="logit_scale has a value that float16 cannot hold"):
        model.save(clip, tmp_path, {})


def test_a_missing_package_says_what_to_install(monkeypatch):
    def missing():
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    def unfit():
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(model, "importable", missing)
    with pytest.raises(ValueError, match=r"torch is not installed: pip install 'mpsae\[clip\]'"):
        model.packages()
    monkeypatch.setattr(model, "importable", unfit)
    with pytest.raises(ValueError, match="torch and torchvision do not fit each other"):
        model.packages()
