import pytest

import triptych
from triptych import config
from triptych.errors import UsageError
from triptych.recipes.named import every, find
from triptych.training.recipe import Recipe


def test_every_setting_is_listed_with_a_meaning() -> None:
    rows = triptych.keys()["keys"]
    assert [row["key"] for row in rows] == config.keys(Recipe)
    assert all(row["meaning"] for row in rows)
    assert {row["key"] for row in triptych.keys("momentum")["keys"]} == {
        "bank.momentum",
        "optimisation.momentum",
    }
    with pytest.raises(UsageError, match="'zebra': in no key"):
        triptych.keys("zebra")


def test_a_recipe_s_cost_is_there_as_numbers() -> None:
    found = triptych.recipes("la_idt_kinetics")
    assert found["parameters"] == 33_203_904
    assert found["gigaflops_a_clip"] == pytest.approx(16.6156, abs=1e-4)
    assert found["scores"]["UCF101 fc 5-shot"] == 31.5
    assert found["hours_on_one_core"] > 1000
    assert found["command"].splitlines() == [step["command"] for step in found["steps"]]
    assert found["steps"][-1]["leaves"] == found["weights"] == "la_idt_kinetics"


@pytest.mark.parametrize("name", sorted(every()))
def test_a_recipe_s_settings_can_be_pasted(name: str) -> None:
    settings = triptych.recipes(name)["settings"].split(" ")
    assert config.override(Recipe(), settings) == find(name).make()
    assert not [pair for pair in settings if pair.endswith(("=True", "=False", "=None"))]


def test_rows_are_listed_and_steps_are_not() -> None:
    rows = {row["recipe"]: row for row in triptych.recipes()["recipes"]}
    assert "ir_start_kinetics" not in rows
    assert "la_idt_untuned_kinetics" in rows
    assert max(map(len, rows)) <= 24  # longer names break in the table
    assert [
        rows[name]["method"] for name in ("scratch", "supervised_kinetics_64", "la_kinetics")
    ] == ["none", "supervised", "la"]
    assert rows["ir_kinetics"]["k"] is None
