from pathlib import Path

import pytest

from tests.embeddings.test_model import save_run
from triptych.clips.feature_store import FeatureStore
from triptych.descriptors.describe import describe
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import Manifest

RANDOM = "streams=r2plus1d_small@1:random"


def test_a_run_and_an_encoder_become_stores_of_their_names(
    media: Manifest,
    tmp_path: Path,
) -> None:
    save_run(tmp_path / "mine" / "checkpoints" / "last.safetensors")
    words = f"streams={tmp_path}/mine/video@0.5,{tmp_path}/mine/audio,r2plus1d_small@0.25:random"
    found = describe(
        "backbone", media, tmp_path / "out", [words, "batch=4"], workers=0, device="cpu"
    )
    assert [row["name"] for row in found["streams"]] == [
        "mine_video",
        "mine_audio",
        "r2plus1d_small",
    ]
    for row in found["streams"]:
        store = FeatureStore.open(Path(row["store"]))
        assert (store.name, store.rate, store.dim) == (row["name"], row["rate"], row["dim"])
        assert int(store.counts.sum()) == row["rows"]
    assert [row["path"] for row in found["files"]] == ["broken.mp4"]


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([], r"^streams: name the networks"),
        ([RANDOM, "names=a,b"], r"^names: 2 of them for 1 streams"),
        ([f"{RANDOM},mc3_18:random", "names=a,a"], r"^names: two streams are called a"),
        ([f"{RANDOM},r2plus1d_small@2:random"], r"^names: two streams are called r2plus1d_small"),
        ([RANDOM, "names=../x"], r"^names: '\.\./x' is no name"),
        (["streams=r2plus1d_small@fast"], r"@fast is no rate"),
        ([RANDOM, "size=3"], r"'size' is not a key; keys are streams, names, batch"),
    ],
)
def test_what_is_no_stream_is_wrong_usage(
    media: Manifest,
    tmp_path: Path,
    pairs: list[str],
    said: str,
) -> None:
    with pytest.raises(UsageError, match=said):
        describe("backbone", media, tmp_path, pairs)
    assert not list(tmp_path.iterdir())


def test_options_of_other_descriptors_are_refused(media: Manifest, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the descriptor backbone takes no --boxes"):
        describe("backbone", media, tmp_path, [RANDOM], boxes=tmp_path)
    with pytest.raises(UsageError, match="device 'tpu': must be cpu, cuda"):
        describe("backbone", media, tmp_path, [RANDOM], device="tpu")
    with pytest.raises(UserError, match="torch sees no GPU here"):
        describe("backbone", media, tmp_path, [RANDOM], device="cuda")
