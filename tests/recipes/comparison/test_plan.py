from pathlib import Path
from typing import Any

import pytest

from triptych import config
from triptych.errors import UsageError, UserError
from triptych.recipes import named
from triptych.recipes.comparison.plan import Row, base_recipe, plain, plan
from triptych.training.recipe import Features, Recipe

VIDEO = "vector_video"


def by_name(words: list[str], axes: list[str], vector: str = VIDEO, **more: Any) -> dict[str, Row]:
    return {row.name: row for row in plan(words, axes, vector=vector, **more)}


def test_rows_are_random_then_every_recipe_at_every_point_then_supervised() -> None:
    rows = by_name(
        ["sdc:modalities=video", "xdc:modalities=video,text;batch=8", "epochs=3"],
        ["clustering.k=4,16", "clips=100,200"],
        supervised=True,
    )
    assert list(rows) == [
        "random",
        "sdc video k=4 clips=100",
        "sdc video k=4 clips=200",
        "sdc video k=16 clips=100",
        "sdc video k=16 clips=200",
        "xdc video+text batch=8 k=4 clips=100",
        "xdc video+text batch=8 k=4 clips=200",
        "xdc video+text batch=8 k=16 clips=100",
        "xdc video+text batch=8 k=16 clips=200",
        "supervised",
    ]
    row = rows["xdc video+text batch=8 k=16 clips=100"]
    assert row.recipe == config.override(
        Recipe(), ["epochs=3", "modalities=video,text", "batch=8", "clustering.k=16"]
    )
    assert (row.values, row.clips) == ({"clustering.k": 16, "clips": 100}, 100)
    assert row.of == "xdc video+text batch=8"
    assert row.without("clustering.k") == "xdc video+text batch=8 clips=100"
    assert {rows[name].random for name in rows if name != "random"} == {"random"}
    assert rows["random"].start == "sdc video k=4 clips=100"
    # All clips, and only the encoder that is judged.
    assert rows["supervised"].clips is None
    assert rows["supervised"].recipe.modalities == ("video",)
    assert rows["supervised"].recipe.epochs == 3


def test_a_recipe_s_own_keys_win_over_those_of_all() -> None:
    rows = by_name(["sdc:batch=8", "xdc", "batch=16"], [])
    assert rows["sdc batch=8"].recipe.batch == 8
    assert rows["xdc"].recipe.batch == 16
    assert rows["xdc"].recipe.method == "xdc"


def test_a_prior_is_no_part_of_training_with_labels() -> None:
    rows = plan(["la:prior.file=idt.parquet"], [], vector="vector_video", supervised=True)
    (taught,) = [row for row in rows if row.kind == "supervised"]
    assert taught.recipe.prior.file is None


def test_a_recipe_of_labels_is_no_row_by_itself() -> None:
    with pytest.raises(UsageError, match="supervised_kinetics_32' learns from labels"):
        plan(["supervised_kinetics_32"], [], vector="vector_video")


def test_a_row_knows_its_recipe_s_name_without_what_is_changed() -> None:
    rows = plan(["la_kinetics:epochs=3"], ["batch=8,16"], vector="vector_video")
    assert {row.named for row in rows if row.kind == "method"} == {"la_kinetics"}


def test_untrained_encoders_are_a_row_wherever_they_differ() -> None:
    rows = by_name(["sdc", "xdc"], ["clip.background=keep,subtract", "clustering.k=4,8"])
    random = [row for row in rows.values() if row.kind == "random"]
    assert [row.name for row in random] == ["random background=keep", "random background=subtract"]
    assert rows["random background=subtract"].start == "sdc background=subtract k=4"
    assert rows["xdc background=subtract k=8"].random == "random background=subtract"
    assert rows["random background=subtract"].values == {"clip.background": "subtract"}


def test_modalities_are_lists_within_an_axis() -> None:
    words, axis = ["sdc"], ["modalities=video,video+audio"]
    rows = by_name(words, axis)
    assert list(rows) == ["random", "sdc video", "sdc video+audio"]
    assert rows["sdc video+audio"].recipe.modalities == ("video", "audio")
    # All modalities make the joint vector, so there the untrained ones differ too.
    joint = by_name(words, axis, "vector_joint", supervised=True)
    assert list(joint)[:2] == ["random video", "random video+audio"]
    assert joint["supervised video+audio"].recipe.modalities == ("video", "audio")


