import pytest

import triptych
from triptych import config
from triptych.errors import UsageError
from triptych.training.recipe import Recipe


def test_every_setting_is_listed_with_a_meaning() -> None:
    rows = triptych.keys()["keys"]
    assert [row["key"] for row in rows] == config.keys(Recipe)
    assert all(row["meaning"] for row in rows)
    assert {row["key"] for row in triptych.keys("warm")["keys"]} == {"optimisation.warmup"}
    with pytest.raises(UsageError, match="'zebra': in no key"):
        triptych.keys("zebra")
