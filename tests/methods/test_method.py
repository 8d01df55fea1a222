from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from triptych.errors import UsageError
from triptych.methods.method import (
    Cluster,
    Contrast,
    Joint,
    Method,
    Pair,
    Teach,
    declare,
    names,
    pseudo_labels,
)

GOOD = Method(
    name="mine",
    modalities=("video", "audio"),
    clusters=(Cluster("video", ("video",)), Cluster("both", ("video", "audio"))),
    teaches=(Teach("video", "audio"), Teach("both", "video")),
)

MET = Joint(("anything",))
QUEUED = Cluster("fused", ("video", "audio"), over="queue")
OVER = Cluster("video", ("video",), over="bank")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"teaches": (Teach("sound", "video"),)}, "teacher 'sound' is not a clustering"),
        ({"teaches": (*GOOD.teaches, Teach("both", "text"))}, "student 'text' is not a modality"),
        ({"teaches": GOOD.teaches[:1]}, "nobody teaches video"),
        ({"teaches": (*GOOD.teaches, GOOD.teaches[0])}, "an edge is declared twice"),
        ({"clusters": (*GOOD.clusters, Cluster("t", ("text",)))}, "'t' is of 'text'"),
        ({"clusters": (*GOOD.clusters, Cluster("none", ()))}, "'none' is of no modality"),
        ({"clusters": (*GOOD.clusters, Cluster("video", ("audio",)))}, "share a name"),
        ({"clusters": (*GOOD.clusters, Cluster("a.b", ("audio",)))}, "no dots"),
        ({"modalities": ("video", "audio", "video")}, "not one or more different ones"),
        ({"modalities": (), "clusters": (), "teaches": ()}, "not one or more"),
        ({"modalities": ("video", "audio", "text")}, "nobody teaches text"),
        ({"contrasts": (Contrast("video", "text", "both"),)}, "contrast of 'text'"),
        ({"contrasts": (Contrast("video", "audio", "words"),)}, "'words' sets clips apart"),
        ({"contrasts": (Contrast("video", "audio", "both"),)}, "projection has no width"),
        ({"clusters": (replace(GOOD.clusters[0], projected=True), GOOD.clusters[1])}, "no width"),
        ({"teaches": (Teach("both", ("video", "text")),)}, "student 'text' is not a modality"),
        ({"clusters": (OVER, GOOD.clusters[1])}, "'video' is over the bank, but there is none"),
        ({"clusters": (OVER, GOOD.clusters[1])}, "'video' has several runs, of which no head"),
        ({"clusters": (replace(OVER, of=("video", "audio")),)}, "bank, which is of one modality"),
        ({"bank": True}, "'both' is not over the bank, of which there is one"),
        ({"bank": True, "projection": 4}, "as wide as the recipe says"),
        ({"pairs": (Pair("video", "audio"),)}, "pairs meet in a joint space, but there is none"),
        ({"clusters": (QUEUED,)}, "fused: over the queue of a joint space, but none is"),
        ({"joint": MET, "projection": 4}, "a joint space beside memory banks or projections"),
        ({"joint": MET}, "one clustering at most, over the queue"),
        ({"joint": replace(MET, narrow=("text",))}, "narrow names 'text', which is not a"),
        ({"joint": MET, "pairs": (Pair("video", "text"),)}, "pair with 'text', which is not a"),
        ({"joint": MET, "pairs": (Pair("audio", "audio"),)}, "pair of audio with itself"),
        (
            {
                "joint": MET,
                "clusters": (QUEUED,),
                "teaches": (Teach("fused", ("video", "audio")),),
            },
            "centroids of 'fused' teach one modality at a time",
        ),
    ],
)
def test_a_wrong_declaration_fails_when_it_is_made(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=r"^method mine: ") as found:
        replace(GOOD, **change)  # type: ignore[arg-type]
    assert said in str(found.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"teacher 'a'.*student 'b'.*nobody teaches audio, video"):
        replace(GOOD, teaches=(Teach("a", "b"),))


def test_an_edge_has_its_head_and_a_cluster_its_name() -> None:
    assert Teach("both", "video").head == "both_teaches_video"
    assert GOOD.cluster("both") is GOOD.clusters[1]


def test_what_meets_in_pairs_needs_no_teacher_and_a_centroid_no_head() -> None:
    method = Method(
        "mine",
        ("video", "audio"),
        (QUEUED,),
        (Teach("fused", "video"),),
        joint=MET,
        pairs=(Pair("video", "audio"),),
    )
    assert method.headed == ()
    assert GOOD.headed == GOOD.teaches
    assert QUEUED.runs(3) == ()


def test_a_clustering_is_of_clips_with_all_or_over_the_queue_with_two() -> None:
    has = {
        "video": np.array([True, True, False, False]),
        "audio": np.array([True, True, True, False]),
        "text": np.array([True, False, True, True]),
    }
    three = ("video", "audio", "text")
    assert Cluster("all", three).holds(has).tolist() == [True, False, False, False]
    queued = Cluster("fused", three, over="queue")
    assert queued.holds(has).tolist() == [True, True, True, False]
    assert Cluster("one", ("audio",)).holds(has).tolist() == has["audio"].tolist()


def test_methods_are_found_by_their_modules() -> None:
    assert {"cdc", "ir", "jdc", "la", "max_margin", "mcn", "mdc", "sdc", "xcc", "xdc"} <= set(
        names()
    )
    assert "method" not in names()
    for name in names():
        assert declare(name, ("video", "audio")).name == name


def test_an_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match=f"'xcd' is not a method; methods are {', '.join(names())}"
    ):
        declare("xcd", ("video", "audio"))
    with pytest.raises(UsageError, match="is not a method"):
        declare("method", ("video", "audio"))


@dataclass
class Batch:
    method: Method
    smoothing: float = 0.0

    def logits(self, edge: Teach) -> Tensor:
        return torch.eye(3) * (5 if edge.student == "audio" else 0)

    def labels(self, edge: Teach) -> Tensor:
        return torch.tensor([0, 1, -1 if edge.student == "audio" else 2])

    def weights(self, edge: Teach) -> Tensor:  # noqa: ARG002
        return torch.tensor([1.0, 2.0, 1.0])


def test_every_edge_is_one_term() -> None:
    """Uniform logits cost ln 3 a clip; logit 5 against 0 and 0 costs ln(1 + 2 exp(-5))."""
    terms = pseudo_labels(Batch(GOOD))
    assert set(terms) == {"video_teaches_audio", "both_teaches_video"}
    one = torch.log(torch.tensor(3.0)) * 4 / 3
    other = torch.log1p(2 * torch.exp(torch.tensor(-5.0))) * 3 / 3
    torch.testing.assert_close(terms["both_teaches_video"], one)
    torch.testing.assert_close(terms["video_teaches_audio"], other)
