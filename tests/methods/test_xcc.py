import pytest
import torch
from torch import Tensor

from triptych.errors import UsageError
from triptych.methods.method import Contrast, Method, Teach, Triplets, declare


class Given:
    """A step of three clips, the last without words, whose tensors are known."""

    smoothing = 0.0
    video = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    words = torch.tensor([[0.0, 1.0], [0.0, 2.0], [5.0, 5.0]])

    def __init__(self, method: Method, alpha: float) -> None:
        self.method = method
        self.triplets = Triplets(alpha, margin=1.0, negatives="random", unit=False)

    def logits(self, edge: Teach) -> Tensor:
        assert edge == Teach("video", "video")
        return torch.zeros(3, 4)

    def labels(self, _: Teach) -> Tensor:
        return torch.tensor([0, 1, 3])

    def weights(self, _: Teach) -> Tensor:
        return torch.ones(3)

    def projections(self, modality: str) -> Tensor:
        return self.video if modality == "video" else self.words

    def clusters(self, name: str) -> Tensor:
        assert name == "text"
        return torch.tensor([0, 1, -1])

    def present(self, modality: str) -> Tensor:
        return torch.tensor([True, True, modality == "video"])


def test_equation_4_by_hand() -> None:
    method = declare("xcc", ("video", "text"))
    terms = method.loss(Given(method, alpha=0.25))
    assert terms["video_teaches_video"].item() == pytest.approx(0.25 * torch.tensor(4.0).log())
    # Clip 0: |(1,0)-(0,1)|^2 = 2 to its own words, |(1,0)-(0,2)|^2 = 5 to the others: 2-5+1 < 0.
    # Clip 1: |(0,1)-(0,2)|^2 = 1 and |(0,1)-(0,1)|^2 = 0: 1-0+1 = 2. Clip 2 has no words.
    assert terms["video~text"].item() == pytest.approx(0.75 * (0.0 + 2.0) / 2)


def test_a_clip_without_the_anchor_is_in_no_pair() -> None:
    """Its words stay in their cluster; its projection of nothing must not be drawn to them."""

    class Blind(Given):
        def present(self, modality: str) -> Tensor:
            return torch.tensor([True, modality == "text", False])

    method = declare("xcc", ("video", "text"))
    terms = method.loss(Blind(method, alpha=0.25))
    assert terms["video~text"].item() == 0  # clip 0 is left alone, without a negative


def test_words_teach_nobody_and_choose_the_negatives() -> None:
    method = declare("xcc", ("video", "audio", "text"))
    assert method.teaches == (Teach("video", "video"),)
    assert method.contrasts == (
        Contrast("video", "audio", apart="audio"),
        Contrast("video", "text", apart="text"),
    )


def test_one_modality_is_refused() -> None:
    with pytest.raises(UsageError, match="two or three modalities"):
        declare("xcc", ("video",))
