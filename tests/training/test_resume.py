from pathlib import Path
from typing import Any

import pytest
import torch

from triptych import config
from triptych.errors import UserError
from triptych.state import checkpoint
from triptych.training.recipe import Recipe
from triptych.training.resume import resume_state


def saved(path: Path, **changes: Any) -> dict[str, Any]:
    """A checkpoint at ``path``; returns what the run that takes it up says of itself."""
    description = {
        "recipe": Recipe(epochs=7).model_dump(mode="json"),
        "manifest": "abc",
        "prior": None,
        "features": None,
    }
    facts = {**description, **changes, "state": {"epoch": 3}}
    checkpoint.save(path, {"x": torch.ones(2)}, facts)
    return description


def test_the_same_run_is_taken_up(tmp_path: Path) -> None:
    description = saved(tmp_path / "a")
    tensors, state = resume_state(tmp_path / "a", description)
    assert state == {"epoch": 3}
    assert tensors["x"].tolist() == [1, 1]


def test_keys_that_recipes_have_since_gained_count_as_their_defaults(tmp_path: Path) -> None:
    old = {k: v for k, v in Recipe(epochs=7).model_dump(mode="json").items() if k != "bank"}
    description = saved(tmp_path / "a", recipe=old)
    del old["epochs"]
    assert resume_state(tmp_path / "a", description)[1] == {"epoch": 3}
    saved(tmp_path / "b", recipe=old)
    with pytest.raises(UserError, match=r"another recipe \(epochs 20 became 7\)"):
        resume_state(tmp_path / "b", description)
    gained = config.override(Recipe(epochs=7), ["bank.width=64"]).model_dump(mode="json")
    with pytest.raises(UserError, match=r"another recipe \(bank\.width 128 became 64\)"):
        resume_state(tmp_path / "a", {**description, "recipe": gained})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"manifest": "xyz"}, "collection"),
        ({"prior": "123"}, "prior"),
        ({"features": {"video": ["12"]}}, "set of stored features"),
        ({"prior": None, "features": None}, None),
    ],
)
def test_another_collection_or_prior_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str | None
) -> None:
    description = saved(tmp_path / "a", **changes)
    if said is None:
        resume_state(tmp_path / "a", description)
        return
    with pytest.raises(UserError, match=f"made with another {said} .*--resume without .*--init"):
        resume_state(tmp_path / "a", description)
