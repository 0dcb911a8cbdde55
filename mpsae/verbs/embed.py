"""`mpsae embed`: images and captions through a CLIP model, or images through InceptionV1, into a folder of rows."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from mpsae.verbs.arguments import Arguments

ABOUT = """\
Embed images, captions or both with an open_clip model (pip install 'mpsae[clip]').

  mpsae embed --images DIR --captions FILE --model ViT-B-32 --pretrained laion2b_s34b_b79k --out FOLDER
  mpsae embed --world scenes --out FOLDER                        captioned scenes through the small CLIP
  mpsae embed --world scenes --train --clip FOLDER2 --out FOLDER     that CLIP trained anew, 25 minutes
  mpsae embed --world scenes --tune radial --clip FOLDER2 --out FOLDER   its texts tuned, a minute
  mpsae embed --world scenes --backbone cast --train --clip FOLDER2 --out FOLDER   images through a CAST, 5 minutes
  mpsae embed --images DIR --model inceptionv1 --weights FILE --layer mixed4a --out FOLDER

The network is used for one thing only: --pretrained TAG downloads those weights, once, and the
tokenizer of the few models that have one of their own. A file of weights (safetensors or torch) or
--model local-dir:FOLDER uses none. Stopped at any moment, the same command goes on after the last
finished shard. Weights of InceptionV1 are a file of yours, safetensors or a torch state dict, by the names of
captum's googlenet or of torch-lucent; they are read without torch.
"""
FILES = """\
captions FILE:
  .csv .tsv   columns image and caption, an image on as many lines as it has captions; caption alone;
              image and caption_1, caption_2, ...: chains from general to specific; or captions with
              "animal => cat => a cat on a mat" and image_url, as HierarCaps has it
  .jsonl      {"image": name, "caption": text or a list of texts} a line
  .json       COCO: images with id and file_name, annotations with id, image_id and caption
  .txt        a caption a line
