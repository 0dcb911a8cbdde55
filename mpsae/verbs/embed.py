"""`mpsae embed`: images and captions through a CLIP model into a folder of embeddings."""

import argparse
import shlex
from pathlib import Path

from mpsae.verbs.arguments import Arguments

ABOUT = """\
Embed images, captions or both with an open_clip model (pip install 'mpsae[clip]').

  mpsae embed --images DIR --captions FILE --model ViT-B-32 --pretrained laion2b_s34b_b79k --out FOLDER

The network is used for one thing only: --pretrained TAG downloads those weights, once, and the
tokenizer of the few models that have one of their own. A file of weights (safetensors or torch) or
--model local-dir:FOLDER uses none. Stopped at any moment, the same command goes on after the last
finished shard.
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
    if chosen.images is None and chosen.captions is None:
        raise ValueError("nothing to embed: give --images DIR, --captions FILE or both")
    if chosen.layer is not None and chosen.captions is not None:
        raise ValueError("--layer: a block has rows of images alone, leave --captions away")
    from mpsae.store.index import LARGEST_SHARD

    for name, value, most in (("batch", chosen.batch, None), ("shard", chosen.shard, LARGEST_SHARD)):
        if value < 1 or (most is not None and value > most):
            raise ValueError(f"--{name} {value}: must be at least 1{f' and at most {most}' if most else ''}")

    from mpsae.embed.gather import gather
    from mpsae.embed.loop import embed
    from mpsae.embed.model import clip_encoder
    from mpsae.progress import Progress
    from mpsae.store import read
    from mpsae.store.describe import describe
    from mpsae.store.writer import refuse_strangers

    progress = Progress()
    refuse_strangers(chosen.out)
    collection = gather(chosen.images, chosen.captions, skip_bad=chosen.skip_bad, progress=progress)
    embed(
        collection,
        clip_encoder(chosen.model, chosen.pretrained, layer=chosen.layer, device=chosen.device),
        chosen.out,
        dtype="float16" if chosen.half else "float32",
        shard_rows=chosen.shard,
        batch=chosen.batch,
        command=f"mpsae embed {shlex.join(argv)}",
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
    parser.add_argument("--model", required=True, help="a name that open_clip knows, or local-dir:FOLDER")
    parser.add_argument(
        "--pretrained", metavar="TAG_OR_FILE", help="a tag of open_clip (downloaded) or a file"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the embeddings go")
    parser.add_argument(
        "--layer",
        type=int,
        metavar="N",
        help="image rows: the class token after vision transformer block N (0 is the first), not normalised",
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
