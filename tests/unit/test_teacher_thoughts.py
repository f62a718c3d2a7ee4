"""A model's thoughts are never a plan, in whichever form they come."""

import pytest

from codeplan.config import TeacherConfig
from codeplan.records import Problem
from codeplan.teacher.asking import Reply
from codeplan.teacher.ledger import settle
from codeplan.teacher.plans import clean_plan
from codeplan.teacher.questions import questions
from codeplan.teacher.requests import Answer

PLAN = "1. Read the list.\n2. Print its sum."
THOUGHTS = "Hmm, what does it do?\n1. Maybe it sums.\n2. Wait, yes."


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{THOUGHTS}</think>\n\n{PLAN}",
        f"{THOUGHTS}\n</think>\n\n{PLAN}",
        f"{THOUGHTS}</THINK>{PLAN}",
        f"<THINKING>{THOUGHTS}</THINKING>\n{PLAN}",
        f'<thinking effort="high">{THOUGHTS}</thinking>{PLAN}',
        f"<reasoning>{THOUGHTS}</reasoning>{PLAN}",
        f"<thought>{THOUGHTS}</thought>{PLAN}",
        f"<seed:think>{THOUGHTS}</seed:think>{PLAN}",
        f"[THINK]{THOUGHTS}[/THINK]{PLAN}",
        f"{THOUGHTS}[/THINK]{PLAN}",
        f"◁think▷{THOUGHTS}◁/think▷{PLAN}",
        f"<|begin_of_thought|>{THOUGHTS}<|end_of_thought|>\n{PLAN}",
        f"<|START_THINKING|>{THOUGHTS}<|END_THINKING|>{PLAN}",
        f"<|think|>{THOUGHTS}<|/think|>{PLAN}",
        f"<|channel>thought\n{THOUGHTS}<channel|>{PLAN}",
        f"<|channel|>analysis<|message|>{THOUGHTS}<|end|><|start|>assistant<|channel|>final<|message|>{PLAN}<|return|>",
        f"<|channel|>analysis<|message|>{THOUGHTS}<|end|><|channel|>final <|constrain|>text<|message|>{PLAN}",
        f"analysisWe see a sum. {THOUGHTS}assistantfinal{PLAN}",
        f'<details type="reasoning" done="true"><summary>Thought for 3 s</summary>{THOUGHTS}</details>\n{PLAN}',
        f"&lt;think&gt;{THOUGHTS}&lt;/think&gt;{PLAN}",
        f"<think>a<think>b</think>c</think>{PLAN}",
        f"<think>a</think>{PLAN}<think>b</think>",
        f"<think>\n\n</think>\n\n{PLAN}",
        f"<th<think>x</think>ink>{THOUGHTS}</think>{PLAN}",
        f"<think>{THOUGHTS}</think>\n<answer>\n{PLAN}\n</answer>",
        f"{PLAN}<|im_end|>",
        f"1. So it sums. </think> {PLAN}",
    ],
)
def test_the_plan_alone_is_left(text):
    assert clean_plan(text) == PLAN


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{THOUGHTS}",
        f"Sure! <think>{THOUGHTS}",
        f"{THOUGHTS}</think>",
        f"<think>a</think>{THOUGHTS}</think>",
        f"<|channel|>analysis<|message|>{THOUGHTS}",
        f"<|channel|>analysis {THOUGHTS}",
        f"analysisWe see a sum. {THOUGHTS}",
        f"[THINK]{THOUGHTS}",
    ],
)
def test_thoughts_without_a_plan_give_none(text):
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
def test_a_marker_among_the_words_of_a_step_is_a_word(plan):
    assert clean_plan(plan) == plan


def test_an_answer_cut_off_before_the_only_mark_of_its_thoughts_is_no_plan():
    problem = Problem(problem_id="p", dataset="d", split="s", level="l", question="Q", solutions=("a = 1",))
    asked = questions([problem], TeacherConfig(model="m", plans_per_solution=3), "host")
    answers = [
        Answer(text=f"{THOUGHTS}\n</think>\n{PLAN}", finish_reason="stop"),
        Answer(text=THOUGHTS, finish_reason="length"),
        Answer(text=f"{THOUGHTS}\n</think>\n{PLAN}", finish_reason="length"),
    ]
    replies = {
        question.request.key: Reply(key=question.request.key, status="answered", answer=answer)
        for question, answer in zip(asked, answers, strict=True)
    }
    made = settle(asked, replies, 0, 0.5, None)
    assert [plan.text for plan in made.plans] == [PLAN, PLAN]
    assert made.account.losses == {"cut_off_before_plan": 1}


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
def test_further_forms_leave_the_plan_alone(form):
    assert clean_plan(MORE_FORMS[form]) == SUM_PLAN


@pytest.mark.parametrize("plan", ["1. Thinking: read n.\n2. Plan:\n3. Print n.", "1. Count quotes > 3.\n2. Print."])
def test_words_of_headings_in_steps_stay(plan):
    assert clean_plan(plan) == plan
