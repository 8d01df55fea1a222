"""A step of a method with a joint space on given vectors, for the tests of such methods."""

import torch
from torch import Tensor

from triptych.methods.method import Meeting, Method, Pair, Teach

CLIPS, WIDTH, K = 5, 3, 4


class Meets:
    """Five clips, of which the fourth lacks sound and the last has nothing but words."""

    def __init__(self, method: Method, **settings: float | bool) -> None:
        assert method.joint is not None
        self.method = method
        given = {"margin": method.joint.margin, "unit": False, "temperature": 1.0}
        self.meeting = Meeting(**{**given, "cluster": 1.0, "reconstruct": 1.0, **settings})
        draw = torch.Generator().manual_seed(0)
        lacking = {"video": [4], "audio": [3, 4], "text": []}
        self.has = {name: torch.ones(CLIPS, dtype=torch.bool) for name in method.modalities}
        self.values = {}
        for name in method.modalities:
            self.has[name][lacking[name]] = False
            values = torch.randn(CLIPS, WIDTH, generator=draw) * self.has[name][:, None]
            self.values[name] = values.requires_grad_()
        self.made = {name: torch.randn(CLIPS, 2, generator=draw) for name in method.modalities}
        self.wanted = {
            name: torch.randn(CLIPS, 2, generator=draw, requires_grad=True)
            for name in method.modalities
        }
        self.points: Tensor | None = torch.randn(K, WIDTH, generator=draw)
        self.ids = torch.tensor([2, 0, 3, 2, 1])
        self.files = torch.tensor([0, 0, 0, 1, 1])
        self.own = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]).bool()
        self.told = torch.randn(3, WIDTH, generator=draw)

    def embeddings(self, modality: str) -> Tensor:
        return self.values[modality]

    def both(self, pair: Pair) -> Tensor:
        return self.has[pair.one] & self.has[pair.other]

    def similarities(self, pair: Pair) -> Tensor:
        both = self.both(pair)
        products = self.values[pair.one][both] @ self.values[pair.other][both].T
        return products / self.meeting.temperature

    def same_file(self, pair: Pair) -> Tensor:
        files = self.files[self.both(pair)]
        return files[:, None] == files

    def candidates(self, pair: Pair) -> tuple[Tensor, Tensor]:
        if pair.other != "text":
            return self.similarities(pair), torch.eye(int(self.both(pair).sum())).bool()
        both = self.both(pair)
        return self.values[pair.one][both] @ self.told.T, self.own[both]

    def centroids(self, name: str) -> Tensor | None:
        assert name == "fused"
        return self.points

    def labels(self, edge: Teach) -> Tensor:
        (student,) = edge.students
        return self.ids.masked_fill(~self.has[student], -1)

    def rebuilt(self, modality: str) -> tuple[Tensor, Tensor]:
        has = self.has[modality]
        return self.made[modality][has], self.wanted[modality][has]