"""


def main(argv: list[str]) -> int:
    """Embed, then say what the folder holds."""
    chosen = _parse(argv)
    from mpsae.store.index import LARGEST_SHARD

    for name, value, most in (("batch", chosen.batch, None), ("shard", chosen.shard, LARGEST_SHARD)):
        if value < 1 or (most is not None and value > most):
            raise ValueError(f"--{name} {value}: must be at least 1{f' and at most {most}' if most else ''}")

    if chosen.world is not None:
        return _world(chosen, f"mpsae embed {shlex.join(argv)}")
    if chosen.train or chosen.tune is not None or chosen.clip is not None or chosen.backbone is not None:
        raise ValueError("--train, --tune, --backbone and --clip are about the models of --world scenes")
    if chosen.model == "inceptionv1":
        return _inception(chosen, f"mpsae embed {shlex.join(argv)}")
    if chosen.weights is not None or chosen.position is not None:
        raise ValueError("--weights and --position are about --model inceptionv1")
    if chosen.model is None:
        raise ValueError("--model NAME: which model is to embed, as ViT-B-32 or local-dir:FOLDER")
    if chosen.images is None and chosen.captions is None:
        raise ValueError("nothing to embed: give --images DIR, --captions FILE or both")
    if chosen.layer is not None and chosen.captions is not None:
        raise ValueError("--layer: a block has rows of images alone, leave --captions away")
    if chosen.layer is not None and not chosen.layer.lstrip("-").isdecimal():
        raise ValueError(
            f"--layer {chosen.layer}: must be the number of a block; only inceptionv1 names its own"
        )
    from mpsae.embed.gather import gather
    from mpsae.embed.model import clip_encoder
    from mpsae.progress import Progress
    from mpsae.store.writer import refuse_strangers

    progress, layer = Progress(), None if chosen.layer is None else int(chosen.layer)
    refuse_strangers(chosen.out)
    collection = gather(chosen.images, chosen.captions, skip_bad=chosen.skip_bad, progress=progress)
    encoder = clip_encoder(chosen.model, chosen.pretrained, layer=layer, device=chosen.device)
    return _embed(collection, encoder, chosen, f"mpsae embed {shlex.join(argv)}", progress)


def _inception(chosen: argparse.Namespace, command: str) -> int:
    """Images through InceptionV1, which has no texts."""
    if chosen.images is None or chosen.weights is None or chosen.layer is None:
        raise ValueError(
            "--model inceptionv1 needs --images DIR, --weights FILE and --layer NAME, as mixed4a"
        )
    if chosen.captions is not None or chosen.pretrained is not None or chosen.device != "auto":
        raise ValueError(
            "--model inceptionv1: leave --captions, --pretrained and --device away; it takes images alone,"
            " its weights by --weights, and runs where JAX does"
        )
    from mpsae import mesh

    mesh.start()
    from mpsae.embed.gather import gather
    from mpsae.embed.inception import inception_encoder
    from mpsae.progress import Progress
    from mpsae.store.writer import refuse_strangers

    progress = Progress()
    refuse_strangers(chosen.out)
    encoder = inception_encoder(chosen.weights, layer=chosen.layer, position=chosen.position or "mean")
    collection = gather(chosen.images, None, skip_bad=chosen.skip_bad, progress=progress)
    return _embed(collection, encoder, chosen, command, progress)


def _world(chosen: argparse.Namespace, command: str) -> int:
    """The captioned scenes through the small CLIP, which is trained or tuned first where that is asked for."""
    theirs = ("images", "captions", "model", "pretrained", "layer", "weights", "position")
    if any(getattr(chosen, name) is not None for name in theirs):
        raise ValueError("--world scenes brings its own images, captions and model")
    if chosen.device != "auto" or chosen.skip_bad:
        raise ValueError(
            "--world scenes: leave --device and --skip-bad away, it runs on the CPU and has nothing bad"
        )
    if chosen.train and chosen.tune is not None:
        raise ValueError("--train and --tune: choose one, tuning begins with the CLIP that ships")
    if chosen.train and chosen.clip is None:
        raise ValueError("--train: say where the trained CLIP goes, --clip FOLDER")
    if chosen.tune is not None and chosen.clip is None:
        raise ValueError("--tune: say where the tuned CLIP goes, --clip FOLDER")
    for name, value in (("steps", chosen.steps), ("scenes", chosen.scenes)):
        if value is not None and value < 1:
            raise ValueError(f"--{name} {value}: must be at least 1")
    if chosen.steps is not None and not chosen.train and chosen.tune is None:
        raise ValueError("--steps: is the length of a training, and neither --train nor --tune asks for one")
    if chosen.backbone == "cast":
        return _cast(chosen, command)
    from mpsae.embed.scenes import HELD_OUT, SHIPPED, scene_encoder, scenes
    from mpsae.progress import Progress
    from mpsae.store.writer import refuse_strangers

    progress, folder = Progress(), chosen.clip or SHIPPED
    refuse_strangers(chosen.out)
    collection = scenes(chosen.seed, seen=chosen.scenes, unseen=HELD_OUT)
    if chosen.train or chosen.tune is not None:
        from mpsae.clip.making import STEPS, make, tune

        _refuse_unusable(chosen, collection.inputs)
        how, fit = ("train", make) if chosen.train else (chosen.tune, tune)
        steps = chosen.steps or STEPS[how]
        print(fit(folder, steps=steps, seed=chosen.seed, command=command, progress=progress))
    return _embed(collection, scene_encoder(folder), chosen, command, progress)


def _cast(chosen: argparse.Namespace, command: str) -> int:
    """The scenes' images through a CAST, which is trained first where that is asked for, their captions as they ship."""
    if chosen.tune is not None:
        raise ValueError("--backbone cast: leave --tune away, its texts are those of the CLIP that ships")
    if chosen.clip is None:
        raise ValueError("--backbone cast: none ships, say where its weights are or go, --clip FOLDER")
    from mpsae import mesh

    mesh.start()
    from mpsae.embed.cast import cast_encoder
    from mpsae.embed.scenes import HELD_OUT, scenes
    from mpsae.progress import Progress
    from mpsae.store.writer import refuse_strangers

    progress = Progress()
    refuse_strangers(chosen.out)
    collection = scenes(chosen.seed, seen=chosen.scenes, unseen=HELD_OUT)
    if chosen.train:
        from mpsae.cast.making import STEPS, make

        _refuse_unusable(chosen, collection.inputs)
        steps = chosen.steps or STEPS
        print(make(chosen.clip, steps=steps, seed=chosen.seed, command=command, progress=progress))
    return _embed(collection, cast_encoder(chosen.clip), chosen, command, progress)


