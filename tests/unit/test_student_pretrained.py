"""Foreign model folders and repositories: what can be repaired is, and everything else is one message."""

from __future__ import annotations

import http.server
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from codeplan.config import StudentConfig
from codeplan.student.errors import StudentError, library_errors
from codeplan.student.model import build_student, load_student, save_student

FolderOf = Callable[[str, str], Path]
Weights = dict[str, torch.Tensor]


def pretrained(folder: Path | str) -> StudentConfig:
    return StudentConfig(model=str(folder))


def edit(path: Path, **changes: object) -> None:
    """Change keys of a JSON file; None removes one."""
    keys = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in keys.items() if value is not None}))


def rewrite(folder: Path, change: Callable[[Weights], Weights]) -> None:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(("model", "start"), [("t5", 0), ("bart", 2)])
def test_a_missing_decoder_start_is_that_of_the_family(model_folder: FolderOf, model: str, start: int) -> None:
    folder = model_folder("gpt2", model)
    edit(folder / "config.json", decoder_start_token_id=None)
    (folder / "generation_config.json").unlink()
    assert build_student(pretrained(folder), []).model.config.decoder_start_token_id == start


def test_a_decoder_start_is_taken_from_the_generation_settings(model_folder: FolderOf) -> None:
    folder = model_folder("gpt2", "t5")
    edit(folder / "config.json", decoder_start_token_id=None)
    edit(folder / "generation_config.json", decoder_start_token_id=3)
    assert build_student(pretrained(folder), []).model.config.decoder_start_token_id == 3


def test_a_tokenizer_larger_than_the_model_gets_embeddings(model_folder: FolderOf) -> None:
    folder = model_folder("gpt2", "t5")
    edit(folder / "config.json", vocab_size=100)
    rewrite(
        folder,
        lambda weights: {name: tensor[:100] if len(tensor) == 425 else tensor for name, tensor in weights.items()},
    )
    student = build_student(pretrained(folder), [])
    assert student.model.get_input_embeddings().num_embeddings > max(student.tokenizer.get_vocab().values())


