"""The paper's tables, read off anew, and its rows run command by command on six videos."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import triptych
from tests.small import Small
from triptych import cli
from triptych.embeddings.table import EmbeddingTable
from triptych.encoders.build import native
from triptych.recipes.named import every, find
from triptych.recipes.steps import Step
from triptych.state import checkpoint

# What makes a command of a size that a test can run; everything else stays the paper's.
MINIATURE = (
    "clip.frames=4 clip.size=32 clip.resize=[36,48] clip.frame_rate=8 clustering.k=2 epochs=1 "
    "batch=4 bank.noise=3 aggregation.neighbours=4 precision=32-true threads=1 --workers 0"
)
FEW = "components=2 sketch=16 videos=4 starts=1 iterations=5 --workers 1"
NARROW = "encoders.video=r2plus1d_small"

TABLE_3 = {  # of 16, 32 and 64 frames
    "scratch": ((42.4, 44.9, 45.3), (17.1, 18.0, 17.4)),
    "la_kinetics": ((71.4, 75.0, 79.4), (41.7, 43.1, 48.9)),
    "la_idt_kinetics": ((72.8, 76.3, 81.5), (44.0, 44.7, 49.6)),
    "supervised_kinetics": ((84.4, 87.0, 91.2), (56.4, 63.1, 67.5)),
}
TABLE_2 = {  # 1, 5, 10, 20 shots, all
    "scratch": (1.7, 7.5, 10.6, 17.2, 38.2),
    "ir_kinetics": (13.4, 27.7, 35.2, 42.4, 56.5),
    "la_kinetics": (15.6, 30.6, 36.4, 44.2, 58.6),
    "la_idt_kinetics": (17.8, 31.5, 38.4, 45.5, 58.8),
    "supervised_kinetics": (46.4, 62.0, 67.7, 73.3, 81.8),
}
TABLES_1_4_5_7 = {
    "ir_kinetics": (70.0, 39.9),
    "la_idt_kinetics_370k": (73.0, 41.6),
    "la_idt_kinetics_64_370k": (83.0, 50.4),
    "la_idt_kinetics_no_boxes": (72.6, 43.1),
    "la_idt_untuned_kinetics": (72.6, 43.1),
    "la_idt_kinetics_224": (74.6, 43.8),
    "la_idt_kinetics_r34": (73.6, 42.2),
    "la_idt_kinetics_r34_224": (77.1, 45.8),
}
TABLE_6 = {  # K, m
    (30000, 10): (73.0, 42.4), (12000, 6): (73.7, 42.2), (6000, 3): (72.8, 44.0),
    (3000, 2): (72.8, 43.9), (1500, 1): (72.2, 41.6),
}  # fmt: skip
FIGURE_4 = {135_000: "_135k", 185_000: "_185k", 235_000: "", 370_000: "_370k"}
OURS = {name: named for name, named in every().items() if "Tokmakov" in named.row.source}


def tuned(name: str) -> tuple[float | None, float | None]:
    scores = find(name).row.scores
    return scores.get("UCF101 all"), scores.get("HMDB51 all")


def test_every_row_of_the_tables_has_its_scores() -> None:
    for name, (ucf101, hmdb51) in TABLE_3.items():
        for frames, both in zip((16, 32, 64), zip(ucf101, hmdb51, strict=True), strict=True):
            of_length = name if frames == 16 else f"{name}_{frames}"
            assert tuned(of_length) == both, of_length
            assert find(of_length).make().clip.frames == frames
    for name, shots in TABLE_2.items():
        scores = find(name).row.scores
        found = [scores[f"UCF101 fc{shot}"] for shot in (" 1-shot", " 5-shot", " 10-shot")]
        assert (*found, scores["UCF101 fc 20-shot"], scores["UCF101 fc"]) == shots
    for name, both in TABLES_1_4_5_7.items():
        assert tuned(name) == both, name


def test_a_row_is_run_with_what_its_table_says() -> None:
    for (k, m), both in TABLE_6.items():
        name = "la_idt_kinetics" if k == 6000 else f"la_idt_kinetics_k{k}"
        recipe = find(name).make()
        assert tuned(name) == both
        assert (recipe.clustering.k, recipe.aggregation.clusterings) == (k, m)
    for videos, ending in FIGURE_4.items():
        assert find(f"la_idt_kinetics{ending}").row.clips == videos
    assert tuned("la_idt_kinetics_135k") == tuned("la_idt_kinetics_185k") == (None, None)
    for ending, depth, size in (("", 18, 112), ("_224", 18, 224), ("_r34", 34, 112)):
        recipe = find(f"la_idt_kinetics{ending}").make()
        assert (recipe.encoders.video, recipe.clip.size) == (f"resnet3d_{depth}_b", size)
    boxes = {name: any("--boxes" in step.command for step in OURS[name].steps()) for name in OURS}
    assert boxes["la_idt_kinetics"]
    assert not boxes["la_idt_kinetics_no_boxes"]
    rows = [name for name, named in OURS.items() if named.row.of_table]
    assert set(rows) == {
        *TABLE_2, *TABLES_1_4_5_7,
        *(f"{name}_{frames}" for name in TABLE_3 for frames in (32, 64)),
        *(f"la_idt_kinetics_k{k}" for k, _ in TABLE_6 if k != 6000),
        "la_idt_kinetics_135k", "la_idt_kinetics_185k",
    }  # fmt: skip


def test_a_row_and_its_steps_see_the_same_clips_by_the_same_network() -> None:
    for name, named in OURS.items():
        before = named.row.after
        while before:
            here, there = named.make(), before.make()
            assert (here.clip, here.encoders) == (there.clip, there.encoders), name
            assert (named.row.clips, named.row.data) == (before.row.clips, before.row.data)
            assert here.prior.file is None or there.prior.file in (None, here.prior.file)
            before = before.row.after


def test_the_paper_s_settings() -> None:
    """Section 4.2: rate, drops, batch, temperature, noise; k-means of vectors as they are.

    And the release's, where the paper is silent: decay, the bank's momentum, B, one start and new
    clusters every epoch; its joint space weighs neither side.
    """
    start, untuned, full = (
        find(name).make()
        for name in ("ir_start_kinetics", "la_idt_untuned_kinetics", "la_idt_kinetics")
    )
    assert (start.epochs, untuned.epochs, full.epochs) == (40, 200, 25)
    assert [share * untuned.epochs for share in untuned.optimisation.drops] == [160, 190]
    assert [share * full.epochs for share in full.optimisation.drops] == [10, 20]
    assert start.optimisation.schedule == "constant"
    assert (untuned.prior.space, full.prior.space) == ("prior", "joint")
    for recipe in (start, untuned, full):
        rates, bank = recipe.optimisation, recipe.bank
        assert (rates.optimizer, rates.rate, rates.momentum, recipe.batch) == (
            "sgd",
            0.03,
            0.9,
            256,
        )
        assert (bank.width, bank.temperature, bank.noise) == (128, 0.07, 4096)
        assert (rates.weight_decay, rates.warmup, bank.momentum) == (1e-4, 0, 0.5)
    for recipe in (untuned, full, find("la_kinetics").make()):
        assert not recipe.clustering.whiten
        assert not recipe.clustering.l2
        assert (recipe.clustering.starts, recipe.clustering.iterations) == (1, 20)
        assert (recipe.refresh_every, recipe.aggregation.neighbours) == (1, 4096)
        assert recipe.prior.weight == 1


@pytest.fixture(scope="module")
def work(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with boxes of people for one video, labels, and weights by other people."""
    folder = tmp_path_factory.mktemp("tokmakov")
    paths = sorted(set(small.manifest.column("path")))
    (folder / "boxes").mkdir()
    boxes = (folder / "boxes" / paths[0]).with_suffix(".csv")
    boxes.write_text("frame,left,top,right,bottom\n0,5,5,20,40\n")
    labels = [
        f"{path},{'ab'[i // 2 % 2]},{('train', 'test')[i % 2]}" for i, path in enumerate(paths)
    ]
    (folder / "labels.csv").write_text("\n".join(["path,label,split", *labels]))
    torch.save({"state_dict": native("resnet3d_18_a").state_dict()}, folder / "hara.pth")
    return folder


