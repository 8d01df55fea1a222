"""The rows of Tokmakov et al., 2020: Video IR, Video LA, and LA with the prior of IDT descriptors.

A row with the prior takes descriptors and three trainings: 40 epochs of IR, 200 of LA on clusters
of the descriptors (`la_idt_untuned_...`, of which one is the row Ours\\Tune of table 5), and 25 on
clusters of descriptors and memory bank side by side. Steps that are no row have names too, so that
rows which share them run them once.

From the paper: 3D ResNet-18 with 128 numbers a clip, 16 frames of 112 pixels; SGD at 0.03, momentum
0.9, batches of 256, a tenth of the rate at epochs 160 and 190 of 200; temperature 0.07, 4096 noise
clips; K=6000, m=3; k-means of the vectors as they are, nothing whitened.

The paper leaves open, and the release decides: that the 200 epochs of LA come after the 40 of IR,
whose rate never drops; the 25 epochs of tuning, with drops at 10 and 20; new clusters every epoch,
20 iterations from one start; 4096 neighbours; weight decay 1e-4; the bank's momentum 0.5; shortcuts
of type B; crops of 1, .84, .71, .59 and .5 of frames 240 high, grey for a fifth of the clips, and
.4 each of brightness, contrast, saturation and hue. Ours: 25 frames a second; the pixels of the
encoder's published weights, which BatchNorm makes up for; the normaliser of IR, estimated; boxes of
people by any detector; descriptors fitted to the row's own videos; as many epochs for longer clips,
more videos and other networks, of which the paper says nothing.

Scratch and Supervised with 16 frames are Hara et al.'s (2018), whose weights the latter takes; how
longer clips were trained with labels the paper does not say, and here it goes as with IR.
Accuracies are of the first split, but in table 4. Figure 4 prints none; its point of 235,000 videos
is the row of table 1. Table 4 does not name its videos; section 4.7 says that they are the most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from triptych.recipes.named import Member, Row, member, row, rows
from triptych.recipes.steps import Descriptors
from triptych.training.recipe import (
    NO_AUGMENTATION,
    Aggregation,
    Clip,
    Clustering,
    Encoders,
    Optimisation,
    Prior,
    Recipe,
)

PAPER = "Tokmakov et al."
KINETICS = 235_000
DATA = {
    135_000: "Kinetics-400, 135,000 at random",
    185_000: "Kinetics-400, 185,000 at random",
    KINETICS: "Kinetics-400",
    370_000: "Kinetics-400 and 600",
}
FIGURE = f"{PAPER}, figure 4, which prints no value"
SHOTS = ("UCF101 fc 1-shot", "UCF101 fc 5-shot", "UCF101 fc 10-shot", "UCF101 fc 20-shot")


@dataclass(frozen=True)
class Variant:
    """What sets a row apart from the paper's usual one."""

    frames: int = 16
    size: int = 112
    depth: int = 18
    k: int = 6000
    m: int = 3
    videos: int = KINETICS
    boxes: bool = True

    def parts(self) -> list[tuple[str, str]]:
        """What it is called by, and what that means."""
        found = [
            (self.frames != 16, str(self.frames), f"clips of {self.frames} frames"),
            (self.depth != 18, f"r{self.depth}", f"3D ResNet-{self.depth}"),
            (self.size != 112, str(self.size), f"pictures of {self.size} pixels"),
            (self.k != 6000, f"k{self.k}", f"K={self.k}, m={self.m}"),
            (self.videos != KINETICS, f"{self.videos // 1000}k", f"{self.videos:,} videos"),
            (not self.boxes, "no_boxes", "no boxes of people"),
        ]
        return [(name, said) for differs, name, said in found if differs]

    def start(self) -> Variant:
        """Whose IR it begins from: without what is of clusters or descriptors alone."""
        return replace(self, k=6000, m=3, boxes=True)

    def descriptors(self) -> Descriptors:
        """Those of its videos."""
        more = "" if self.videos == KINETICS else f"_{self.videos // 1000}k"
        boxes = "" if self.boxes else "_no_boxes"
        return Descriptors(f"idt_kinetics{more}{boxes}", self.videos, self.boxes)

    def member(
        self,
        source: str,
        scores: dict[str, float] | None = None,
        *,
        said: str = "",
        **beside: Any,
    ) -> Member:
        """Its place in a family of recipes; ``beside`` is what else its row has."""
        names, differs = [name for name, _ in self.parts()], [said for _, said in self.parts()]
        about = ", ".join(part for part in (*differs, said) if part)
        return Member(
            "".join(f"_{name}" for name in names),
            f" {about[0].upper()}{about[1:]}." if about else "",
            Row(DATA[self.videos], self.videos, source, scores or {}, **beside),
        )


