"""Sets in the layouts of their authors, scored by the protocols that they are published with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from triptych import config
from triptych.embeddings.model import Model
from triptych.errors import UsageError, UserError
from triptych.evaluate.across import ACROSS, place_of, rows_of
from triptych.evaluate.joint import added, refuse_apart
from triptych.evaluate.layouts import find, in_space
from triptych.evaluate.layouts.labelled_times import BACKGROUND
from triptych.evaluate.layouts.sets import LocalizationSet, RetrievalSet, Timeline
from triptych.evaluate.localization import Film, localized
from triptych.evaluate.placing import Localization
from triptych.evaluate.results import Row, add_result, read_results
from triptych.evaluate.retrieval import Retrieval, retrieve
from triptych.evaluate.steps import Steps
from triptych.evaluate.tally import Found
from triptych.evaluate.time_line import TimeLine
from triptych.progress import say, track


class OfSet(Localization):
    """The protocol of a set whose tasks list their steps: ``order=task`` is the listed order."""

    among: Literal["task", "set", "file"] = Field(
        "task", description="without an order: a row may be of the steps of its task, of all of "
        "the set, or of those that its file has"
    )  # fmt: skip


def evaluate_official(
    layout: str,
    folder: Path,
    *,
    what: str,
    run: Path | None,
    settings: Sequence[str] = (),
    seed: int = 0,
    out: Path | None = None,
) -> list[Row]:
    """Retrieval or localization on the set that ``folder`` holds, by the model of ``run``.

    ``settings`` are ``key=value`` of the layout's ``read``, or of `Retrieval` or `OfSet`, over the
    published protocol, which is said. Adds to the results file ``out`` where given; its protocol
    has under ``set`` all that the reader counted. Rows are as of `across.evaluate_across`. Raises
    UsageError or UserError in one line.
    """
    if what not in ACROSS:
        raise UsageError(f"evaluate {what}: --layout is for {' and '.join(ACROSS)}")
    if layout not in (known := find.names(what)):
        raise UsageError(f"{what}: layout {layout!r} is not known; choose of {', '.join(known)}")
    kind = Retrieval if what == "retrieval" else OfSet
    choices, own = _chosen(layout, kind, settings)
    protocol = config.override(kind(), own)
    if run is None:
        raise UsageError(f"--layout {layout}: needs --run RUN, whose model takes its features")
    if out is not None and out.exists():
        read_results(out)  # refused now, not after the work
    model = Model.load(run)
    refuse_apart(model, words=isinstance(protocol, OfSet) or "text" in protocol.query)
    read = find.load(layout, folder, **choices)
    if isinstance(read, RetrievalSet):
        assert isinstance(protocol, Retrieval)
        found, target = _retrieval(read, model, folder, protocol), "clip"
    else:
        if read.usual:
            say(f"{layout}: published protocol: {' '.join(read.usual)}; KEY=VALUE changes it")
        found, target = (
            _localization(read, model, config.override(OfSet(), [*read.usual, *own])),
            "steps",
        )
    place = place_of(found.protocol, target)
    row = str(model.facts.get("method") or run.name)
    probe = " ".join([what, layout, *settings])
    rows = rows_of(found, {"row": row, "probe": probe, **place}, seed)
    if out is not None:
        about = {"layout": layout, "folder": folder.name, "checkpoint": model.sha256}
        told = {**place, **about, "seeds": [seed], "set": _told(read), **found.protocol}
        add_result(out, "/".join((row, probe, *place.values())), rows, told)
    return rows


def _chosen(
    layout: str, kind: type[Retrieval] | type[OfSet], settings: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """What the layout's reader is asked for, and the settings that are left."""
    choices = find.choices_of(layout)
    known = config.keys(choices)
    both = [*config.keys(kind), *known]
    for key, equals, _ in (pair.partition("=") for pair in settings):
        if equals and key not in both:
            raise UsageError(config.unknown(key, both))
    of_reader = [pair for pair in settings if pair.partition("=")[0] in known]
    chosen = config.override(choices(), of_reader).model_dump()
    return chosen, [pair for pair in settings if pair not in of_reader]


def _told(read: RetrievalSet | LocalizationSet) -> dict[str, Any]:
    """What a set is, for the protocol."""
    streams = [{"name": one.name, "dim": one.dim} for one in read.streams]
    told = {"name": read.name, "streams": streams, **read.protocol}
    if isinstance(read, LocalizationSet):
        told["rows_a_second"] = sorted({one.rate for one in read.timelines})
        told["published_protocol"] = list(read.usual)
    return told


