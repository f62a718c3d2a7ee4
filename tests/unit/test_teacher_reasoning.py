"""A model's thoughts are never a plan, in whichever form they come."""

import pytest

from codeplan.config import ExecutionConfig, TeacherConfig
from codeplan.records import Problem
from codeplan.teacher.cached_teacher import Reply
from codeplan.teacher.plan_collection import collect_plans
from codeplan.teacher.plan_requests import build_plan_requests
from codeplan.teacher.plans import clean_plan
from codeplan.teacher.requests import Answer

PLAN = "1. Read the list.\n2. Print its sum."
REASONING = "Hmm, what does it do?\n1. Maybe it sums.\n2. Wait, yes."


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{REASONING}</think>\n\n{PLAN}",
        f"{REASONING}\n</think>\n\n{PLAN}",
        f"{REASONING}</THINK>{PLAN}",
        f"<THINKING>{REASONING}</THINKING>\n{PLAN}",
        f'<thinking effort="high">{REASONING}</thinking>{PLAN}',
        f"<reasoning>{REASONING}</reasoning>{PLAN}",
        f"<thought>{REASONING}</thought>{PLAN}",
        f"<seed:think>{REASONING}</seed:think>{PLAN}",
        f"[THINK]{REASONING}[/THINK]{PLAN}",
        f"{REASONING}[/THINK]{PLAN}",
        f"◁think▷{REASONING}◁/think▷{PLAN}",
        f"<|begin_of_thought|>{REASONING}<|end_of_thought|>\n{PLAN}",
        f"<|START_THINKING|>{REASONING}<|END_THINKING|>{PLAN}",
        f"<|think|>{REASONING}<|/think|>{PLAN}",
        f"<|channel>thought\n{REASONING}<channel|>{PLAN}",
        f"<|channel|>analysis<|message|>{REASONING}<|end|><|start|>assistant<|channel|>final<|message|>{PLAN}<|return|>",
        f"<|channel|>analysis<|message|>{REASONING}<|end|><|channel|>final <|constrain|>text<|message|>{PLAN}",
        f"analysisWe see a sum. {REASONING}assistantfinal{PLAN}",
        f'<details type="reasoning" done="true"><summary>Thought for 3 s</summary>{REASONING}</details>\n{PLAN}',
        f"&lt;think&gt;{REASONING}&lt;/think&gt;{PLAN}",
        f"<think>a<think>b</think>c</think>{PLAN}",
        f"<think>a</think>{PLAN}<think>b</think>",
        f"<think>\n\n</think>\n\n{PLAN}",
        f"<th<think>x</think>ink>{REASONING}</think>{PLAN}",
        f"<think>{REASONING}</think>\n<answer>\n{PLAN}\n</answer>",
        f"{PLAN}<|im_end|>",
        f"1. So it sums. </think> {PLAN}",
    ],
)
def test_reasoning_is_stripped_and_the_plan_kept(text):
    assert clean_plan(text) == PLAN


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{REASONING}",
        f"Sure! <think>{REASONING}",
        f"{REASONING}</think>",
        f"<think>a</think>{REASONING}</think>",
        f"<|channel|>analysis<|message|>{REASONING}",
        f"<|channel|>analysis {REASONING}",
        f"analysisWe see a sum. {REASONING}",
        f"[THINK]{REASONING}",
    ],
)
def test_reasoning_without_a_plan_gives_no_plan(text):
    assert clean_plan(text) == ""


@pytest.mark.parametrize(
    "plan",
    [
        "1. Find the <think> tag in each line.\n2. Print what stands behind it.",
        "1. Remove all before `</think>`.\n2. Print the rest.",
        '1. Read the text.\n2. Delete "<think>" and "</think>".',
        "1. Skip up to the </think> tag.\n2. Print the rest.",
        "1. Set x[thought] to 3.\n2. Print the reasoning.",
    ],
)
def test_a_marker_among_the_words_of_a_step_is_kept(plan):
    assert clean_plan(plan) == plan


