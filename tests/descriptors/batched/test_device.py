import pytest
import torch

from triptych.descriptors.batched.device import FRAMES, Device, device_of
from triptych.errors import UsageError, UserError


def test_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Device("cpu").torch == torch.device("cpu")
    for word in ("gpu", "mps", "meta"):
        with pytest.raises(UsageError, match=f"device '{word}': must be cpu, cuda"):
            Device(word)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device cuda: torch sees no GPU here; without --device"):
        Device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert Device("cuda:1").torch.index == 1
    with pytest.raises(UserError, match="cuda:2: torch sees 2 GPUs"):
        Device("cuda:2")


def test_what_was_asked_for() -> None:
    assert device_of(None, None) is None
    assert device_of("cpu", None) == Device("cpu", FRAMES)
    assert device_of("cpu", 3) == Device("cpu", 3)
    with pytest.raises(UsageError, match="give --device too"):
        device_of(None, 3)
    with pytest.raises(UsageError, match="0 frames at once"):
        device_of("cpu", 0)
