"""A miniature with the official names, keys and types; everything in it is invented."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import youcook2


def clip(number: int, seed: int, **changed: Any) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    made = {
        "id": f"aB-_4567890_{number}",
        "2d": draw.normal(size=2048).astype(np.float32),
        "3d": draw.normal(size=2048).astype(np.float32),
        "2d_full": draw.normal(size=(4, 2048)).astype(np.float16),
        "3d_full": draw.normal(size=(6, 2048)).astype(np.float16),
        "audio": torch.from_numpy(draw.normal(size=(40, 350 + seed)).astype(np.float32)),
        "caption": f"stir the {seed} onions",
    }
    return {key: value for key, value in {**made, **changed}.items() if value is not ...}


def saved(folder: Path, clips: list[dict[str, Any]], name: str = "youcook_val_audio.pkl") -> Path:
    (folder / name).write_bytes(pickle.dumps(clips, protocol=2))
    return folder


def test_the_pickle_gives_a_model_what_its_heads_take(tmp_path: Path) -> None:
    clips = [clip(0, 1), clip(1, 2), clip(0, 3, id="-bcdefghij__0")]
    found = youcook2.read(saved(tmp_path, clips))
    assert found.ids == ("aB-_4567890_0", "aB-_4567890_1", "-bcdefghij__0")
    assert found.groups == ("aB-_4567890", "aB-_4567890", "-bcdefghij_")
    assert found.captions[1] == "stir the 2 onions"
    assert found.streams == (("2d", 2048), ("3d", 2048))
    assert found.video is not None
    for row, one in zip(found.video, clips, strict=True):
        two, three = (
            torch.nn.functional.normalize(torch.from_numpy(one[k]), dim=0) for k in ("2d", "3d")
        )
        np.testing.assert_allclose(row, torch.cat([two, three]), atol=1e-6)
    assert found.audio is not None
    spectrograms, frames = found.audio.batch([1])
    np.testing.assert_array_equal(spectrograms[0], clips[1]["audio"])
    assert frames == [352]
    assert found.denominator == 3
    assert found.protocol["clips_of_the_official_set"] == 3350
    assert "a subset, 3 of 3350 clips" in found.remarks[0]


def test_the_eleven_clips_without_full_features_are_whole_by_their_pooled_ones(
    tmp_path: Path,
) -> None:
    clips = [clip(0, 1), clip(1, 2, **{"2d_full": ..., "3d_full": ...})]
    assert youcook2.read(saved(tmp_path, clips)).has("video").all()


def test_full_features_alone_are_pooled_over_time(tmp_path: Path) -> None:
    one = clip(0, 1, **{"2d": ..., "3d": ...})
    found = youcook2.read(saved(tmp_path, [one]))
    expected = one["2d_full"].max(0).astype(float)
    assert found.video is not None
    np.testing.assert_allclose(
        found.video[0, :2048], expected / np.linalg.norm(expected), atol=1e-6
    )


def test_what_clips_lack_is_counted_and_they_stay(tmp_path: Path) -> None:
    clips = [
        clip(0, 1, audio=...),
        clip(1, 2, caption=""),
        clip(2, 3, **{"3d": None, "3d_full": ...}),
        clip(3, 4, audio=torch.zeros(40, 0)),
    ]
    found = youcook2.read(saved(tmp_path, clips))
    assert found.has("audio").tolist() == [False, True, True, False]
    assert found.has("text").tolist() == [True, False, True, True]
    assert found.has("video").tolist() == [True, True, False, True]
    lacking = [found.protocol[f"clips_without_{name}"] for name in ("video", "audio", "text")]
    assert lacking == [1, 2, 1]
    assert found.denominator == len(found) == 4
    assert len(found.remarks) == 4


def test_howto100m_s_pickle_has_no_sound_and_long_sound_is_cut(tmp_path: Path) -> None:
    silent = youcook2.read(saved(tmp_path, [clip(0, 1, audio=...)], "youcook_val.pkl"))
    assert silent.audio is None
    assert not silent.has("audio").any()
    (tmp_path / "youcook_val.pkl").unlink()
    long = youcook2.read(saved(tmp_path, [clip(0, 1, audio=torch.zeros(40, 6000))]))
    assert long.audio is not None
    assert long.audio.frames.tolist() == [5120]


CSV = """end,start,task,text,video_id
30,10,226,"pick the ends off, then rinse",aBcdefghijk
47,40,226,combine lemon juice,aBcdefghijk
3,0,105,crack an egg,-_cdefghijk
"""


def spans(folder: Path) -> Path:
    (folder / "validation_youcook.csv").write_text(CSV, encoding="utf-8")
    return folder


def test_mil_nce_s_list_gives_spans_and_words_without_features(tmp_path: Path) -> None:
    found = youcook2.read(spans(tmp_path))
    np.testing.assert_array_equal(found.spans, [[10, 30], [40, 47], [0, 3]])  # type: ignore[arg-type]
    assert found.groups == ("aBcdefghijk", "aBcdefghijk", "-_cdefghijk")
    assert found.captions[0] == "pick the ends off, then rinse"
    assert found.ids[0] == "aBcdefghijk_10_30"
    assert found.video is None
    assert not found.has("video").any()
    assert "2 of 2 videos have no features" in found.remarks[0]


def test_mil_nce_s_spans_are_cut_from_features_of_whole_videos(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    two, three = draw.normal(size=(42, 4)), draw.normal(size=(63, 3))
    (tmp_path / "features").mkdir()
    np.savez(tmp_path / "features" / "aBcdefghijk_2d.npz", features=two)
    np.savez(tmp_path / "features" / "aBcdefghijk_3d.npz", features=three)
    found = youcook2.read(spans(tmp_path))
    assert found.has("video").tolist() == [True, True, False]
    parts = [two[10:31].max(0), three[15:46].max(0)]
    expected = np.concatenate([part / np.linalg.norm(part) for part in parts])
    assert found.video is not None
    np.testing.assert_allclose(found.video[0], expected, atol=1e-6)
    assert found.protocol["clips_without_video"] == 1
    assert "1 of 2 videos have no features" in found.remarks[0]
    assert "-_cdefghijk" in found.remarks[0]


def test_which_file_is_missing_and_where_it_is_from(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 of 1 needed.*youcook_val_audio\.pkl.*AVLnet"):
        youcook2.read(tmp_path)
    with pytest.raises(UserError, match=r"validation_youcook\.csv.*MIL-NCE"):
        youcook2.read(tmp_path, variant="csv")
    with pytest.raises(UsageError, match="pickle or csv"):
        youcook2.read(tmp_path, variant="hdf5")


def test_the_pickle_is_taken_before_the_list_unless_said(tmp_path: Path) -> None:
    saved(spans(tmp_path), [clip(0, 1)])
    assert len(youcook2.read(tmp_path)) == 1
    assert len(youcook2.read(tmp_path, "csv")) == 3


def test_a_time_that_is_none_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "validation_youcook.csv").write_text(CSV.replace("47,40", "47,x"))
    with pytest.raises(UserError, match="line 3: 'x' is no time"):
        youcook2.read(tmp_path)
