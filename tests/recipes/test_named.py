import re
from pathlib import Path

import pytest

from tests.small import Small
from triptych import config
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.errors import UsageError, UserError
from triptych.methods.method import declare
from triptych.recipes.cost import reckon
from triptych.recipes.named import announced, every, find, recipe_of
from triptych.training.optimizer import factor
from triptych.training.pretrain import pretrain
from triptych.training.recipe import Recipe
from triptych.training.source import open_source

# What makes a recipe of a size that a test can run; everything else stays the paper's.
MINIATURE = [
    "clip.frames=4", "clip.size=32", "clip.resize=[36,40]", "clip.frame_rate=8",
    "clustering.k=3", "clustering.components=4", "epochs=1", "batch=4",
    "precision=32-true", "clip.vocabulary=40", "held_back=0.2",
]  # fmt: skip
CLIPS = 8

# The slides' table of k, row by row as it is printed; the recipes have it column by column.
OVER_K = {
    "xdc_kinetics": {
        "UCF101 all": (73.8, 73.1, 74.2, 74.0, 72.6),
        "HMDB51 all": (36.5, 39.0, 38.3, 37.7, 37.7),
        "ESC-50 all": (78.0, 76.3, 75.0, 74.5, 71.5),
    },
    "xdc_audioset_240k": {
        "UCF101 all": (77.4, 77.2, 76.7, 77.1, 75.3),
        "HMDB51 all": (41.3, 42.6, 41.6, 40.6, 40.7),
        "ESC-50 all": (78.5, 77.8, 77.3, 76.8, 73.5),
    },
    "xdc_audioset": {
        "UCF101 all": (84.1, 84.3, 84.9, 84.4, 84.2),
        "HMDB51 all": (47.4, 47.6, 48.8, 48.5, 48.4),
        "ESC-50 all": (84.8, 85.8, 85.0, 84.5, 83.0),
    },
}
# What the tables of methods and of pretraining data print for XDC: the best of each row above.
PRINTED = {
    "xdc_kinetics": (74.2, 39.0, 78.0),
    "xdc_audioset_240k": (77.4, 42.6, 78.5),
    "xdc_audioset": (84.9, 48.8, 85.8),
}


def kind(recipe: Recipe) -> str:
    """What a recipe exercises: all but the number of clusters and epochs."""
    plain = recipe.model_copy(
        update={
            "epochs": 1,
            "clustering": recipe.clustering.model_copy(update={"k": 2}),
            "clip": recipe.clip.model_copy(update={"frames": 8}),
        }
    )
    return plain.model_dump_json()


# Those with memory banks take several commands, which test_tokmakov_2020.py runs; those with a
# joint space take stored features, as in test_chen_2021.py.
KINDS = {
    kind(named.make()): name
    for name, named in every().items()
    if not declare(named.make().method, named.make().modalities).bank
    and not declare(named.make().method, named.make().modalities).joint
}


@pytest.mark.parametrize("name", KINDS.values())
def test_a_named_recipe_runs_end_to_end_on_a_miniature(
    name: str, small: Small, tmp_path: Path, roberta: Path
) -> None:
    """One recipe of each kind; others differ from it in k, epochs, frames or their data alone."""
    recipe = config.override(find(name).make(), MINIATURE)
    if recipe.encoders.text == "roberta":  # its weights are not to be had here
        recipe = config.override(recipe, [f"encoders.text=transformer:{roberta}"])
    spoken = small.manifest.has("text") & small.manifest.has("audio")
    clips = small.manifest.select(spoken.nonzero()[0][:CLIPS])
    source = open_source(clips, recipe.clip, None)
    done = pretrain(clips, recipe, tmp_path, source)
    assert done.finished
    table = embed(clips, Model.load(done.checkpoint), source)
    for modality in recipe.modalities:
        vectors, present = table.vectors(f"vector_{modality}")
        assert present.all()
        assert vectors.std(axis=0).any()


def test_every_docstring_has_command_published_score_and_source() -> None:
    for name, named in every().items():
        text = named.make.__doc__ or ""
        trained = f"triptych pretrain manifest.parquet --recipe {name} --cache cache --out {name}"
        assert named.row.labels or trained in text
        assert all(step.command in text for step in named.steps())
        assert named.published() in text
        assert named.row.source in text
        assert re.search(r"Cost: about \S+ hours and \S+ GiB on one GPU, reckoned", text)
        assert named.about.endswith((".", "clusters."))


