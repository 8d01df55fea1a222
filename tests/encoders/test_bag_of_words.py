import numpy as np
import pytest
import torch

from triptych.encoders.bag_of_words import build
from triptych.encoders.text import WordInput
from triptych.errors import UserError

WORDS = WordInput(("onion", "salt", "fry"))


def test_the_sizes_are_the_release_s() -> None:
    """300 -> 1024 -> 512, weights and biases."""
    network = build(WordInput(tuple(f"w{i}" for i in range(300))))
    assert sum(weight.numel() for weight in network.parameters()) == 300 * 1024 + 1024 + (
        1024 * 512 + 512
    )


@torch.no_grad()
def test_features_are_a_perceptron_of_the_bag_at_unit_length() -> None:
    network = build(WORDS).eval()
    bag = WORDS.batch([WORDS.encode("Onion, fry!")])[0]
    state = {name: value.double().numpy() for name, value in network.state_dict().items()}
    hidden = state["layers.0.weight"] @ (bag / np.sqrt(2)) + state["layers.0.bias"]
    expected = state["layers.3.weight"] @ np.maximum(hidden, 0) + state["layers.3.bias"]
    found = network(torch.from_numpy(bag)[None])
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-5)
    assert torch.isfinite(network(torch.zeros(1, 3))).all()


def test_an_empty_vocabulary_is_refused() -> None:
    with pytest.raises(UserError, match="vocabulary is empty"):
        build(WordInput(()))
