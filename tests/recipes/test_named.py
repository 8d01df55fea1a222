import re
from pathlib import Path

import pytest

from tests.small import Small
from triptych import config
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.errors import UsageError, UserError
from triptych.recipes.named import every, find, recipe_of
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


KINDS = {kind(named.make()): name for name, named in every().items()}


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
        assert f"triptych pretrain manifest.parquet --recipe {name} --out {name}" in text
        assert named.published() in text
        assert named.source in text
        assert re.search(r"Cost: about \S+ hours and \S+ GiB on one GPU, reckoned", text)
        assert named.about.endswith((".", "clusters."))


def test_the_rows_of_the_papers_tables_are_there_with_their_scores() -> None:
    """Read off the papers anew: best of each column of XDC's slides, COIN's table 3."""
    known = every()
    assert known["xdc_kinetics_k256"].scores["UCF101 all"] == 74.2
    assert known["xdc_kinetics_k128"].scores["HMDB51 all"] == 39.0
    assert known["xdc_kinetics_k64"].scores["ESC-50 all"] == 78.0
    assert known["xdc_audioset_k256"].scores["UCF101 all"] == 84.9
    assert known["xdc_audioset_k128"].scores["ESC-50 all"] == 85.8
    assert known["sdc_kinetics"].scores == {
        "UCF101 all": 61.8, "HMDB51 all": 31.4, "ESC-50 all": 66.5,
    }  # fmt: skip
    assert known["xdc_ig_kinetics"].scores["UCF101 fc"] == 85.3
    assert known["xdc_ig_kinetics_32"].scores["UCF101 all"] == 95.5
    coin = {name: named.scores.get("COIN fc") for name, named in known.items() if "coin" in name}
    assert coin["smc_coin_16"] == 22.8
    assert coin["smc_coin_64"] == 44.9
    assert coin["xdc_coin_64"] == 50.4
    assert coin["xcc_coin_64"] == 49.6
    assert coin["jdc_coin_64"] is None
    assert len(known) == 34


def test_a_recipe_is_a_file_or_a_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    config.save(Recipe(seed=5), path)
    assert recipe_of(str(path)).seed == 5
    assert recipe_of("xcc_coin_64").method == "xcc"
    with pytest.raises(UsageError, match="neither a file nor a name; did you mean xdc_coin_64"):
        recipe_of("xdc_coin64")
    with pytest.raises(UserError, match="no such file"):
        recipe_of(str(tmp_path / "gone.json"))


def test_the_rates_that_rai_et_al_can_only_mean() -> None:
    """The paper prints 10e-2, -0.9 and 10e-5."""
    rates = find("xdc_coin_64").make().optimisation
    assert (rates.rate, rates.momentum, rates.weight_decay) == (1e-2, 0.9, 1e-5)
    assert find("xdc_coin_64_released").make().optimisation.head_rate == 0