def test_stores_that_are_named_for_all_rows_are_of_those_that_have_the_modality() -> None:
    words = ["sdc", "features.video=2d,3d", "features.audio=heard"]
    rows = by_name(words, ["modalities=video,video+audio"], supervised=True)
    assert rows["sdc video"].recipe.features == Features(video=("2d", "3d"))
    assert rows["sdc video+audio"].recipe.features == Features(video=("2d", "3d"), audio=("heard",))
    assert rows["supervised"].recipe.features == Features(video=("2d", "3d"))
    apart = by_name(["sdc"], ["features.video=2d,2d+3d"])
    assert [row.recipe.features.video for row in apart.values() if row.kind == "method"] == [
        (Path("2d"),),
        (Path("2d"), Path("3d")),
    ]
    assert len([name for name in apart if name.startswith("random")]) == 2
    with pytest.raises(UsageError, match="the recipe has no audio"):
        by_name(["sdc:modalities=video", "features.audio=heard"], [])


def test_other_keys_may_hold_lists_too() -> None:
    rows = by_name(["xcc"], ["contrast.alpha=0.5,1+0.5", "clip.resize=null,72+96"])
    row = rows["xcc alpha=1.0+0.5 resize=72+96"]
    assert row.recipe.contrast.alpha == (1.0, 0.5)
    assert row.recipe.clip.resize == (72, 96)
    assert rows["xcc alpha=0.5 resize=None"].recipe.clip.resize is None
    assert row.random == "random resize=72+96"


def test_the_ceiling_learns_though_the_recipe_freezes() -> None:
    words = ["xdc:modalities=video,text;frozen=text;refresh_on=plateau"]
    (row,) = [
        row for row in plan(words, [], vector=VIDEO, supervised=True) if row.of == "supervised"
    ]
    assert (row.recipe.frozen, row.recipe.modalities) == ((), ("video",))
    assert row.recipe.refresh_on == "epochs"


def test_the_ceiling_begins_with_the_weights_of_what_it_trains() -> None:
    words = ["xdc:weights.video=v.pth;weights.audio=a.pth"]
    rows = {row.of: row for row in plan(words, [], vector=VIDEO, supervised=True)}
    weights = rows["supervised"].recipe.weights
    assert (weights.video, weights.audio) == (Path("v.pth"), None)


def test_what_a_run_begins_with_is_an_axis_with_a_row_for_each() -> None:
    rows = by_name(["sdc:modalities=video"], ["weights.video=null,v.pth"])
    assert list(rows) == [
        "random weights.video=None", "random weights.video=v.pth",
        "sdc video weights.video=None", "sdc video weights.video=v.pth",
    ]  # fmt: skip
    row = rows["sdc video weights.video=v.pth"]
    assert (row.values, row.random) == ({"weights.video": "v.pth"}, "random weights.video=v.pth")


def test_a_collection_is_called_by_its_folder_or_file(tmp_path: Path) -> None:
    axis = f"manifest={tmp_path / 'films' / 'manifest.parquet'},{tmp_path / 'news.parquet'}"
    rows = by_name(["sdc"], [axis])
    assert list(rows) == ["random", "sdc manifest=films", "sdc manifest=news"]
    assert rows["sdc manifest=news"].manifest == tmp_path / "news.parquet"
    assert rows["random"].manifest is None


def test_a_recipe_s_file_gives_the_row_its_name(tmp_path: Path) -> None:
    recipe = Recipe(method="mdc", epochs=7, seed=5)
    for file in ("long.json", "run/recipe.json"):
        config.save(recipe, tmp_path / file)
        assert base_recipe(str(tmp_path / file)) == (
            Path(file).parts[0].removesuffix(".json"),
            recipe,
        )
    name = next(iter(named.every()))
    assert base_recipe(name) == (name, named.find(name).make())
    # A path may hold what overrides begin with.
    (tmp_path / "a:b").mkdir()
    config.save(recipe, tmp_path / "a:b" / "x=1.json")
    rows = by_name([str(tmp_path / "a:b" / "x=1.json")], [])
    assert rows["x=1"].recipe == recipe.model_copy(update={"seed": 0})


def test_folders_are_names_that_every_disk_takes() -> None:
    row = by_name(["xdc:modalities=video,audio"], ["clustering.k=4"])["xdc video+audio k=4"]
    assert row.folder(2) == "xdc_video+audio_k=4-2"
    assert plain("a/b c$ü") == "a_b_c_ü"


