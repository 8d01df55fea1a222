"""``methods``, ``recipes`` and ``keys``: the declarations, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from triptych.methods.method import Cluster, Method


def methods() -> dict[str, Any]:
    """The deep-clustering methods: what each clusters, and who teaches whom."""
    from triptych.errors import UsageError
    from triptych.methods.method import declare, names

    rows = []
    for name in names():
        for modalities in (("video",), ("video", "audio"), ("video", "audio", "text")):
            try:
                method = declare(name, modalities)
            except UsageError:
                continue
            rows.append(
                {
                    "method": name,
                    "modalities": ", ".join(modalities),
                    "clusters": "; ".join(map(_clustered, method.clusters)) or "none",
                    "teacher → student": ", ".join(_edges(method)),
                    "terms": ", ".join(_terms(method)),
                    "heads": method.heads,
                }
            )
    return {"methods": rows}


def _clustered(cluster: Cluster) -> str:
    """What is clustered: features, their projections, the queue, or often a memory bank."""
    if cluster.over == "queue":
        return f"queue(mean of {', '.join(cluster.of)})"
    if cluster.over == "bank":
        return f"bank({'+'.join(cluster.of)}), several times"
    return "+".join(f"fc({name})" if cluster.projected else name for name in cluster.of)


def _edges(method: Method) -> list[str]:
    if method.bank:
        teacher = "close neighbours" if method.clusters else "each clip itself"
        return [f"{teacher}→{name}" for name in method.modalities]
    partners = [f"{pair.one}↔{pair.other}" for pair in method.pairs]
    return partners + [f"{edge.cluster}→{'+'.join(edge.students)}" for edge in method.teaches]


def _terms(method: Method) -> list[str]:
    if method.bank:
        return ["local aggregation" if method.clusters else "instance"]
    if method.joint:
        return list(method.joint.terms)
    apart = [f"triplet {one.term}, other cluster of {one.apart}" for one in method.contrasts]
    return ["pseudo-label", *apart]


def recipes(
    name: Annotated[str | None, typer.Argument(help="say everything about this one")] = None,
) -> dict[str, Any]:
    """The named recipes: a row of a paper's table each, and with NAME its commands and cost."""
    from dataclasses import asdict

    from triptych.recipes.named import every, find

    if name is None:
        return {"recipes": [_summary(named) for named in every().values() if named.row.of_table]}
    from triptych.recipes.cost import reckon

    named = find(name)
    found, total, steps = reckon(named.make(), named.row.clips), named.total(), named.steps()
    return {
        **_summary(named),
        "gibibytes": total["gibibytes"],
        "hours_on_one_core": total["hours_on_one_core"],
        "parameters": found["parameters"],
        "gigaflops_a_clip": found["gigaflops_a_clip"],
        "scores": dict(named.row.scores),
        "about": named.about,
        "steps": [asdict(step) for step in steps],
        "command": "\n".join(step.command for step in steps),
        "weights": named.leaves(),
        "cost": named.cost(),
        "step": _step(found),
        "settings": " ".join(_differences(named.make())),
    }


def _step(found: dict[str, float]) -> str:
    return (
        f"{found['parameters'] / 1e6:.1f} M parameters, {found['gigaflops_a_clip']:.3g} gigaflops "
        "for the forward pass of a clip"
    )


def keys(
    part: Annotated[str | None, typer.Argument(help="only those that hold this word")] = None,
) -> dict[str, Any]:
    """The settings that KEY=VALUE can change: what each means, its default, and what it may be."""
    from triptych.config import described
    from triptych.errors import UsageError
    from triptych.training.recipe import Recipe

    found = [row for row in described(Recipe) if part is None or part in row["key"]]
    if not found:
        raise UsageError(f"{part!r}: in no key; `triptych keys` lists all")
    return {"keys": found}


def _differences(recipe: Any) -> list[str]:
    """What sets a recipe apart from the default, as it is written on the command line."""
    from triptych.config import keys, written

    plain, default = recipe.model_dump(mode="json"), type(recipe)().model_dump(mode="json")
    found = []
    for key in keys(type(recipe)):
        value, usual = plain, default
        for part in key.split("."):
            value, usual = value[part], usual[part]
        if value != usual:
            found.append(f"{key}={written(value)}")
    return found


def _summary(named: Any) -> dict[str, Any]:
    from triptych.methods.method import declare

    recipe, row = named.make(), named.row
    clustered = declare(recipe.method, recipe.modalities).clusters
    method = "none" if row.nothing else "supervised" if row.labels else recipe.method
    return {
        "recipe": named.name,
        "method": method,
        "modalities": ", ".join(recipe.modalities),
        "data": row.data,
        "clips": row.clips,
        "k": recipe.clustering.k if clustered else None,
        "frames": recipe.clip.frames * recipe.clip.segments,
        "hours_on_one_gpu": float(f"{named.total()['hours_on_one_gpu']:.2g}"),
        "published": named.published(),
        "source": row.source,
    }
