from pathlib import Path

import numpy as np
import pytest

from tests.clips.making import write_video
from tests.descriptors.detectors.networks import save_yolos
from triptych.descriptors import finding as module
from triptych.descriptors.detectors.network import Network, digest
from triptych.descriptors.finding import Finding, finding, finding_unless, found
from triptych.descriptors.frames import Picture, colour_frames
from triptych.descriptors.people import Box
from triptych.errors import UsageError


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_yolos(tmp_path_factory.mktemp("networks") / "yolos")


def brightening(number: int) -> np.ndarray:
    return np.full((48, 64, 3), 20 * number, np.uint8)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "a.mp4"
    return write_video(path, range(0, 320, 40), picture=brightening)


class Brightness:
    """Tells the number of the frame that it is shown, as a box; and one that is always there."""

    def find(self, picture: Picture) -> list[Box]:
        number = round(float(picture.mean()) / 20)
        return [(0.0, 0.0, 9.0, 9.0), (number, number, number + 1.0, number + 1.0)]


@pytest.mark.parametrize(
    ("every", "seen"),
    [
        (1, [{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}]),
        (3, [{0}, {0, 3}, {0, 3}, {3}, {3, 6}, {3, 6}, {6}, {6}]),
        (20, [{0}] * 8),
    ],
)
def test_frames_between_have_the_boxes_of_both_sides(
    film: Path, monkeypatch: pytest.MonkeyPatch, every: int, seen: list[set[int]]
) -> None:
    monkeypatch.setattr(module, "_opened", lambda _: Brightness())
    boxes = list(found(film, Finding("hog", every, 0.3, "")))
    always = (0.0, 0.0, 9.0, 9.0)
    assert [{box[0] for box in one if box != always} for one in boxes] == seen
    assert all(one.count(always) == 1 for one in boxes)


def test_a_network_looks_at_the_frames(film: Path, network: Path) -> None:
    how = finding(str(network), every=4, confidence=0.0)
    boxes = list(found(film, how))
    detector = Network(network, 0.0)
    pictures = list(colour_frames(film))
    for number in (0, 4):
        assert pictures[number] is not None
        assert boxes[number] == detector.find(pictures[number]) != []
    assert boxes[0] != boxes[4]
    facts = {"detector": "yolos", "weights": digest(network), "every": 4, "confidence": 0.0}
    assert how.facts == facts
    assert finding(str(network)).facts == {**facts, "every": 5, "confidence": 0.5}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"boxes": Path("a.bb"), "detector": "hog"}, r"--boxes .* --people .* leave one out"),
        ({"every": 3}, "--every: how --people looks"),
        ({"confidence": 0.3}, "--confidence: how --people looks"),
        ({"detector": "hog", "every": 0}, "--every 0: must be 1 or more"),
        ({"detector": "hog", "confidence": -1.0}, "--confidence -1.0: must be 0 or more"),
        ({"detector": "hog", "confidence": float("nan")}, "--confidence nan: must be 0 or more"),
        ({"detector": "hog", "confidence": float("inf")}, "--confidence inf: must be 0 or more"),
        ({"detector": "hug"}, "people by 'hug': must be hog, or the folder"),
    ],
)
def test_wrong_words_are_one_line(asked: dict[str, object], said: str) -> None:
    nothing = {"boxes": None, "detector": None, "every": None, "confidence": None}
    with pytest.raises(UsageError, match=said):
        finding_unless(**(nothing | asked))  # type: ignore[arg-type]


def test_what_is_not_asked_for_is_not_looked_for(network: Path) -> None:
    assert finding_unless(None, None, None, None) is None
    assert finding_unless(Path("a.bb"), None, None, None) is None
    with pytest.raises(UsageError, match=r"--confidence 1\.0: .* below 1"):
        finding_unless(None, str(network), None, 1.0)
