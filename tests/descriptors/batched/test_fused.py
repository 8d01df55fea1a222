import shutil

import pytest
import torch

from triptych.descriptors.batched import fused as module
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


@pytest.mark.parametrize("there", [True, False])
def test_what_is_missing_to_compile_is_said_once(
    there: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: object() if there else None)
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/cc" if there else None)
    monkeypatch.delenv("CC", raising=False)
    module._compiles.cache_clear()
    assert [module._compiles(), module._compiles()] == [there, there]
    said = capsys.readouterr().err
    assert said.count("without the package triton and a C compiler: slower") == (not there)
    module._compiles.cache_clear()
