import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, RobertaModel

from tests.encoders.tiny import CAPTIONS, WIDTH
from triptych.encoders.build import build, describe, rebuild, text_input
from triptych.encoders.encoder import Encoder
from triptych.encoders.subwords import SubwordInput

LONG = " ".join(CAPTIONS * 4)


def made(folder: Path) -> Encoder:
    name = f"transformer:{folder}"
    return build(name, "text", text_input(name, []), seed=0)


def features(encoder: Encoder, texts: list[str]) -> torch.Tensor:
    assert isinstance(encoder.input, SubwordInput)
    ids = encoder.input.batch([encoder.input.encode(text) for text in texts])
    out: torch.Tensor = encoder(torch.from_numpy(ids))
    return out


@torch.no_grad()
def test_features_are_the_mean_over_the_first_subwords_of_each_text(roberta: Path) -> None:
    """Against the model by itself, one text at a time: no padding, no mask; 38 positions."""
    texts = [*CAPTIONS, LONG]
    model, tokenizer = RobertaModel.from_pretrained(roberta).eval(), None
    tokenizer = AutoTokenizer.from_pretrained(roberta)
    expected = []
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        ids = ids if len(ids) <= 38 else [*ids[:37], 2]
        hidden = model(torch.tensor([ids])).last_hidden_state[0]
        expected.append(sum(vector for vector in hidden) / len(ids))
    found = features(made(roberta).eval(), texts)
    assert found.shape == (5, WIDTH)
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=1e-4)
    apart = torch.cdist(found, found) + torch.eye(5)
    assert apart.min() > 0.1, "a comparison of features that are all alike would show nothing"


@torch.no_grad()
def test_what_stands_beside_a_text_in_its_batch_changes_nothing(roberta: Path) -> None:
    encoder = made(roberta).eval()
    alone = features(encoder, [CAPTIONS[1]])
    beside = features(encoder, [LONG, CAPTIONS[1], ""])
    torch.testing.assert_close(beside[1:2], alone, atol=1e-5, rtol=1e-4)
    assert not beside[2].any()


def test_dropout_is_for_training_only(roberta: Path) -> None:
    """A published model comes in evaluation mode: left so, it would train without dropout."""
    encoder = made(roberta)
    assert all(module.training for module in encoder.modules())
    torch.manual_seed(0)
    one, other = features(encoder, [CAPTIONS[0]]), features(encoder, [CAPTIONS[0]])
    assert not torch.equal(one, other)
    encoder.eval()
    with torch.no_grad():
        assert torch.equal(features(encoder, [CAPTIONS[0]]), features(encoder, [CAPTIONS[0]]))


def test_every_weight_learns(roberta: Path) -> None:
    """Also what is never read would be saved, and refuse a gradient: so there is no pooler."""
    encoder = made(roberta)
    features(encoder, list(CAPTIONS)).square().sum().backward()
    without = [name for name, weight in encoder.named_parameters() if weight.grad is None]
    assert without == []


@torch.no_grad()
def test_published_weights_are_loaded_whatever_the_seed(roberta: Path) -> None:
    stored = load_file(roberta / "model.safetensors")
    found = made(roberta).state_dict()
    for name, value in stored.items():
        if not name.startswith("pooler."):
            assert torch.equal(found[f"network.{name}"], value)


@torch.no_grad()
def test_a_description_in_json_needs_no_folder(roberta: Path) -> None:
    encoder = made(roberta).eval()
    state = encoder.state_dict()
    described = describe("transformer:/not/there", encoder)
    again = rebuild(json.loads(json.dumps(described))).eval()
    assert again.input == encoder.input
    again.load_state_dict(state)
    texts = [*CAPTIONS, "Öl"]
    np.testing.assert_array_equal(features(again, texts), features(encoder, texts))


@pytest.mark.parametrize("name", ["DistilBert", "MPNet"])
def test_other_models_that_read_whole_texts_work_as_well(
    name: str, roberta: Path, tmp_path: Path
) -> None:
    import transformers

    sizes = {
        "DistilBert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32},
        "MPNet": {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        },
    }[name]
    config = getattr(transformers, f"{name}Config")(
        vocab_size=400, pad_token_id=1, max_position_embeddings=40, **sizes
    )
    getattr(transformers, f"{name}Model")(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(roberta).save_pretrained(tmp_path)
    encoder = made(tmp_path)
    assert features(encoder, [LONG, "pot"]).shape == (2, 16)
    assert encoder.dim == 16
