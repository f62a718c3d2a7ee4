"""The pause that a server asks for, in every form of its headers."""

import time
from email.utils import formatdate

import pytest

from codeplan.teacher.failures import retry_after_s


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("9" * 400, float("inf")),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 -0000", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0.0),
        ("Mon, 01 Jan 2001 00:00:00 +9999999999", None),
        ("Mon, 99 Jan 2001 00:00:00", None),
    ],
)
def test_retry_after_is_parsed_in_all_its_forms(stated, expected):
    assert retry_after_s({"retry-after": stated}) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after-ms": "4000"}, 4.0),
        ({"retry-after-ms": "250.5", "retry-after": "9"}, 0.2505),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-1"}, 0.0),
        ({"x-ratelimit-reset-requests": "6m0s"}, None),
    ],
)
def test_retry_after_ms_takes_precedence(headers, expected):
    assert retry_after_s(headers) == expected


def test_retry_after_may_be_a_date():
    assert retry_after_s({"retry-after": formatdate(time.time() + 100, usegmt=True)}) == pytest.approx(100, abs=5)