def test_the_rows_of_the_papers_tables_are_there_with_their_scores() -> None:
    """Read off the papers anew: XDC's slides, COIN's table 3."""
    known = every()
    for name, table in OVER_K.items():
        for on, scores in table.items():
            found = [known[f"{name}_k{k}"].row.scores[on] for k in (64, 128, 256, 512, 1024)]
            assert found == list(scores), (name, on)
        assert tuple(map(max, table.values())) == PRINTED[name]
    assert known["sdc_kinetics"].row.scores == {
        "UCF101 all": 61.8, "HMDB51 all": 31.4, "ESC-50 all": 66.5,
    }  # fmt: skip
    assert known["xdc_ig_kinetics"].row.scores["UCF101 fc"] == 85.3
    assert known["xdc_ig_kinetics_32"].row.scores["UCF101 all"] == 95.5
    coin = {
        name: named.row.scores.get("COIN fc") for name, named in known.items() if "coin" in name
    }
    assert coin["smc_coin_16"] == 22.8
    assert coin["smc_coin_64"] == 44.9
    assert coin["xdc_coin_64"] == 50.4
    assert coin["xcc_coin_64"] == 49.6
    assert coin["jdc_coin_64"] is None
    others = [named for named in known.values() if "Tokmakov" not in named.row.source]
    assert len(others) == 34 + 4  # and four of Chen et al.


def test_a_recipe_is_a_file_or_a_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    config.save(Recipe(seed=5), path)
    assert recipe_of(str(path)).seed == 5
    assert recipe_of("xcc_coin_64").method == "xcc"
    with pytest.raises(UsageError, match="neither a file nor a name; did you mean xdc_coin_64"):
        recipe_of("xdc_coin64")
    with pytest.raises(UserError, match="no such file"):
        recipe_of(str(tmp_path / "gone.json"))


def test_names_that_begin_alike_are_offered_first() -> None:
    with pytest.raises(UsageError, match="did you mean xdc_kinetics_k64 or xdc_kinetics_k128"):
        recipe_of("xdc_kinetics")


def test_what_is_trained_is_said_and_that_published_weights_are_missing() -> None:
    recipe = find("xdc_coin_64").make()
    first, second = announced(recipe, 974, "xdc_coin_64", fresh=True)
    assert first.startswith("xdc on video by i3d, text by bag_of_words; 974 clips, k=100, 100 epo")
    assert "without weights.video=FILE it begins with random ones" in second
    given = config.override(recipe, ["weights.video=rgb_imagenet.pt"])
    for other, name, fresh in (
        (given, "xdc_coin_64", True),
        (recipe, "xdc_coin_64", False),
        (recipe, None, True),
        (find("smc_coin_bow").make(), "smc_coin_bow", True),
        (find("xdc_kinetics_k256").make(), "xdc_kinetics_k256", True),
    ):
        assert len(list(announced(other, 974, name, fresh=fresh))) == 1


def test_what_a_row_began_from_is_missed_where_it_is_not_given() -> None:
    recipe = find("la_kinetics").make()
    lines = list(announced(recipe, 9, "la_kinetics", fresh=True))
    assert lines[1].endswith("without --init ir_start_kinetics it begins with random weights")
    assert len(list(announced(recipe, 9, "la_kinetics", fresh=False))) == 1


def test_a_row_of_labels_is_no_recipe_to_pretrain() -> None:
    with pytest.raises(UsageError, match="learns from labels; `triptych compare ir_kinetics:clip"):
        recipe_of("supervised_kinetics_64")


def test_a_row_costs_what_its_steps_do_together() -> None:
    named = find("la_idt_kinetics")
    steps, found = named.steps(), named.total()
    trained = [step.leaves for step in steps if "pretrain" in step.command]
    alone = [reckon(find(name).make(), 235_000) for name in trained]
    assert len(alone) == 3
    hours = sum(one["hours_on_one_gpu"] for one in alone)
    assert found["hours_on_one_gpu"] == pytest.approx(hours)
    # 235,000 videos of 300 frames at 17 a second.
    assert found["hours_on_one_core"] == pytest.approx(235_000 * 300 / 17 / 3600)
    assert find("scratch").total()["hours_on_one_gpu"] == 0
    # A comparison trains the recipe without labels too.
    twice = reckon(find("supervised_kinetics_32").make(), 235_000)["hours_on_one_gpu"] * 2
    assert find("supervised_kinetics_32").total()["hours_on_one_gpu"] == pytest.approx(twice)


def test_the_rates_that_rai_et_al_can_only_mean() -> None:
    """The paper prints 10e-2, -0.9 and 10e-5."""
    rates = find("xdc_coin_64").make().optimisation
    assert (rates.rate, rates.momentum, rates.weight_decay) == (1e-2, 0.9, 1e-5)
    assert {factor(step, 1000, rates) for step in (0, 1, 500, 999)} == {1.0}  # no warm-up


def test_the_release_s_mistakes_that_settings_can_repeat() -> None:
    released = find("xdc_coin_64_released").make()
    rates, clip = released.optimisation, released.clip
    assert (rates.rate, rates.head_rate, released.batch, released.epochs) == (0.05, 0, 5, 200)
    assert (released.balance, released.encoders.video) == ("none", "i3d_released")
    # The paper skips every second frame of 30 a second, the release none.
    assert (find("xdc_coin_64").make().clip.frame_rate, clip.frame_rate) == (15.0, 30.0)
    assert factor(0, 1000, rates) == 1.0
