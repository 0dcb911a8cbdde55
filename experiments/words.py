"""Which word does each atom stand for, and do an image's words say what its caption says?

Atoms are named by the words of captions that they go together with, and by words whose text row is near
them. The names are tried through the text encoder: from an image to its active atoms, to their words, to
a row of text, against the row of its caption. Every SAE is trained on images and texts together.

On the captioned scenes, whose captions and text encoder are at hand, or by `--data` on a folder of
embeddings with captions, where names can be found but not tried. Six figures per set of pairs.
"""

from _pair_figures import CENTRED, of_each
from _pairs import at, grid
from _word_figures import commuting, correlations, graphs, named, searched, shared_atoms

from mpsae.claim import Claim, Compare
from mpsae.config import Evaluation
from mpsae.experiment import Experiment
from mpsae.sources.scenes import Scenes

K = 5
SEEDS = {"smoke": 1, "quick": 2, "full": 5}
CENTRING = ("none", "modality")
ASKED = ("word_table", "word_count", "commuting_cos", "commuting_r1", "token_search_cos")
LABELS = ("ReLU", "TopK", "BatchTopK", "MP")


def on(source, scale):
    """The SAEs on one set of pairs. Raises ValueError for pairs without captions."""
    evaluation = Evaluation(matrices=ASKED[:-1] if scale == "smoke" else ASKED)
    cells = grid(source, scale, ks=(K,), seeds=SEEDS[scale], centrings=CENTRING, evaluation=evaluation)
    if getattr(source.build(0), "captions", None) is None:
        raise ValueError(f"{source.title} has no captions, and words is about them")
    return [run for run in cells if run.label in LABELS]


def runs(scale):
    """Scenes: the only data here with captions and the text encoder that read them."""
    return on(Scenes(), scale)


def figures(results):
    """Per set of pairs: correlations of three atoms, graph, names, commuting, search, shared atoms."""
    return of_each(
        results,
        lambda mine, name: {
            "correlations": correlations(results, mine, name),
            "graph": graphs(results, mine, name),
            "names": named(mine, name),
            "commuting": commuting(mine, name),
            "search": searched(mine, name),
            "shared": shared_atoms(mine, name),
        },
    )


def way(label, centring, names):
    """Rows of one SAE with its atoms named one way."""
    return at("scenes", label, centring, where={"names": names})


CLAIMS = (
    *(
        Compare(f"{centring}: by {label}'s names an image finds its caption more often than by shuffled names",
                "commuting_r1", way(label, centring, "correlation"), way(label, centring, "shuffled"), "higher",
                source="measured")
        for centring in CENTRING
        for label in LABELS
    ),
    *(
        Compare(f"{centring}: words found greedily lie nearer {label}'s atoms than those a gradient ends at",
                "token_search_cos", at("scenes", label, centring, where={"by": "greedy", "words": 3}),
                at("scenes", label, centring, where={"by": "rounded", "words": 3}), "higher", source="measured")
        for centring in CENTRING
        for label in LABELS
    ),
    *(
        Compare(f"{centring}, L0 {K}: MP's atoms tell the word they are named by better than {label}'s (AUROC, images)",
                "name_auroc", at("scenes", "MP", centring, where={"side": "image"}),
                at("scenes", label, centring, where={"side": "image"}), "higher",
                source="2506.03093, its claim", about="C4", setting=f"scenes, L0 {K}, {CENTRED[centring]}")
        for centring in CENTRING
        for label in ("ReLU", "TopK", "BatchTopK")
    ),
    *(
        Claim(f"{centring}: next to no atom of {label} has a word once captions are shuffled",
              "word_corr_significant_null", at("scenes", label, centring, where={"side": "text"}), high=0.02)
        for centring in CENTRING
        for label in LABELS
    ),
)  # fmt: skip

EXPERIMENT = Experiment(
    name="words",
    question="Which word does each atom stand for, and do an image's words say what its caption says?",
    cost={"smoke": "under a minute", "quick": "about 5 minutes", "full": "about 6 minutes on one CPU core"},
    runs=runs,
    claims=CLAIMS,
    figures=figures,
    on=on,
)
