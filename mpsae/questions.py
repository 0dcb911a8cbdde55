"""The contested questions: what some papers claim of matching-pursuit SAEs and others deny."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Question:
    """One claim in a plain sentence, and who is on which side of it."""

    id: str
    claim: str
    supported_by: str
    disputed_by: str


QUESTIONS = {
    one.id: one
    for one in (
        Question(
            "C1",
            "Matching pursuit recovers hierarchical features that other SAEs absorb into one another.",
            "arXiv 2506.03093, Fig 4, 12-15 and Table 1.",
            "Its NeurIPS 2025 reviews: the result rests on magnitudes that vary much and independently."
            " arXiv 2605.07922 (Tree SAE): on GPT-2 small it absorbs most and has next to no hierarchical pairs.",
        ),
        Question(
            "C2",
            "Matching pursuit keeps that advantage under superposition, with more features than dimensions.",
            "arXiv 2506.03093, from the order of its curves on vision and vision-language models.",
            "arXiv 2602.14687 (SynthSAEBench): most variance explained, lowest F1 (.446, BatchTopK .732).",
        ),
        Question(
            "C3",
            "At equal L0, the SAE that reconstructs better has also recovered more of the truth.",
            "arXiv 2506.03093, which argues from reconstruction (Fig 5).",
            "arXiv 2602.14687 (SynthSAEBench): the best reconstruction comes with the lowest F1."
            " SAELens and LessWrong see the better reconstruction and no better SAE.",
        ),
        Question(
            "C4",
            "Atoms of matching pursuit are easier to interpret than those of other SAEs.",
            "arXiv 2506.03093, by examples.",
            "EleutherAI (July 2025): automatic interpretation scores are much lower."
            " arXiv 2605.07922 (Tree SAE): .83, TopK .89.",
        ),
        Question(
            "C5",
            "Matching pursuit finds concepts that images and texts share, where other SAEs split them.",
            "arXiv 2506.03093, Fig 9 and 19.",
            "arXiv 2602.06218 (IsoEnergy), which has an author in common with it: about 75 % of the energy is in"
            " atoms of one modality. An offset between the modalities alone can make the difference.",
        ),
        Question(
            "C6",
            "Matching pursuit has the more coherent dictionary, yet less coherent atoms where they fire together.",
            "arXiv 2506.03093, Fig 7, 17 and 21.",
            "Nobody in print. The measure of atoms that fire together grows with how many do.",
        ),
        Question(
            "C7",
            "Each further atom at inference lowers matching pursuit's error, while TopK's rises past its training k.",
            "arXiv 2506.03093, Fig 8 and 20; the theory of matching pursuit.",
            "Nobody in print. Other dictionaries may do the same once they are encoded by pursuit.",
        ),
        Question(
            "C8",
            "Matching pursuit keeps its latents alive.",
            "arXiv 2602.14687 (SynthSAEBench): none is dead.",
            "EleutherAI (July 2025): many are dead in every run.",
        ),
    )
}
