"""The cache of paid answers: concurrent writers, corrupt files, and killed processes."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.requests import Answer, ChatMessage, TeacherRequest


def make_request(number: int) -> TeacherRequest:
    message = ChatMessage(role="user", content=f"question {number}")
    return TeacherRequest(
        host="h", model="m", messages=(message,), temperature=0.2, top_p=1.0, max_tokens=64, seed=0, sample_index=number
    )


def test_an_answer_is_found_again_by_an_equal_request_only(tmp_path):
    cache = AnswerCache(tmp_path)
    assert cache.get(make_request(1)) is None
    answer = Answer(text="1. Plan.", prompt_tokens=3, cost_usd=0.25)
    cache.put(make_request(1), answer)
    assert AnswerCache(tmp_path).get(make_request(1)) == answer
    assert cache.get(make_request(2)) is None
    key = make_request(1).key
    assert [file.relative_to(tmp_path) for file in tmp_path.rglob("*.json")] == [Path(key[:2], f"{key}.json")]


@settings(deadline=None)
@given(text=st.text(), tokens=st.integers(0, 10**9), cost=st.floats(0, 1e6))
def test_any_answer_is_read_back_unchanged(tmp_path_factory, text, tokens, cost):
    cache = AnswerCache(tmp_path_factory.mktemp("cache"))
    answer = Answer(text=text, prompt_tokens=tokens, cost_usd=cost)
    cache.put(make_request(0), answer)
    assert cache.get(make_request(0)) == answer


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"request": {}, "answer": {}}',
        b'{"request": 1, "answer": {"text": 1}}',
    ],
)
def test_a_corrupt_file_is_skipped_with_a_warning_and_replaced(tmp_path, caplog, content):
    cache, answer = AnswerCache(tmp_path), Answer(text="1. Plan.")
    cache.put(make_request(0), answer)
    path = cache.path(make_request(0).key)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert cache.get(make_request(0)) is None
    assert str(path) in caplog.text
    cache.put(make_request(0), answer)
    assert cache.get(make_request(0)) == answer


def test_an_answer_stored_under_another_key_is_ignored(tmp_path):
    cache = AnswerCache(tmp_path)
    cache.put(make_request(0), Answer(text="1. Plan."))
    target = cache.path(make_request(1).key)
    target.parent.mkdir(parents=True, exist_ok=True)
    cache.path(make_request(0).key).rename(target)
    assert cache.get(make_request(1)) is None


# Run by a writer process: it waits for a line, writes answers that repeat one word, and prints the number of every one.
WRITER = """
import sys
from pathlib import Path
from codeplan.teacher.cache import AnswerCache
from codeplan.teacher.requests import Answer, TeacherRequest

folder, word, times, answers = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
requests = [TeacherRequest.model_validate_json(line) for line in sys.stdin.readline().split("\\t")]
cache = AnswerCache(folder)
print("ready", flush=True)
sys.stdin.readline()
for number in range(answers):
    cache.put(requests[number % len(requests)], Answer(text=f"{word} " * times))
    print(number % len(requests), flush=True)
"""


def start_writer(folder: Path, requests: list[TeacherRequest], word: str, times: int, answers: int) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(folder), word, str(times), str(answers)]
    writer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    writer.stdin.write("\t".join(request.model_dump_json() for request in requests) + "\n")
    assert writer.stdout.readline() == "ready\n"
    return writer


def test_concurrent_writers_of_the_same_answers_leave_whole_files(tmp_path):
    requests = [make_request(number) for number in range(40)]
    writers = [start_writer(tmp_path, requests, word, 500, 40) for word in ("a", "b", "c", "d")]
    for writer in writers:
        writer.stdin.write("\n")
    for writer in writers:
        writer.communicate(timeout=120)
    assert [writer.returncode for writer in writers] == [0] * 4
    texts = [AnswerCache(tmp_path).get(request).text for request in requests]
    assert all(len(text.split()) == 500 and len(set(text.split())) == 1 for text in texts)
    assert len([file for file in tmp_path.rglob("*") if file.is_file()]) == 40  # no temporary file remains


@pytest.mark.parametrize("answers", [1, 2, 5, 9])
def test_a_killed_writer_leaves_no_partial_answer(tmp_path, caplog, answers):
    requests = [make_request(number) for number in range(20)]
    with start_writer(tmp_path, requests, "word", 100_000, 10**9) as writer:
        writer.stdin.write("\n")
        finished = {int(writer.stdout.readline()) for _ in range(answers)}
        writer.kill()
    cache = AnswerCache(tmp_path)
    assert all(cache.get(requests[number]) for number in finished)
    found = [answer for request in requests if (answer := cache.get(request)) is not None]
    assert all(len(answer.text.split()) == 100_000 for answer in found)
    assert not caplog.records
