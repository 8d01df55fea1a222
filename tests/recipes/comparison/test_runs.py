import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.small import RECIPE, Small
from triptych import config
from triptych.errors import UserError
from triptych.explore.taught import Taught
from triptych.recipes.comparison import runs
from triptych.recipes.comparison.plan import Row
from triptych.recipes.comparison.runs import Run, embedded
from triptych.training.log import read_metrics
from triptych.training.recipe import Recipe

SHORT = RECIPE.model_copy(
    update={"epochs": 1, "modalities": ("video",), "method": "sdc", "threads": 1}
)


def every(small: Small) -> np.ndarray:
    return np.arange(len(small.manifest))


def a_run(small: Small, folder: Path, recipe: Recipe = SHORT, seed: int = 0) -> Run:
    return Run(
        Row("sdc", "sdc", "method", recipe),
        seed,
        folder / f"sdc-{seed}",
        small.manifest,
        every(small),
    )


@pytest.fixture(scope="module")
def trained(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = a_run(small, tmp_path_factory.mktemp("runs"))
    assert run.state() == "new"
    run.train(small.source)
    return run


def test_a_finished_run_is_known_by_its_weights(small: Small, trained: Run, tmp_path: Path) -> None:
    assert trained.state() == "finished"
    copy = a_run(small, tmp_path)
    copy.record.write_bytes(trained.record.read_bytes())
    assert copy.state() == "begun"  # its folder is gone
    (tmp_path / "sdc-0").symlink_to(trained.folder)
    assert copy.state() == "finished"
    other = json.loads(copy.record.read_text()) | {"weights": "0" * 64}
    copy.record.write_text(json.dumps(other))
    assert copy.state() == "begun"


def test_a_run_can_be_looked_into_by_itself(trained: Run) -> None:
    taught = Taught.read(trained.folder)
    assert taught.manifest.digest == trained.clips.digest
    assert taught.assignments.keys() == {"video"}


def test_pace_is_that_of_the_metrics(trained: Run) -> None:
    (row,) = [row for row in read_metrics(trained.folder / "metrics.jsonl") if "loss" in row]
    assert trained.pace() == pytest.approx((row["seconds"], row["clips_per_second"]))


def test_a_run_of_another_recipe_clips_or_labels_is_refused(small: Small, trained: Run) -> None:
    folder = trained.folder.parent
    trained.refuse_another()
    changed = SHORT.model_copy(update={"epochs": 4, "batch": 4})
    with pytest.raises(
        UserError, match=r"another run of this name .*epochs 1 became 4, batch 8 be"
    ):
        a_run(small, folder, changed).refuse_another()
    row = trained.row
    fewer = Run(row, 0, trained.folder, small.manifest, np.arange(3))
    with pytest.raises(UserError, match=r"its clips .* became 3"):
        fewer.refuse_another()
    taught = Run(row, 0, trained.folder, small.manifest, every(small), np.array(["x"], object))
    with pytest.raises(UserError, match="its labels None became"):
        taught.refuse_another()
    a_run(small, folder, changed, seed=1).refuse_another()  # nothing is there


def test_a_key_that_recipes_have_since_gained_counts_as_its_default(
    small: Small, trained: Run, tmp_path: Path
) -> None:
    copy = a_run(small, tmp_path)
    found = json.loads(trained.record.read_text())
    del found["recipe"]["optimisation"]["momentum"]
    copy.record.write_text(json.dumps(found))
    copy.refuse_another()
    copy.record.write_text("[]")
    with pytest.raises(UserError, match="not the record of a run"):
        copy.refuse_another()


def test_another_file_of_weights_under_the_same_name_is_another_run(
    small: Small, tmp_path: Path
) -> None:
    file = tmp_path / "published.pth"
    file.write_bytes(b"one")
    recipe = config.override(SHORT, [f"weights.video={file}"])
    run = a_run(small, tmp_path, recipe)
    run.record.write_text(json.dumps(run.identity()))
    run.refuse_another()
    file.write_bytes(b"two")
    with pytest.raises(UserError, match=r"the file of weights.video became another"):
        run.refuse_another()
    file.unlink()  # a finished run can be used without it
    run.refuse_another()


def test_another_prior_under_the_same_name_is_another_run(small: Small, tmp_path: Path) -> None:
    file = tmp_path / "idt.parquet"
    file.write_bytes(b"one")
    recipe = config.override(SHORT, ["method=la", f"prior.file={file}"])
    run = a_run(small, tmp_path, recipe)
    run.record.write_text(json.dumps(run.identity()))
    run.refuse_another()
    file.write_bytes(b"two")
    with pytest.raises(UserError, match=r"the file of prior.file became another"):
        run.refuse_another()
    file.unlink()
    run.refuse_another()


def test_labels_teach_and_a_second_start_goes_on(small: Small, tmp_path: Path) -> None:
    labels = np.array(
        ["odd" if path[-5] in "135" else "even" for path in small.manifest.column("path")], object
    )
    recipe = SHORT.model_copy(update={"method": "supervised", "epochs": 2})
    run = Run(Row("supervised", "supervised", "supervised", recipe), 0, tmp_path / "s-0",
              small.manifest, every(small), labels)  # fmt: skip
    run.train(small.source)
    assert run.state() == "finished"
    before = json.loads(run.record.read_text())
    assert before["labels"]
    assert before["epochs"] == 2
    run.train(small.source)
    assert json.loads(run.record.read_text()) == before


def test_embeddings_are_made_anew_only_for_other_weights_clips_or_forms(
    small: Small, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    real = runs.embed

    def counted(*given: object) -> object:
        nonlocal made
        made += 1
        return real(*given)

    monkeypatch.setattr(runs, "embed", counted)
    out = tmp_path / "e.parquet"
    initial = trained.folder / "checkpoints" / "initial.safetensors"
    first = embedded(trained.folder, SHORT, small.manifest, small.source, out)
    again = embedded(trained.folder, SHORT, small.manifest, small.source, out)
    assert made == 1
    assert again.info == first.info
    assert (again.vectors("vector_video")[0] == first.vectors("vector_video")[0]).all()
    random = embedded(initial, SHORT, small.manifest, small.source, out)
    assert made == 2
    assert (random.vectors("vector_video")[0] != first.vectors("vector_video")[0]).any()
    brighter = SHORT.model_copy(update={"clip": SHORT.clip.model_copy(update={"vocabulary": 7})})
    embedded(initial, brighter, small.manifest, small.source, out)
    assert made == 3
    assert os.listdir(tmp_path) == ["e.parquet"]
