"""One HTML page of all problems: an index to filter and sort, and every problem's plans, programs and verdicts.

The page is one file that loads nothing: MLflow shows an HTML artifact from a ``blob:`` address in a sandboxed frame,
where no other file can be reached, and browsers let no page fetch its neighbours from a folder. So the details are in
the page itself, compressed by blocks of problems (gzip, base64), and its script expands a block when a problem of it is
opened. The index comes first and can be used while the rest is still being read.

A page has at most about `ROOM` bytes of details: MLflow shows no file above 50 MiB, and 5,000 problems with 443
programs each have more than 1 GB of text. Each problem has an equal share of the room. Where not everything of a block
fits, texts of programs are left out first, those of lowest priority, then those of plans that cannot be chosen, then
all details of the last blocks. All is counted, and the page says so. `codeplan.load_run` reads what a page leaves out.

All text by models and data sets is JSON inside base64, and is shown as text nodes only. A content security policy
allows the page's own script and style, by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from codeplan.config.inference import FinalRule
from codeplan.errors import UserError, one_line
from codeplan.evaluation.arms import TITLES, ArmName
from codeplan.evaluation.problem_details import PageProblem, details, index_row, without_texts
from codeplan.evaluation.student_samples import JudgedStudents
from codeplan.evaluation.tables import OUTCOME_TITLES
from codeplan.files import atomic_write
from codeplan.inference.settings import SampleSettings
from codeplan.records import Plan

FILE = "problems.html"
ROOM = 40 * 2**20
"""Bytes of a page's details, compressed and encoded: with the index below the 50 MiB that MLflow shows."""
FORMAT = 1
ASSETS = Path(__file__).parent / "page"
SCRIPTS = ("data.js", "search.js", "list.js", "programs.js", "problem.js", "main.js")
_START, _MIDDLE, _END = '<script type="text/plain" id="', '">', "</script>\n"
_CLOSING = "</html>\n"


class ProblemPageError(UserError):
    """A problem page cannot be read; the message names it."""


@dataclass
class PageRun:
    """What a page says of one run.

    Attributes:
        label: names it where there are two.
        name: its name, or its folder.
        plans: plans per problem.
        trials: trial programs per plan.
        final: the rule ``report.final``.
        problems: how many it has.
        texts_left_out: distinct programs whose text the page has no room for, and only their verdicts.
        programs: all distinct programs.
        plans_left_out: plans whose text the page has no room for, and only their scores.
        details_left_out: problems of which it has only the row in the index; their texts are counted, too.
    """

    label: str
    name: str
    plans: int
    trials: int
    final: FinalRule
    problems: int = 0
    texts_left_out: int = 0
    programs: int = 0
    plans_left_out: int = 0
    details_left_out: int = 0


@dataclass
class PageIndex:
    """What is at the start of a page: its runs, the arms in the order of the rows' rates, and a row per problem."""

    runs: list[PageRun]
    arms: list[ArmName]
    rows: list[dict[str, Any]] = field(default_factory=list)


def page_problems(
    students: JudgedStudents, teacher_plans: Iterable[Plan], sampling: SampleSettings, final: FinalRule
) -> Iterator[PageProblem]:
    """The problems of a block of one training seed, as the page shows them."""
    plans: dict[str, list[Plan]] = {}
    for plan in teacher_plans:
        plans.setdefault(plan.problem_id, []).append(plan)
    rates = students.rates(sampling, [sampling.plans], [], final)
    for position, judged in enumerate(students.with_plans):
        code_only = {same: alone[position] for same, alone in students.code_only.items()}
        yield PageProblem(judged, code_only, rates[position], plans.get(judged.problem.problem_id, []))


@dataclass(frozen=True)
class PageBlock:
    """What a page has of a block of problems.

    Attributes:
        rows: of the index; without their place in the page.
        text: the details.
        programs: number of distinct programs.
        texts_left_out: number of those whose text is left out.
        plans_left_out: number of plans whose text is left out.
    """

    rows: list[dict[str, Any]]
    text: str
    programs: int
    texts_left_out: int
    plans_left_out: int

    @classmethod
    def of(cls, members: Iterable[PageProblem], final: FinalRule, share: int) -> PageBlock:
        """Pack a block.

        Args:
            members: its problems.
            final: how CodePLAN's answer follows from the chosen plan.
            share: its share of the room, in bytes: texts that exceed it are left out, and what else it has is kept.

        Raises:
            IncompleteSamplesError: a plan that can be chosen has no final program.
        """
        found = list(members)
        rows = [index_row(member, list(TITLES), None) for member in found]
        packed = _pack([details(member, final) for member in found], share)
        return cls(rows, packed.text, packed.programs, packed.texts_left_out, packed.plans_left_out)


def write(
    blocks: Iterable[PageBlock], path: Path, *, sampling: SampleSettings, final: FinalRule, room: int = ROOM
) -> PageRun:
    """Write the page; the same blocks give the same bytes.

    Args:
        blocks: the test problems, block by block.
        path: of the page.
        sampling: the settings that the programs were sampled with.
        final: how CodePLAN's answer follows from the chosen plan.
        room: the maximum number of bytes of details: those of the last blocks are left out where they do not fit.
    """
    run = PageRun("", "", sampling.plans, sampling.trials, final)
    index = PageIndex([run], list(TITLES))
    with tempfile.TemporaryFile() as chunks:
        for number, block in enumerate(blocks):
            fits = len(block.text) <= room
            if fits:
                chunks.write(_chunk(0, number, block.text))
                room -= len(block.text)
            run.programs += block.programs
            run.details_left_out += 0 if fits else len(block.rows)
            run.texts_left_out += block.texts_left_out if fits else block.programs
            run.plans_left_out += block.plans_left_out if fits else len(block.rows) * sampling.plans
            for position, row in enumerate(block.rows):
                row["runs"][0]["place"] = [number, position] if fits else None
                index.rows.append(row)
        run.problems = len(index.rows)
        chunks.seek(0)
        write_page(path, _without_unused_arms(index), chunks)
    return run


