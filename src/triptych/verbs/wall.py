"""``wall``: the clips of chosen clusters, and what they share in motion and in scene."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.verbs.learn import Root, Workers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from triptych.evaluate.labels import LabelFile
    from triptych.explore.sharing.clips import Clips
    from triptych.explore.sharing.gather import Settings, Wall
    from triptych.explore.sharing.groupings import Grouping
    from triptych.explore.sharing.labelled import Column

DRAWS = 200  # of the intervals of agreement
SPAN = ("path", "start", "end")


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="a run, what `triptych fit` left, or a file of vectors; two stand side by side",
    ),
]
Page = Annotated[Path, typer.Option(help="the page to write")]
Picture = Annotated[
    Path | None, typer.Option(help=".png, .svg or .pdf; default: .png beside the page")
]
Numbers = Annotated[
    list[str] | None,
    typer.Option(metavar="NUMBER", help="show these; 2:NUMBER is of the second source"),
]
Show = Annotated[
    int, typer.Option(min=1, help="clusters: the best in motion, in scene, and some at random")
]
Shown = Annotated[int, typer.Option(min=1, help="of each cluster")]
Labels = Annotated[Path | None, typer.Option(help="CSV: path or clip_id, and label columns")]
Motion = Annotated[str | None, typer.Option(help="label column of what moves; default: motion")]
Scene = Annotated[str | None, typer.Option(help="label column of where; default: scene")]
Target = Annotated[list[str] | None, typer.Option(help="further label columns")]
Descriptors = Annotated[
    Path | None, typer.Option(help="compare motion by these, e.g. idt.parquet, not by flow")
]
Listed = Annotated[Path | None, typer.Option(help="manifest.parquet of the clips, as of a run")]
OfRun = Annotated[Path | None, typer.Option(help="of the run's weights: its typical clips")]
Which = Annotated[list[str] | None, typer.Option(help="of a run; default: the first of video")]
VectorColumn = Annotated[str | None, typer.Option(help="which column of a file of vectors")]
K = Annotated[
    int | None, typer.Option(min=1, help="clusters of vectors; default: as many as a run has")
]
Seed = Annotated[int, typer.Option(help="of k-means and of everything drawn at random")]


def wall(
    sources: Sources,
    out: Page = Path("wall.html"),
    picture: Picture = None,
    cluster: Numbers = None,
    show: Show = 2,
    clips: Shown = 8,
    labels: Labels = None,
    motion: Motion = None,
    scene: Scene = None,
    target: Target = None,
    descriptors: Descriptors = None,
    manifest: Listed = None,
    embeddings: OfRun = None,
    clustering: Which = None,
    vector: VectorColumn = None,
    k: K = None,
    root: Root = None,
    seed: Seed = 0,
    workers: Workers = None,
) -> dict[str, Any]:
    """Show clusters by their clips, moving, and measure what those share: motion, or scene."""
    from triptych.atomic import refuse_unwritable
    from triptych.errors import UsageError
    from triptych.explore.sharing.choose import parse
    from triptych.explore.sharing.gather import Settings
    from triptych.explore.sharing.groupings import Wanted, read
    from triptych.workers import available_cores

    if labels is None and (motion or scene or target):
        raise UsageError("--motion, --scene and --target name columns of --labels; give both")
    for name, value in {"show": show, "clips": clips, "k": k}.items():
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value}: must be 1 or more")
    files = _files(out, picture)
    numbers = parse(cluster or [], len(sources))
    known = _Labels(labels, {"motion": motion, "scene": scene}, target or [])
    wanted = Wanted(manifest, embeddings, root, clustering or (), vector, k, seed)
    collection, groupings = read([Path(source) for source in sources], wanted)
    known.join(collection)
    for file in files:
        refuse_unwritable(file)
    processes = available_cores() if workers is None else workers
    settings = Settings(numbers, show, clips, known.roles, seed, processes)
    return _show(files, collection, groupings, known, descriptors, settings)


def _files(out: Path, picture: Path | None) -> tuple[Path, Path]:
    """The page and the figure. Raises UsageError before anything is read."""
    from triptych.explore.concept_page import check as check_page
    from triptych.explore.filter_figure import check as check_picture

    drawing = out.with_suffix(".png") if picture is None else picture
    check_page(out)
    check_picture(drawing)
    return out, drawing


def _show(
    files: tuple[Path, Path],
    clips: Clips,
    groupings: Sequence[Grouping],
    known: _Labels,
    descriptors: Path | None,
    settings: Settings,
) -> dict[str, Any]:
    from triptych.explore.sharing import figure, page
    from triptych.explore.sharing.gather import Collection
    from triptych.explore.sharing.pictures import pictures

    measure = _measure(descriptors, groupings)
    whole = Collection(clips, groupings, known.columns, known.groups, descriptors, settings)
    walls = [whole.wall(one, number) for number, one in enumerate(groupings)]
    found = pictures(clips, walls, workers=settings.workers)
    agreement = _agreement(groupings, known.columns, whole.films, settings.seed)
    said = (known.roles, known.captions(walls), agreement)
    page.write(files[0], clips, walls, found, *said, measure)
    figure.draw(files[1], walls, found, *said)
    return {
        **({"agreement": agreement} if agreement else {}),
        "clusters": _rows(walls, clips, known.roles),
        "motion_by": measure,
        "page": str(files[0]),
        "picture": str(files[1]),
    }


class _Labels:
    """The columns that were asked for, what each stands for, and its labels by the clips."""

    def __init__(
        self, file: Path | None, asked: Mapping[str, str | None], targets: Sequence[str]
    ) -> None:
        self.roles: dict[str, str] = {}
        self.columns: list[Column] = []
        self.groups: Any = None
        self._read: list[LabelFile] = []
        if file is None:
            return
        from triptych.evaluate.labels import label_columns, read_labels

        there = label_columns(file)
        for role, name in asked.items():
            if name is not None or role in there:
                self.roles[role] = name or role
        names: list[str | None] = list(dict.fromkeys([*self.roles.values(), *targets]))
        self._read = [read_labels(file, name) for name in names or [None]]

    def join(self, clips: Clips) -> None:
        """Give each clip its labels."""
        for read in self._read:
            self._add(clips, read, first=not self.columns)

    def _add(self, clips: Clips, read: LabelFile, *, first: bool) -> None:
        import numpy as np

        from triptych.evaluate.labels import describe, join
        from triptych.explore.sharing.labelled import Column
        from triptych.progress import say

        paths = clips.column("path")
        joined = join(read, list(clips.column("clip_id")), list(paths), clips.root)
        if first:
            for line in describe(read, joined, "among the clips"):
                say(line)
            if "group" in read.columns:
                self.groups = paths.astype(object)
                self.groups[joined.rows] = joined.groups
        values = np.full(len(clips), "", object)
        values[joined.rows] = joined.labels
        self.columns.append(Column(read.target, values.astype(str)))

    def captions(self, walls: Sequence[Wall]) -> dict[int, str]:
        """A label for each clip that is shown: of a further column, else of the first."""
        if not self.columns:
            return {}
        further = [one for one in self.columns if one.name not in self.roles.values()]
        labels = (further or self.columns)[0].labels
        rows = {row for one in walls for shared in one.clusters for row in shared.shown}
        return {row: str(labels[row]) for row in sorted(rows)}


def _measure(descriptors: Path | None, groupings: Sequence[Grouping]) -> str:
    """What motion is compared by, in words; a line where clusters are of the same vectors."""
    from triptych.progress import say

    if descriptors is None:
        return "a histogram of optical flow, the camera’s taken out"
    for one in groupings:
        if one.file is None or one.file.resolve() != descriptors.resolve():
            continue
        of, share, made = "the very vectors", "share it", "made"
        if one.joint:
            of, share, made = f"a memory bank beside {of}", "share it in part", "had a part in"
        say(
            f"wall: the clusters of {one.name} are of {of} that motion is compared by, so they "
            f"{share} by construction; leave out --descriptors for optical flow"
        )
        return f"the descriptors in {descriptors.name}, which {made} the clusters of {one.name}"
    return f"the descriptors in {descriptors.name}"


def _agreement(
    groupings: Sequence[Grouping], columns: Sequence[Column], films: Any, seed: int
) -> list[dict[str, Any]]:
    """AMI of each clustering with each column, and of two with each other, over the same clips.

    ``source`` is 1 or 2, and 0 for what is of both: with a column, the first less the second.
    """
    import numpy as np

    from triptych.clustering.agreement import ami
    from triptych.evaluate.bootstrap import around, spread
    from triptych.explore.sharing.told import EACH_OTHER

    inside = np.all([one.labels >= 0 for one in groupings], axis=0)
    rows: list[dict[str, Any]] = []

    def scored(some: Any, left: Any, right: Any) -> tuple[float, Any]:
        one, other = left[some], np.unique(right[some], return_inverse=True)[1]
        return spread(lambda at: ami(one[at], other[at]), films[some], seed, DRAWS)

    def add(source: int, what: str, value: float, draws: Any) -> None:
        interval = around(value, draws)
        rows.append({"source": source, "with": what, **interval._asdict()})

    for column in columns:
        some = inside & (column.labels != "")
        if not some.any():
            continue
        found = [scored(some, one.labels, column.labels) for one in groupings]
        for number, (value, draws) in enumerate(found, 1):
            add(number, column.name, value, draws)
        if len(found) > 1:
            add(0, column.name, found[0][0] - found[1][0], found[0][1] - found[1][1])
    if len(groupings) > 1 and inside.any():
        add(0, EACH_OTHER, *scored(inside, groupings[0].labels, groupings[1].labels))
    return rows


def _rows(walls: Sequence[Wall], clips: Clips, roles: Mapping[str, str]) -> list[dict[str, Any]]:
    """Each cluster that is shown, as JSON."""
    from triptych.explore.sharing.gather import sentence

    rows = []
    for number, one in enumerate(walls, 1):
        for shared in one.clusters:
            shown = [clips.about(row) for row in shared.shown]
            rows.append(
                {
                    "source": number,
                    "clustering": one.grouping.title,
                    **{key: part for key, part in asdict(shared).items() if key != "shown"},
                    "says": sentence(shared, roles),
                    "exemplars": [{key: row[key] for key in SPAN} for row in shown],
                }
            )
    return rows