def test_an_answer_truncated_before_the_closing_reasoning_marker_has_no_plan():
    problem = Problem(problem_id="p", dataset="d", split="s", level="l", question="Q", solutions=("a = 1",))
    teacher = TeacherConfig(model="m", plans_per_solution=3, keep_truncated_plans=True)
    plan_requests = build_plan_requests([problem], teacher, "host")
    answers = [
        Answer(text=f"{REASONING}\n</think>\n{PLAN}", finish_reason="stop"),
        Answer(text=REASONING, finish_reason="length"),
        Answer(text=f"{REASONING}\n</think>\n{PLAN}", finish_reason="length"),
    ]
    replies = {
        plan_request.request.key: Reply(key=plan_request.request.key, status="answered", answer=answer)
        for plan_request, answer in zip(plan_requests, answers, strict=True)
    }
    made = collect_plans(plan_requests, replies, teacher, ExecutionConfig(max_failed_fraction=0.5))
    assert [plan.text for plan in made.plans] == [PLAN, PLAN]
    assert made.account.dropped == {"truncated_before_plan": 1}


SUM_PLAN = "1. Read the numbers.\n2. Add them up.\n3. Print the sum."
HM = "Hmm, the user wants a plan.\nWait, sums? Yes."
MORE_FORMS = {
    "headings of Granite": f"Here is my thought process:\n{HM}\n\nHere is my response:\n{SUM_PLAN}",
    "headings in Markdown": f"**Thinking:**\n{HM}\n\n**Plan:**\n{SUM_PLAN}",
    "inner tokens": f"<|inner_prefix|>{HM}<|inner_suffix|>{SUM_PLAN}",
    "details by their summary": f"<details>\n<summary>Thought process</summary>\n{HM}\n</details>\n{SUM_PLAN}",
    "other tags": f"<cot>{HM}</cot><inner_monologue>{HM}</inner_monologue><internal>{HM}</internal>{SUM_PLAN}",
    "square brackets": f"[THOUGHT]{HM}[/THOUGHT]{SUM_PLAN}",
    "a channel with a small letter": f"analysisthe user wants a plan. ok.assistantfinal{SUM_PLAN}",
    "a line break in the tag": f"<think\n>{HM}</think\n>{SUM_PLAN}",
    "an invisible character in the tag": f"<\u200bthink>{HM}</\u200bthink>{SUM_PLAN}",
    "a comment": f"<!-- {HM} -->\n{SUM_PLAN}",
    "a blockquote": f"> Hmm, the user wants a plan.\n> Wait.\n\n{SUM_PLAN}",
    "a bold tag": f"**<think>**{HM}**</think>**{SUM_PLAN}",
    "Cohere's response": f"<|START_THINKING|>{HM}<|END_THINKING|><|START_RESPONSE|>{SUM_PLAN}<|END_RESPONSE|>",
    "a solution's tokens": f"<|begin_of_thought|>{HM}<|end_of_thought|>"
    f"<|begin_of_solution|>{SUM_PLAN}<|end_of_solution|>",
    "the end of a turn": f"{SUM_PLAN}<end_of_turn>",
    "wide bars": f"{HM}</think>{SUM_PLAN}<\uff5cend\u2581of\u2581sentence\uff5c>",
    "the next turn": f"{SUM_PLAN}<|im_end|>\n<|im_start|>user\nNext question",
}


@pytest.mark.parametrize("form", MORE_FORMS)
def test_further_reasoning_formats_are_stripped(form):
    assert clean_plan(MORE_FORMS[form]) == SUM_PLAN


@pytest.mark.parametrize("plan", ["1. Thinking: read n.\n2. Plan:\n3. Print n.", "1. Count quotes > 3.\n2. Print."])
def test_heading_words_inside_steps_are_kept(plan):
    assert clean_plan(plan) == plan
