"""Small models of the kinds that people start from, built once a session; trials of sweeps; what a job starts from."""

from __future__ import annotations

import hashlib
import random
import shutil
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_pipeline import changed

from codeplan.config import SweepConfig
from codeplan.evaluation.arms import TITLES, ArmName
from codeplan.evaluation.estimators import estimate, paired_difference
from codeplan.evaluation.plan_quality import PlanQuality
from codeplan.evaluation.rates import BY_PLANS, Rates, write
from codeplan.evaluation.results import ArmRow, Comparison, Report
from codeplan.sweeps.points import Point
from codeplan.sweeps.trials import Trial, TrialStage

PROGRAMS = (
    "def solve(n):\n    if n < 2 and n != 1:\n        return {'a': [n, ~n], \"b\": (n ** 2) % 7}\n    return None\n",
    "import sys\n\n\nfor line in sys.stdin:\n    A, b = map(int, line.split())\n    print(A + b, A ^ b, A | b & ~A)\n",
    "x = 'two  blanks'\ny = [1,2 , 3]\nprint( x,y ,sep='\\t')  # a comment\nclass Tree:\n    left: 'Tree' = None\n",
)
PLANS = ("1. Read the numbers.\n2. Add them.\n3. Print the sum.", "Sort the list; print its last item.")
TEXTS = [*PROGRAMS, *PLANS, "Given n, print {n} < 5 ~ 3 @ $ ` | \\ ? and 0123456789 and #!"]

_NOT_IN_T5 = str.maketrans("", "", "{}<~^\\`")

FolderOf = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> FolderOf:
    """Makes a folder with a kind of tokenizer (a key of `TOKENIZERS`) and a kind of model (of `MODELS`)."""
    built: dict[tuple[str, str], Path] = {}

    def folder_of(tokenizer: str, model: str) -> Path:
        if (tokenizer, model) not in built:
            folder = tmp_path_factory.mktemp("model")
            made = _tokenizer(tokenizer)
            made.save_pretrained(folder)
            _model(model, made).save_pretrained(folder)
            built[tokenizer, model] = folder
        copy = tmp_path_factory.mktemp("copy") / "model"
        shutil.copytree(built[tokenizer, model], copy)
        return copy

    return folder_of


def _tokenizer(kind: str) -> Any:
    from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors, trainers
    from tokenizers import models as kinds
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "</s>", "<unk>", "<s>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    common = {"vocab_size": 420, "special_tokens": special, "show_progress": False}
    texts = TEXTS
    trainer: Any = trainers.BpeTrainer(**common)
    if kind in {"gpt2", "roberta", "roberta-prefix"}:
        bare = Tokenizer(kinds.BPE())
        bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=kind == "roberta-prefix")
        bare.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(initial_alphabet=alphabet, **common)
        if kind != "gpt2":
            bare.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 3))
    elif kind in {"t5", "t5-nfkc"}:
        bare = Tokenizer(kinds.Unigram())
        collapse = [normalizers.Replace("\n", " "), normalizers.Replace("  ", " ")] if kind == "t5" else []
        bare.normalizer = normalizers.Sequence([normalizers.NFKC(), *collapse])
        bare.pre_tokenizer = pre_tokenizers.Metaspace()
        bare.decoder = decoders.Metaspace()
        texts = [text.translate(_NOT_IN_T5) for text in TEXTS] if kind == "t5" else TEXTS
        wide = sorted({*"".join(texts), *string.ascii_letters})
        common["special_tokens"] = special
        trainer = trainers.UnigramTrainer(unk_token="<unk>", initial_alphabet=wide, **common)
    elif kind == "byte-fallback":
        words = {f"<0x{byte:02X}>": 4 + byte for byte in range(256)}
        plain = {c: 260 + number for number, c in enumerate("▁abcdefghijklmnopqrstuvwxyz")}
        vocab = {**{token: number for number, token in enumerate(special)}, **words, **plain}
        bare = Tokenizer(kinds.BPE(vocab=vocab, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        bare.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        bare.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        trainer = None
    else:
        bare = Tokenizer(kinds.WordPiece(unk_token="<unk>"))
        bare.normalizer = normalizers.BertNormalizer(lowercase=kind == "uncased")
        bare.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        bare.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(**common)
    if trainer is not None:
        bare.train_from_iterator(texts * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", bos_token="<s>"
    )


def _model(kind: str, tokenizer: Any) -> Any:
    import torch
    import transformers

    common = {"vocab_size": len(tokenizer) + 5, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 3}
    small = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 16}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if kind == "t5":
            sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
            return transformers.T5ForConditionalGeneration(
                transformers.T5Config(**common, **sizes, decoder_start_token_id=0)
            )
        if kind == "bart":
            sides = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in _SIDE.items()}
            return transformers.BartForConditionalGeneration(
                transformers.BartConfig(**common, **sides, d_model=16, max_position_embeddings=2048)
            )
        if kind == "bert":
            return transformers.BertForMaskedLM(
                transformers.BertConfig(**common, **small, max_position_embeddings=2048)
            )
        if kind == "llama":
            return transformers.LlamaForCausalLM(
                transformers.LlamaConfig(**common, **small, max_position_embeddings=2048)
            )
        sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 2048}
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**common, **sizes))


