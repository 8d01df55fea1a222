from pathlib import Path

import numpy as np
import pytest

from tests.clips.test_stored import manifest_of
from triptych.clips.feature_store import FeatureStore
from triptych.descriptors.describe import describe
from triptych.errors import UsageError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place in ("two", "three", "both"):
        (tmp_path / place).mkdir()
        for name in "abc":
            np.save(tmp_path / place / f"{name}.npy", np.ones((4, 3)))
            for kind in ("2d", "3d", "5d"):
                np.savez(tmp_path / place / f"{name}_{kind}.npz", features=np.ones((4, 3)))
    return tmp_path


@pytest.mark.parametrize(
    ("pairs", "stores"),
    [
        (["root={}/two"], {"2d": 1.0}),
        (["root={}/two,{}/three"], {"2d": 1.0, "3d": 1.5}),
        (["root={}/three", "names=3d"], {"3d": 1.5}),
        (["root={}/three", "names=deep", "rates=2"], {"deep": 2.0}),
        (["layout=mcn", "root={}/both"], {"2d": 1.0, "3d": 1.5}),
        (["layout=mcn", "root={}/both", "names=5d", "rates=0.5"], {"5d": 0.5}),
    ],
)
def test_a_layout_says_names_and_rates(
    root: Path, pairs: list[str], stores: dict[str, float]
) -> None:
    words = [pair.replace("{}", str(root)) for pair in pairs]
    found = describe("features", manifest_of(), root / "out", words)
    assert {row["name"]: row["rate"] for row in found["streams"]} == stores
    for name, rate in stores.items():
        store = FeatureStore.open(root / "out" / f"{name}.features")
        assert (store.rate, store.dim, len(store)) == (rate, 3, 3)
    assert {path.name for path in (root / "out").glob("*.features")} == {
        f"{n}.features" for n in stores
    }


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([], r"^root: say where the features are"),
        (["root={}/two,{}/three", "names=2d"], r"^root: 2 folders for the features 2d"),
        (["root={}/two", "names=deep"], r"^rates: say how many rows"),
        (["root={}/two", "names=2d", "rates=1,2"], r"^rates: say how many rows"),
        (["root={}/two,{}/three", "names=2d,2d"], r"^rates: say"),
        (["layout=mcn", "root={}/two,{}/three"], r"^root: mcn's 2D and 3D features lie in one"),
        (["layout=coin", "root={}/two"], r"layout='coin'"),
        (["root={}/two", "rates=0"], r"rates\[?"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(root: Path, pairs: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        describe(
            "features", manifest_of(), root / "out", [p.replace("{}", str(root)) for p in pairs]
        )
