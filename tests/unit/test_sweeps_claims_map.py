"""The map of claims: a direction only where the interval that is concluded from excludes zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codeplan.config import SweepConfig
from codeplan.evaluation.estimators import Estimate
from codeplan.evaluation.over_seeds import SeedsEstimate
from codeplan.sweeps.claims_map import COLORS, Cell, caption, cell, claims_map, draw
from codeplan.sweeps.space import points
from codeplan.sweeps.spread import Spread
from codeplan.sweeps.summary import Summary, summarize

AXES = {"training.steps": {"grid": [10, 20]}, "sampling.plans": {"grid": [1, 2, 4]}}
DIFFERENCES = ["codeplan - control", "codeplan - direct"]


def summary_of(example: Any, *, repeats: int = 3, objective: Any = DIFFERENCES, axes: Any = AXES) -> Summary:
    sweep = SweepConfig.model_validate({"axes": axes, "objective": objective, "repeats": repeats})
    trials = example.trials(sweep, points(sweep, example.base), lambda _: 0.4, noise=0.1)
    return summarize(trials, sweep, example.base, name="toy", home=example.home)


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_direction_is_claimed_exactly_where_the_interval_excludes_zero(mean: float, down: float, up: float) -> None:
    found = cell(Spread({0: mean}, Estimate(50, mean, mean - down, mean + up)))
    assert found is not None
    assert (found.claim == "above") == (mean - down > 0)
    assert (found.claim == "below") == (mean + up < 0)
    assert found.ends == (mean - down, mean + up)


def test_too_little_claims_nothing() -> None:
    assert cell(Spread({0: 0.5}, Estimate(29, 0.5, 0.2, 0.8))) == Cell(0.5, (0.2, 0.8), "open")
    for differing, claim in ((5, "open"), (6, "above")):
        both = SeedsEstimate(3, Estimate(40, 0.2, 0.1, 0.3), (0.05, 0.4), (0.1, 0.3), differing)
        found = cell(Spread({0: 0.1, 1: 0.2, 2: 0.3}, both.over_problems, both))
        assert found is not None
        assert (found.ends, found.claim) == ((0.05, 0.4), claim)


def test_what_no_seed_has_is_no_cell() -> None:
    assert cell(Spread()) is None
    assert cell(Spread({0: 0.2})) is None


def test_every_point_is_a_cell_and_the_interval_is_the_widest(sweep_example: Any) -> None:
    summary = summary_of(sweep_example)
    found = claims_map(summary)
    assert found is not None
    assert found.columns == ("1", "2", "4")
    assert found.rows == ("steps 10", "steps 20")
    assert [objective.name for objective in found.panels] == DIFFERENCES
    assert found.over == "seeds and problems"
    cells = found.panels[summary.objective]
    for point in summary.points:
        row = [10, 20].index(point.point.values["training.steps"])
        column = [1, 2, 4].index(point.point.values["sampling.plans"])
        got = cells[row][column]
        assert got is not None
        assert got.ends == point.objectives["codeplan - control"].widest
        assert got.mean == point.objectives["codeplan - control"].mean


def test_one_seed_is_said(sweep_example: Any) -> None:
    found = claims_map(summary_of(sweep_example, repeats=1))
    assert found is not None
    assert "95 % intervals over problems, for one seed, not corrected" in caption(found)


@pytest.mark.parametrize(
    "without",
    [{"objective": "codeplan"}, {"axes": {"training.steps": {"grid": list(range(10, 30))}}}],
)
def test_without_a_difference_or_with_too_many_values_there_is_no_map(sweep_example: Any, without: Any) -> None:
    assert claims_map(summary_of(sweep_example, repeats=1, **without)) is None


def test_the_figure_shows_the_colors_of_its_claims(sweep_example: Any, tmp_path: Path) -> None:
    found = claims_map(summary_of(sweep_example))
    assert found is not None
    draw(found, tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as image:
        seen = {color for _, color in image.convert("RGB").getcolors(1_000_000) or []}
    claims = {got.claim for cells in found.panels.values() for row in cells for got in row if got}
    for claim in claims:
        red, green, blue = (int(COLORS[claim][at : at + 2], 16) for at in (1, 3, 5))
        assert (red, green, blue) in seen
