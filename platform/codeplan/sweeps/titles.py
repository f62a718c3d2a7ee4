"""How an objective is named, scaled and written in tables and figures."""

from __future__ import annotations

from codeplan.evaluation.arms import TITLES
from codeplan.evaluation.tables import QUALITY_TITLES
from codeplan.sweeps.objective import Objective

_TITLES = {
    "sequences": "sequences per answer",
    "teacher.cost_usd": "teacher's answers, US dollars",
}


def title(objective: Objective) -> str:
    """What it is, for example ``pass@1, CodePLAN``."""
    name = objective.name
    if objective.is_rate:
        arms = [metric.split(".")[1] for metric in objective.metrics]
        return "pass@1, " + " minus ".join(next(t for arm, t in TITLES.items() if arm == found) for found in arms)
    kind, _, rest = name.partition("/")
    if kind == "validation_loss":
        return f"validation loss, {rest} (nats per token)"
    return _TITLES.get(name) or QUALITY_TITLES.get(name.removeprefix("plan_quality."), name)


def scale(objective: Objective) -> float:
    """What its values are multiplied by where they are drawn: fractions of problems are percentages."""
    return 100.0 if objective.is_rate else 1.0


def unit(objective: Objective) -> str:
    """The unit that `scale` leads to; empty where the title says it."""
    if not objective.is_rate:
        return ""
    return "%" if len(objective.metrics) == 1 else "points"


def axis_title(objective: Objective, name: str = "") -> str:
    """Its title, or another name of it, with the unit, short enough for a figure's axis."""
    words = name or (f"pass@1, {objective.name}" if len(objective.metrics) > 1 else title(objective))
    return f"{words} ({unit(objective)})" if unit(objective) else words


def better(objective: Objective) -> str:
    """Which direction is better, in words."""
    return "higher is better" if objective.direction == "maximize" else "lower is better"


def number(objective: Objective, value: float | None) -> str:
    """A value with its unit: ``54.5 %``, ``+4.6 points`` or ``0.1234``."""
    if value is None:
        return "-"
    if not objective.is_rate:
        return f"{value:,.0f}" if objective.name == "sequences" else f"{value:.4g}"
    return f"{100 * value:.1f} %" if len(objective.metrics) == 1 else f"{100 * value:+.1f} points"


def short(objective: Objective, value: float) -> str:
    """A value without its unit."""
    return number(objective, value).removesuffix(" %").removesuffix(" points")


def interval(objective: Objective, ends: tuple[float, float] | None) -> str:
    """An interval without units: ``[43.6, 64.9]``."""
    return f"[{short(objective, ends[0])}, {short(objective, ends[1])}]" if ends else "-"
