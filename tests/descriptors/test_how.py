from triptych.descriptors.batched.device import Device
from triptych.descriptors.finding import Finding
from triptych.descriptors.how import How


def test_files_say_how_their_rows_were_made() -> None:
    assert How().facts == {"keypoints": "sift", "fast": False}
    assert How("none", device=Device("cpu")).facts == How("none").facts
    way = Finding("hog", 5, 0.3, "")
    assert How("none", True, way).facts == {
        "keypoints": "none", "fast": True, "people": way.facts,
    }  # fmt: skip