def tuned(ucf101: float, hmdb51: float) -> dict[str, float]:
    """Accuracies with the whole encoder tuned."""
    return {"UCF101 all": ucf101, "HMDB51 all": hmdb51}


def frozen(*shots: float) -> dict[str, float]:
    """Accuracies of table 2: of 1, 5, 10 and 20 videos of each class, and of all."""
    return dict(zip((*SHOTS, "UCF101 fc"), shots, strict=True))


USUAL, LONGER, LONGEST = Variant(), Variant(frames=32), Variant(frames=64)
FULL = {
    USUAL: (f"{PAPER}, tables 1, 2, 3, 5, 6 and 7, figure 4",
            tuned(72.8, 44.0) | frozen(17.8, 31.5, 38.4, 45.5, 58.8)),
    LONGER: (f"{PAPER}, table 3", tuned(76.3, 44.7)),
    LONGEST: (f"{PAPER}, table 3", tuned(81.5, 49.6)),
    Variant(videos=370_000): (
        f"{PAPER}, table 4, mean of 3 splits; figure 4 prints no value", tuned(73.0, 41.6)),
    Variant(frames=64, videos=370_000): (f"{PAPER}, table 4, mean of 3 splits", tuned(83.0, 50.4)),
    Variant(boxes=False): (f"{PAPER}, table 5, Ours\\Det", tuned(72.6, 43.1)),
    Variant(k=30000, m=10): (f"{PAPER}, table 6", tuned(73.0, 42.4)),
    Variant(k=12000, m=6): (f"{PAPER}, table 6", tuned(73.7, 42.2)),
    Variant(k=3000, m=2): (f"{PAPER}, table 6", tuned(72.8, 43.9)),
    Variant(k=1500, m=1): (f"{PAPER}, table 6", tuned(72.2, 41.6)),
    Variant(size=224): (f"{PAPER}, table 7", tuned(74.6, 43.8)),
    Variant(depth=34): (f"{PAPER}, table 7", tuned(73.6, 42.2)),
    Variant(depth=34, size=224): (f"{PAPER}, table 7", tuned(77.1, 45.8)),
    Variant(videos=135_000): (FIGURE, {}),
    Variant(videos=185_000): (FIGURE, {}),
}  # fmt: skip


def tokmakov(method: str, variant: Variant) -> Recipe:
    """What all rows share."""
    return Recipe(
        method=method,
        modalities=("video",),
        encoders=Encoders(video=f"resnet3d_{variant.depth}_b"),
        clip=Clip(
            frames=variant.frames,
            frame_rate=25.0,
            size=variant.size,
            resize=(240, 320),
            crop="scaled",
        ),
        augmentation=NO_AUGMENTATION.model_copy(
            update={
                **dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.4),
                "grey": 0.2,
                "crops": (1.0, 0.84, 0.71, 0.59, 0.5),
            }
        ),
        optimisation=Optimisation(
            optimizer="sgd",
            rate=0.03,
            weight_decay=1e-4,
            schedule="drops",
            drops=(0.8, 0.95),
            warmup=0.0,
        ),
        epochs=200,
        refresh_every=1,
        batch=256,
    )


def aggregating(variant: Variant, prior: Prior, epochs: int = 200) -> Recipe:
    """LA: k-means m times, of vectors as they are."""
    return tokmakov("la", variant).model_copy(
        update={
            "clustering": Clustering(k=variant.k, starts=1, whiten=False, l2=False),
            "aggregation": Aggregation(clusterings=variant.m),
            "prior": prior,
            "epochs": epochs,
        }
    )


def at_rates(recipe: Recipe, **changed: Any) -> Recipe:
    """The recipe with another schedule."""
    rates = recipe.optimisation.model_copy(update=changed)
    return recipe.model_copy(update={"optimisation": rates})


BASELINES = f"{PAPER}, tables 1, 2 and 3; tuned by Hara et al. (2018)"


def of_nothing(variant: Variant, source: str, scores: dict[str, float]) -> Member:
    """A row without pretraining."""
    found = variant.member(source, scores, nothing=True)
    return replace(found, row=replace(found.row, data="none", clips=0))


