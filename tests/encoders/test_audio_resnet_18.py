import torch

from triptych.encoders.audio_resnet_18 import build
from triptych.encoders.encoder import AudioInput


def test_it_is_a_resnet_18_with_one_input_channel() -> None:
    """torchvision's ResNet-18: 11,689,512 parameters, 513,000 in the classifier.

    One input channel for three leaves out 2 x 64 x 49; the normalisation of the input adds 2.
    """
    network = build()
    count = sum(weight.numel() for weight in network.parameters())
    assert count == 11_689_512 - 513_000 - 2 * 64 * 49 + 2
    assert network.log_mel.scale.bands == 40
    assert network.input == AudioInput(seconds=2.0)


@torch.no_grad()
def test_features_of_512_numbers() -> None:
    assert build(AudioInput(seconds=0.5)).eval()(torch.zeros(1, 8000)).shape == (1, 512)
