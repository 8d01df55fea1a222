"""Published language models: their folder, and what `transformers` reads in it.

Names are looked up in the local cache first; only what is not there is fetched. No code that comes
with a model is run and nothing is unpickled: weights are safetensors.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from triptych.encoders.subwords import SubwordInput
from triptych.errors import UserError

MOST_SUBWORDS = 512  # Rai et al. (2020), section 3.1.2
FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
WHAT = "text encoder"
ADVICE = "give the folder of a model, with config.json, tokenizer and safetensors"


def folder_of(model: str) -> Path:
    """Where the files of ``model`` are: a folder, or a name whose files are cached or fetched.

    Raises UserError where `transformers` is missing, or there is no such model.
    """
    need_transformers()
    folder = Path(model).expanduser()
    if folder.is_dir():
        _check(folder, model)
        return folder
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise UserError(f"text encoder {model}: no such folder; {ADVICE}")
    return _cached(model) or _fetched(model)


def read_input(folder: Path) -> SubwordInput:
    """The tokenizer and the shape of the model in ``folder``."""
    from transformers import AutoConfig, AutoTokenizer

    with reading(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    backend = getattr(tokenizer, "backend_tokenizer", None)
    # Without its files a tokenizer is made that knows no word, and every text becomes unknown.
    if backend is None or len(tokenizer) <= len(tokenizer.all_special_ids):
        raise UserError(f"text encoder {folder}: no tokenizer.json or vocabulary in it; {ADVICE}")
    padding = tokenizer.pad_token_id
    if padding is None or len(tokenizer) > config.vocab_size:
        why = "has no padding" if padding is None else f"numbers {len(tokenizer)} subwords"
        raise UserError(
            f"text encoder {folder}: its tokenizer {why}, its network knows {config.vocab_size}; "
            "take a model whose two parts belong together and that reads whole texts"
        )
    return SubwordInput(
        tokenizer=backend.to_str(),
        config=config.to_json_string(),
        padding=padding,
        unknown_id=tokenizer.unk_token_id,
        longest=_longest(tokenizer.model_max_length, config, padding),
    )


def draw_network(config: str) -> nn.Module:
    """A network of the shape of ``config``, the text of a config.json, with random weights."""
    need_transformers()
    import json

    from transformers import AutoConfig, AutoModel

    shape = AutoConfig.for_model(**json.loads(config))
    return _without_pooler(AutoModel.from_config(shape, dtype=torch.float32))


def load_network(folder: Path, longest: int) -> nn.Module:
    """The network in ``folder`` with its weights, in 32 bits; it takes texts of ``longest``."""
    from transformers import AutoModel

    with reading(folder):
        network, found = AutoModel.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,  # some are stored in 16 bits, which are too few to be trained
            output_loading_info=True,
        )
    lacking = [name for name in sorted(found["missing_keys"]) if not name.startswith("pooler.")]
    if lacking:
        raise UserError(
            f"text encoder {folder}: its weights lack {len(lacking)} tensors of its config.json, "
            f"first {lacking[0]}; take weights and config of one model"
        )
    network = _without_pooler(network)
    _try(network, folder, longest)
    # It comes in evaluation mode, in which training would have no dropout.
    return network.train()


def _try(network: nn.Module, folder: Path, longest: int) -> None:
    """Refuse now what would fail on the first long text, or gives no vector for each subword."""
    other = int(network.config.pad_token_id or 0) + 1  # type: ignore[union-attr, arg-type]
    with reading(folder), torch.no_grad():
        found = network(torch.full((1, longest), other), torch.ones(1, longest))
        if found.last_hidden_state.shape[:2] != (1, longest):
            raise ValueError("not one vector for each subword")


def _without_pooler(network: nn.Module) -> nn.Module:
    """Less the layer on the first subword: nothing here reads it, so it would learn nothing."""
    if isinstance(getattr(network, "pooler", None), nn.Module):
        network.pooler = None  # type: ignore[assignment]
    return network


def _longest(claimed: int, config: Any, padding: int) -> int:
    """The most subwords of a text: 512, or fewer where the model has fewer positions."""
    positions = getattr(config, "max_position_embeddings", None)
    if not positions or positions < 0:  # it measures distances, and has no last position
        return min(MOST_SUBWORDS, claimed)
    if claimed > positions:  # the tokenizer does not know; RoBERTa counts from after the padding
        claimed = positions - padding - 1
    return min(MOST_SUBWORDS, claimed)


def need_transformers(what: str = WHAT) -> None:
    """Raise UserError that says what needs it where `transformers` is not installed."""
    try:
        import transformers  # noqa: F401
    except ImportError:
        raise UserError(
            f"{what}: the package transformers is not installed; pip install 'triptych[text]'"
        ) from None


def _check(folder: Path, model: str) -> None:
    lacking = [what for what in ("config.json", "*.safetensors") if not any(folder.glob(what))]
    if lacking:
        raise UserError(f"text encoder {model}: no {' and no '.join(lacking)} in it; {ADVICE}")


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
        _check(folder, name)
    except (OSError, ValueError, UserError):
        return None
    return folder


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, allow_patterns=FILES, ignore_patterns=["*/*"]))
    # What a network can raise is a matter of the libraries below, and differs by their version.
    except Exception:
        raise UserError(
            f"text encoder {name}: no folder of that name, not in the local cache, and it cannot "
            f"be fetched; check the name and the network, or {ADVICE}"
        ) from None
    _check(folder, name)
    return folder


@contextmanager
def reading(folder: Path, what: str = WHAT, advice: str = ADVICE) -> Iterator[None]:
    """What `transformers` raises over bad files becomes one line; what it prints is left out."""
    from transformers.utils import logging as spoken

    level, shown = spoken.get_verbosity(), spoken.is_progress_bar_enabled()
    spoken.set_verbosity(logging.CRITICAL)
    spoken.disable_progress_bar()
    try:
        yield
    # OSError, ValueError, KeyError, SafetensorError, RuntimeError: whatever a wrong file leads to.
    except Exception as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"{what} {folder}: transformers cannot read it ({why}); {advice}") from None
    finally:
        spoken.set_verbosity(level)
        if shown:
            spoken.enable_progress_bar()
