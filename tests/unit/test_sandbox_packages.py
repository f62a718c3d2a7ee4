"""Tests may import the packages of a short list; a missing package is never a failure of the program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from codeplan_sandbox import TIERS, Case, Judge, Limits, Outcome, SandboxError, Suite, packages_needed

NUMPY = "import numpy as np\n"
THIRD = "def f(x): return x / 3"


def asserts(test: str, setup: str = "") -> Suite:
    return Suite("assert", tests=(test,), setup=setup)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Judge]:
    pytest.importorskip("numpy")
    with Judge(Limits(time_s=2.0)) as warm:
        yield warm


@pytest.mark.parametrize(
    ("program", "test", "expected"),
    [
        (THIRD, f"{NUMPY}assert np.isclose(f(1), 1 / 3)", Outcome.PASSED),
        ("def f(x): return x", f"{NUMPY}assert np.isclose(f(1), 1 / 3)", Outcome.WRONG_ANSWER),
        (THIRD, "def check():\n    import numpy\n    assert numpy.allclose([f(1)], [1 / 3])\ncheck()", Outcome.PASSED),
        (THIRD, "from numpy.testing import assert_allclose\nassert_allclose(f(1), 1 / 3)", Outcome.PASSED),
        (
            "def f(x): return x",
            "from numpy.testing import assert_allclose\nassert_allclose(f(1), 3)",
            Outcome.WRONG_ANSWER,
        ),
        (
            THIRD,
            f"{NUMPY}assert f(np.float64(3)) == 1 and f(np.float32(3)) == 1 and f(np.int64(3)) == 1 and f(np.bool_(1))",
            Outcome.PASSED,
        ),
        (THIRD, f"{NUMPY}assert np.linalg.norm([3, 4]) == 5 and len(np.random.rand(3)) == 3", Outcome.PASSED),
        (THIRD, f"{NUMPY}f(np.array([3]))", Outcome.UNSEPARABLE),
        ("import numpy\ndef f(x): return x", f"{NUMPY}assert f(1) == 1", Outcome.RUNTIME_ERROR),
        ("def f(x):\n    import numpy.linalg\n    return x", f"{NUMPY}assert f(1) == 1", Outcome.RUNTIME_ERROR),
        (
            "class E:\n    def __eq__(s, o): return True\ndef f(x): return E()",
            f"{NUMPY}np.equal(f(1), 1)",
            Outcome.UNSEPARABLE,
        ),
        (THIRD, f"{NUMPY}import numpy.nonsense", Outcome.UNSEPARABLE),
    ],
)
def test_tests_can_import_numpy_and_programs_cannot(sandbox: Judge, program: str, test: str, expected: Outcome) -> None:
    verdict = sandbox.judge(program, asserts(test))
    assert verdict.outcome is expected, verdict.message


def test_setup_can_import_numpy(sandbox: Judge) -> None:
    assert sandbox.judge(THIRD, asserts("assert np.isclose(f(1), 1 / 3)", setup=NUMPY)).passed


@pytest.mark.parametrize(
    ("test", "named"),
    [
        ("import pandas as pd\nassert f(3) == 1", "pandas"),
        ("from sklearn.metrics import f1_score\nassert f(3) == 1", "sklearn"),
        ("def check():\n    import torch.nn\ncheck()", "torch"),
        ("__import__('scipy')", "scipy"),
        ("import importlib\nimportlib.import_module('scipy.stats')", "scipy"),
    ],
)
def test_importing_another_package_makes_a_test_unseparable(sandbox: Judge, test: str, named: str) -> None:
    verdict = sandbox.judge(THIRD, asserts(test))
    assert verdict.outcome is Outcome.UNSEPARABLE
    assert f"imports {named}" in verdict.message
    assert "numpy" in verdict.message


def test_only_the_tests_that_import_the_package_are_unseparable(sandbox: Judge) -> None:
    suite = Suite("assert", tests=("assert f(3) == 1", "import pandas", "assert f(6) == 2"))
    outcomes = [case.outcome.value for case in sandbox.judge(THIRD, suite).cases]
    assert outcomes == ["passed", "unseparable", "passed"]


def test_optional_import_is_not_needed(sandbox: Judge) -> None:
    guarded = "try:\n    import pandas\nexcept ImportError:\n    pandas = None\nassert f(3) == 1"
    assert packages_needed(asserts(guarded)) == ()
    assert sandbox.judge(THIRD, asserts(guarded)).passed


def test_missing_package_in_a_program_is_a_runtime_error(sandbox: Judge) -> None:
    verdict = sandbox.judge("import pandas\ndef f(x): return x", asserts("assert f(1) == 1"))
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    lazy = sandbox.judge("def f(x): import pandas", asserts("assert f(1) == 1"))
    assert lazy.outcome is Outcome.RUNTIME_ERROR
    hidden = "try:\n    import numpy\nexcept ImportError: print('none')"
    assert sandbox.judge(hidden, Suite("stdin", cases=(Case("", "none"),))).passed


def test_packages_needed() -> None:
    suite = Suite(
        "assert", setup="import os, numpy.linalg", tests=("from scipy import *", "import scipy.stats as s", "(")
    )
    assert packages_needed(suite) == ("numpy", "scipy")
    assert packages_needed(asserts("__import__('torch')\nfrom codecs import open")) == ("torch",)
    assert packages_needed(asserts(f"import numpy\nx = {'1' * 5000}")) == (
        "numpy",
    )  # the literal is too long for this interpreter
    assert packages_needed(Suite("stdin", cases=(Case("import numpy", ""),))) == ()


@pytest.mark.parametrize("tier", [tier for tier in TIERS if tier != "limits"])
def test_numpy_works_in_every_tier(tier: str) -> None:
    pytest.importorskip("numpy")
    try:
        judge = Judge(Limits(time_s=2.0), strongest_tier=tier, allow_tier=tier)
    except SandboxError as error:
        pytest.skip(str(error))
    with judge:
        verdict = judge.judge(
            THIRD, asserts(f"{NUMPY}assert np.isclose(f(1), 1 / 3)\nnp.testing.assert_allclose(1, 1)")
        )
        assert (verdict.passed, verdict.tier) == (True, tier), verdict.message


@pytest.mark.parametrize("text", [None, "raise RuntimeError('built for another machine')"])
def test_missing_or_broken_package_is_named(tmp_path: Path, text: str | None) -> None:
    """Runs in an interpreter in which numpy is not installed or cannot be imported."""
    if text is not None:
        (tmp_path / "numpy").mkdir()
        (tmp_path / "numpy" / "__init__.py").write_text(text)
    home = Path(sys.modules["codeplan_sandbox"].__file__ or "").parents[1]
    program = f"""
