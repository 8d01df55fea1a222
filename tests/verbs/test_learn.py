from pathlib import Path

import pytest

import triptych
from tests.small import Small
from triptych.errors import UserError

QUICK = ["method=sdc", "modalities=video", "clip.frames=4", "clip.size=32", "clustering.k=3",
         "batch=8", "epochs=2", "threads=1"]  # fmt: skip


def test_a_run_goes_on_with_its_own_recipe(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, run = tmp_path / "manifest.parquet", tmp_path / "run"
    small.manifest.write(manifest)
    found = triptych.pretrain(manifest, QUICK, out=run, minutes=0, workers=0)
    assert not found["finished"]
    said = capsys.readouterr().err
    assert "pretrain: sdc on video by r2plus1d_small; " in said
    assert f"`triptych pretrain {manifest} --out {run} --resume` goes on from here" in said
    with pytest.raises(UserError, match=r"epochs 2 became 3.*--resume without recipe and sett"):
        triptych.pretrain(manifest, [*QUICK, "epochs=3"], out=run, resume=True, workers=0)
    found = triptych.pretrain(manifest, out=run, resume=True, workers=0)
    assert found["finished"]
    assert found["epochs"] == 2
