"""docs/scale.md: its tables are those that the capacity model makes of the rates that the page names."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def capacity() -> ModuleType:
    spec = importlib.util.spec_from_file_location("capacity", ROOT / "tests" / "benchmarks" / "capacity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_tables_follow_from_the_measured_rates(capacity: ModuleType) -> None:
    (measured,) = re.findall(r"^```json\n(\{.*\})\n```$", PAGE, re.MULTILINE)
    rates = capacity.Rates(**json.loads(measured))
    for table in capacity.tables(rates):
        assert table in PAGE


def test_the_first_bottleneck_changes_where_the_model_says(capacity: ModuleType) -> None:
    rates = dict.fromkeys(capacity.Rates.__annotations__, 1.0)
    programs = capacity.PROBLEMS * capacity.PROGRAMS
    # 10,000 s of handing out, and 16 * 8 * 10,000 s of sandboxes: equal on 8 nodes.
    rates |= {"driver_programs_per_s": programs / 10_000, "tests_per_s": programs * capacity.TESTS / (16 * 80_000)}
    one, eight, many = capacity.table(capacity.Rates(**rates), 16).splitlines()[2:]
    assert one == "| 1 | 22.2 h | 2.8 h | 22.2 h | sandboxes |"
    assert eight == "| 8 | 2.8 h | 2.8 h | 2.8 h | the stage's process |"
    assert many == "| 64 | 20.8 min | 2.8 h | 2.8 h | the stage's process |"
