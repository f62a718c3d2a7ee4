"""The command: ``python -m codeplan_sandbox``, or ``codeplan-sandbox`` where the package is installed.

check judges one program, or with --batch the programs of a file; doctor shows the isolation tiers of this machine. The
exit status is part of the interface: see `EXIT_STATUS`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from codeplan_sandbox import doctor, schemas
from codeplan_sandbox.batch import Batch, BatchOptions, available_cpus
from codeplan_sandbox.batch_lines import limits_from
from codeplan_sandbox.batch_progress import Progress
from codeplan_sandbox.batch_results import ResultFile, Results, StandardOutput, WriteError
from codeplan_sandbox.judging import Judge
from codeplan_sandbox.suites import Limits, Suite, SuiteError
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import SandboxError

JUDGED, BAD_INPUT, NOT_JUDGED, INTERRUPTED, CLOSED_PIPE = 0, 2, 3, 130, 141
EXIT_STATUS = """\
exit status:
  0    judged, whatever the verdicts; doctor: a Judge has a tier to use
  2    the command line or the input is not valid; in a batch all other lines were judged
  3    could not judge: no isolation tier, a failure of the sandbox, or the output cannot be written;
       in a batch all other lines were judged, and this goes before 2
  130  interrupted by Ctrl-C; results in --output are kept, run the same command to resume
  141  the reader of standard output closed it
