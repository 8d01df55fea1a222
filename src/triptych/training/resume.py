"""Whether a run may be gone on with: its recipe and what it learns from are what they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triptych import config
from triptych.errors import UserError
from triptych.state import checkpoint
from triptych.training.recipe import Recipe


def resume_state(path: Path, description: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and counters of a run to go on with; refuses a changed recipe or collection."""
    tensors, facts = checkpoint.load(path)
    # A key that recipes have since gained counts as its default, with which all is as it was.
    recipe = config.validated(Recipe, facts["recipe"], str(path)).model_dump(mode="json")
    facts = {**facts, "recipe": recipe}
    whats = {
        "manifest": "collection",
        "recipe": "recipe",
        "prior": "prior",
        "features": "set of stored features",
    }
    for key, what in whats.items():
        if facts.get(key) != description[key]:
            changed = _difference(facts.get(key), description[key])
            raise UserError(
                f"{path}: made with another {what} ({changed}); "
                "--resume without recipe and settings takes those of the run; --init starts anew "
                "from its weights"
            )
    return tensors, facts["state"]


def _difference(old: Any, new: Any, place: tuple[str, ...] = ()) -> str:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return f"{'.'.join(place)} {old} became {new}".strip()
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return ", ".join(_difference(old.get(key), new.get(key), (*place, key)) for key in changed)
