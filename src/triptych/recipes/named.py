"""Named recipes: a row of a paper's table each, found by name in the modules of the papers."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

from triptych import config
from triptych.errors import UsageError
from triptych.methods.method import declare
from triptych.recipes.cost import reckon
from triptych.recipes.steps import SCAN, Descriptors, Step
from triptych.training.recipe import Recipe

PAPERS = ("alwassel_2020", "rai_2020", "tokmakov_2020", "chen_2021")
# Encoders that the papers use with weights which others had trained on labels.
LABELLED = ("i3d", "i3d_released", "resnet3d_18_a")
Make = Callable[[], Recipe]
V = TypeVar("V", bound=Hashable)


@dataclass(frozen=True)
class Row:
    """What a recipe was run on, what was published for it, and what it takes beside itself.

    ``scores`` are in percent by data set and protocol: accuracies, where nothing else is said. "fc"
    trains a linear classifier on frozen features, in "5-shot" of five videos of each class, "all"
    tunes the whole encoder. Empty where no table reports the row. ``of_table`` is false of a run
    that is but a step of others. What learns from nothing is the weights that a run begins with;
    what learns from ``labels`` is the supervised row of a comparison with the named recipe.
    ``scan`` cuts the data, and the steps ``before`` are what else it needs beforehand.
    """

    data: str
    clips: int
    source: str
    scores: Mapping[str, float] = field(default_factory=dict)
    after: Named | None = None  # the recipe from whose run it begins
    prior: Descriptors | None = None
    of_table: bool = True
    nothing: bool = False
    labels: str | None = None
    scan: Step = SCAN
    before: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Named:
    """A recipe by its name."""

    name: str
    make: Make
    about: str
    row: Row

    def published(self) -> str:
        """The scores in one line."""
        return ", ".join(f"{on} {value:.1f}" for on, value in self.row.scores.items()) or "none"

    def steps(self) -> list[Step]:
        """All commands of the row, in their order; what several steps need is made once."""
        found = self.row.after.steps() if self.row.after else [self.row.scan, *self.row.before]
        if self.row.prior and self.row.prior.step() not in found:
            found.append(self.row.prior.step())
        return [*found, self.step()]

    def step(self) -> Step:
        """The command that trains it, once those before it have run."""
        found = reckon(self.make(), self.row.clips)
        hours = found["hours_on_one_gpu"]
        if self.row.nothing:
            hours = 0.0
        elif self.row.labels:  # a comparison trains the recipe as well as with labels
            hours *= 2
        return Step(self.leaves(), self.command(), hours, found["gibibytes"])

    def leaves(self) -> str:
        """The run, or the weights within one, that were judged."""
        if self.row.nothing:
            return f"{self.name}/checkpoints/initial.safetensors"
        return f"{self.name}/runs/supervised-0" if self.row.labels else self.name

    def total(self) -> dict[str, float]:
        """Hours on one GPU and on one core of all steps, and the memory of the largest."""
        steps = self.steps()
        return {
            "hours_on_one_gpu": sum(step.hours_on_one_gpu for step in steps),
            "gibibytes": max(step.gibibytes for step in steps),
            "hours_on_one_core": sum(step.hours_on_one_core for step in steps),
        }

    def cost(self) -> str:
        """Hours and memory on one GPU, in one line."""
        found = self.total()
        core = float(f"{found['hours_on_one_core']:.2g}")
        beside = f"; and about {core:,.0f} hours of one CPU core for descriptors" if core else ""
        return (
            f"about {found['hours_on_one_gpu']:.2g} hours and {found['gibibytes']:.2g} GiB on one "
            f"GPU, reckoned from the operations of one step, not measured{beside}"
        )

    def from_published(self) -> bool:
        """Whether the paper's run began with an encoder of pictures that labels had trained."""
        recipe = self.make()
        return "video" in recipe.modalities and recipe.encoders.video in LABELLED

    def command(self) -> str:
        """What trains it, once `triptych scan` has made the manifest."""
        if self.row.labels:
            return (
                f"triptych compare {self.row.labels} --manifest manifest.parquet --labels "
                f"labels.csv --target label --supervised label --seeds 1 --out {self.name}"
            )
        begun = f" --init {self.row.after.name}" if self.row.after else ""
        ended = " --minutes 0" if self.row.nothing else ""
        weights = " weights.video=FILE" if self.from_published() else ""
        return (
            f"triptych pretrain manifest.parquet --recipe {self.name} --cache cache "
            f"--out {self.name}{begun}{ended}{weights}"
        )


