"""A RoBERTa of two layers with its tokenizer, small enough to be made for a test."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

CAPTIONS = (
    "Chop the onion, then fry it.",
    "stir the pot",
    "Now we whisk two eggs in a bowl",
    "a longer sentence of how the butter melts in the pan while the bread is in the oven",
)
WIDTH = 32


def save_roberta(
    folder: Path, captions: Sequence[str] = CAPTIONS, positions: int = 40, seed: int = 0
) -> Path:
    """A folder as `transformers` saves it: byte pairs of the captions, random weights."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]  # numbered as RoBERTa does
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(captions, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **dict(zip(names, special, strict=True))
    )
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = RobertaConfig(
        vocab_size=len(fast),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
        # Wide enough apart that the last layer's outputs differ from text to text.
        initializer_range=0.2,
    )
    RobertaModel(config).save_pretrained(folder)
    return folder
