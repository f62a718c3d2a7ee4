"""Write what a sweep shows into a folder: tables, the best configuration, figures and the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from codeplan.config.yaml_reader import YamlError, read_yaml
from codeplan.errors import one_line
from codeplan.files import atomic_write, write_text
from codeplan.sweeps import page, tables
from codeplan.sweeps.figures import figures
from codeplan.sweeps.importance import Importance, importance
from codeplan.sweeps.summary import PointSummary, Summary
from codeplan.sweeps.titles import title
from codeplan.tracking import redacted

BEST = "best.yaml"
PAGE = "page.html"
FIGURES = "figures"


def write(summary: Summary, folder: Path) -> list[Path]:
    """Write table.csv, table.md, summary.json, page.html, figures/*.png and, where there is a best point, best.yaml.

    The same summary gives the same bytes in the same folder; only the page's links depend on where the folder is. Files
    of an earlier summary that this one does not have are removed.

    Returns:
        The files that were written.
    """
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    importances = [importance(summary, objective) for objective in summary.objectives]
    drawn: dict[str, str] = {}
    for name, (caption, draw) in figures(summary, importances[0]).items():
        drawn[caption] = f"{FIGURES}/{name}.png"
        with atomic_write(folder / drawn[caption]) as unfinished:
            draw(unfinished)
    texts = {
        "table.csv": tables.as_csv(summary),
        "table.md": tables.as_markdown(summary, drawn, _importance_sentence(summary, importances[0])),
        "summary.json": json.dumps(as_json(summary, importances), indent=1, allow_nan=False) + "\n",
        PAGE: page.render(summary, importances, folder),
    }
    if summary.best is not None:
        texts[BEST] = best_yaml(summary, summary.best)
    for name, text in texts.items():
        write_text(folder / name, text)
    written = [folder / name for name in (*texts, *drawn.values())]
    for old in {folder / BEST, *(folder / FIGURES).glob("*.png")} - set(written):
        old.unlink(missing_ok=True)
    return written


def best_yaml(summary: Summary, best: PointSummary) -> str:
    """The configuration of a point as a file that `codeplan run` takes, with the first repeat's seeds."""
    config = best.point.config(summary.base)
    points = f"{len(summary.having(summary.objective)):,} points"
    said = [
        f"The best of {points} of the sweep {summary.name} by {title(summary.objective)}: {best.label}",
        tables.best_sentence(summary),
        "Run it with: codeplan run best.yaml",
    ]
    plain = config.model_dump(mode="json", exclude_unset=True, exclude={"sweep"})
    uri = plain.get("tracking", {}).get("uri", "")
    if redacted(uri) != uri:
        del plain["tracking"]["uri"]
        said.append("Without tracking.uri, which contains a password: name it with -s tracking.uri=...")
    return "".join(f"# {one_line(line, 500)}\n" for line in said) + _as_yaml(plain)


def as_json(summary: Summary, importances: list[Importance]) -> dict[str, Any]:
    """The whole summary as JSON data; intervals are pairs, and a number that is not known is null or missing."""
    return {
        "name": summary.name,
        "search": summary.sweep.search,
        "scheduler": summary.sweep.scheduler,
        "repeats": summary.sweep.repeats,
        "objectives": [{"name": found.name, "direction": found.direction} for found in summary.objectives],
        "axes": {axis.key: list(axis.labels) for axis in summary.axes},
        "best": summary.best.point.point_id if summary.best else None,
        "pareto_front": [point.point.point_id for point in summary.front],
        "notes": list(summary.notes),
        "importance": {
            found.objective: {"fractions": found.fractions, "points": found.points, "reason": found.reason}
            for found in importances
        },
        "points": [_point_json(point) for point in summary.points],
    }


def _point_json(point: PointSummary) -> dict[str, Any]:
    return {
        "point": point.point.point_id,
        "label": point.label,
        "values": dict(point.point.values),
        "seeds": {"planned": point.planned, **point.states},
        "objectives": {name: spread.plain() for name, spread in point.objectives.items()},
        "conclusions": list(point.conclusions),
        "metrics": {name: spread.plain() for name, spread in point.metrics.items()},
        "trials": [
            {
                "trial": trial.trial_id,
                "repeat": trial.repeat,
                "state": trial.state,
                "seconds": trial.seconds,
                "cost_usd": trial.cost_usd,
                "mlflow_run": trial.mlflow_run,
                "report": trial.report,
                "error": trial.error,
            }
            for trial in point.trials
        ],
    }


def _importance_sentence(summary: Summary, found: Importance) -> str:
    if not found.fractions:
        return f"Importance of the axes: not computed, {found.reason}."
    names = {axis.key: axis.name for axis in summary.axes}
    shares = ", ".join(f"{names[key]} {100 * value:.0f} %" for key, value in found.fractions.items())
    return f"Importance of the axes (fANOVA over {found.points:,} points, each axis by itself): {shares}."


class _Dumper(yaml.SafeDumper):
    """Quotes every string that our reader, which follows YAML 1.2, would not read as the same string."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Equal sections are written out, not referred to."""
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        plain = bool(re.fullmatch(r"[\w./:-]+", text)) and read_yaml(text) == text
    except YamlError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _string)


def _as_yaml(plain: dict[str, Any]) -> str:
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
