import json

import torch
from transformers import RobertaConfig

from triptych.encoders import roberta
from triptych.encoders.build import modality_of, names
from triptych.encoders.subwords import SubwordInput

# The sizes of Liu et al. (2019), table 9, and its 50,265 byte pairs.
LARGE = RobertaConfig(
    vocab_size=50_265,
    hidden_size=1024,
    num_hidden_layers=24,
    num_attention_heads=16,
    intermediate_size=4096,
    max_position_embeddings=514,
)


def test_the_paper_s_encoder_has_a_name_of_its_own() -> None:
    """355 million parameters and 1 x 1024 for a text; counted without making them."""
    assert "roberta" in names()
    assert modality_of("roberta") == "text"
    assert roberta.MODEL.endswith("roberta-large")
    config = json.dumps(LARGE.to_dict())
    with torch.device("meta"):
        encoder = roberta.build(SubwordInput("", config, padding=1, unknown_id=3))
    assert encoder.dim == 1024
    count = sum(weight.numel() for weight in encoder.parameters())
    assert count == 355_359_744 - 1024 * 1024 - 1024 + 1024  # less the pooler