def row(it: Row) -> Callable[[Make], Make]:
    """Mark a function as a named recipe; its docstring then says command, cost and score too."""

    def mark(make: Make) -> Make:
        about = inspect.getdoc(make) or ""
        found = Named(make.__name__, make, about, it)
        make.__dict__["named"] = found
        commands = "\n".join(f"    {step.command}" for step in found.steps())
        make.__doc__ = (
            f"{about}\n\nCommands::\n\n{commands}\n\n"
            f"Cost: {found.cost()}.\nPublished: {found.published()} ({it.source})."
        )
        return make

    return mark


@dataclass(frozen=True)
class Member:
    """One of a family of recipes: what its name and its sentence end in."""

    suffix: str
    said: str
    row: Row


def rows(
    members: Mapping[V, Member],
) -> Callable[[Callable[[V], Recipe]], Callable[[V], Recipe]]:
    """Mark a function of a value as one named recipe for each of ``members``."""

    def mark(make: Callable[[V], Recipe]) -> Callable[[V], Recipe]:
        family = {}
        for value, member in members.items():

            def of_value(value: V = value) -> Recipe:
                return make(value)

            of_value.__name__ = make.__name__ + member.suffix
            of_value.__doc__ = f"{inspect.getdoc(make)}{member.said}"
            family[value] = row(member.row)(of_value).__dict__["named"]
        make.__dict__["family"] = family
        return make

    return mark


def member(make: Callable[[V], Recipe], value: V) -> Named:
    """The recipe of ``value`` in a family."""
    found: Named = make.__dict__["family"][value]
    return found


def every() -> dict[str, Named]:
    """All named recipes, in the order in which the papers' modules declare them."""
    found: dict[str, Named] = {}
    for paper in PAPERS:
        module = importlib.import_module(f"triptych.recipes.{paper}")
        for value in vars(module).values():
            marks: dict[str, Any] = getattr(value, "__dict__", {})
            family = marks.get("family", {}).values()
            for named in [*family, *filter(None, [marks.get("named")])]:
                found[named.name] = named
    return found


def recipe_of(text: str) -> Recipe:
    """The recipe in the file ``text``, or else the one of that name.

    Raises UsageError where the name's row learns from labels, which are no part of a recipe.
    """
    path = Path(text)
    if path.is_file() or path.suffix == ".json":
        return config.load(Recipe, path)
    named = find(text)
    if named.row.labels:
        raise UsageError(
            f"recipe {text!r} learns from labels; `{named.command()}` trains it, as its row "
            "supervised"
        )
    return named.make()


def announced(recipe: Recipe, clips: int, name: str | None, *, fresh: bool) -> Iterator[str]:
    """What is about to be trained, a line each; ``fresh``: from no other run's weights.

    ``name`` is what the recipe was asked for by.
    """
    encoders = [f"{m} by {recipe.encoder(m)}" for m in recipe.modalities]
    clustered = declare(recipe.method, recipe.modalities).clusters
    k = f"k={recipe.clustering.k}, " if clustered else ""
    length = f"{recipe.epochs} epoch{'s' * (recipe.epochs > 1)}"
    yield (
        f"{recipe.method} on {', '.join(encoders)}; {clips} clips, {k}"
        f"{length}, {'GPU' if torch.cuda.is_available() else 'CPU'}"
    )
    if fresh:
        yield from lacking(recipe, name)


def lacking(recipe: Recipe, name: str | None) -> Iterator[str]:
    """What the run of the row ``name`` began with and one without ``--init`` does not, a line each.

    ``recipe`` is the row's, with what the user has changed.
    """
    named = every().get(name or "")
    begun = recipe.weights.video is not None or recipe.features.video
    if named and named.from_published() and not begun:
        yield (
            f"{name} is of a run whose {recipe.encoders.video} began with published weights; "
            "without weights.video=FILE it begins with random ones"
        )
    if named and named.row.after:
        before = named.row.after.name
        yield (
            f"{name} is of a run that began where {before} ended; without --init {before} it "
            "begins with random weights"
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