def write_page(path: Path, index: PageIndex, chunks: Iterable[bytes]) -> None:
    """Write a page from its index and the lines of its details."""
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    script = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    environment = Environment(loader=FileSystemLoader(ASSETS.parent), autoescape=True, undefined=StrictUndefined)
    plain = {"format": FORMAT, "titles": TITLES, "outcomes": OUTCOME_TITLES, **asdict(index)}
    head = environment.get_template("problem_page.html.j2").render(
        runs=index.runs,
        rows=len(index.rows),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        index=encode(plain),
    )
    with atomic_write(path) as unfinished, unfinished.open("wb") as page:
        page.write(head.encode() + b"\n")
        page.writelines(chunks)
        page.write(_CLOSING.encode())


def read_index(path: Path) -> PageIndex:
    """The index of a page that `write` wrote.

    Raises:
        ProblemPageError: it is missing, cut off, or was written by another version.
    """
    try:
        with path.open("rb") as page:
            page.seek(-min(len(_CLOSING), path.stat().st_size), 2)
            whole = page.read() == _CLOSING.encode()
            page.seek(0)
            start = f"{_START}index{_MIDDLE}".encode()
            line = next((line for line in page if line.startswith(start)), None)
        plain = decode(line.removeprefix(start).removesuffix(_END.encode())) if whole and line else {}
        if plain.get("format") != FORMAT:
            raise ProblemPageError(
                f"{path} was written by another version, or is cut off; delete its folder and run the pipeline again: "
                "only the report is made anew"
            )
        return PageIndex([PageRun(**run) for run in plain["runs"]], plain["arms"], plain["rows"])
    except OSError as error:
        raise ProblemPageError(
            f"{path} cannot be read: {error.strerror}; name the folder of a finished report"
        ) from error
    except (ValueError, EOFError, KeyError, TypeError) as error:
        raise ProblemPageError(
            f"{path} is damaged ({one_line(error, 120)}); delete its folder and run the pipeline again: only the "
            "report is made anew"
        ) from error


def read_chunks(path: Path, run: int) -> Iterator[bytes]:
    """The lines of the details of a page of one run, as those of a page's run of that number."""
    start, renamed = f"{_START}chunk-0-".encode(), f"{_START}chunk-{run}-".encode()
    with path.open("rb") as page:
        for line in page:
            if line.startswith(start):
                yield renamed + line.removeprefix(start)


def encode(plain: Any) -> str:
    """Plain data as base64 of gzip of ASCII JSON."""
    packed = gzip.compress(json.dumps(plain, separators=(",", ":")).encode("ascii"), 6, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def decode(text: bytes) -> Any:
    """What `encode` was given."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


@dataclass(frozen=True)
class _Packed:
    """A block's details as text, with the numbers of its distinct programs and of the texts that it lacks."""

    text: str
    programs: int
    texts_left_out: int
    plans_left_out: int


def _pack(found: Sequence[tuple[dict[str, Any], int]], share: int) -> _Packed:
    """A block's details within its share of the room, or as little as there is where even that is too much."""
    sizes = [len(plain["programs"]) for plain, _ in found]
    optional = max((size - first for size, (_, first) in zip(sizes, found, strict=True)), default=0)

    def packed(more: int, *, all_plans: bool = True) -> _Packed:
        kept = [min(size, first + more) for size, (_, first) in zip(sizes, found, strict=True)]
        plain = [without_texts(plain, keep, all_plans=all_plans) for (plain, _), keep in zip(found, kept, strict=True)]
        plans = sum("text" not in plan for of_problem in plain for plan in of_problem["plans"])
        return _Packed(encode(plain), sum(sizes), sum(sizes) - sum(kept), plans)

    everything = packed(optional)
    if len(everything.text) <= share:
        return everything
    least = packed(0)
    # Size grows about evenly with the number of texts; a little less than estimated saves a second attempt.
    spread = len(everything.text) - len(least.text)
    more = int(0.9 * optional * (share - len(least.text)) / spread) if spread > 0 else 0
    while more > 0:
        attempt = packed(more)
        if len(attempt.text) <= share:
            return attempt
        more //= 2
    return least if len(least.text) <= share else packed(0, all_plans=False)


def _without_unused_arms(index: PageIndex) -> PageIndex:
    """The index with the arms that have a rate for at least one problem."""
    ways = [row["runs"][0] for row in index.rows]
    used = [at for at in range(len(index.arms)) if any(way["rates"][at] is not None for way in ways)]
    for way in ways:
        way.update({name: [way[name][at] for at in used] for name in ("rates", "outcomes")})
    return PageIndex(index.runs, [index.arms[at] for at in used], index.rows)


def _chunk(run: int, block: int, text: str) -> bytes:
    return f"{_START}chunk-{run}-{block}{_MIDDLE}{text}{_END}".encode("ascii")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
