"""The offline teacher, which is not an LLM: plans from a program's syntax tree, served over the OpenAI protocol.

plan_writer   a program to a plan: numbered steps
statements    a statement to a step
phrases       an expression to a phrase
idioms        patterns of Python with a phrase of their own, such as ``X[::-1]``
words         operators, functions and methods in English
server        the HTTP endpoint, in a process of its own
"""

from codeplan.teacher.offline.plan_writer import MODEL, write_plan

__all__ = ["MODEL", "write_plan"]
