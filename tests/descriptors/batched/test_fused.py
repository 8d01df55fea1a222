import torch

from triptych.descriptors.batched.fused import fused


def test_a_function_is_as_written_on_a_cpu() -> None:
    calls = []

    @fused
    def twice(values: torch.Tensor, more: float = 0.0) -> torch.Tensor:
        """Doc."""
        calls.append(more)
        return 2 * values + more

    assert twice(torch.ones(2), more=1.0).tolist() == [3, 3]
    assert calls == [1.0]  # called, not compiled
    assert (twice.__name__, twice.__doc__) == ("twice", "Doc.")