Run = Callable[..., list[Step]]


@pytest.fixture
def run(small: Small, work: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the commands of a row as they are printed, those of earlier rows not again."""
    monkeypatch.chdir(work)
    places = {"VIDEOS/": str(small.manifest.root), "BOXES/": "boxes"}

    def all_steps(name: str, *more: str) -> list[Step]:
        steps = find(name).steps()
        for step in steps:
            if Path(step.leaves).exists():
                continue
            words = [places.get(word, word) for word in shlex.split(step.command)]
            words = [word.replace("=FILE", "=hara.pth") for word in words]
            small_ones = {"scan": "--workers 0", "describe": FEW}.get(words[1], MINIATURE)
            if words[1] == "compare":
                small_ones = small_ones.replace(" --workers 0", "").replace("clip.frames=4 ", "")
            cli.build()([*words[1:], *small_ones.split(), *more], standalone_mode=False)
        return steps

    return all_steps


def encoders(run: str, name: str) -> dict[str, torch.Tensor]:
    return checkpoint.part(checkpoint.load(Path(run, "checkpoints", name))[0], "encoders")


def test_the_commands_of_the_full_method_run_one_after_the_other(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = run("la_idt_kinetics")
    assert [step.leaves for step in steps] == [
        "manifest.parquet", "ir_start_kinetics", "idt_kinetics/idt.parquet",
        "la_idt_untuned_kinetics", "la_idt_kinetics",
    ]  # fmt: skip
    said = capsys.readouterr().err
    assert "begins anew" not in said  # the bank came along
    assert "begins with random weights" not in said
    assert "no descriptor" not in said
    for before, after in (steps[1::2], steps[3:]):
        given = encoders(after.leaves, "initial.safetensors")
        left = encoders(before.leaves, "last.safetensors")
        assert all(torch.equal(left[name], given[name]) for name in left)
    triptych.embed(Path("manifest.parquet"), Path("la_idt_kinetics"), out=Path("mine.parquet"))
    vectors, present = EmbeddingTable.read(Path("mine.parquet")).vectors("vector_video")
    assert present.all()
    assert vectors.std(axis=0).any()


def test_plain_la_begins_from_the_same_ir(run: Run) -> None:
    assert [step.leaves for step in run("la_kinetics")] == [
        "manifest.parquet", "ir_start_kinetics", "la_kinetics",
    ]  # fmt: skip
    given = encoders("la_kinetics", "initial.safetensors")
    left = encoders("ir_start_kinetics", "last.safetensors")
    assert all(torch.equal(left[name], given[name]) for name in left)


def test_the_deeper_network_runs(run: Run) -> None:
    run("ir_start_kinetics_r34")


def test_rows_that_learn_nothing_leave_what_they_begin_with(run: Run) -> None:
    run("scratch", NARROW)
    run("supervised_kinetics")
    theirs = torch.load("hara.pth", weights_only=True)["state_dict"]
    weights = encoders("supervised_kinetics", "initial.safetensors")
    assert torch.equal(weights["video.conv1.weight"], theirs["conv1.weight"])
    for name in ("scratch", "supervised_kinetics"):
        assert Path(find(name).leaves()).is_file()


def test_labels_teach_by_a_comparison(run: Run) -> None:
    step = run("supervised_kinetics_32", NARROW, "clip.frame_rate=16")[-1]
    _, facts = checkpoint.load(Path(step.leaves, "checkpoints", "last.safetensors"))
    assert facts["method"] == "supervised"
    assert facts["recipe"]["clip"]["frames"] == 32