_SIDE = {"layers": 1, "attention_heads": 2, "ffn_dim": 16}


SWEEP_BASE: dict[str, Any] = {
    "name": "toy",
    "problems": {
        "train": {"reader": "miniapps", "split": "train", "count": 30},
        "test": {"reader": "miniapps", "split": "test", "count": 20},
    },
    "student": {"init": "scratch", "architecture": {"model_type": "t5", "d_model": 16}},
    "sampling": {"plans": 10, "trials": 2},
    "execution": {"home": "no", "budget_usd": 1e-6},
}
"""What sweeps of the tests vary."""

RateOf = Callable[[Mapping[str, Any]], float]


class SweepExample:
    """Makes trials of a sweep with real reports in a home, from a solve rate per point and noise over seeds."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.base = SWEEP_BASE

    def trials(
        self, sweep: SweepConfig, points: Sequence[Point], rate: RateOf, *, problems: int = 60, noise: float = 0.02
    ) -> list[Trial]:
        """One trial per point and repeat, all done."""
        return [
            self._trial(sweep, point, repeat, rate(point.values), problems, noise)
            for point in points
            for repeat in range(sweep.repeats)
        ]

    def _trial(self, sweep: SweepConfig, point: Point, repeat: int, rate: float, problems: int, noise: float) -> Trial:
        rng = random.Random(f"{point.point_id}/{repeat}")
        mean = min(0.95, max(0.02, rate + rng.gauss(0.0, noise)))
        solved = {arm: [float(rng.random() < mean * (0.6 + 0.1 * at)) for _ in range(problems)] for at, arm in _ARMS}
        difference = paired_difference(solved["codeplan"], solved["control"], resamples=50, seed=0)
        sequences = int(point.values.get("sampling.plans", 10)) * 3 + 1
        report = Report(
            problems=problems,
            plans=int(point.values.get("sampling.plans", 10)),
            trials=2,
            sequences=sequences,
            teachers=("offline",),
            rows=tuple(ArmRow(arm, "all", estimate(values)) for arm, values in solved.items()),
            pass_at_k=(),
            curve=(),
            comparisons=(
                Comparison("codeplan", "control", int(point.values.get("sampling.plans", 10)), difference, 9),
            ),
            regrets=(),
            outcomes={},
            quality=PlanQuality(0.2, 0.4, 0.3, 0.5, 0.5, None, 0.9, None, None, None, None, None),
            conclusions=(),
            notes=(),
        )
        folder = f"stages/report/{hashlib.sha256(f'{point.point_id}{repeat}'.encode()).hexdigest()}"
        (self.home / folder).mkdir(parents=True, exist_ok=True)
        (self.home / folder / "report.json").write_text(report.to_json())
        write(_rates(solved, report), self.home / folder)
        cost = 0.01 * float(point.values.get("teacher.samples", 1))
        loss = {"validation_loss/code": 1.0 - rate / 2 + rng.gauss(0.0, noise), "teacher.cost_usd": cost}
        return Trial(
            values=point.values,
            repeat=repeat,
            label=point.label(sweep),
            state="done",
            seconds=60.0 + repeat,
            metrics={**report.metrics(), **loss},
            stages={"student": TrialStage("finetune", "ab" * 32, computed=repeat == 0, seconds=5.0)},
            mlflow_run=hashlib.sha256(folder.encode()).hexdigest()[:32],
            report=folder,
        )


_ARMS = list(enumerate(TITLES))


def _rates(solved: Mapping[ArmName, Sequence[float]], report: Report) -> Rates:
    names = tuple(f"toy/{number}" for number in range(report.problems))
    by_plans = {arm: {report.plans: tuple(solved[arm])} for arm in BY_PLANS}
    return Rates(
        problem_ids=names,
        levels=("",) * len(names),
        questions=names,
        hidden_tests=names,
        judging={},
        sampling={},
        sequences={report.plans: report.sequences},
        direct=tuple(solved["direct"]),
        oracle=tuple(solved["oracle"]),
        foreign=tuple(solved["foreign"]),
        **by_plans,
    )


@pytest.fixture(scope="module")
def sweep_example(tmp_path_factory: pytest.TempPathFactory) -> SweepExample:
    """A home in which trials have reports."""
    return SweepExample(tmp_path_factory.mktemp("sweep") / "home")


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No address and no token of a cluster in the environment or the home directory."""
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def job_config(tmp_path: Path) -> Path:
    """A configuration for a job."""
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(changed(("name", "toy"), ("execution.home", "/shared/runs"))))
    return path
