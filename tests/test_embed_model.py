"""A real open_clip model of tiny size: rows, blocks, weights, and everything that can be wrong with them."""

import json

import numpy as np
import pytest
from clip_samples import CONFIG, draw, local_model, open_clip

from mpsae import cli
from mpsae.embed import weights as weights_module
from mpsae.embed.images import ImageFiles
from mpsae.embed.model import clip_encoder
from mpsae.embed.weights import _usual_preprocess
from mpsae.store import read

RESNET = CONFIG | {"vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16}}


@pytest.fixture(scope="module")
def clip():
    return open_clip()


@pytest.fixture(scope="module")
def folder(clip, tmp_path_factory):
    """Images, captions and the tiny model, made once."""
    here = tmp_path_factory.mktemp("embed")
    draw(here / "images", [f"{i}.png" for i in range(5)] + ["grey.jpg"])
    lines = [f"{i}.png,picture {i}" for i in range(5)] + ["grey.jpg,grey", "0.png,the first"]
    (here / "captions.csv").write_text("image,caption\n" + "\n".join(lines) + "\n")
    local_model(here / "tiny")
    return here


@pytest.fixture(scope="module")
def images(folder):
    from PIL import Image

    return [Image.open(folder / "images" / f"{i}.png").convert("RGB") for i in range(5)]


@pytest.fixture
def mpsae(folder, capsys, monkeypatch):
    """Runs the command line beside the data: (exit code, stdout, lines on stderr)."""
    monkeypatch.chdir(folder)

    def call(*words):
        capsys.readouterr()
        code = cli.main(["embed", *map(str, words)])
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return call


def manual(clip, folder, images):
    """The same model and its inputs without our code."""
    import torch

    net, _, preprocess = clip.create_model_and_transforms(f"local-dir:{folder / 'tiny'}")
    return net.eval(), torch.stack([preprocess(image) for image in images])


def test_rows_are_those_of_open_clip(clip, folder, images):
    import torch

    net, batch = manual(clip, folder, images)
    encoder = clip_encoder(f"local-dir:{folder / 'tiny'}", None, device="cpu")
    tokens = clip.get_tokenizer(f"local-dir:{folder / 'tiny'}")(["a cat", "a dog"])
    with torch.no_grad():
        want = net.encode_image(batch, normalize=True), net.encode_text(tokens, normalize=True)
    np.testing.assert_allclose(encoder.image(images), want[0], atol=1e-6)
    np.testing.assert_allclose(encoder.text(["a cat", "a dog"]), want[1], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(encoder.image(images), axis=1), 1, rtol=1e-5)
    assert encoder.model["name"] == "local-dir:tiny" and encoder.model["layer"] is None
    assert encoder.preprocess["size"] == (32, 32)


@pytest.mark.parametrize("number", [0, 2])
def test_a_block_s_class_token_is_that_of_a_forward_pass_by_hand(clip, folder, images, number):
    import torch

    net, batch = manual(clip, folder, images)
    visual = net.visual
    with torch.no_grad():
        patches = visual.conv1(batch).flatten(2).transpose(1, 2)
        x = torch.cat([visual.class_embedding.expand(len(batch), 1, -1), patches], dim=1)
        x = visual.ln_pre(x + visual.positional_embedding)
        for block in visual.transformer.resblocks[: number + 1]:
            x = block(x)
    encoder = clip_encoder(f"local-dir:{folder / 'tiny'}", None, layer=number, device="cpu")
    rows = encoder.image(images)
    assert rows.shape == (5, 32) and encoder.text is None and encoder.model["layer"] == number
    np.testing.assert_allclose(rows, x[:, 0], atol=1e-5)


def test_a_block_that_is_not_there_is_refused(clip, folder, tmp_path):
    name = f"local-dir:{folder / 'tiny'}"
    for layer in (3, -1):
        with pytest.raises(ValueError, match=f"--layer {layer}: must be from 0 to 2"):
            clip_encoder(name, None, layer=layer)
    with pytest.raises(ValueError, match="--layer 0: .*ModifiedResNet.* no vision transformer"):
        clip_encoder(local_model(tmp_path / "resnet", config=RESNET), None, layer=0)


def test_the_command_from_files_to_a_checked_store(mpsae, clip, folder, images, tmp_path):
    words = (
        "--images",
        "images",
        "--captions",
        "captions.csv",
        "--model",
        "local-dir:tiny",
        "--device",
        "cpu",
    )
    code, out, err = mpsae(*words, "--out", tmp_path / "s", "--shard", 4, "--batch", 3)
    assert code == 0, err
    store = read(tmp_path / "s")
    assert store.counts == {"image": 6, "text": 7} and store.record["unit_norm"] is True
    assert out.splitlines()[-1] == f"embeddings {store.fingerprint[:16]} in {tmp_path / 's'}"
    assert store.pairs.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [0, 6]]
    encoder = clip_encoder("local-dir:tiny", None, device="cpu")
    files = ImageFiles("images", dict.fromkeys([f"{i}.png" for i in range(5)], ""))
    assert files.names == [item["name"] for item in store.items["image"]][:5]
    np.testing.assert_allclose(store.rows["image"][:5], encoder.image(images), atol=1e-6)
    np.testing.assert_allclose(store.rows["text"], encoder.text(store.captions), atol=1e-6)
    assert store.record["model"]["weights_sha256"] and str(folder) not in json.dumps(store.record)
    assert {"torch", "open_clip_torch"} <= store.record["provenance"]["packages"].keys()
    code, out, err = mpsae(*words, "--out", tmp_path / "s", "--shard", 4)
    assert code == 0 and "complete already" in err[-1]
    code, out, err = mpsae(*words, "--out", tmp_path / "s", "--half")
    assert code == 2 and "was begun with" in err[-1]
    code, out, err = mpsae(
        "--images", "images", "--model", "local-dir:tiny", "--layer", 1, "--out", tmp_path / "l"
    )
    assert code == 0 and read(tmp_path / "l").dim == 32 and not read(tmp_path / "l").record["unit_norm"]


