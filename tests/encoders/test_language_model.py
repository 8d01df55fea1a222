import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.encoders.tiny import save_roberta
from triptych.encoders.build import build, check_name, text_input
from triptych.encoders.language_model import folder_of, load_network, read_input
from triptych.errors import UserError


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(UserError) as found:
        call()
    line = str(found.value)
    assert "\n" not in line
    assert line.startswith("text encoder")
    return line


def use(folder: Path) -> object:
    name = f"transformer:{folder}"
    return build(name, "text", text_input(name, []), seed=0)


def test_texts_are_as_long_as_the_model_has_positions(roberta: Path, tmp_path: Path) -> None:
    """RoBERTa counts positions from after the padding: 40 of them, 38 for subwords."""
    assert read_input(roberta).longest == 38
    long = save_roberta(tmp_path / "long", positions=700)
    assert read_input(long).longest == 512, "no more than the paper's, whatever the model takes"
    said = json.loads((long / "tokenizer_config.json").read_text())
    (long / "tokenizer_config.json").write_text(json.dumps({**said, "model_max_length": 100}))
    assert read_input(long).longest == 100


def test_weights_of_16_bits_become_32(roberta: Path, tmp_path: Path) -> None:
    shutil.copytree(roberta, tmp_path, dirs_exist_ok=True)
    halved = {
        name: value.half() for name, value in load_file(roberta / "model.safetensors").items()
    }
    save_file(halved, tmp_path / "model.safetensors", {"format": "pt"})
    said = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**said, "dtype": "float16"}))
    network = load_network(tmp_path, 38)
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}


def test_a_folder_that_lacks_something_is_refused_in_one_line(
    roberta: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        folder = tmp_path / name
        shutil.copytree(roberta, folder, ignore=shutil.ignore_patterns(name))
        line = refused(lambda folder=folder: use(folder))  # type: ignore[misc]
        assert str(folder) in line
        assert name.replace("model", "*") in line or "cannot read it" in line
        assert "give the folder of a model" in line
    assert "no such folder" in refused(lambda: use(tmp_path / "gone"))


def test_a_tokenizer_without_words_is_refused(roberta: Path, tmp_path: Path) -> None:
    """Transformers makes one of five special tokens where its files are missing."""
    ignored = shutil.ignore_patterns("tokenizer*")
    shutil.copytree(roberta, tmp_path, dirs_exist_ok=True, ignore=ignored)
    assert "no tokenizer.json or vocabulary" in refused(lambda: use(tmp_path))


def test_weights_that_are_not_the_config_s_are_refused(roberta: Path, tmp_path: Path) -> None:
    shutil.copytree(roberta, tmp_path, dirs_exist_ok=True)
    weights = load_file(roberta / "model.safetensors")
    gone = "encoder.layer.1.output.dense.weight"
    save_file(
        {name: value for name, value in weights.items() if name != gone},
        tmp_path / "model.safetensors",
        {"format": "pt"},
    )
    assert f"lack 1 tensors of its config.json, first {gone}" in refused(lambda: use(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no safetensors" * 9)
    assert "cannot read it" in refused(lambda: use(tmp_path))


def test_a_tokenizer_of_another_model_is_refused(roberta: Path, tmp_path: Path) -> None:
    shutil.copytree(roberta, tmp_path, dirs_exist_ok=True)
    said = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**said, "vocab_size": 100}))
    assert "its network knows 100" in refused(lambda: use(tmp_path))


def test_a_model_that_gives_no_vector_a_subword_is_refused(roberta: Path, tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    shutil.copytree(roberta, tmp_path, dirs_exist_ok=True)
    T5Model(
        T5Config(vocab_size=400, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
    ).save_pretrained(tmp_path)
    assert "cannot read it" in refused(lambda: use(tmp_path))


def test_code_that_comes_with_a_model_is_not_run(roberta: Path, tmp_path: Path) -> None:
    shutil.copytree(roberta, tmp_path, dirs_exist_ok=True)
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    said = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.M"}}
    (tmp_path / "config.json").write_text(json.dumps(said))
    assert "cannot read it" in refused(lambda: use(tmp_path))
    assert not (tmp_path / "ran").exists()


def cache(folder: Path, model: Path, name: str) -> None:
    """Lay ``model`` where the hub's client keeps what it has fetched."""
    entry = folder / f"models--{name.replace('/', '--')}"
    shutil.copytree(model, entry / "snapshots" / "abc")
    (entry / "refs").mkdir()
    (entry / "refs" / "main").write_text("abc")


def test_a_name_is_looked_up_in_the_cache_and_not_asked_for(
    roberta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cache(tmp_path, roberta, "some/tiny-model")
    asked: list[object] = []

    def offline(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", offline)
    monkeypatch.setattr(socket.socket, "connect", offline)
    assert json.loads((folder_of("some/tiny-model") / "config.json").read_text())
    assert asked == []
    line = refused(lambda: check_name("transformer:some/other-model", "text"))
    assert "some/other-model: no folder of that name, not in the local cache" in line
    assert "cannot be fetched" in line
    assert asked, "what is not in the cache is asked for"
    assert "no such folder" in refused(lambda: folder_of("a/b/c"))
    assert "cannot be fetched" in refused(lambda: folder_of("no good name"))


def test_without_transformers_one_line_says_what_to_install(
    roberta: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = read_input(roberta)
    monkeypatch.setitem(sys.modules, "transformers", None)
    for call in (
        lambda: use(roberta),
        lambda: check_name("roberta", "text"),
        lambda: build(f"transformer:{roberta}", "text", form, 0),
    ):
        assert refused(call).endswith("pip install 'triptych[text]'")
