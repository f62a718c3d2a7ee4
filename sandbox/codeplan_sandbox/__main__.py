"""python -m codeplan_sandbox check --suite SUITE.json PROGRAM.py: judge one program and print one JSON object.

python -m codeplan_sandbox doctor: print which isolation tiers this machine supports, and what the others lack.

Exit status: 0 if the program was judged, whatever the verdict; 2 for an invalid command line or suite; 3 if the sandbox
could not judge.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from codeplan_sandbox import tier_status
from codeplan_sandbox.judging import Judge
from codeplan_sandbox.memory_bound import memory_bound
from codeplan_sandbox.suites import Limits, Suite, SuiteError
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import SandboxError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_DEFAULTS = Limits()
_JUDGED, _USAGE_ERROR, _NOT_JUDGED = 0, 2, 3


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (OSError, UnicodeDecodeError, SuiteError, ValueError) as error:
        print(f"codeplan_sandbox: {error}", file=sys.stderr)
        return _USAGE_ERROR
    except SandboxError as error:
        print(f"codeplan_sandbox: {error}", file=sys.stderr)
        return _NOT_JUDGED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="codeplan_sandbox", description="Run untrusted programs against tests.")
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser("check", help="judge one program")
    check.add_argument("program", type=Path, help="a Python file")
    check.add_argument("--suite", type=Path, required=True, help="the tests as JSON; see codeplan_sandbox.Suite")
    check.add_argument("--time", type=float, default=_DEFAULTS.time_s, help="CPU seconds per test")
    check.add_argument("--memory", type=_bytes, default=_DEFAULTS.memory_bytes, help="for example 256M")
    check.add_argument(
        "--allow-tier", choices=TIERS, default=MINIMUM_TIER, help="the weakest acceptable isolation tier"
    )
    check.add_argument("--stop-at-failure", action="store_true", help="skip the tests after the first failure")
    check.set_defaults(run=_check)
    commands.add_parser("doctor", help="show the isolation tiers that this machine supports").set_defaults(run=_doctor)
    return parser


def _check(options: argparse.Namespace) -> int:
    suite = Suite.from_json(options.suite.read_text(encoding="utf-8"))
    program = options.program.read_text(encoding="utf-8")
    limits = Limits(time_s=options.time, memory_bytes=options.memory)
    with Judge(limits, allow_tier=options.allow_tier) as sandbox:
        verdict = sandbox.judge(program, suite, stop_at_failure=options.stop_at_failure)
    print(json.dumps(dataclasses.asdict(verdict)))
    return _JUDGED


def _doctor(_: argparse.Namespace) -> int:
    statuses = tier_status.survey()
    tiers = {status.tier: "holds" if status.holds else status.reason for status in statuses}
    chosen = tier_status.chosen_tier(statuses)
    report = {"tiers": tiers, "minimum": MINIMUM_TIER, "chosen": chosen, "packages": tier_status.installed_packages()}
    report["memory"] = dataclasses.asdict(memory_bound())
    print(json.dumps(report, indent=1))
    return _JUDGED if chosen else _NOT_JUDGED


def _bytes(text: str) -> int:
    number, unit = (text[:-1], text[-1].upper()) if text and text[-1].isalpha() else (text, "")
    if unit not in _UNITS or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write for example 256M")
    return int(number) * _UNITS[unit]


if __name__ == "__main__":
    sys.exit(main())
