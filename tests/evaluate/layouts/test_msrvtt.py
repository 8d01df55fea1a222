"""A miniature with the official names, keys and types; everything in it is invented."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import msrvtt


def clip(number: int, **changed: Any) -> dict[str, Any]:
    draw = np.random.default_rng(number)
    made = {
        "id": f"video{7000 + number}",
        "2d": draw.normal(size=(3, 8)).astype(np.float32),
        "3d": draw.normal(size=(4, 6)).astype(np.float32),
        "audio": torch.zeros(40, 5),
        "caption": [f"first of {number}", f"second of {number}"],
        "eval_caption": f"the one of {number}",
    }
    made |= {f"{name}_pooled": made[name].max(0) for name in ("2d", "3d")}  # type: ignore[attr-defined]
    return {**made, **changed}


def avlnet(folder: Path, clips: list[dict[str, Any]]) -> Path:
    (folder / "msrvtt_jsfusion_test.pkl").write_bytes(pickle.dumps(clips))
    return folder


def listed(folder: Path, numbers: list[int], name: str = "MSRVTT_JSFUSION_test.csv") -> Path:
    rows = [f'ret{n},msr{7000 + n},video{7000 + n},"a, b {n}"' for n in numbers]
    (folder / name).write_text("\n".join(["key,vid_key,video_id,sentence", *rows]))
    return folder


def features(folder: Path, numbers: list[int], name: str = "msrvtt_test_features.pth") -> Path:
    held = {
        stream: {f"video{7000 + n}": torch.full((dim,), n + 1.0) for n in numbers}
        for stream, dim in (("2d", 4), ("3d", 9))
    }
    torch.save(held, folder / name)
    return folder


def test_avlnet_s_pickle_by_its_pooled_features_and_chosen_caption(tmp_path: Path) -> None:
    clips = [clip(1), clip(2, eval_caption=None)]
    found = msrvtt.read(avlnet(tmp_path, clips))
    assert found.ids == ("video7001", "video7002")
    assert found.captions == ("the one of 1", "first of 2")
    assert found.streams == (("2d", 8), ("3d", 6))
    pooled = clips[0]["3d_pooled"]
    assert found.video is not None
    np.testing.assert_allclose(found.video[0, 8:], pooled / np.linalg.norm(pooled), atol=1e-6)
    assert found.denominator == 2
    assert found.protocol["they_count_as"] == "left out"
    assert "a subset, 2 of 1000" in found.remarks[0]


def test_968_clips_are_counted_among_1000_as_their_authors_do(tmp_path: Path) -> None:
    small = {"2d_pooled": np.ones(1), "3d_pooled": np.ones(1), "audio": torch.zeros(40, 1)}
    clips = [{"id": f"video{n}", "eval_caption": "x", **small} for n in range(968)]
    found = msrvtt.read(avlnet(tmp_path, clips))
    assert len(found) == 968
    assert found.denominator == 1000
    assert found.protocol["queries_whose_clip_is_absent"] == 32
    assert found.protocol["they_count_as"] == "mistakes"
    assert not found.remarks
    assert msrvtt.read(tmp_path, absent="left out").denominator == 968


def test_the_list_beside_the_pickle_says_which_queries_there_are(tmp_path: Path) -> None:
    avlnet(tmp_path, [clip(1), clip(2), clip(9)])
    listed(tmp_path, [1, 2, 3, 4])
    found = msrvtt.read(tmp_path, absent="mistakes")
    assert found.ids == ("video7001", "video7002")
    assert found.denominator == 4
    assert found.protocol["queries_whose_clip_is_absent"] == 2
    assert "1 clips of msrvtt_jsfusion_test.pkl are not in" in found.remarks[0]
    listed(tmp_path, [5])
    with pytest.raises(UserError, match="none of its clips is in"):
        msrvtt.read(tmp_path)


@pytest.mark.parametrize("name", ["msrvtt_test_features.pth", "features.pth"])
def test_howto100m_s_list_and_features(tmp_path: Path, name: str) -> None:
    found = msrvtt.read(features(listed(tmp_path, [3, 1]), [1, 3, 8], name))
    assert found.ids == ("video7003", "video7001")
    assert found.captions == ("a, b 3", "a, b 1")
    np.testing.assert_allclose(found.video, [[1 / 2] * 4 + [1 / 3] * 9] * 2, rtol=1e-6)
    assert found.audio is None
    assert found.protocol["clips_without_audio"] == 2


def test_clips_without_features_are_mistakes_or_left_out(tmp_path: Path) -> None:
    features(listed(tmp_path, [1, 2, 3]), [2])
    assert msrvtt.read(tmp_path).denominator == 1
    found = msrvtt.read(tmp_path, absent="mistakes")
    assert (len(found), found.denominator) == (1, 3)
    assert "2 of 3 clips of MSRVTT_JSFUSION_test.csv are not in" in found.remarks[0]
    with pytest.raises(UserError, match="has none of the 1 clips"):
        msrvtt.read(listed(tmp_path, [7]))


def test_a_list_without_sentences_takes_the_first_of_the_data_set(tmp_path: Path) -> None:
    features(tmp_path, [1, 2])
    (tmp_path / "msrvtt_test.csv").write_text("video_id\nvideo7001\nvideo7002\n")
    with pytest.raises(UserError, match=r"no column sentence, and no MSRVTT_data\.json"):
        msrvtt.read(tmp_path)
    sentences = [
        {"video_id": "video7002", "caption": "two", "sen_id": 1},
        {"video_id": "video7001", "caption": "one", "sen_id": 0},
        {"video_id": "video7002", "caption": "later", "sen_id": 2},
    ]
    (tmp_path / "MSRVTT_data.json").write_text(json.dumps({"sentences": sentences, "videos": []}))
    found = msrvtt.read(tmp_path)
    assert found.captions == ("one", "two")
    (tmp_path / "MSRVTT_data.json").write_text("[]")
    with pytest.raises(UserError, match="no list 'sentences'"):
        msrvtt.read(tmp_path)


def test_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"msrvtt_jsfusion_test\.pkl.*AVLnet"):
        msrvtt.read(tmp_path)
    with pytest.raises(UserError, match=r"1 of 2 needed are missing: msrvtt_test_features\.pth"):
        msrvtt.read(listed(tmp_path, [1]))
    for wrong in ({"variant": "x"}, {"absent": "x"}):
        with pytest.raises(UsageError):
            msrvtt.read(tmp_path, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("held", [{"2d": {}}, [], {"2d": {"video7001": "x"}, "3d": {}}])
def test_features_of_another_kind_are_refused(tmp_path: Path, held: Any) -> None:
    listed(tmp_path, [1])
    torch.save(held, tmp_path / "features.pth")
    with pytest.raises(UserError):
        msrvtt.read(tmp_path)
