import pytest
import torch
from torch.nn import functional as F

from triptych.objectives import similarity
from triptych.objectives.similarity import cosines


@pytest.mark.parametrize("many", [0, 1000], ids=["gathered", "whole"])
def test_both_ways_are_the_cosine(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "MANY", many)
    draw = torch.Generator().manual_seed(0)
    queries = 3 * torch.randn(4, 6, generator=draw)
    bank = F.normalize(torch.randn(9, 6, generator=draw), dim=1)
    rows = torch.randint(9, (4, 5), generator=draw)
    expected = [
        [F.cosine_similarity(queries[clip], bank[row], dim=0).item() for row in rows[clip]]
        for clip in range(4)
    ]
    torch.testing.assert_close(cosines(queries, bank, rows), torch.tensor(expected))
    whole = cosines(queries, bank)
    torch.testing.assert_close(whole.gather(1, rows), torch.tensor(expected))


@pytest.mark.parametrize("rows", [torch.tensor([[0, 2]]), None], ids=["some", "all"])
def test_the_gradient_is_the_query_s_alone_also_under_autocast(rows: torch.Tensor | None) -> None:
    queries = torch.randn(1, 4, dtype=torch.bfloat16, requires_grad=True)
    bank = F.normalize(torch.randn(3, 4), dim=1).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = cosines(queries, bank, rows)
    assert found.dtype == torch.float32
    found.sum().backward()
    assert queries.grad is not None
    assert bank.grad is None