"""
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_DEFAULTS = Limits()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        status = int(options.run(options, parser))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at exit
        return CLOSED_PIPE
    except (OSError, UnicodeDecodeError, SuiteError, ValueError) as error:
        return _failed(error, BAD_INPUT)
    except (SandboxError, WriteError) as error:
        return _failed(error, NOT_JUDGED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _failed(error: Exception, status: int) -> int:
    print(f"codeplan-sandbox: {error}", file=sys.stderr)
    return status


class _SchemaAction(argparse.Action):
    """Prints a schema and exits, as --version does."""

    def __call__(self, parser: argparse.ArgumentParser, _namespace: object, name: Any, _option: object = None) -> None:
        print(json.dumps(schemas.schema(name or ""), indent=1))
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codeplan-sandbox",
        description="Run untrusted programs against tests.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--json-schema",
        nargs="?",
        metavar="NAME",
        type=_schema_name,
        action=_SchemaAction,
        help=f"print the JSON Schemas of all that is read and written, and exit; with a name the one of "
        f"{', '.join(schemas.NAMES)}",
    )
    commands = parser.add_subparsers(required=True)
    check = commands.add_parser(
        "check", help="judge programs", epilog=EXIT_STATUS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    check.add_argument("program", type=Path, nargs="?", help="a Python file")
    check.add_argument("--suite", type=Path, help="its tests, a JSON file")
    _add_batch_options(check)
    _add_limits(check)
    check.set_defaults(run=_check)
    report = commands.add_parser(
        "doctor", help="show the isolation tiers that this machine supports, and what is missing"
    )
    report.add_argument("--json", action="store_true", help="print one JSON object")
    report.set_defaults(run=_doctor)
    return parser


def _add_batch_options(check: argparse.ArgumentParser) -> None:
    batch = check.add_argument_group("many programs")
    batch.add_argument(
        "--batch", metavar="FILE.jsonl", help='programs and suites, one JSON object per line; "-" is standard input'
    )
    batch.add_argument(
        "--output",
        type=Path,
        metavar="FILE.jsonl",
        help="the results; a file of results is resumed (default: standard output)",
    )
    batch.add_argument("--workers", type=_count, help="programs judged at a time (default: the CPUs that may be used)")
    batch.add_argument("--without-cases", action="store_true", help="leave the results of single tests out")


def _add_limits(check: argparse.ArgumentParser) -> None:
    limits = check.add_argument_group("limits")
    limits.add_argument(
        "--time", type=float, default=_DEFAULTS.time_s, help="CPU seconds per test (default: %(default)g)"
    )
    limits.add_argument(
        "--total-time",
        type=float,
        default=_DEFAULTS.total_s,
        help="seconds for all tests of a program (default: %(default)g)",
    )
    limits.add_argument("--memory", type=_bytes, default=_DEFAULTS.memory_bytes, help="per program (default: 256M)")
    limits.add_argument(
        "--allow-tier", choices=TIERS, default=MINIMUM_TIER, help="the weakest acceptable isolation tier"
    )
    limits.add_argument(
        "--packages",
        type=_names,
        default=(),
        metavar="NAME,...",
        help="packages outside the standard library that programs may import, for example numpy (default: none)",
    )
    limits.add_argument("--stop-at-failure", action="store_true", help="skip a program's tests after its first failure")


def _check(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    limits = limits_from(
        {"time_s": options.time, "total_s": options.total_time, "memory_bytes": options.memory}, _DEFAULTS
    )
    if options.batch is not None:
        if options.program or options.suite:
            parser.error("--batch has the programs and suites; leave out PROGRAM and --suite")
        return _check_batch(options, limits)
    if not options.program or not options.suite:
        parser.error("check needs PROGRAM and --suite, or --batch")
    if options.output or options.workers or options.without_cases:
        parser.error("--output, --workers and --without-cases belong to --batch")
    suite = Suite.from_json(options.suite.read_text(encoding="utf-8"))
    program = options.program.read_text(encoding="utf-8")
    with Judge(limits, allow_tier=options.allow_tier, program_packages=options.packages) as sandbox:
        verdict = sandbox.judge(program, suite, stop_at_failure=options.stop_at_failure)
    print(json.dumps(verdict.to_dict()))
    return JUDGED


def _check_batch(options: argparse.Namespace, limits: Limits) -> int:
    if options.batch == "-":
        # Not sys.stdin: Python closes that one at exit, and waits for a thread that waits for input.
        source, name, folder = os.fdopen(os.dup(sys.stdin.fileno()), "rb"), "standard input", Path()
    else:
        path = Path(options.batch)
        source, name, folder = path.open("rb"), str(path), path.parent
    status = _judge_batch(source, name, folder, options, limits)
    source.close()  # where the batch ended early, the thread that reads may be waiting for input
    return status


def _judge_batch(source: BinaryIO, name: str, folder: Path, options: argparse.Namespace, limits: Limits) -> int:
    settings = BatchOptions(
        limits,
        options.allow_tier,
        options.stop_at_failure,
        options.workers or available_cpus(),
        cases=not options.without_cases,
        packages=options.packages,
    )
    results: Results = ResultFile(options.output) if options.output else StandardOutput()
    progress, finished = Progress(source), False
    try:
        batch = Batch(source, name, folder, results, settings)
        try:
            batch.run(progress.report, progress.advance)
            finished = True
        except KeyboardInterrupt:
            resumed = "; finished work is kept, run the same command to resume" if options.output else ""
            progress.finish(batch.summary, f"; interrupted{resumed}")
            raise
    finally:
        results.close(finished=finished)
    progress.finish(batch.summary)
    if batch.summary.sandbox_failures:
        return NOT_JUDGED
    return BAD_INPUT if batch.summary.bad_lines else JUDGED


def _doctor(options: argparse.Namespace, _: argparse.ArgumentParser) -> int:
    report = doctor.examine()
    print(json.dumps(report.to_dict(), indent=1) if options.json else report.text())
    return JUDGED if report.chosen else NOT_JUDGED


def _schema_name(text: str) -> str:
    if text not in schemas.NAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(schemas.NAMES)}")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(sorted({name.strip() for name in text.split(",")}))


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1024")
    return int(text)


def _bytes(text: str) -> int:
    number, unit = (text[:-1], text[-1].upper()) if text and text[-1].isalpha() else (text, "")
    if unit not in _UNITS or not number.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write for example 256M")
    return int(number) * _UNITS[unit]


if __name__ == "__main__":
    sys.exit(main())