def test_weights_from_a_file_that_fit_and_that_do_not(clip, folder, tmp_path, monkeypatch, images):
    import torch

    monkeypatch.setattr(clip.factory, "_MODEL_CONFIGS", clip.factory._MODEL_CONFIGS | {"test-tiny": CONFIG})
    weights = folder / "tiny" / "model.safetensors"
    same = clip_encoder("test-tiny", str(weights), device="cpu")
    folder_rows = clip_encoder(f"local-dir:{folder / 'tiny'}", None, device="cpu").image(images)
    np.testing.assert_array_equal(same.image(images), folder_rows)
    assert same.model["pretrained"] == "model.safetensors" and same.notes == ()
    monkeypatch.setattr(weights_module, "_usual_preprocess", lambda *_: [{"mean": (0.5, 0.5, 0.5)}])
    assert clip_encoder("test-tiny", str(weights), device="cpu").preprocess["mean"] == (0.5, 0.5, 0.5)
    monkeypatch.setattr(weights_module, "_usual_preprocess", lambda *_: [{"mean": 0.5}, {"mean": 0.4}])
    assert "differ in how they want" in clip_encoder("test-tiny", str(weights), device="cpu").notes[0]

    class Harmful:
        def __reduce__(self):
            return (open, (str(tmp_path / "canary"), "w"))

    torch.save({"state_dict": Harmful()}, tmp_path / "harmful.pt")
    torch.save({"state_dict": {"positional_embedding": torch.zeros(2)}}, tmp_path / "other.pt")
    (tmp_path / "short.safetensors").write_bytes(weights.read_bytes()[:5000])
    for file, message in [
        ("harmful.pt", "harmful.pt: holds more than tensors"),
        ("other.pt", "other.pt: these weights do not fit test-tiny"),
        ("short.safetensors", "short.safetensors: these weights do not fit test-tiny"),
    ]:
        with pytest.raises(ValueError, match=message) as refused:
            clip_encoder("test-tiny", str(tmp_path / file))
        assert "\n" not in str(refused.value)
    assert not (tmp_path / "canary").exists()


def test_names_and_tags_are_checked_before_anything_is_downloaded(clip, folder, monkeypatch):
    def download(*_):
        raise OSError("no network\nin a test")

    monkeypatch.setattr(clip, "download_pretrained", download)
    missing = str(folder / "none.safetensors")
    for name, pretrained, message in [
        ("ViT-B32", "openai", "unknown model 'ViT-B32': did you mean ViT-B-32"),
        ("hf-hub:some/one", "x", "unknown model 'hf-hub:some/one'.*local-dir:FOLDER"),
        ("ViT-B-32", None, "--pretrained is missing: .*laion2b_s34b_b79k"),
        (
            "ViT-B-32",
            "laion2b",
            "--pretrained laion2b: no such file, nor a tag of ViT-B-32: did you mean laion2b_",
        ),
        ("ViT-B-32", missing, "none.safetensors: no such file"),
        ("ViT-B-32", "openai", "another activation .* use --model ViT-B-32-quickgelu"),
        (
            "ViT-B-32",
            "laion2b_s34b_b79k",
            r"laion2b_s34b_b79k: cannot be downloaded for ViT-B-32 \(no network\)",
        ),
        (
            "ViT-B-16-SigLIP",
            str(folder / "captions.csv"),
            "its hf_tokenizer_name is .* use a tag, or local-dir",
        ),
        ("local-dir:" + str(folder), None, "must be a folder with open_clip_config.json"),
        ("local-dir:" + str(folder / "tiny"), "openai", "--pretrained openai: .* holds its own weights"),
    ]:
        with pytest.raises(ValueError, match=message):
            clip_encoder(name, pretrained)


def test_a_file_of_weights_gets_its_model_s_usual_preprocessing(clip):
    def usual(name):
        return _usual_preprocess(clip, name, clip.list_pretrained_tags_by_model(name))

    (apart,) = usual("MobileCLIP-S1")
    assert apart["mean"] == (0.0, 0.0, 0.0) and apart["interpolation"] == "bilinear"
    assert len(usual("ViT-L-14")) > 1 and usual("test-none") == []


def test_a_tokenizer_that_is_not_there_is_one_sentence(clip, folder, tmp_path, monkeypatch):
    def missing(name):
        raise OSError("no files\nfor it")

    monkeypatch.setattr(clip, "get_tokenizer", missing)
    with pytest.raises(ValueError, match=r"tiny: its tokenizer cannot be made \(no files for it\)"):
        clip_encoder(f"local-dir:{folder / 'tiny'}", None)
    name = local_model(tmp_path / "own")
    config = {**CONFIG, "text_cfg": CONFIG["text_cfg"] | {"hf_model_name": "somebody/own"}}
    (tmp_path / "own" / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    with pytest.raises(ValueError, match="its hf_model_name is somebody/own, which comes from the model hub"):
        clip_encoder(name, None)
