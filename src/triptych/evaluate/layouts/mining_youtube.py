"""Mining YouTube: egg dishes whose steps and their order are known, to be placed in time.

Kuehne et al. (2019). The release gives annotations as .srt, a list of test videos, and an archive
with features, transcripts and a label for every frame; MCN evaluates by arrays of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import arrays, labelled_times, stored
from triptych.evaluate.layouts.arrays import Listed
from triptych.evaluate.layouts.files import Wanted, require, rows, some, text
from triptych.evaluate.layouts.labelled_times import BACKGROUND, RATE, Labelled, name_of, words_of
from triptych.evaluate.layouts.runs import runs
from triptych.evaluate.layouts.sets import LocalizationSet, Segment, Source, Timeline

OFFICIAL = 250  # annotated videos; the list of the test set has 249
HALVES = {"flow": (0, 1024), "rgb": (1024, 2048)}  # of a row of the features, by the authors
# The steps of a video in their order; as MCN, scores are log-probabilities over them, and a step is
# right in any row that its segment touches.
USUAL = ("order=task", "scores=log_softmax", "hit=touch")
MEAN_FRAMES = 150  # of a step, by the authors' decoder
SLACK = 25  # frames by which features and labels of one video may differ

AUTHORS = "the data set's authors"
MCN = "the evaluation folder of MCN's authors"
DICTIONARIES = ("mapping_without_meta.txt", "weakYouTube_dict.txt")
TRANSCRIPTS = ("transcripts", "transcript")
FRAMES = Wanted(("groundTruth",), "VIDEO.txt: a label a frame", f"the test archive of {AUTHORS}")
SUBTITLES = Wanted(
    ("annotations", "srt"), "VIDEO.srt: labels with times", f"annotations.tar.gz of {AUTHORS}"
)
LISTS = {"test": "videos_test.txt", "val": "videos_val.txt"}
TEST = Wanted(("mining.csv",), "test videos: video_id", MCN)
ARRAYS = Wanted(("anno",), "VIDEO.npy: seconds x steps", MCN)
STEPS = Wanted(("step.json",), "the steps of each video", MCN)
FEATURE_FOLDERS = ("test_new_f", "features", ".")
AUDIO_FOLDERS = ("test_new_a_f", "audio_feature")
VARIANTS = {"arrays": TEST, "frames": FRAMES, "srt": SUBTITLES}


class _Vocabulary(NamedTuple):
    labels: tuple[str, ...]  # as the dictionary writes them; those met where there is none
    source: str  # the file, "" without one
    remarks: list[str]


def read(folder: Path, variant: str | None = None, subset: str = "test") -> LocalizationSet:
    """The videos in ``folder``, each with its steps in order: every occurrence is a step.

    ``variant``: "arrays" (MCN's folder), "frames" (groundTruth/) or "srt"; without it the first of
    these that is there. ``subset``: of the two last, the videos of the list "test", of "val", or
    "all" that are annotated. Each video is a task, so that averages are over videos. Raises
    UserError in one line.
    """
    if variant not in (None, *VARIANTS):
        known = ", ".join(VARIANTS)
        raise UsageError(f"mining_youtube: variant {variant!r} is not known; choose {known}")
    if subset not in (*LISTS, "all"):
        raise UsageError(f"mining_youtube: subset {subset!r} is not known; test, val or all")
    if variant is None:
        here = [name for name, wanted in VARIANTS.items() if wanted.here(folder) is not None]
        variant = here[0] if here else "frames"
    if variant == "arrays":
        return _by_arrays(folder)
    return _by_labels(folder, variant, subset)


def _by_arrays(folder: Path) -> LocalizationSet:
    wanted = [TEST, ARRAYS, STEPS]
    listed, annotations, path = require(folder, wanted, "Mining YouTube as MCN evaluates it")
    steps = arrays.steps_by_name(path)
    videos = [row["video_id"] for row in rows(listed, ["video_id"])]
    unknown = [video for video in videos if video not in steps]
    if unknown:
        raise UserError(f"{path}: lacks {len(unknown)} videos of {listed.name}: {some(unknown)}")
    said = {name_of(step) for video in videos for step in steps[video]}
    vocabulary = _vocabulary(folder, said)
    held = arrays.read(
        "mining_youtube",
        [
            Listed(
                video,
                video,
                tuple(map(words_of, steps[video])),
                _classes(vocabulary, map(name_of, steps[video])),
                annotations / f"{video}.npy",
            )
            for video in videos
        ],
        [folder / name for name in FEATURE_FOLDERS],
        [folder / name for name in AUDIO_FOLDERS],
    )
    protocol = {"layout": "arrays", "list": listed.name, **held.protocol}
    made = LocalizationSet("mining_youtube", held.timelines, (), held.streams)
    return _told(made, vocabulary, protocol, held.remarks)


def _by_labels(folder: Path, variant: str, subset: str) -> LocalizationSet:
    [annotations] = require(folder, [VARIANTS[variant]], "Mining YouTube")
    suffix = ".txt" if variant == "frames" else ".srt"
    videos, protocol, remarks = _videos(folder, annotations, suffix, subset)
    found: dict[str, list[Labelled]] = {}
    counts: dict[str, int] = {}
    for video in videos:
        path = annotations / f"{video}{suffix}"
        if variant == "frames":
            found[video], counts[video] = labelled_times.frames(path)
        else:
            found[video], counts[video] = labelled_times.subtitles(path), 0
    files = {video: _sources(folder, video, bool(counts[video])) for video in videos}
    streams, lacking = stored.agreed(files)
    kept = [video for video in videos if not streams or video not in set(lacking)]
    vocabulary = _vocabulary(folder, {one.label for held in found.values() for one in held})
    timelines = tuple(
        _timeline(folder, video, found[video], counts[video], files[video], vocabulary)
        for video in kept
    )
    if lacking and streams:
        remarks.append(
            f"mining_youtube: {len(lacking)} of {len(videos)} videos have no features and are left "
            f"out: {some(lacking)}"
        )
    if not streams:
        remarks.append("mining_youtube: no folder features; only steps and times are read")
    differ = [video for video in kept if _differs(folder, video, found[video])]
    if differ:
        remarks.append(
            f"mining_youtube: {len(differ)} transcripts are of another order than the labels; "
            f"the order of the labels is taken: {some(differ)}"
        )
    protocol |= {
        "layout": variant,
        "videos_without_features": len(videos) - len(kept) if streams else len(videos),
        "transcripts_that_differ": len(differ),
        "overlapping_segments": sum(map(_overlaps, (found[video] for video in kept))),
        "frames_per_second": RATE,
    }
    made = LocalizationSet("mining_youtube", timelines, (), streams)
    return _told(made, vocabulary, protocol, remarks)


def _videos(
    folder: Path, annotations: Path, suffix: str, subset: str
) -> tuple[list[str], dict[str, Any], list[str]]:
    """The videos of a subset that are annotated, and how they were chosen."""
    annotated = sorted(path.stem for path in annotations.glob(f"*{suffix}"))
    listing = folder / LISTS.get(subset, "")
    remarks = []
    if subset == "all" or not listing.is_file():
        listed = annotated
        if subset != "all":
            remarks.append(f"mining_youtube: no {listing.name}; all annotated videos are taken")
    else:
        listed = [line.strip() for line in text(listing).splitlines() if line.strip()]
    chosen = [video for video in listed if video in set(annotated)]
    if not chosen:
        raise UserError(f"{annotations}: VIDEO{suffix} of none of {len(listed)} videos")
    beyond = sorted(set(annotated) - set(listed))
    if beyond and subset == "test":
        remarks.append(
            f"mining_youtube: {len(beyond)} annotated videos are not in {listing.name} and are "
            f"left out: {some(beyond)}"
        )
    if len(chosen) < len(listed):
        remarks.append(
            f"mining_youtube: {len(listed) - len(chosen)} of {len(listed)} videos of the list are "
            "not annotated here"
        )
    protocol = {
        "subset": subset,
        "videos_listed": len(listed),
        "videos_without_annotation": len(listed) - len(chosen),
        "annotated_videos_that_are_not_listed": len(beyond),
    }
    return chosen, protocol, remarks


def _sources(folder: Path, video: str, framed: bool) -> tuple[Source, ...]:
    """The authors' rows of every frame, where labels are of frames too; or rows of seconds."""
    path = folder / "features" / f"{video}.npy"
    if framed and path.is_file():
        return tuple(Source(name, path, columns=held) for name, held in HALVES.items())
    return stored.sources([folder / name for name in FEATURE_FOLDERS], video)


def _timeline(
    folder: Path,
    video: str,
    found: Sequence[Labelled],
    frames: int,
    sources: tuple[Source, ...],
    vocabulary: _Vocabulary,
) -> Timeline:
    count = len(sources[0].rows()) if sources else frames
    rate, sound = RATE, None
    if sources and sources[0].name in stored.RATES:
        rate = stored.RATES[sources[0].name]
        sound = stored.spectrogram([folder / name for name in AUDIO_FOLDERS], video)
    elif sources and abs(2 * count - frames) <= SLACK < abs(count - frames):
        rate = RATE / 2  # the authors' networks saw every second frame
    elif sources and abs(count - frames) > SLACK:
        raise UserError(
            f"{sources[0].path}: {count} rows of features for {frames} frames with labels; as many "
            "are wanted, or half as many"
        )
    # Subtitles on frames as their authors put them there; on seconds their times are better.
    on_frames = not frames and rate == RATE
    times = [labelled_times.on_frames(one) if on_frames else one for one in found]
    return Timeline(
        video,
        video,
        tuple(words_of(one.label) for one in found),
        _classes(vocabulary, [one.label for one in found]),
        tuple(Segment(i, one.start, one.end) for i, one in enumerate(times)),
        rate,
        count,
        sources,
        sound,
    )


def _classes(vocabulary: _Vocabulary, names: Any) -> tuple[int, ...]:
    places = {label: i for i, label in enumerate(vocabulary.labels)}
    return tuple(places.get(name, -1) for name in names)


def _vocabulary(folder: Path, met: set[str]) -> _Vocabulary:
    """The labels by name. The two dictionaries number them differently, so no number is trusted."""
    held = {
        name: labelled_times.dictionary(folder / name)
        for name in DICTIONARIES
        if (folder / name).is_file()
    }
    if not held:
        remark = f"mining_youtube: no {DICTIONARIES[0]}; the labels are those of these videos"
        return _Vocabulary((*sorted(met - {BACKGROUND}), BACKGROUND), "", [remark])
    if len({frozenset(labels) for labels in held.values()}) > 1:
        raise UserError(
            f"{folder}: {' and '.join(held)} hold different labels; one is of another set"
        )
    source, labels = next(iter(held.items()))
    outside = sorted(met - set(labels))
    remarks = []
    if outside:
        remarks.append(
            f"mining_youtube: {len(outside)} of {len(met)} labels are not in {source} (plurals, "
            "more words; no mapping was published): such steps keep their own words and can be "
            f"placed, but are no label of a frame: {some(outside)}"
        )
    return _Vocabulary(tuple(labels), source, remarks)


def _differs(folder: Path, video: str, found: Sequence[Labelled]) -> bool:
    here = [folder / place / f"{video}.txt" for place in TRANSCRIPTS]
    path = next((one for one in here if one.is_file()), None)
    order = [label for label, _, _ in runs([one.label for one in found])]
    return path is not None and labelled_times.transcript(path) != order


def _overlaps(found: Sequence[Labelled]) -> int:
    return sum(after.start < before.end - 1e-6 for before, after in pairwise(found))


def _of_frames(made: LocalizationSet) -> tuple[str, ...]:
    """What rows of frames, and not of seconds, are decoded and counted by."""
    rates = {one.rate for one in made.timelines}
    if not rates <= {RATE, RATE / 2}:
        return ()
    mean = MEAN_FRAMES * min(rates) / RATE
    return (f"mean_rows={mean:g}", f"frame_rate={RATE:g}")


def _told(
    made: LocalizationSet,
    vocabulary: _Vocabulary,
    protocol: dict[str, Any],
    remarks: Sequence[str],
) -> LocalizationSet:
    places = [place for one in made.timelines for place in one.classes]
    lines = [*remarks, *vocabulary.remarks]
    if len(made) < OFFICIAL - 1:
        lines.insert(0, f"mining_youtube: a subset, {len(made)} of {OFFICIAL} videos")
    return replace(
        made,
        labels=tuple(map(words_of, vocabulary.labels)),
        usual=(*USUAL, *_of_frames(made)),
        protocol={
            **protocol,
            "videos": len(made),
            "videos_of_the_official_set": OFFICIAL,
            "segments": sum(len(one.segments) for one in made.timelines),
            "dictionary": vocabulary.source or "none",
            "steps_outside_the_dictionary": places.count(-1),
            "steps_in_all": len(places),
        },
        remarks=tuple(lines),
    )
