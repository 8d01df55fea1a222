"""An open media file: its clock, its packets, and seeking in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from triptych.errors import UserError

READ_FAILURES = 8  # in a row; a reader finds its way again behind a damaged stretch
# Opening a file makes FFmpeg decode its first frames, as long as it takes a tenth of a whole clip,
# to learn what the header of a QuickTime file says anyway. With no decoder allowed it does not.
QUICKTIME = {".mp4", ".m4v", ".mov"}
UNPROBED = {"codec_whitelist": "none", "probesize": "32", "analyzeduration": "0"}
LOCAL = {"protocol_whitelist": "file"}  # a playlist reaches no network


class DecodeError(UserError):
    """A span of a file that does not decode; says which file, and why."""


class Media:
    """An open file. Times are seconds since its first timestamp, as a player counts them."""

    def __init__(self, path: str | Path, *, pictures_only: bool = False) -> None:
        """Open ``path``; raises DecodeError where FFmpeg cannot."""
        self.path = Path(path)
        self.container: Any = None
        self._quick = pictures_only and self.path.suffix.lower() in QUICKTIME
        self.reopen()

    def reopen(self) -> None:
        """Start over at the first packet, which a seek does not promise on every container."""
        if self.container is not None:
            self.container.close()
        self.container = self._open(UNPROBED if self._quick else {})
        if self._quick and not _is_told(self.container):
            self._quick = False
            self.container.close()
            self.container = self._open({})
        first = self.container.start_time
        self.origin = first / av.time_base if first is not None else 0.0
        self.fresh = True

    def _open(self, options: dict[str, str]) -> Any:
        # From the root on: FFmpeg takes the beginning of a name with a colon for a protocol.
        whole = os.path.abspath(self.path)
        try:
            return av.open(whole, metadata_errors="ignore", options=options | LOCAL)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise DecodeError(f"{self.path}: cannot be opened ({reason(error)})") from None

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def packets(self, stream: Any) -> Iterator[Any]:
        """The packets of a stream from here on; ends at the end or where reading keeps failing."""
        self.fresh = False
        failures = 0
        while failures < READ_FAILURES:
            try:
                for packet in self.container.demux(stream):
                    failures = 0
                    if packet.size:  # the empty one at the end would flush the decoder
                        yield packet
                return
            except av.FFmpegError:
                failures += 1

    def seek(self, tick: int, stream: Any) -> bool:
        """Seek to a keyframe near ``tick`` in the stream's time base; False where that fails."""
        self.fresh = False
        try:
            self.container.seek(tick, stream=stream, backward=True, any_frame=False)
        except (av.FFmpegError, OverflowError):
            return False
        return True


def pictures(media: Media) -> Any:
    """The first video stream that is no still picture beside music, decoded by one thread.

    Raises DecodeError where there is none.
    """
    streams = [
        stream
        for stream in media.container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise DecodeError(f"{media.path}: has no video")
    codec = streams[0].codec_context
    if not codec.is_open:  # a second reader of the same media finds it open
        codec.thread_type = "NONE"
        codec.thread_count = 1
    return streams[0]


def duration_of(media: Media) -> float:
    """The seconds that a file lasts, as its header says; 0 where it does not."""
    lengths = [
        float(stream.duration * stream.time_base)
        for stream in media.container.streams
        if stream.duration and stream.time_base
    ]
    if media.container.duration:
        lengths.append(media.container.duration / av.time_base)
    return max(0.0, *lengths, 0.0)


def reason(error: Exception) -> str:
    """What FFmpeg says, without the path and the number that PyAV adds."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text).splitlines()[0]


def _is_told(container: Any) -> bool:
    """Whether the header of an unprobed file tells all: a fragmented one leaves it to its parts."""
    streams = [*container.streams.video, *container.streams.audio]
    return container.format.name.startswith("mov") and all(
        stream.start_time is not None and stream.frames > 0 for stream in streams
    )