import sys
sys.path[:0] = {[str(home), str(tmp_path)]!r}
from codeplan_sandbox import Judge, Suite
with Judge() as sandbox:
    suites = [Suite("assert", tests=("import numpy\\nassert f(3) == 1",)), Suite("assert", tests=("assert f(3) == 1",))]
    for suite in suites:
        verdict = sandbox.judge({THIRD!r}, suite)
        print(verdict.outcome, verdict.message)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    missing, plain = done.stdout.splitlines()
    assert missing.startswith("unseparable the test imports numpy")
    assert plain.strip() == "passed"


USES_NUMPY = (
    "import numpy as np\nfrom numpy import linalg\nprint(int(np.arange(int(input())).sum()), linalg.norm([3, 4]))"
)
SUMS = Suite("stdin", cases=(Case("4", "6 5.0"), Case("5", "10 5.0")))


def test_programs_import_the_packages_that_the_judge_was_given() -> None:
    with Judge(program_packages=("numpy",)) as judge:
        assert judge.judge(USES_NUMPY, SUMS).passed
        assert judge.judge("import pandas", SUMS).message.startswith("ModuleNotFoundError")
        asserts = Suite("assert", tests=("import numpy\nassert numpy.isclose(f(2), 4)",))
        assert judge.judge("import numpy\ndef f(x): return int(numpy.square(x))", asserts).passed
    with Judge() as judge:
        verdict = judge.judge(USES_NUMPY, SUMS)
        assert (verdict.outcome, verdict.message) == (
            Outcome.RUNTIME_ERROR,
            "ModuleNotFoundError: No module named 'numpy' (line 1)",
        )


def test_the_memory_limit_is_that_of_the_program_without_its_packages() -> None:
    with Judge(Limits(memory_bytes=64 << 20), program_packages=("numpy",)) as judge:
        fits = "import numpy as np\nprint(len(np.ones(4_000_000)))"  # 32 MB
        assert judge.judge(fits, Suite("stdin", cases=(Case("", "4000000"),))).passed
        too_large = judge.judge("import numpy as np\nprint(len(np.ones(40_000_000)))", SUMS)
        assert too_large.outcome is Outcome.MEMORY_LIMIT


@pytest.mark.parametrize("name", ["no_such_package", "json", "a.b", ""])
def test_a_package_that_is_not_installed_is_refused_at_once(name: str) -> None:
    with pytest.raises(SandboxError, match=f"the package {name!r}"):
        Judge(program_packages=(name,))


@pytest.mark.parametrize(
    ("program", "suite"),
    [
        (f"{NUMPY}print(np.random.rand())", Suite("stdin", cases=(Case("", "0.5488135039273248"),) * 2)),
        (f"{NUMPY}def f(x): return np.int64(x)", Suite("call", cases=(Case(args=(3,), expected=3),), entry_point="f")),
        (
            f"{NUMPY}def f(x): return [np.float32(x), np.bool_(x)]",
            Suite("call", cases=(Case(args=(1,), expected=[1.0, True]),), entry_point="f"),
        ),
        (f"{NUMPY}def f(x): return np.int64(x)", asserts("assert f(3) == 3")),
    ],
)
def test_numpy_has_a_fixed_seed_and_its_numbers_are_json_values(program: str, suite: Suite) -> None:
    pytest.importorskip("numpy")
    with Judge(program_packages=("numpy",)) as judge:
        verdict = judge.judge(program, suite)
        assert verdict.passed, verdict.message


def test_a_package_of_one_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "single_file.py").write_text("value = 5")
    home = Path(sys.modules["codeplan_sandbox"].__file__ or "").parents[1]
    source = f"""
import sys
sys.path[:0] = {[str(home), str(tmp_path)]!r}
from codeplan_sandbox import Case, Judge, Suite
with Judge(program_packages=("single_file",)) as judge:
    print(judge.judge("import single_file; print(single_file.value)", Suite("stdin", cases=(Case("", "5"),))).outcome)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "passed\n"
