"""For every key of the configuration, the stages that it renews."""

from pathlib import Path
from typing import Any

import pytest

from codeplan.config.loading import ConfigError, parse
from codeplan.config.reference import sections, settings_page
from codeplan.errors import UserError
from codeplan.evaluation.lineage import Lineage
from codeplan.pipeline import build
from codeplan.renewal import renewed_by_key
from codeplan.stage import StageError
from codeplan.stages.distill import DistillSettings
from codeplan.stages.finetune import shorter_training
from codeplan.stages.roles import is_first, is_student, role

SAMPLING = ["samples", "verdicts", "report"]
TRAINING = ["student", *SAMPLING]
TRAIN = ["train", "plans", *TRAINING]
TEST = ["test", "oracle", *SAMPLING]

EXPECTED = {
    "problems.train": TRAIN,
    "problems.test": TEST,
    "problems.train.skip_bad": [],  # reading that succeeds without it gives the same
    "problems.test.skip_bad": [],
    "teacher": ["plans", "oracle", *TRAINING],
    "teacher.solutions_per_problem": ["plans", *TRAINING],
    "teacher.plans_per_solution": ["plans", *TRAINING],
    "teacher.base_url": [],
    "teacher.api_key_env": [],
    "student": TRAINING,
    "training": TRAINING,
    "baselines.code_only": ["student-code-steps", "samples-code-steps", "verdicts-code-steps", "report"],
    "sampling": SAMPLING,
    "sampling.oracle": ["oracle", *SAMPLING],
    "sampling.teacher_plan": ["forward", *SAMPLING],
    "judging.comparator": SAMPLING,
    "judging.packages": SAMPLING,
    "judging.example_tests": SAMPLING,
    "judging.hidden_tests": ["verdicts", "report"],
    "judging.hidden_without_examples": ["verdicts", "report"],
    "report": ["report"],
    "report.plan_counts": SAMPLING,  # where the smallest changes
    "training.earlier[]": [],  # parts of a key
    "sweep": [],
    "repeats": ["student-seed1", "samples-seed1", "verdicts-seed1", "report"],
    "name": [],
    "tracking": [],
    "execution": [],
    "execution.budget_usd": ["plans", "oracle", *TRAINING],  # with teacher.allow_incomplete
}


@pytest.fixture(scope="module")
def renewed() -> dict[str, list[str]]:
    return renewed_by_key()


def expected(key: str) -> list[str]:
    """What the longest part of the key that is named above renews."""
    parts = key.split(".")
    return next(
        EXPECTED[".".join(parts[:end])] for end in range(len(parts), 0, -1) if ".".join(parts[:end]) in EXPECTED
    )


KEYS = sorted({setting.key for section in sections() for setting in section.settings})


@pytest.mark.parametrize("key", KEYS)
def test_a_changed_key_renews_what_depends_on_it(key: str, renewed: dict[str, list[str]]) -> None:
    assert renewed[key] == expected(key)


def test_the_table_in_the_docs_is_current(renewed: dict[str, list[str]]) -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8") == settings_page(renewed), "run python -m codeplan.renewal docs"


def plain(**sections_: Any) -> dict[str, Any]:
    source = {"reader": "miniapps", "split": "train", "count": 2}
    return {
        "problems": {"train": source, "test": {**source, "split": "test"}},
        "student": {"init": "scratch", "architecture": {"model_type": "t5"}},
        **sections_,
    }


