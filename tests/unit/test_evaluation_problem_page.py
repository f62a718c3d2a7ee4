"""The page of problems, as written and in a real browser that can reach nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from browser import MISSING, PROGRAM, Tab, tab
from synthetic_experiment import SAMPLING, code_only, experiment

from codeplan.config.inference import FinalRule
from codeplan.evaluation import comparison_page
from codeplan.evaluation.arms import TITLES
from codeplan.evaluation.choice import why
from codeplan.evaluation.comparison_page import RunPage
from codeplan.evaluation.judged_problems import JudgedProblem
from codeplan.evaluation.problem_details import LONGEST, PageProblem
from codeplan.evaluation.problem_page import (
    ROOM,
    PageBlock,
    PageRun,
    ProblemPageError,
    decode,
    page_problems,
    read_chunks,
    read_index,
    write,
)
from codeplan.evaluation.student_samples import JudgedStudents, StudentSamples
from codeplan.inference.samples import Samples
from codeplan.pool import blocks
from codeplan.records import Program, Verdict, program_key

needs_browser = pytest.mark.skipif(PROGRAM is None, reason=MISSING)
ATTACKS = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]>\x00\ud800\u202e" + chr(0x1F600),
    "{{ 7 * 7 }} ${alert(1)}",
)


def students_of(records: dict[str, Any], problems: Sequence[Any], alone: Samples | None = None) -> JudgedStudents:
    names = {problem.problem_id for problem in problems}

    def of(items: Sequence[Any]) -> list[Any]:
        return [item for item in items if item.problem_id in names]

    def samples(found: Samples) -> Samples:
        return Samples(of(found.plans), of(found.programs), of(found.verdicts))

    whole = Samples(records["student_plans"], records["programs"], records["verdicts"])
    others: Any = {} if alone is None else {"steps": samples(alone)}
    return JudgedStudents.of(
        problems, of(records["oracle_plans"]), [], StudentSamples(samples(whole), others), SAMPLING
    )


def page_blocks(
    records: dict[str, Any], final: FinalRule, alone: Samples | None = None
) -> Iterator[Iterator[PageProblem]]:
    for members in blocks(records["problems"]):
        yield page_problems(students_of(records, members, alone), records["oracle_plans"], SAMPLING, final)


def written(
    records: dict[str, Any],
    path: Path,
    *,
    room: int = ROOM,
    final: FinalRule = "fresh_if_it_passes",
    alone: Samples | None = None,
) -> PageRun:
    share = room // len(records["problems"])
    found = map(list, page_blocks(records, final, alone))
    packed = (PageBlock.of(members, final, share * len(members)) for members in found)
    return write(packed, path, sampling=SAMPLING, final=final, room=room)


def all_details(path: Path) -> list[dict[str, Any]]:
    lines = [line.rpartition(b"</script>")[0].rpartition(b">")[2] for line in read_chunks(path, 0)]
    return [problem for line in lines for problem in decode(line)]


@pytest.fixture(scope="module")
def records() -> dict[str, Any]:
    return experiment(250, plan_effect=0.1)


@pytest.fixture(scope="module")
def page(records: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "problems.html"
    written(records, path, alone=students_without_plans(records))
    return path


def students_without_plans(records: dict[str, Any]) -> Samples:
    found = code_only(records["problems"])
    plain = {"programs": found.programs, "verdicts": found.verdicts}
    own = with_texts(plain, [f"print('alone', {number})" for number in range(len(found.programs))])
    return Samples([], own["programs"], own["verdicts"])


def test_every_problem_is_there_with_all_its_programs_and_rates(records: dict[str, Any], page: Path) -> None:
    index, details = read_index(page), all_details(page)
    assert [row["id"] for row in index.rows] == [problem.problem_id for problem in records["problems"]]
    assert [found["id"] for found in details] == [row["id"] for row in index.rows]
    assert (index.runs[0].texts_left_out, index.runs[0].details_left_out) == (0, 0)
    assert index.arms == [arm for arm in TITLES if arm not in {"teacher_plan", *_OTHER_CODE_ONLY}]
    for row, found in zip(index.rows, details, strict=True):
        texts = {program["text"] for program in found["programs"]}
        wanted = {program.code for program in records["programs"] if program.problem_id == row["id"]}
        assert wanted <= texts
        for arm, rate in zip(index.arms, row["runs"][0]["rates"], strict=True):
            if arm in found["answers"]:
                solved = [p for p, number in found["answers"][arm] if found["programs"][number]["outcome"] == "passed"]
                assert sum(solved) == pytest.approx(rate, abs=2e-3)


_OTHER_CODE_ONLY = {"code_only_examples", "code_only_examples_control"}


def test_same_problems_give_the_same_bytes(records: dict[str, Any], page: Path, tmp_path: Path) -> None:
    written(records, tmp_path / "again.html", alone=students_without_plans(records))
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_what_does_not_fit_is_left_out_and_counted(records: dict[str, Any], tmp_path: Path) -> None:
    random = Random(0)
    records = with_texts(records, [random.randbytes(200).hex() for _ in records["programs"]])
    whole = written(records, tmp_path / "whole.html")
    size = sum(map(len, read_chunks(tmp_path / "whole.html", 0)))
    path = tmp_path / "small.html"
    small = written(records, path, room=2 * size // 3)
    details = all_details(path)
    assert 0 < small.texts_left_out < small.programs == whole.programs
    programs = [program for found in details for program in found["programs"]]
    assert sum("text" not in program for program in programs) == small.texts_left_out
    assert all("outcome" in program for program in programs)
    for found in details:
        likely = [max(answers, key=lambda answer: answer[0])[1] for answers in found["answers"].values()]
        assert all("text" in found["programs"][number] for number in likely)
    plans = [plan for found in details for plan in found["plans"]]
    assert sum("text" not in plan for plan in plans) == small.plans_left_out == 0
    less = written(records, path, room=size // 8)
    plans = [plan for found in all_details(path) for plan in found["plans"]]
    assert 0 < sum("text" not in plan for plan in plans) == less.plans_left_out - 5 * less.details_left_out
    assert all("text" in plan for plan in plans if plan["probability"] > 0)
    tiny = written(records, path, room=size // 20)
    index = read_index(path)
    lost = [row for row in index.rows if row["runs"][0]["place"] is None]
    assert len(lost) == tiny.details_left_out > 0
    assert len(all_details(path)) == 250 - len(lost)
    assert sum(map(len, read_chunks(path, 0))) < size // 20 + 60 * 16
    assert f"Of {tiny.details_left_out:,} problems it has only the row in the list." in path.read_text()


def test_writing_holds_one_block(records: dict[str, Any], tmp_path: Path) -> None:
    alive: list[int] = []

    def counted() -> Iterator[PageBlock]:
        for number, block in enumerate(page_blocks(records, "fresh")):
            yield PageBlock.of(block, "fresh", ROOM)
            alive.append(number)

    taken = counted()
    write(taken, tmp_path / "p.html", sampling=SAMPLING, final="fresh")
    assert alive == list(range(16)), "each block is asked for once the one before was written"


def test_equal_programs_are_stored_once_and_long_texts_are_cut(tmp_path: Path) -> None:
    records = with_texts(experiment(1), ["x" * 1_000_000] * 1000)
    written(records, tmp_path / "p.html")
    (found,) = all_details(tmp_path / "p.html")
    texts = [program["text"] for program in found["programs"]]
    assert set(texts) == {"x" * LONGEST}
    assert len(texts) <= 2, "one that ended, and one that the length limit cut off"
    assert {program["more"] for program in found["programs"]} == {1_000_000 - LONGEST}
    assert (tmp_path / "p.html").stat().st_size < 100_000


def with_texts(records: dict[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """The records with other texts for the programs, one each, and their verdicts."""
    keys: dict[str, str] = {}
    programs: list[Program] = []
    for program, text in zip(records["programs"], texts, strict=False):
        keys[program.key] = program_key(text)
        programs.append(program.model_copy(update={"code": text}))
    verdicts: list[Verdict] = [
        verdict.model_copy(update={"program_key": keys[verdict.program_key]}) for verdict in records["verdicts"]
    ]
    return {**records, "programs": programs, "verdicts": verdicts}


def judged_with(records: dict[str, Any], scores: Sequence[int], fresh: Sequence[bool]) -> JudgedProblem:
    """The first problem with examples, its plans scored so, and their fresh programs passing or not."""
    (judged,) = students_of(records, [records["problems"][1]]).with_plans
    trials = tuple(
        tuple(
            replace(trial, score=(int(number < score), judged.direct.score[1])) for number, trial in enumerate(of_plan)
        )
        for of_plan, score in zip(judged.trials, scores, strict=True)
    )
    finals = {
        plan: replace(judged.finals[plan], score=(int(passes), judged.direct.score[1]))
        for plan, passes in enumerate(fresh)
    }
    return replace(judged, trials=trials, finals=finals)


def test_the_reason_names_the_rule_that_decided(records: dict[str, Any]) -> None:
    fresh = (False, True, False, False, False)
    one = judged_with(records, (0, 2, 1, 0, 0), fresh)
    assert "Plan 1 is chosen: it has the best score (2 of 2 trial programs" in why(one, "fresh")[0]
    assert why(one, "fresh_if_it_passes")[1:] == [
        "report.final is fresh_if_it_passes: the fresh program from plan 1 passes all example tests and is the answer."
    ]
    tied = judged_with(records, (0, 2, 2, 0, 1), fresh)
    first, passing, failing, tie = why(tied, "fresh_if_it_passes")
    assert first.startswith("Plans 1 and 2 tie for the best score")
    assert first.endswith("each is chosen with probability 1/2.")
    assert "the fresh program from plan 1 passes" in passing
    assert "the fresh program from plan 2 does not pass" in failing
    assert tie.startswith("2 of the 2 trial programs of plan 2 tie")
    assert "best trial program of the chosen plan" in why(tied, "best_trial")[1]
    (without,) = students_of(records, [records["problems"][0]]).with_plans
    assert "shows no example test" in why(without, "fresh")[0]
    assert "all 5 tie" in why(without, "fresh")[0]
    assert "without example tests the answer is the fresh program" in why(without, "fresh_if_it_passes")[1]


def test_damaged_pages_are_one_message(page: Path, tmp_path: Path) -> None:
    path = tmp_path / "problems.html"
    with pytest.raises(ProblemPageError, match="cannot be read"):
        read_index(path)
    for content in (b"", b"<html></html>\n", page.read_bytes()[:-100]):
        path.write_bytes(content)
        with pytest.raises(ProblemPageError, match="another version, or is cut off"):
            read_index(path)
    path.write_bytes(page.read_bytes().replace(b'id="index">H', b'id="index">!', 1))
    with pytest.raises(ProblemPageError, match="is damaged"):
        read_index(path)


def test_page_names_nothing_outside_itself(page: Path) -> None:
    text = page.read_text(encoding="ascii")
    assert "default-src 'none'" in text
    for word in ("http:", "https:", "src=", "import(", "fetch(", "innerHTML", "eval("):
        assert word not in text, word


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with tab(tmp_path_factory.mktemp("profile")) as opened:
        opened.resize(1280, 900)
        yield opened


def opened(browser: Tab, path: Path) -> Tab:
    browser.faults.clear()
    browser.open("about:blank")
    browser.open(path.as_uri())
    browser.wait("document.documentElement?.dataset.ready")
    return browser


IDS = "[...document.querySelectorAll('#table tbody a')].map((link) => link.textContent)"
STATUS = "document.getElementById('status').textContent"
FOCUSED = "document.activeElement.textContent"
IN_PROBLEM = "!document.getElementById('problem').hidden"


def choose(tab: Tab, name: str, value: str) -> None:
    tab.value(
        f"(() => {{ const field = document.getElementById({json.dumps(name)}); field.value = {json.dumps(value)};"
        " field.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


@needs_browser
def test_list_is_filtered_and_sorted(browser: Tab, page: Path) -> None:
    index = read_index(page)
    tab = opened(browser, page)
    assert tab.value(STATUS) == "250 of 250 problems"
    assert tab.value(IDS) == [row["id"] for row in index.rows[:100]]
    choose(tab, "level", "=interview")
    choose(tab, "arm", str(index.arms.index("direct")))
    choose(tab, "outcome", "solved")
    at = index.arms.index("direct")
    wanted = [row for row in index.rows if row["level"] == "interview" and row["runs"][0]["rates"][at] == 1]
    assert tab.value(IDS) == [row["id"] for row in wanted]
    choose(tab, "outcome", "time_limit")
    ended = [row["id"] for row in index.rows if row["runs"][0]["outcomes"][at] == "time_limit"]
    assert tab.value(IDS) == [row["id"] for row in wanted_level(index.rows) if row["id"] in ended]
    tab.value("document.querySelector('button[type=reset]').click()")
    tab.wait(f"{STATUS} === '250 of 250 problems'")
    choose(tab, "score", "2")
    scored = [row for row in index.rows if (row["runs"][0]["score"] or [0])[0] == 2]
    assert tab.value(STATUS) == f"{len(scored)} of 250 problems"
    choose(tab, "score", "")
    for key, of in (
        ("plan score", lambda row: row["runs"][0]["score"] or [-1, 0]),
        ("level", lambda row: row["level"]),
    ):
        press = f"[...document.querySelectorAll('#table th button')].find((b) => b.textContent === '{key}').click()"
        tab.value(press)
        down = tab.value("document.querySelector('#table th[aria-sort=descending]') !== null")
        assert down == (key == "plan score")
        ordered = sorted(index.rows, key=of, reverse=down)
        assert tab.value(IDS) == [row["id"] for row in ordered[:100]]
    assert not tab.faults


def wanted_level(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["level"] == "interview"]


@needs_browser
def test_keys_move_open_and_close(browser: Tab, page: Path) -> None:
    index = read_index(page)
    tab = opened(browser, page)
    for key in ("j", "j", "ArrowDown", "k"):
        tab.press(key)
    assert tab.value(FOCUSED) == index.rows[1]["id"]
    tab.press("Enter")
    tab.wait(IN_PROBLEM)
    assert tab.value("document.querySelector('#problem h2').textContent") == index.rows[1]["id"]
    found = all_details(page)[1]
    shown = tab.value("document.getElementById('problem').textContent")
    assert found["why"][0] in shown
    assert found["plans"][0]["text"] in shown
    tab.press("j")
    tab.wait(f"document.querySelector('#problem h2').textContent === {json.dumps(index.rows[2]['id'])}")
    tab.press("Escape")
    tab.wait(f"!({IN_PROBLEM})")
    assert tab.value(FOCUSED) == index.rows[2]["id"]
    tab.value("history.back()")
    tab.wait(f"document.querySelector('#problem h2').textContent === {json.dumps(index.rows[2]['id'])} && {IN_PROBLEM}")
    tab.press("/")
    tab.wait("document.activeElement.id === 'text'")
    assert not tab.value(IN_PROBLEM)
    tab.write("j/k")
    assert tab.value("document.getElementById('text').value") == "j/k"
    tab.wait("list.progress === 1")
    assert tab.value(STATUS) == "0 of 250 problems"
    tab.press("Escape")
    assert not tab.faults


@needs_browser
def test_search_finds_words_of_plans_and_code(browser: Tab, page: Path) -> None:
    details = all_details(page)
    tab = opened(browser, page)
    word = details[200]["programs"][30]["text"].upper()
    for where, kinds in (("code", ("programs",)), ("plan", ("plans", "teacher_plans")), ("", ("programs",))):
        tab.value(f"document.getElementById('where').value = {json.dumps(where)}")
        choose(tab, "text", word if "programs" in kinds else "do step 3")
        sought = tab.value("document.getElementById('text').value").lower()
        tab.wait("list.progress === 1")
        holding = [
            found["id"]
            for found in details
            if any(sought in one["text"].lower() for kind in kinds for one in found[kind])
        ]
        assert tab.value(STATUS) == f"{len(holding)} of 250 problems"
        assert tab.value(IDS) == holding[:100]
    choose(tab, "text", "")
    assert not tab.faults


@needs_browser
def test_programs_are_shown_when_they_are_opened(browser: Tab, page: Path) -> None:
    found = all_details(page)[1]
    tab = opened(browser, page)
    tab.value("location.hash = 'problem=2'")
    tab.wait(IN_PROBLEM)
    assert tab.value("document.querySelectorAll('#problem pre.code').length") == 0
    while tab.value("document.querySelectorAll('#problem details:not([open])').length"):
        tab.value("document.querySelectorAll('#problem details').forEach((part) => { part.open = true; })")
        tab.value("new Promise((resolve) => setTimeout(resolve, 50))")
    shown = tab.value("[...document.querySelectorAll('#problem pre.code')].map((text) => text.textContent)")
    assert {program["text"] for program in found["programs"]} == set(shown)
    assert "line 1: <b>not what was asked</b>" in tab.value("document.getElementById('problem').textContent")
    assert not tab.faults


def hostile(count: int = 20) -> dict[str, Any]:
    """Records in which every text attacks."""
    records = experiment(count)
    texts = [ATTACKS[number % len(ATTACKS)] + str(number) for number in range(len(records["programs"]))]
    records = with_texts(records, texts)
    attack = "".join(ATTACKS)
    names = {problem.problem_id: f"{problem.problem_id}/{attack}" for problem in records["problems"]}
    renamed = {
        kind: [item.model_copy(update={"problem_id": names[item.problem_id]}) for item in items]
        for kind, items in records.items()
        if kind in {"problems", "oracle_plans", "student_plans", "programs", "verdicts"}
    }
    for kind, fields in (("problems", ("question", "level", "split", "starter_code")), ("student_plans", ("text",))):
        renamed[kind] = [item.model_copy(update=dict.fromkeys(fields, attack)) for item in renamed[kind]]
    renamed["oracle_plans"] = [
        plan.model_copy(update={"text": attack, "author": attack}) for plan in renamed["oracle_plans"]
    ]
    renamed["verdicts"] = [verdict.model_copy(update={"message": attack}) for verdict in renamed["verdicts"]]
    return {**records, **renamed}


@needs_browser
def test_hostile_texts_are_shown_and_do_not_run(browser: Tab, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    written(hostile(), path)
    assert path.read_bytes().isascii()
    tab = opened(browser, path)
    for number in (1, 2):
        tab.value(f"location.hash = 'problem={number}'")
        tab.wait(f"document.getElementById('problem').dataset.number === '{number}'")
        while tab.value("document.querySelectorAll('#problem details:not([open])').length"):
            tab.value("document.querySelectorAll('#problem details').forEach((part) => { part.open = true; })")
            tab.value("new Promise((resolve) => setTimeout(resolve, 50))")
        assert tab.value("document.querySelectorAll('img, b, iframe').length") == 0
        assert tab.value("document.scripts.length") == 2 + len(list(read_chunks(path, 0)))
        shown = tab.value("document.getElementById('problem').textContent")
        for text in ("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\\u0000\\ud800\\u202e"):
            assert text in shown
    assert not tab.faults, "nothing ran, and the policy had nothing to refuse"


@needs_browser
def test_narrow_and_dark_fit(browser: Tab, page: Path) -> None:
    tab = opened(browser, page)
    light = tab.value("getComputedStyle(document.body).backgroundColor")
    tab.dark(True)
    tab.resize(360, 740)
    try:
        assert tab.value("getComputedStyle(document.body).backgroundColor") != light
        for _ in range(2):
            assert tab.value("document.documentElement.scrollWidth") <= 360
            tab.value("location.hash = 'problem=2'")
            tab.wait(IN_PROBLEM)
        named = "[...document.querySelectorAll('input, select')].every((field) => field.labels.length === 1)"
        assert tab.value(named), "every field has a label"
    finally:
        tab.dark(False)
        tab.resize(1280, 900)


@needs_browser
def test_two_runs_side_by_side(browser: Tab, page: Path, tmp_path: Path) -> None:
    other = experiment(200, plan_effect=-0.2, seed=7)
    written(other, tmp_path / "other.html")
    both = tmp_path / "both.html"
    pages = (RunPage(page, "aaaa", "first"), RunPage(tmp_path / "other.html", "bbbb", "<b>second</b>"))
    assert comparison_page.write(both, *pages) == 200
    a, b = read_index(page), read_index(tmp_path / "other.html")
    pairs = [
        tuple(index.rows[number]["runs"][0]["rates"][index.arms.index("direct")] for index in (a, b))
        for number in range(200)
    ]
    tab = opened(browser, both)
    row = tab.value("[...document.querySelector('#changes tbody tr').cells].map((cell) => cell.textContent)")
    only_a, only_b, same = (sum(test(x, y) for x, y in pairs) for test in (_only_a, _only_b, _same))
    assert row == ["direct", str(only_a), str(only_b), "0", "0", str(same)]
    choose(tab, "arm", "0")
    choose(tab, "change", "only_b")
    assert tab.value(IDS) == [a.rows[number]["id"] for number, pair in enumerate(pairs) if _only_b(*pair)][:100]
    tab.value("focusRow(0)")
    tab.press("Enter")
    tab.wait(IN_PROBLEM)
    assert tab.value("document.querySelectorAll('#problem section').length") == 2
    shown = tab.value("document.getElementById('problem').textContent")
    assert "A: aaaa" in shown
    assert "B: bbbb" in shown
    assert "solved by B only" in shown
    assert "<b>second</b>" in tab.value("document.querySelector('header').textContent")
    assert not tab.faults


def _only_a(x: float, y: float) -> bool:
    return (x, y) == (1, 0)


def _only_b(x: float, y: float) -> bool:
    return (x, y) == (0, 1)


def _same(x: float, y: float) -> bool:
    return x == y


def test_pages_without_a_shared_problem_are_refused(page: Path, tmp_path: Path) -> None:
    records = hostile(3)
    written(records, tmp_path / "other.html")
    with pytest.raises(ProblemPageError, match="no problem in common"):
        comparison_page.write(
            tmp_path / "both.html", RunPage(page, "a", "a"), RunPage(tmp_path / "other.html", "b", "b")
        )