def _refuse_unusable(chosen: argparse.Namespace, inputs: dict[str, Any]) -> None:
    """Refuse, before the training, an --out that could not be written after it."""
    from mpsae.record import read_record
    from mpsae.store.index import FORM, INDEX, SCHEMA
    from mpsae.store.writer import Writer

    if chosen.out.resolve() == chosen.clip.resolve():
        raise ValueError(f"--out {chosen.out}: must be another folder than --clip")
    index, model = chosen.out / INDEX, None
    if index.exists():  # which weights it was begun with is compared once they are there again
        model = read_record(index, SCHEMA, FORM)["request"].get("model")
    request = {"model": model, "inputs": inputs, "shard": chosen.shard}
    with Writer(chosen.out, request=request, dtype=_dtype(chosen)):
        pass


def _dtype(chosen: argparse.Namespace) -> str:
    return "float16" if chosen.half else "float32"


def _embed(collection, encoder, chosen: argparse.Namespace, command: str, progress) -> int:
    from mpsae.embed.loop import embed
    from mpsae.store import read
    from mpsae.store.describe import describe

    embed(
        collection,
        encoder,
        chosen.out,
        dtype=_dtype(chosen),
        shard_rows=chosen.shard,
        batch=chosen.batch,
        command=command,
        progress=progress,
    )
    store = read(chosen.out)
    print("\n".join(describe(store)))
    print(f"embeddings {store.fingerprint[:16]} in {chosen.out}")
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Arguments(
        prog="mpsae embed",
        description=ABOUT,
        epilog=FILES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, metavar="DIR", help="folder of images, with those below it")
    parser.add_argument("--captions", type=Path, metavar="FILE", help="captions; see below for the formats")
    parser.add_argument("--model", help="a name that open_clip knows, local-dir:FOLDER, or inceptionv1")
    parser.add_argument(
        "--pretrained", metavar="TAG_OR_FILE", help="a tag of open_clip (downloaded) or a file"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the embeddings go")
    parser.add_argument("--world", choices=("scenes",), help="embed this world instead of files")
    parser.add_argument("--train", action="store_true", help="train the backbone first, into --clip")
    parser.add_argument(
        "--backbone",
        choices=("clip", "cast"),
        help="what sees the world's images: the small CLIP (default), or a CAST trained to meet its texts"
        " (arXiv 2210.00314), which has its weights in --clip",
    )
    parser.add_argument(
        "--clip", type=Path, metavar="FOLDER", help="its folder (default: the one that ships)"
    )
    parser.add_argument(
        "--tune",
        choices=("radial",),
        help="tune the texts of the CLIP that ships first, into --clip: captions of a chain onto a ray from"
        " the root (arXiv 2407.08521)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        help="of that training, of 256 scenes (default 1500), or tuning, of 8 chains (400); of cast, of 64 (600)",
    )
    parser.add_argument("--scenes", type=int, default=3000, help="scenes to embed; 1000 held out come on top")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes and of the training (default 0)")
    parser.add_argument(
        "--layer",
        metavar="N_OR_NAME",
        help="image rows: the class token after vision transformer block N (0 is the first), not normalised;"
        " of inceptionv1 the block, mixed3a to mixed5b",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of inceptionv1")
    parser.add_argument(
        "--position",
        choices=("mean", "centre", "random"),
        help="of inceptionv1: the mean over the places of an image (default), the one in the middle, one at random",
    )
    parser.add_argument("--half", action="store_true", help="store float16 instead of float32")
    parser.add_argument("--batch", type=int, default=64, help="images or captions at once (default 64)")
    parser.add_argument("--shard", type=int, default=4096, help="rows a file, lost at most (default 4096)")
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out, with a line each, what cannot be used instead of refusing: unreadable or missing"
        " images, empty captions, images without caption, captions without image",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default auto)")
    return parser.parse_args(argv)
