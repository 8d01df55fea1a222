"""Named recipes: a row of a paper's table each, found by name in the modules of the papers."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from triptych import config
from triptych.errors import UsageError
from triptych.methods.method import declare
from triptych.recipes.cost import reckon
from triptych.training.recipe import Recipe

PAPERS = ("alwassel_2020", "rai_2020")
Make = Callable[[], Recipe]


@dataclass(frozen=True)
class Named:
    """A recipe with what it was run on and what was published for it.

    ``scores`` are accuracies in percent by data set and protocol: "fc" trains a linear classifier
    on frozen features, "all" tunes the whole encoder. Empty where no table reports the row.
    """

    name: str
    make: Make
    about: str
    data: str
    clips: int
    scores: dict[str, float]
    source: str

    def published(self) -> str:
        """The scores in one line."""
        return ", ".join(f"{on} {value:.1f}" for on, value in self.scores.items()) or "none"

    def cost(self) -> str:
        """Hours and memory on one GPU, in one line."""
        found = reckon(self.make(), self.clips)
        return (
            f"about {found['hours_on_one_gpu']:.2g} hours and {found['gibibytes']:.2g} GiB on one "
            "GPU, reckoned from the operations of one step, not measured"
        )

    def from_published(self) -> bool:
        """Whether the paper's run began with an encoder of pictures that labels had trained."""
        recipe = self.make()
        return "video" in recipe.modalities and recipe.encoders.video.startswith("i3d")

    def command(self) -> str:
        """What trains it, once `triptych scan` has made the manifest."""
        weights = " weights.video=FILE" if self.from_published() else ""
        return (
            f"triptych pretrain manifest.parquet --recipe {self.name} --cache cache "
            f"--out {self.name}{weights}"
        )


def row(
    data: str, clips: int, source: str, scores: dict[str, float] | None = None
) -> Callable[[Make], Make]:
    """Mark a function as a named recipe; its docstring then says command, cost and score too."""

    def mark(make: Make) -> Make:
        about = inspect.getdoc(make) or ""
        found = Named(make.__name__, make, about, data, clips, scores or {}, source)
        make.__dict__["named"] = found
        make.__doc__ = (
            f"{about}\n\nCommand: ``{found.command()}``.\n"
            f"Cost: {found.cost()}.\nPublished: {found.published()} ({source})."
        )
        return make

    return mark


def rows(
    values: dict[int, dict[str, float]], data: str, clips: int, source: str
) -> Callable[[Callable[[int], Recipe]], Callable[[int], Recipe]]:
    """Mark a function of k as one named recipe for each number of clusters."""

    def mark(make: Callable[[int], Recipe]) -> Callable[[int], Recipe]:
        found = []
        for k, scores in values.items():

            def of_k(k: int = k) -> Recipe:
                return make(k)

            of_k.__name__ = f"{make.__name__}_k{k}"
            of_k.__doc__ = f"{inspect.getdoc(make)} {k} clusters."
            found.append(row(data, clips, source, scores)(of_k).__dict__["named"])
        make.__dict__["family"] = found
        return make

    return mark


def every() -> dict[str, Named]:
    """All named recipes, in the order in which the papers' modules declare them."""
    found: dict[str, Named] = {}
    for paper in PAPERS:
        module = importlib.import_module(f"triptych.recipes.{paper}")
        for value in vars(module).values():
            marks: dict[str, Any] = getattr(value, "__dict__", {})
            for named in [*marks.get("family", []), *filter(None, [marks.get("named")])]:
                found[named.name] = named
    return found


def recipe_of(text: str) -> Recipe:
    """The recipe in the file ``text``, or else the one of that name."""
    path = Path(text)
    if path.is_file() or path.suffix == ".json":
        return config.load(Recipe, path)
    return find(text).make()


def announced(recipe: Recipe, clips: int, name: str | None, *, fresh: bool) -> Iterator[str]:
    """What is about to be trained, a line each; ``fresh``: from no other run's weights.

    ``name`` is what the recipe was asked for by.
    """
    encoders = [f"{m} by {getattr(recipe.encoders, m)}" for m in recipe.modalities]
    clustered = declare(recipe.method, recipe.modalities).clusters
    k = f"k={recipe.clustering.k}, " if clustered else ""
    yield (
        f"{recipe.method} on {', '.join(encoders)}; {clips} clips, {k}"
        f"{recipe.epochs} epochs, {'GPU' if torch.cuda.is_available() else 'CPU'}"
    )
    named = every().get(name or "")
    if fresh and named and named.from_published() and recipe.weights.video is None:
        yield (
            f"{name} is of a run whose {recipe.encoders.video} began with published weights; "
            "without weights.video=FILE it begins with random ones"
        )


def find(name: str) -> Named:
    """The recipe called ``name``; raises UsageError that names near ones."""
    known = every()
    if name in known:
        return known[name]
    longer = [other for other in known if other.startswith(name)]
    near = (longer or difflib.get_close_matches(name, known, 3))[:3]
    hint = f"did you mean {' or '.join(near)}?" if near else "`triptych recipes` lists the names"
    raise UsageError(f"recipe {name!r}: neither a file nor a name; {hint}")
