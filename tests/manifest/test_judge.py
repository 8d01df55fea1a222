from dataclasses import replace

import numpy as np

from triptych.manifest.facts import Facts, Sound, Video
from triptych.manifest.judge import Kept, judge

TIMES = np.arange(100) / 25
VIDEO = Video("h264", 64, 48, TIMES, 4.0, 1e-5, 100, 0, 0, None)
SOUND = Sound("aac", np.zeros(1), np.full(1, 4.0), np.full(1, 0.5, np.float32), 4.0, 50, 0)
FACTS = Facts("mov,mp4", VIDEO, SOUND, None, False, None, None)
KEPT = Kept(2, 2)


def said(facts: Facts, kept: Kept = KEPT) -> list[tuple[str, str, str]]:
    rows = judge("a.mp4", facts, kept)
    assert {row.path for row in rows} <= {"a.mp4"}
    return [(row.kind, row.reason, row.action) for row in rows]


def test_a_good_file_has_no_row() -> None:
    assert said(FACTS) == []


def test_damage_is_counted_and_what_becomes_of_the_clips_is_said() -> None:
    video = replace(VIDEO, good=366, failed=1075)
    some = (
        "1 of its 2 clips are used with pictures: those in which at least half of the frames decode"
    )
    none = "its 2 clips are used without pictures: in none of them do half of the frames decode"
    reason = "366 of 1441 video frames decode"
    damaged = replace(FACTS, video=video)
    assert said(damaged, Kept(2, 1)) == [("damaged", reason, some)]
    assert said(damaged, Kept(2, 0)) == [("damaged", reason, none)]
    assert said(damaged) == [("damaged", reason, "all its 2 clips are used, with what decodes")]
    both = replace(video, good=360, flawed=6)
    ((_, reason, _),) = said(replace(FACTS, video=both, sound=replace(SOUND, failed=2)))
    assert reason == (
        "366 of 1441 video frames decode; 6 of 1441 video frames decode with errors; "
        "2 of 52 sound packets do not decode"
    )
    assert said(replace(FACTS, strays=2))[0][1] == "the times of 2 packets cannot be true"
    assert said(replace(FACTS, broken_off="Input/output error"))[0][1] == (
        "reading stops at 4.0 s (Input/output error)"
    )


def test_missing_silent_and_undecodable_tracks() -> None:
    assert said(replace(FACTS, sound=None))[0][:2] == ("no-audio", "no stream of sound")
    assert said(replace(FACTS, video=None))[0][:2] == ("no-video", "no stream of pictures")
    assert "still" in said(replace(FACTS, video=None, still=True))[0][1]
    quiet = replace(SOUND, peaks=np.full(1, 3e-5, np.float32))
    assert said(replace(FACTS, sound=quiet))[0][:2] == (
        "silent",
        "digital silence: its largest sample is 3e-05 of full scale",
    )
    mute = replace(SOUND, peaks=np.zeros(0, np.float32), failed=50, good=0)
    assert [row[0] for row in said(replace(FACTS, sound=mute))] == ["damaged", "silent"]
    blind = replace(VIDEO, good=0, failed=100, decoded=np.zeros(0))
    assert said(replace(FACTS, video=blind, sound=mute)) == [
        ("zero-length", "not one frame of it decodes", "skipped")
    ]
    assert said(replace(FACTS, video=blind), Kept(2, 0))[0][1] == "0 of 100 video frames decode"


def test_an_uneven_rate_says_how_uneven() -> None:
    uneven = replace(VIDEO, times=np.sort(np.concatenate([TIMES, [1.01, 2.01, 3.01]])))
    ((kind, reason, _),) = said(replace(FACTS, video=uneven))
    assert (kind, reason) == (
        "variable-rate",
        "6 % of the intervals between frames differ from the usual 40.0 ms; "
        "25.76 frames per second on average",
    )
    hole = replace(VIDEO, times=np.concatenate([TIMES, TIMES + 9]), end=13.0)
    assert said(replace(FACTS, video=hole))[0][:2] == (
        "variable-rate",
        "no frame between 3.96 and 9.00 s, elsewhere one every 40.0 ms",
    )


def test_a_missing_end_says_what_is_left() -> None:
    ((kind, _, action),) = said(replace(FACTS, cut_short="its last packet is not whole"))
    assert (kind, action) == ("cut-short", "the 4.0 s that are there are used")
