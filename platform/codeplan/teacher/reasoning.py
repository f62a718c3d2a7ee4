"""Stripping a model's reasoning from its answer: reasoning is never a plan."""

from __future__ import annotations

import re
from html import unescape

_MARKER = re.compile(
    r"""
    <[ ]{0,3}(?P<close>/)?[ ]{0,3}(?:\w{1,24}[:_])?(?:ant|inner_?)?
        (?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad|cot|chain[_-]of[_-]thoughts?|internal
           |monologue|deliberat(?:e|ion))(?:[_-]process)?
        (?:[ ][^<>\n]{0,80})?(?P<empty>/)?\s{0,3}>
  | <\|[ ]{0,3}(?P<bar_close>/|end_?(?:of_?)?)?(?:begin_?(?:of_?)?|start_?(?:of_?)?)?
        (?:think(?:ing)?|thoughts?|reason(?:ing)?)(?P<bar_end>_end)?(?:_start)?[ ]{0,3}\|>
  | <\|inner_prefix\|> | (?P<inner_close><\|inner_suffix\|>)
  | \[[ ]{0,3}(?P<square_close>/)?[ ]{0,3}(?:think(?:ing)?|thoughts?|reasoning)[ ]{0,3}\]
  | ◁[ ]{0,3}(?P<arrow_close>/)?[ ]{0,3}think(?:ing)?[ ]{0,3}▷
  | <details\b[^<>\n]{0,200}?\breasoning\b[^<>\n]{0,200}>
  | <details\b[^<>\n]{0,200}>\s{0,9}<summary>\s{0,9}(?:think|thought|reason)[^<>\n]{0,80}</summary>
  | (?P<details_close></details[ ]{0,3}>)
  | <unused94>(?:thought)? | (?P<unused_close><unused95>)
  | (?P<channel_close><channel\|>|<\|channel>[ ]{0,3}final\b) | <\|channel>(?:[ ]{0,3}(?:thought|analysis))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CLOSES = (
    "close",
    "bar_close",
    "bar_end",
    "inner_close",
    "square_close",
    "arrow_close",
    "details_close",
    "unused_close",
    "channel_close",
)
_STEP = re.compile(r"^[ \t]*(?:[-*•]|(?:step\s*)?\d{1,3}[.):])[ \t]+\S", re.IGNORECASE)
_FIRST_STEP = re.compile(r"^\W{0,4}(?:step\s*)?1[.):]", re.MULTILINE | re.IGNORECASE)
_QUOTES = {"'": "'", '"': '"', "\u2018": "\u2019", "\u201c": "\u201d", "\u00ab": "\u00bb"}

_CHANNEL = re.compile(
    r"<\|channel\|>[ ]{0,3}(\w*)(?:[^<\n]{0,80}(?:<\|constrain\|>[^<\n]{0,80})?<\|message\|>)?", re.IGNORECASE
)
_BARE_CHANNEL = re.compile(r"\Aanalysis(?:.*assistant\s?final|(?=[A-Z]))", re.DOTALL)
_SPECIAL = re.compile(r"<\|[a-z_]{1,40}\|>|</s>|<end_of_turn>", re.IGNORECASE)
_FIRST_SPECIAL = re.compile(r"\A\s*<\|[a-z_]{1,40}\|>", re.IGNORECASE)
# What follows where a server did not stop at the end of its turn.
_NEXT_TURN = re.compile(
    r"(?:<\|[a-z_]{1,40}\|>|</s>|<end_of_turn>)\s*(?:<\|(?:im_start|start_header_id|user)\|>|<start_of_turn>)",
    re.IGNORECASE,
)
_WIDE_TOKEN = re.compile(r"<\uff5c([\w\u2581]{1,40})\uff5c>")
_INVISIBLE = re.compile("[\u200b-\u200d\u2060\ufeff]")
_TAG = re.compile(r"<[^<>\n]{1,60}>")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
# Headings of the reasoning and of the answer, where no marker separates them.
_HEADED = re.compile(
    r"\A\W*(?:here(?:'s| is) my thought process|(?:my )?(?:thinking|thoughts?|reasoning)(?: process)?)\W*:\W*\n.*?"
    r"^\W*(?:here(?:'s| is) my (?:response|plan|answer)|(?:final )?(?:plan|response|answer))\W*:\W*?\n",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_LAST_SPECIAL = re.compile(rf"(?:{_SPECIAL.pattern})\s*\Z", re.IGNORECASE)


def strip_reasoning(text: str) -> str:
    """A model's text without its reasoning.

    Known are tags such as ``<think>`` and ``<reasoning>``, Mistral's ``[THINK]``, Kimi's ``◁think▷``, special tokens
    such as ``<|begin_of_thought|>``, and the channels of gpt-oss. Where the opening marker is missing, because it was
    part of the prompt, everything before the closing one is reasoning; where the closing one is missing, everything
    after the opening one. A marker that is quoted, or among the words of a numbered step, is an ordinary word.
    """
    text, before = _normalize_markers(text), None
    while text != before:  # what remains may form a marker that another one had split
        before, text = text, _strip_marked(_final_channel(_unescape_markers(text)))
    return _without_leading_quote(_HEADED.sub("", text).replace("****", ""))


def _normalize_markers(text: str) -> str:
    """The text with its markers in the form of `_MARKER`: without invisible characters, wide bars and comments."""
    text = _WIDE_TOKEN.sub(lambda token: f"<|{token[1]}|>".replace("\u2581", "_"), text)
    text = _TAG.sub(lambda tag: _INVISIBLE.sub("", tag[0]), text)
    if (following := _NEXT_TURN.search(text)) is not None:
        text = text[: following.start()]
    return _COMMENT.sub("", text)


def _without_leading_quote(text: str) -> str:
    """The text without a blockquote before the answer, in which some servers show reasoning."""
    lines = text.lstrip("\n").split("\n")
    quoted = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith(">")), 0)
    return "\n".join(lines[quoted:]) if quoted and lines[0].startswith(">") else text


def _strip_marked(text: str) -> str:
    kept: list[str] = []
    in_reasoning, at = False, 0
    for marker in _MARKER.finditer(text):
        if _is_ordinary_word(text, marker, in_reasoning=in_reasoning):
            continue
        closes = any(marker[name] for name in _CLOSES)
        if marker["details_close"] and not in_reasoning:
            continue
        if closes:
            if not in_reasoning:
                kept.clear()  # the opening marker was part of the prompt
            in_reasoning, at = False, marker.end()
        else:
            if not in_reasoning:
                kept.append(text[at : marker.start()])
            in_reasoning, at = not marker["empty"], marker.end()
    if not in_reasoning:
        kept.append(text[at:])
    return "".join(kept)


def only_closes_reasoning(text: str) -> bool:
    """Whether a text's first marker is a closing one: its teacher's reasoning begins without a marker."""
    markers = [marker for marker in _MARKER.finditer(text) if not _is_ordinary_word(text, marker, in_reasoning=False)]
    return bool(markers) and any(markers[0][name] for name in _CLOSES) and not markers[0]["details_close"]


def _unescape_markers(text: str) -> str:
    return re.sub(r"&lt;/?[\w:|]{1,40}&gt;", lambda found: _unescape_marker(found[0]), text)


def _unescape_marker(found: str) -> str:
    return unescape(found) if _MARKER.fullmatch(unescape(found)) else found


def _final_channel(text: str) -> str:
    """The final channel of gpt-oss's format; the text itself where it has no channels."""
    channels = list(_CHANNEL.finditer(text))
    if channels:
        finals = [channel for channel in channels if channel[1].lower() == "final"]
        if not finals:
            return ""
        return _SPECIAL.split(text[finals[-1].end() :], maxsplit=1)[0]
    bare = _BARE_CHANNEL.match(text)  # the same, from a server that drops the special tokens
    if bare:
        return text[bare.end() :] if bare[0] != "analysis" else ""
    while (last := _LAST_SPECIAL.search(text)) and not _MARKER.search(last[0]):
        text = text[: last.start()]
    while (first := _FIRST_SPECIAL.match(text)) and not _MARKER.search(first[0]):
        text = text[first.end() :]
    return text


def _is_ordinary_word(text: str, marker: re.Match[str], *, in_reasoning: bool) -> bool:
    before, after = text[marker.start() - 1 : marker.start()], text[marker.end() : marker.end() + 1]
    if before == "`" or after == "`" or (before in _QUOTES and _QUOTES[before] == after):
        return True
    if in_reasoning:
        return False
    start = text.rfind("\n", 0, marker.start()) + 1
    head, tail = text[start : marker.start()], text[marker.end() :]
    # Numbered reasoning may end within its line; then a sentence ends before it, or the plan starts after it.
    among_words = re.search(r"[\w,(][ \t]*\Z", head) and re.match(r"[ \t]*[^\W\d_A-Z]|[,.;:)]", tail)
    return bool(_STEP.match(head) and among_words and not _FIRST_STEP.search(tail))
