"""The captioned scenes as a small CLIP sees them: embeddings that ship with the package."""

from typing import ClassVar

from mpsae.clip.text import TextTower
from mpsae.embed.scenes import CAST, RADIAL, SHIPPED
from mpsae.pairs import CENTRINGS, PairedArrays
from mpsae.source import NORMS, SourceConfig, check_choices
from mpsae.sources.embeddings import pairs_of
from mpsae.store import Store, read, with_rows_of

FOLDER = SHIPPED / "embeddings"
OTHERS = {"radial": (RADIAL, "text"), "cast": (CAST, "image")}  # which rows are not the plain ones
BACKBONES = ("plain", *OTHERS)


class Scenes(SourceConfig, name="scenes"):
    """Pairs of a drawn scene and its caption, every factor known; held out: combinations never trained on.

    backbone: what embedded them, the CLIP as trained (`plain`); its text tower radially tuned (`radial`, arXiv
    2407.08521; the images are the same); or a CAST, which has images as nested segments (`cast`, arXiv 2210.00314;
    the captions are the same). centring and norm as in `embeddings`.
    """

    stored: ClassVar[bool] = True
    centrings: ClassVar[tuple[str, ...]] = CENTRINGS
    in_fingerprint: ClassVar[tuple[str, ...]] = ("path", "backbone")

    backbone: str = "plain"
    centring: str = "none"
    norm: str = "keep"

    @property
    def title(self) -> str:
        return self.name if self.backbone == "plain" else f"{self.name}_{self.backbone}"

    def validate(self) -> None:
        """Refuse unknown options."""
        super().validate()
        check_choices(self, backbone=BACKBONES, norm=NORMS, centring=self.centrings)

    def build(self, world_seed: int) -> PairedArrays:
        """The same rows and the same split for every seed."""
        self.validate()
        return self.of(self.store())

    def store(self) -> Store:
        """The embeddings that ship, with captions, labels and the numbers that draw the images."""
        plain = read(FOLDER)
        return plain if self.backbone == "plain" else with_rows_of(plain, *OTHERS[self.backbone])

    def of(self, store: Store) -> PairedArrays:
        """The source of a store that is read already."""
        return pairs_of(
            store,
            held_out=0,
            centring=self.centring,
            norm=self.norm,
            where=str(FOLDER),
            encoder=None if self.backbone == "radial" else TextTower(SHIPPED),
        )