def fingerprints(**sections_: Any) -> dict[str, str]:
    return {role: stage.fingerprint for role, stage in build(parse(plain(**sections_))).items()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {role for role in {*before, *after} if before.get(role) != after.get(role)}


def test_more_points_on_the_curve_renew_only_the_report() -> None:
    before = fingerprints(sampling={"plans": 8}, report={"plan_counts": [1, 8]})
    assert changed(before, fingerprints(sampling={"plans": 8}, report={"plan_counts": [1, 3, 5, 8]})) == {"report"}


def test_the_budget_counts_only_where_it_decides_which_plans_there_are() -> None:
    def of(allow: bool, budget: float | None) -> dict[str, str]:
        return fingerprints(teacher={"allow_incomplete": allow}, execution={"budget_usd": budget})

    assert of(False, None) == of(False, 3.0) == of(False, 400.0)
    assert changed(of(True, 3.0), of(True, 400.0)) == {"plans", "oracle", *TRAINING}


def test_keys_that_were_added_later_keep_the_fingerprints_of_what_was_made_before() -> None:
    settings = build(parse(plain()))["samples"].settings.identity()
    assert "control" not in settings
    assert build(parse(plain(sampling={"control": False})))["samples"].settings.identity() == {
        **settings,
        "control": False,
    }


CODE_ONLY = {"baselines": {"code_only": ["steps", "examples"]}}


def test_other_students_leave_all_stages_of_the_first_one_as_they_are() -> None:
    before, after = fingerprints(), fingerprints(**CODE_ONLY)
    new = {f"{base}-code-{same}" for base in ("student", "samples", "verdicts") for same in ("steps", "examples")}
    assert changed(before, after) == {*new, "report"}
    assert list(build(parse(plain(**CODE_ONLY)), "sample")) == [
        *("train", "test", "plans", "oracle", "student", "student-code-examples", "student-code-steps"),
        *("samples", "samples-code-examples", "samples-code-steps"),
    ]


def test_a_student_that_learns_from_code_alone_is_trained_as_the_first_one_but_for_the_mixture() -> None:
    training = {"steps": 50, "warmup_steps": 20, "mixing": {"code": 1, "plan": 1, "plan_code": 2}, "seed": 7}
    found = build(parse(plain(training=training, **CODE_ONLY)), "finetune")
    alone = build(parse(plain(training={**training, "mixing": {"code": 3}})), "finetune")
    assert found["student-code-steps"].fingerprint == alone["student"].fingerprint
    quarter = {**training, "mixing": {"code": 1}, "steps": 13, "warmup_steps": 5}
    shorter = build(parse(plain(training=quarter)), "finetune")
    assert found["student-code-examples"].fingerprint == shorter["student"].fingerprint, "a quarter of all steps"


def test_of_two_students_that_learn_from_code_alone_without_warm_up_the_longer_training_continues_the_shorter(
    tmp_path: Path,
) -> None:
    config = plain(execution={"home": str(tmp_path)}, training={"warmup_steps": 0}, **CODE_ONLY)
    found = build(parse(config), "finetune")
    shorter, longer = found["student-code-examples"], found["student-code-steps"]
    with shorter.lock(pytest.fail) as folder:
        (folder / "checkpoint").mkdir()
    assert shorter_training(longer) == shorter.folder / "checkpoint"
    assert shorter_training(found["student"]) is None


def test_plans_decide_no_more_of_such_a_student_than_a_new_tokenizer() -> None:
    def renewed(**student: Any) -> set[str]:
        teachers = ({"teacher": {"temperature": heat}} for heat in (0.2, 0.3))
        found = [build(parse(plain(student=student, **CODE_ONLY, **teacher)), "judge") for teacher in teachers]
        return {role for role in found[0] if found[0][role].fingerprint != found[1][role].fingerprint}

    alone = {f"{base}-code-{same}" for base in ("student", "samples", "verdicts") for same in ("steps", "examples")}
    both = {"plans", "oracle", "student", "samples", "verdicts"}
    assert renewed(init="scratch", architecture={"model_type": "t5"}) == {*both, *alone}
    assert renewed(model="organisation/model", revision="0" * 40) == both


def test_what_a_student_without_plans_is_sampled_depends_on_the_budget_and_not_on_the_other_arms() -> None:
    def of(**sampling: Any) -> str:
        return build(parse(plain(sampling=sampling, **CODE_ONLY)))["samples-code-steps"].fingerprint

    assert of() == of(oracle=False) == of(foreign=False) == of(finals=3)
    assert len({of(), of(plans=5), of(trials=2), of(control=False), of(seed=1)}) == 5


def test_repeats_are_the_students_that_raised_seeds_train() -> None:
    student = plain()["student"]

    def seeded(repeat: int) -> dict[str, Any]:
        seeds = {"training": {"seed": 3 + repeat}, "sampling": {"seed": 5 + repeat}}
        return {"student": {**student, "seed": 7 + repeat}, **seeds, **CODE_ONLY}

    config = seeded(0)
    whole = build(parse(plain(repeats=3, **config)))
    for repeat in range(3):
        alone = build(parse(plain(**seeded(repeat))))
        for base in ("student", "samples", "verdicts"):
            for same in ("", "steps", "examples"):
                found = whole[role(base, same, repeat)]
                assert found.fingerprint == alone[role(base, same)].fingerprint, (base, same, repeat)
    assert [name for name in whole if is_first(name)] == [
        *("train", "test", "plans", "oracle", "student", "samples", "verdicts", "report")
    ]
    once = parse(plain(**config))
    assert fingerprints(**config) == {name: stage.fingerprint for name, stage in build(once.of_repeat(0)).items()}


def test_segments_of_a_training_are_repeated_with_it() -> None:
    found = build(parse(plain(repeats=2, training={"earlier": [{"until": 10}], "steps": 20})), "finetune")
    assert list(found)[2:] == ["student-10", "student", "student-10-seed1", "student-seed1"]
    assert [name for name in found if is_student(name)] == ["student", "student-seed1"]
    assert found["student-seed1"].inputs["start"] == found["student-10-seed1"]
    assert found["student-10"].fingerprint != found["student-10-seed1"].fingerprint


def test_what_a_report_was_made_from_names_repeats_and_other_students() -> None:
    lineage = Lineage.of(build(parse(plain(repeats=2, **CODE_ONLY)))["report"])
    assert lineage.settings()["repeats"] == 2
    assert lineage.settings()["baselines.code_only"] == ["examples", "steps"]
    assert lineage.settings()["training.mixing.plan"] == 1
    before = Lineage.of(build(parse(plain()))["report"])
    assert not {"repeats", "baselines.code_only"} & set(before.settings())
    assert set(before.stages) < set(lineage.stages)
    assert before.stages["student"] == lineage.stages["student"]


LLM = {"teacher": {"model": "m", "base_url": "https://llm.example.org/v1"}}


def test_the_teachers_own_plans_are_asked_of_test_problems_and_renew_no_student() -> None:
    before, after = fingerprints(**LLM), fingerprints(**LLM, sampling={"teacher_plan": True})
    assert changed(before, after) == {"forward", *SAMPLING}
    config = parse(plain(**LLM, sampling={"teacher_plan": True}, **CODE_ONLY))
    found = build(config)
    assert list(found)[:5] == ["train", "test", "plans", "oracle", "forward"]
    settings = found["forward"].settings
    assert isinstance(settings, DistillSettings)
    assert (settings.teacher.temperature, settings.teacher.plans_per_solution) == (0.0, 1)
    assert settings.prompt_version != getattr(found["oracle"].settings, "prompt_version", "")
    assert "forward" in found["samples"].inputs
    assert "forward" not in found["samples-code-steps"].inputs


def test_the_offline_teacher_is_not_asked_for_plans_from_questions() -> None:
    with pytest.raises(ConfigError, match=r"sampling.teacher_plan asks .* offline teacher, .* set teacher.model and"):
        parse(plain(sampling={"teacher_plan": True}))


def test_a_prompt_that_reads_no_solution_teaches_no_student() -> None:
    with pytest.raises(UserError, match=r"teacher.prompt: unknown prompt 'forward'; available: backward"):
        build(parse(plain(teacher={"prompt": "forward"})), "distill")


def test_baselines_that_cannot_be_trained_are_refused() -> None:
    for sections_, message in (
        ({**CODE_ONLY, "training": {"earlier": [{"until": 5}]}}, "cannot be combined with training.earlier"),
        ({"baselines": {"code_only": ["steps", "steps"]}}, "names one of them twice"),
        ({"baselines": {"code_only": ["seconds"]}}, "'steps' or 'examples'"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse(plain(**sections_))
    with pytest.raises(UserError, match=r"baselines.code_only: examples .* training.mixing.code is 0"):
        build(parse(plain(**CODE_ONLY, training={"mixing": {"plan": 1}})), "finetune")


def test_keys_that_the_student_would_not_read_are_refused() -> None:
    for student, message in (
        ({"init": "scratch", "model": "x/y"}, "student: init is scratch, and model is for init pretrained only"),
        ({"init": "scratch", "revision": "main"}, "and revision is for init pretrained only: leave it out"),
        ({"model": "x/y", "vocab_size": 999}, "init is pretrained, and vocab_size is for init scratch only"),
        ({"model": "x/y", "architecture": {"model_type": "t5"}}, "and architecture is for init scratch only"),
    ):
        with pytest.raises(ConfigError, match=message):
            parse(plain(student=student))


def test_samples_of_a_student_that_writes_no_plans_are_refused_before_anything_runs() -> None:
    config = parse(plain(training={"mixing": {"code": 1, "plan_code": 1}}))
    assert "student" in build(config, "finetune")
    with pytest.raises(StageError, match=r"sampling needs the task plan, but training.mixing.plan is 0"):
        build(config, "sample")


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in ("file", "file/runs"):
        with pytest.raises(StageError, match="is not a folder and not in one"):
            build(parse(plain(execution={"home": str(tmp_path / home)})), "problems")


def test_a_file_counts_by_its_content_and_not_by_its_path(tmp_path: Path) -> None:
    names = ("a.jsonl", "b.jsonl", "c.jsonl")
    for name, text in zip(names, ("{}", "{}", "[]"), strict=True):
        (tmp_path / name).write_text(text)
    a, b, c = (
        fingerprints(problems={split: {"reader": "jsonl", "path": str(tmp_path / name)} for split in ("train", "test")})
        for name in names
    )
    assert a == b
    assert changed(a, c) == set(a)


def test_one_source_for_both_splits_keeps_both_roles() -> None:
    source = {"reader": "miniapps", "split": "train", "count": 2}
    pipeline = build(parse(plain(problems={"train": source, "test": source})))
    assert pipeline["train"].fingerprint == pipeline["test"].fingerprint
    assert list(pipeline)[:2] == ["train", "test"]


def test_a_stage_needs_what_it_reads_from_and_nothing_else() -> None:
    config = parse(plain(student={"model": "organisation/unknown"}))
    assert list(build(config, "problems")) == ["train", "test"], "no hub is asked for a model"
    assert list(build(config, "distill")) == ["train", "test", "plans", "oracle"]
    config = parse(plain())
    assert list(build(config, "finetune")) == ["train", "plans", "student"]
    assert list(build(config, "judge")) == ["train", "test", "plans", "oracle", "student", "samples", "verdicts"]
