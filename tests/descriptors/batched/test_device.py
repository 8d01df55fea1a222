import pytest
import torch

from triptych.descriptors.batched.device import device_of
from triptych.errors import UsageError, UserError


def test_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device_of("cpu") == torch.device("cpu")
    for word in ("gpu", "mps", "meta"):
        with pytest.raises(UsageError, match=f"device '{word}': must be cpu, cuda"):
            device_of(word)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device cuda: torch sees no GPU here; without --device"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("cuda:1").index == 1
    with pytest.raises(UserError, match="cuda:2: torch sees 2 GPUs"):
        device_of("cuda:2")