def _retrieval(read: RetrievalSet, model: Model, folder: Path, settings: Retrieval) -> Found:
    if settings.right != "clip":
        raise UsageError(f"right={settings.right}: {read.name} has no labels; take right=clip")
    if "text" not in settings.query:
        # Of a clip that is not here nothing is known that could ask.
        read = replace(read, denominator=len(read))
    _leaves_out(read, model, in_space.modalities(read, model))
    return retrieve(in_space.clips(read, model, folder), settings)


def _localization(read: LocalizationSet, model: Model, settings: OfSet) -> Found:
    both = in_space.modalities(read, model)
    unknown = [name for name in settings.through if name not in both]
    if unknown:
        raise UserError(
            f"through={unknown[0]}: set and model have no {unknown[0]} in common, only "
            f"{', '.join(both)}"
        )
    _leaves_out(read, model, both)
    settings = settings.model_copy(update={"through": settings.through or tuple(both)})
    texts = sorted({*read.labels, *(step for one in read.timelines for step in one.steps)})
    values, known = in_space.words(model, texts)
    words = {text: row for text, row, here in zip(texts, values, known, strict=True) if here}
    if not words:
        raise UserError(f"{read.name}: the model knows no word of its {len(texts)} steps")
    if len(words) < len(texts):
        count = len(texts) - len(words)
        say(f"{read.name}: {count} of {len(texts)} steps have no word that the model knows")
    films = track(_films(read, model, settings), len(read), "videos")
    found = localized(films, words, settings, read.parts)
    rows = "those of the set, in order of time; those without the modalities are passed over"
    return replace(found, protocol={**found.protocol, "rows": rows})


def _leaves_out(read: RetrievalSet | LocalizationSet, model: Model, both: Sequence[str]) -> None:
    """Say that sound is there which the model does not take."""
    if "audio" in model.encoders and "audio" not in both and in_space.sounds(read):
        say(
            f"{read.name}: its spectrograms are left out: the model hears waveforms or stored "
            "features; encoders.audio=davenet takes them"
        )


def _films(read: LocalizationSet, model: Model, settings: OfSet) -> Iterator[Film]:
    """The steps and the rows of each video, made when it is asked for."""
    labels = tuple(label for label in dict.fromkeys(read.labels) if label != BACKGROUND)
    for one in read.timelines:
        steps = steps_of(one, labels, settings)
        line = TimeLine(np.zeros((0, 2)), np.zeros((0, 1), np.float32))
        parts = in_space.vectors(read, one, model, settings.through) if len(steps.of) else []
        if parts:
            joint = added(parts, complete=False)
            there = np.flatnonzero(joint.present)
            spans = np.stack([there, there + 1], axis=1) / one.rate
            line = TimeLine(spans, joint.values[there])
        yield steps, line


def steps_of(one: Timeline, labels: tuple[str, ...], settings: OfSet) -> Steps:
    """The steps to be placed in a video, and the true spans, those behind its last row cut.

    By ``settings.order``: "file": every annotation is a step, in order of time; "task": the listed
    steps; "none": each once, of ``settings.among``, ``labels`` being all of the set.
    """
    end = one.rows / one.rate if one.rows else np.inf
    held = [(a, min(b, end), step) for step, a, b in one.segments if a < min(b, end)]
    held.sort()
    spans = np.array([pair[:2] for pair in held], np.float64).reshape(-1, 2)
    said = [one.steps[step] for *_, step in held]
    if settings.order == "file":
        return Steps(one.video, tuple(said) or ("",), spans, np.arange(len(held)), one.task)
    if settings.order == "task":
        of = np.array([step for *_, step in held], np.int64)
        return Steps(one.video, one.steps or ("",), spans, of, one.task)
    listed = {"file": (), "task": one.steps, "set": labels}[settings.among]
    # In order of letters, so that the order of equal ones tells nothing.
    words = listed if settings.among == "set" else tuple(sorted({*listed, *said}))
    words += tuple(sorted({*said} - {*words}))
    places = {word: place for place, word in enumerate(words)}
    of = np.array([places[word] for word in said], np.int64)
    return Steps(one.video, words or ("",), spans, of, one.task)