@pytest.mark.parametrize(
    ("words", "axes", "message"),
    [
        ([], [], "name one or more RECIPEs"),
        (["epochs=3"], [], "name one or more RECIPEs"),
        (["sdx"], [], r"'sdx': neither a method,.* did you mean sdc.*methods are cdc, "),
        (["sdc", "sdc"], [], "two rows are called 'sdc'"),
        (["sdc"], ["clusterin.k=4"], "did you mean clustering.k?"),
        (["sdc"], ["k=4"], "'k' is not a key; did you mean clustering.k?.*, beside clips and"),
        (["sdc"], ["clustering.k"], "^--axis clustering.k: no values; write"),
        (["sdc:modalities=video;weights.text=w.pth"], [], "weights.text: the recipe has no text"),
        (["sdc"], ["clustering.k=4,x"], "clustering.k='x'"),
        (["sdc"], ["clustering.k=4,1"], "clustering.k=1"),
        (["sdc"], ["clustering.k=4,,8"], "an empty value"),
        (["sdc"], ["clustering.k=4,4"], "two values of --axis clustering.k are called '4'"),
        (["sdc"], ["batch=4,8", "batch=16"], "two axes are called 'batch'"),
        (["sdc:batch=4"], ["batch=4,8"], "sdc batch=4 sets batch itself"),
        (["sdc", "batch=4"], ["batch=4,8"], "the command line sets batch itself"),
        (["sdc"], ["seed=1,2"], "--seeds says how many"),
        (["sdc", "seed=1"], [], "--seeds says how many"),
        (["sdc:method=xdc"], [], "name each method as a RECIPE"),
        (["sdc"], ["method=sdc,xdc"], "name each method as a RECIPE"),
        (["sdc"], ["clips=1"], "2 or more"),
        (["sdc"], ["clips=many"], "2 or more"),
        (["xdc:modalities=video"], [], "xdc video: .*needs two or three modalities"),
        (["sdc:encoders.video=r3d"], [], "encoders of video are"),
        (["sdc:modalities=audio"], [], "sdc audio: .* so it has no vector_video"),
        (["sdc:k=4"], [], "did you mean clustering.k?"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_wrong_usage(words: list[str], axes: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        plan(words, axes, vector=VIDEO)
    assert "\n" not in str(error.value)


def test_vectors_that_untrained_encoders_lack_are_refused() -> None:
    with pytest.raises(UsageError, match="choose vector_video, vector_audio, vector_text or"):
        plan(["sdc"], [], vector="shared_video")
    with pytest.raises(UserError, match="no such file"):
        plan(["nothing.json"], [], vector=VIDEO)


def test_a_row_begins_from_the_one_of_its_own_values() -> None:
    words = ["ir:name=IR", "la:from=IR", "la:from=la from=IR;name=more;batch=8", "modalities=video"]
    rows = by_name(words, ["clip.frames=4,8"])
    assert {row.name: row.begins for row in rows.values() if row.kind == "method"} == {
        "IR frames=4": "",
        "IR frames=8": "",
        "la from=IR frames=4": "IR frames=4",
        "la from=IR frames=8": "IR frames=8",
        "more frames=4": "la from=IR frames=4",
        "more frames=8": "la from=IR frames=8",
    }
    assert rows["more frames=8"].recipe.batch == 8
    with pytest.raises(UsageError, match=r"la from=sdc: from=sdc: no RECIPE before .*; .* are ir$"):
        plan(["ir", "la:from=sdc", "sdc"], [], vector=VIDEO)


def test_descriptors_are_rows_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "idt.parquet"
    file.touch()
    rows = by_name(["sdc"], [], descriptors=[f"IDT={file}"])
    assert list(rows) == ["random", "IDT", "sdc"]
    assert (rows["IDT"].kind, rows["IDT"].file, rows["IDT"].random) == (
        "descriptor",
        file,
        "random",
    )
    for text in ("IDT", f"={file}"):
        with pytest.raises(UsageError, match="write --descriptor NAME=FILE"):
            plan(["sdc"], [], vector=VIDEO, descriptors=[text])
    with pytest.raises(UsageError, match=r"none\.parquet: no such file; make one"):
        plan(["sdc"], [], vector=VIDEO, descriptors=["IDT=none.parquet"])