@rows(
    {
        USUAL: of_nothing(USUAL, BASELINES, tuned(42.4, 17.1) | frozen(1.7, 7.5, 10.6, 17.2, 38.2)),
        LONGER: of_nothing(LONGER, f"{PAPER}, table 3", tuned(44.9, 18.0)),
        LONGEST: of_nothing(LONGEST, f"{PAPER}, table 3", tuned(45.3, 17.4)),
    }
)
def scratch(variant: Variant) -> Recipe:
    """Scratch: the weights that a run begins with, which have learned nothing."""
    return tokmakov("ir", variant).model_copy(update={"epochs": 1})


@rows(
    {
        USUAL: USUAL.member(
            BASELINES,
            tuned(84.4, 56.4) | frozen(46.4, 62.0, 67.7, 73.3, 81.8),
            said="the weights of Hara et al. (2018), as they are",
            nothing=True,
        ),
        LONGER: LONGER.member(
            f"{PAPER}, table 3", tuned(87.0, 63.1), labels="ir_kinetics:clip.frames=32"
        ),
        LONGEST: LONGEST.member(
            f"{PAPER}, table 3", tuned(91.2, 67.5), labels="ir_kinetics:clip.frames=64"
        ),
    }
)
def supervised_kinetics(variant: Variant) -> Recipe:
    """Supervised: trained with Kinetics' labels."""
    recipe = tokmakov("ir", variant)
    if variant != USUAL:
        return recipe
    return recipe.model_copy(update={"encoders": Encoders(video="resnet3d_18_a"), "epochs": 1})


@row(
    Row(
        DATA[KINETICS],
        KINETICS,
        f"{PAPER}, tables 1 and 2",
        tuned(70.0, 39.9) | frozen(13.4, 27.7, 35.2, 42.4, 56.5),
    )
)
def ir_kinetics() -> Recipe:
    """Video IR: each video told from all others."""
    return tokmakov("ir", USUAL)


STEP = f"{PAPER}, section 4.2; a step of others, no row"


@rows({start: start.member(STEP, of_table=False) for start in map(Variant.start, FULL)})
def ir_start_kinetics(variant: Variant) -> Recipe:
    """The 40 epochs of IR from which LA begins."""
    recipe = tokmakov("ir", variant).model_copy(update={"epochs": 40})
    return at_rates(recipe, schedule="constant")


@rows(
    {
        variant: variant.member(source, scores, after=member(ir_start_kinetics, variant))
        for variant, source, scores in (
            (
                USUAL,
                f"{PAPER}, tables 1, 2 and 3",
                tuned(71.4, 41.7) | frozen(15.6, 30.6, 36.4, 44.2, 58.6),
            ),
            (LONGER, f"{PAPER}, table 3", tuned(75.0, 43.1)),
            (LONGEST, f"{PAPER}, table 3", tuned(79.4, 48.9)),
        )
    }
)
def la_kinetics(variant: Variant) -> Recipe:
    """Video LA: near videos of the same clusters drawn together, clusters of the memory bank."""
    return aggregating(variant, Prior())


def untuned_member(variant: Variant) -> Member:
    """The usual one is a row of table 5, the others are steps."""
    source, scores = STEP, None
    if variant == USUAL:
        source, scores = f"{PAPER}, table 5, Ours\\Tune", tuned(72.6, 43.1)
    return variant.member(
        source,
        scores,
        after=member(ir_start_kinetics, variant.start()),
        prior=variant.descriptors(),
        of_table=scores is not None,
    )


@rows({variant: untuned_member(variant) for variant in FULL})
def la_idt_untuned_kinetics(variant: Variant) -> Recipe:
    """Video LA with the IDT prior, before tuning: clusters of the descriptors alone."""
    return aggregating(variant, Prior(file=variant.descriptors().file))


@rows(
    {
        variant: variant.member(
            source,
            scores,
            after=member(la_idt_untuned_kinetics, variant),
            prior=variant.descriptors(),
        )
        for variant, (source, scores) in FULL.items()
    }
)
def la_idt_kinetics(variant: Variant) -> Recipe:
    """Video LA with the IDT prior, tuned on clusters of descriptors and memory bank together."""
    prior = Prior(file=variant.descriptors().file, space="joint")
    return at_rates(aggregating(variant, prior, epochs=25), drops=(0.4, 0.8))
