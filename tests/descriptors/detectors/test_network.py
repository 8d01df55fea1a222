import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.descriptors.detectors.networks import save_detr, save_yolos
from triptych.descriptors.detectors.network import Network, digest
from triptych.errors import UserError

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def yolos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_yolos(tmp_path_factory.mktemp("networks") / "yolos")


@pytest.fixture(scope="module")
def detr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_detr(tmp_path_factory.mktemp("networks") / "detr")


def picture(height: int = 72, width: int = 96) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def by_hand(folder: Path, height: int, width: int) -> list[tuple[float, list[float]]]:
    """Scores and edges of what is called a person, from the network's bare output."""
    from transformers import AutoModelForObjectDetection

    network = AutoModelForObjectDetection.from_pretrained(folder).eval()
    small = Image.fromarray(picture(height, width)).resize((64, 48), Image.Resampling.BILINEAR)
    pixels = (np.asarray(small) / 255 - MEAN) / SPREAD
    with torch.no_grad():
        out = network(torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None])
    found = []
    shares = out.logits[0].double().softmax(1)  # the last is of what is nothing
    for share, (x, y, across, down) in zip(shares, out.pred_boxes[0].tolist(), strict=True):
        if int(share[:-1].argmax()) == 1:
            edges = [x - across / 2, y - down / 2, x + across / 2, y + down / 2]
            scaled = [e * s for e, s in zip(edges, (width, height) * 2, strict=True)]
            found.append((float(share[1]), scaled))
    return found


@pytest.mark.parametrize("kind", ["yolos", "detr"])
def test_boxes_are_the_network_s_in_pixels_of_the_picture(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    wanted = by_hand(folder, 72, 96)
    found = Network(folder, 0.0).find(picture())
    assert len(found) == len(wanted) > 0
    np.testing.assert_allclose(found, [edges for _, edges in wanted], atol=0.51)
    assert all(edge == round(edge) for box in found for edge in box)


def test_the_confidence_decides_who_is_there(yolos: Path) -> None:
    scored = sorted(by_hand(yolos, 72, 96))
    between = (scored[-2][0] + scored[-1][0]) / 2
    assert scored[-1][0] - between > 1e-4
    found = Network(yolos, between).find(picture())
    np.testing.assert_allclose(found, [scored[-1][1]], atol=0.51)


def test_only_people_are_kept(yolos: Path, tmp_path: Path) -> None:
    names = {0: "cat", 1: "dog", 2: "Pedestrian"}
    other = save_yolos(tmp_path / "other", names)  # the same weights
    people, dogs = (Network(folder, 0.0).find(picture()) for folder in (other, yolos))
    assert not set(people) & set(dogs)


def test_what_cannot_be_a_detector_is_one_line(yolos: Path, tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        with pytest.raises(UserError) as found:
            Network(folder, 0.5)
        assert "\n" not in str(found.value)
        return str(found.value)

    animals = save_yolos(tmp_path / "animals", {0: "cat", 1: "dog", 2: "cow"})
    assert "none of its 3 labels is person (they begin cat, dog, cow)" in refused(animals)

    torn = Path(shutil.copytree(yolos, tmp_path / "torn"))
    tensors = load_file(torn / "model.safetensors")
    tensors.pop("class_labels_classifier.layers.0.weight")
    save_file(tensors, torn / "model.safetensors", {"format": "pt"})
    assert "lack 1 tensors of its config.json, first class_labels" in refused(torn)

    text = Path(shutil.copytree(yolos, tmp_path / "text"))
    (text / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert "transformers cannot read it" in refused(text)


def test_a_digest_tells_networks_and_their_pictures_apart(yolos: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(yolos, tmp_path / "copy"))
    assert digest(copy) == digest(yolos)
    prepared = copy / "preprocessor_config.json"
    prepared.write_text(prepared.read_text().replace("48", "47"))
    assert digest(copy) != digest(yolos)
    prepared.unlink()
    with pytest.raises(UserError, match=r"copy: no preprocessor_config\.json in it; give the"):
        digest(copy)


def test_without_transformers_one_line_says_so(
    yolos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"people by: the package transformers is not installed"):
        Network(yolos, 0.5)