def test_weights_in_a_pickle_are_read_and_code_in_it_is_not_run(model_folder: FolderOf, tmp_path: Path) -> None:
    folder = model_folder("gpt2", "t5")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    build_student(pretrained(folder), [])
    ran = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(ran),)

    torch.save({"shared.weight": Hostile()}, folder / "pytorch_model.bin", pickle_module=pickle)
    with pytest.raises(StudentError, match="holds more than tensors"):
        build_student(pretrained(folder), [])
    assert not ran.exists()


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    (
        "t5",
        lambda f: edit(f / "config.json", decoder_start_token_id=10**6),
        "decoder_start_token_id 1000000 is not one",
    ),
    ("t5", lambda f: edit(f / "config.json", decoder_start_token_id=[0]), r"decoder_start_token_id \[0\] is not one"),
    ("t5", lambda f: edit(f / "config.json", vocab_size=10), "weights do not fit its config.json: shared.weight is"),
    ("t5", lambda f: edit(f / "config.json", vocab_size=10**10), "need .* GiB, the machine has"),
    ("t5", lambda f: edit(f / "config.json", num_layers=10**6), "1,000,000 layers"),
    ("t5", lambda f: edit(f / "config.json", d_model="16"), "config.json is not valid.*d_model"),
    ("t5", lambda f: edit(f / "config.json", dtype="float7"), "config.json is not valid.*float7"),
    ("t5", lambda f: edit(f / "config.json", model_type=None), "names no model_type"),
    ("t5", lambda f: edit(f / "config.json", model_type="t9"), "knows no 't9'"),
    (
        "t5",
        lambda f: edit(f / "config.json", model_type="mine", auto_map={"AutoConfig": "code.Config"}),
        "code that comes with a model is never run",
    ),
    ("t5", lambda f: edit(f / "config.json", is_encoder_decoder=False), "its is_encoder_decoder is wrong"),
    ("gpt2", lambda f: edit(f / "config.json", is_encoder_decoder=True), "its is_encoder_decoder is wrong"),
    ("t5", lambda f: edit(f / "config.json", quantization_config={"quant_method": "gptq"}), "is quantized"),
    ("t5", lambda f: (f / "config.json").write_text("[" * 100_000), "config.json cannot be read"),
    ("t5", lambda f: (f / "config.json").write_bytes(b"\xff"), "config.json cannot be read"),
    ("t5", lambda f: (f / "config.json").unlink(), "config.json cannot be read"),
    ("t5", lambda f: (f / "config.json").rename(f / "adapter_config.json"), "adapter alone; merge it"),
    ("t5", lambda f: [(f / n).unlink() for n in ("tokenizer.json", "tokenizer_config.json")], "holds no tokenizer"),
    ("t5", lambda f: truncate(f / "tokenizer.json"), "tokenizer cannot be read"),
    ("t5", lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer cannot be read"),
    ("t5", lambda f: edit(f / "tokenizer_config.json", pad_token=5), "tokenizer cannot be read"),
    ("t5", lambda f: (f / "model.safetensors").unlink(), "weights cannot be read"),
    ("t5", lambda f: truncate(f / "model.safetensors"), "download that was cut off"),
    ("t5", lambda f: (f / "model.safetensors").write_bytes(POINTER), "model.safetensors is a Git LFS pointer"),
    ("t5", lambda f: (f / "model.safetensors").write_bytes(b""), "weights cannot be read"),
    ("t5", lambda f: rewrite(f, lambda w: dict(sorted(w.items())[1:])), "lack 1 of the model's .* weights"),
    ("gpt2", lambda f: edit(f / "config.json", tie_word_embeddings=False), "lack 1 of .* lm_head.weight"),
    ("t5", lambda f: (f / "generation_config.json").write_text("[]"), "generation_config.json is not valid"),
    ("t5", lambda f: edit(f / "generation_config.json", num_return_sequences=5), "generation_config.json is not valid"),
]


@pytest.mark.parametrize(("model", "damage", "said"), DAMAGES, ids=[said[:30] for *_, said in DAMAGES])
def test_a_damaged_folder_is_explained_in_one_line(
    model_folder: FolderOf, model: str, damage: Callable[[Path], object], said: str
) -> None:
    folder = model_folder("gpt2", model)
    damage(folder)
    with pytest.raises(StudentError, match=said) as caught:
        build_student(pretrained(folder), [])
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(f"student.model '{folder}'"[:100])
    assert len(message) < 700


