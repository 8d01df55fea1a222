"""Read a media file once, from end to end, and tell what is in it and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import av
from av.error import FFmpegError
from av.stream import Disposition

from triptych.manifest import ending
from triptych.manifest.facts import Facts
from triptych.manifest.tracks import Clock, SoundTrack, Track, VideoTrack, WordTrack

Check = Literal["sample", "full"]
# These demuxers make a film of a picture or of a text file.
NO_RECORDING = {"tty", "image2", "ico", "srt", "webvtt", "ass"}
# Lists of other files, or of addresses: FFmpeg would wait for those that do not come.
PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"v=0", b"[playlist]", b"[Reference]")
# Reading from a local file never takes this long, unless something is waited for.
STALL_SECONDS = 30.0
# And these formats may hold one picture or a film.
MOVING_PICTURES = {"gif", "apng"}


class NotMedia(Exception):
    """The file is no video and no sound."""


class Unreadable(Exception):
    """FFmpeg cannot open the file; the message says why."""


def probe(path: Path, check: Check = "sample") -> Facts:
    """Demux all of ``path``, decode all of its sound, and its pictures as ``check`` says.

    ``"full"`` decodes every frame. ``"sample"`` decodes the beginning, the middle and the end of a
    long video, and everything once anything there is wrong. Raises NotMedia or Unreadable.
    """
    if check == "full":
        return _read(path, everything=True)[0]
    facts, enough = _read(path, everything=False)
    return facts if enough else _read(path, everything=True)[0]


def _open(path: Path) -> Any:
    """Open as a local file and nothing else: a playlist reaches no other file and no network."""
    with path.open("rb") as file:
        if file.read(16).removeprefix(b"\xef\xbb\xbf").startswith(PLAYLISTS):
            raise NotMedia("a playlist, not a recording")
    try:
        container = av.open(
            str(path),
            options={"protocol_whitelist": "file"},
            metadata_errors="ignore",
            timeout=STALL_SECONDS,
        )
    except (FFmpegError, ValueError) as error:
        cut = ending.unfinished_mp4(path)
        why = getattr(error, "strerror", None) or str(error)
        raise Unreadable(f"cut short: {cut}" if cut else f"FFmpeg cannot open it: {why}") from None
    name = container.format.name
    if name in NO_RECORDING or name.endswith("_pipe"):
        container.close()
        raise NotMedia("a picture or a text, not a recording")
    return container


def _read(path: Path, everything: bool) -> tuple[Facts, bool]:
    """What is in the file, and whether enough was decoded to be content with it."""
    with _open(path) as container:
        first = container.start_time
        clock = Clock(first / av.time_base if first is not None else 0.0)
        pictures, voices = (_best(container, kind) for kind in ("video", "audio"))
        cover = pictures is not None and bool(pictures.disposition & Disposition.attached_pic)
        video = VideoTrack(pictures, clock, everything) if pictures and not cover else None
        sound = SoundTrack(voices, clock) if voices else None
        if video is None and sound is None:
            raise NotMedia("it holds no stream of pictures or sound that can be decoded")
        words = [WordTrack(s, clock) for s in container.streams.subtitles if s.codec_context]
        broken_off = _demux(container, [t for t in (video, sound, *words) if t is not None])
        cut_short = _cut_short(path, container, video, sound, words)
        seen = video.facts() if video else None
        if seen is not None and len(seen.times) == 1:
            if container.format.name in MOVING_PICTURES:
                raise NotMedia("a single picture")
            seen = None if sound else seen
        facts = Facts(
            format=container.format.name,
            video=seen,
            sound=sound.facts() if sound else None,
            captions=min(words, key=lambda track: track.preference).reading() if words else None,
            still=cover or bool(video and not seen),
            cut_short=cut_short,
            broken_off=broken_off,
            strays=clock.strays,
        )
        doubtful = video is not None and (
            video.unseen or video.failed or video.flawed or not video.good
        )
        return facts, not (doubtful or cut_short or broken_off)


def _best(container: Any, kind: str) -> Any:
    stream = container.streams.best(kind)
    return stream if stream is not None and stream.codec_context is not None else None


def _demux(container: Any, tracks: list[Track]) -> str | None:
    """Hand every packet to its track; the reason if reading stops before the end."""
    by_index = {track.stream.index: track for track in tracks}
    while True:
        try:
            for packet in container.demux([track.stream for track in tracks]):
                # PyAV ends each stream with an empty packet; a broken one may be empty too.
                if packet.size or packet.pts is not None or packet.dts is not None:
                    by_index[packet.stream_index].take(packet)
            broken_off = None
        except IndexError:
            continue  # a stream that begins in the middle of the file is not known to PyAV
        except FFmpegError as error:
            broken_off = str(error.strerror)
        break
    for track in tracks:
        track.finish()
    return broken_off


def _cut_short(
    path: Path,
    container: Any,
    video: VideoTrack | None,
    sound: SoundTrack | None,
    words: list[WordTrack],
) -> str | None:
    """How we know that the end of the file is missing, if it is."""
    names = container.format.name
    media = [track for track in (video, sound) if track is not None]
    end = max(track.last for track in (*media, *words))
    claimed = container.duration / av.time_base if container.duration else None
    lame = names == "mp3" and sound is not None and bool(sound.stream.start_time)
    found = ending.claims_more(names, claimed, lame, end)
    if not found and video is not None:
        found = ending.misses_frames(names, video.stream.frames, video.tick, video.last)
    if not found and any(track.torn for track in media):
        found = "its last packet is not whole"
    if not found and names == "ogg":
        found = ending.unfinished_ogg(path)
    return found