@pytest.mark.parametrize("name", ["/no/such", "a b", "x/y/z", "../x", "a\nb", "-x", "a\udcff", "x" * 5000, "a/" * 2000])
def test_a_name_that_is_neither_folder_nor_repository_is_refused_without_a_network(name: str) -> None:
    with pytest.raises(StudentError, match="cannot be loaded") as caught:
        build_student(pretrained(name), [])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_a_file_is_not_a_model(model_folder: FolderOf) -> None:
    with pytest.raises(StudentError, match="it is a file; name the folder"):
        build_student(pretrained(model_folder("gpt2", "t5") / "config.json"), [])


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers every request with the status in the path."""

    def do_HEAD(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_a_hub_that_refuses_is_asked_once_and_quoted(hub: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub)
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub + "/{repo_id}/{filename}")
    with pytest.raises(StudentError, match=rf"answers HTTP {status} for its config.json"):
        build_student(pretrained(f"{status}/model"), [])


def test_without_a_network_the_message_is_short_and_holds_no_secret(model_folder: FolderOf) -> None:
    """In a process of its own: the libraries read their environment once."""
    code = (
        "import sys\n"
        "from codeplan.config import StudentConfig\n"
        "from codeplan.student.model import build_student, StudentError\n"
        "print(type(build_student(StudentConfig(model=sys.argv[1]), []).model).__name__)\n"
        "try:\n"
        "    build_student(StudentConfig(model='someone/model'), [])\n"
        "except StudentError as error:\n"
        "    print(error)\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "HF_ENDPOINT": "http://user:sesame@127.0.0.1:9",
        "HF_TOKEN": "hf_secret",
        "HF_HOME": "/dev/null/unwritable",
    }
    command = [sys.executable, "-c", code, str(model_folder("gpt2", "t5"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    kind, message = done.stdout.splitlines()
    assert kind == "T5ForConditionalGeneration"
    assert "cannot be reached" in message
    assert "HF_ENDPOINT" in message
    assert not any(secret in done.stdout + done.stderr for secret in ("sesame", "hf_secret"))


def test_library_errors_become_one_line_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abc")

    class Panic(BaseException):
        """As the tokenizers library's panics, which derive from no Exception."""

    with (
        pytest.raises(StudentError, match=r"^reading: Panic: bad \*\*\* at https://\*\*\*@host/x$"),
        library_errors("reading"),
    ):
        raise Panic("bad\nhf_abc at https://me:pw@host/x")
    with pytest.raises(KeyboardInterrupt), library_errors("reading"):
        raise KeyboardInterrupt
    with pytest.raises(OSError, match="full"), library_errors("reading"):
        raise OSError(28, "the disk is full")


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ({"d_model": "16x"}, r"architecture\.d_model should be an integer \(got '16x'\)"),
        ({"d_model": "1_6"}, r"d_model should be an integer"),
        ({"layer_norm_epsilon": "1e-6"}, r"layer_norm_epsilon should be a number"),
        ({"tie_word_embeddings": "no"}, r"tie_word_embeddings should be true or false"),
        ({"d_model": True}, r"d_model should be an integer"),
        ({"feed_forward_proj": 3}, r"feed_forward_proj should be a string"),
        ({"vocab_size": 100}, r"leave out vocab_size"),
        ({"to_dict": 1}, r"t5 has no key to_dict"),
        ({"d_model": 0}, r"student\.architecture"),
        ({"d_model": -4}, r"student\.architecture"),
        ({"num_layers": 10**6}, r"1,000,000 layers"),
        ({"d_ff": 10**12}, r"need .* GiB"),
        ({"model_type": ["t5"]}, r"needs model_type"),
    ],
)
def test_an_architecture_that_cannot_be_built_is_explained(architecture: dict[str, Any], said: str) -> None:
    base = {"model_type": "t5", "d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 1, "num_heads": 4}
    with pytest.raises(StudentError, match=said) as caught:
        build_student(StudentConfig(init="scratch", architecture={**base, **architecture}), ["print(1)"])
    assert str(caught.value).isprintable()


def test_integers_may_be_written_with_an_exponent() -> None:
    keys = {"model_type": "gpt2", "n_embd": 1e1, "n_layer": 1, "n_head": 2, "n_positions": 2e3, "layer_norm_epsilon": 1}
    model = build_student(StudentConfig(init="scratch", architecture=keys), ["print(1)"]).model
    assert (model.config.n_embd, model.config.n_positions) == (10, 2000)


@pytest.mark.parametrize(
    "name", ["student.json", "config.json", "tokenizer.json", "model.safetensors", "plan_head.safetensors"]
)
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_student_folder_is_explained(name: str, damage: str, tmp_path: Path) -> None:
    keys = {"model_type": "t5", "d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 1, "num_heads": 4}
    save_student(
        build_student(StudentConfig(init="scratch", architecture=keys, plan_head="own"), ["print(1)"]), tmp_path
    )
    path = tmp_path / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:30])
    said = (
        "is not a student folder" if (name, damage) == ("student.json", "missing") else "is damaged; delete its stage"
    )
    with pytest.raises(StudentError, match=said):
        load_student(tmp_path)
