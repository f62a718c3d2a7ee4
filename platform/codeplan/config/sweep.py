"""A sweep: which keys of a configuration take which values, how they are searched, and what is best."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from codeplan.config.base import Settings

Range = tuple[float, float]

KINDS = ("grid", "choice", "uniform", "loguniform", "int")
FINITE = ("grid", "choice")

MUTABLE = ("training.learning_rate", "training.weight_decay", "training.mixing", "training.weights")
"""Keys that may change in the middle of a training."""

MIN_POPULATION = 4
"""Members: one in four is replaced at each exchange."""

ARMS = (
    *("direct", "control", "codeplan", "fresh", "best_trial", "plan_after_trial", "oracle", "foreign"),
    *("teacher_plan", "code_only_steps", "code_only_steps_control", "code_only_examples", "code_only_examples_control"),
)
"""The arms whose pass@1 can be an objective."""


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class AxisConfig(Settings):
    """The values of one key: exactly one of ``grid``, ``choice``, ``uniform``, ``loguniform`` and ``int``."""

    _of_any_kind: ClassVar[frozenset[str]] = frozenset({"grid", "choice"})

    grid: tuple[Any, ...] = ()
    """Every one of these values; a whole section or mapping may be a value."""
    choice: tuple[Any, ...] = ()
    """One of these values: under ``search: grid`` as ``grid``, else drawn."""
    uniform: Range | None = None
    """A number between two bounds, drawn uniformly."""
    loguniform: Range | None = None
    """A number between two positive bounds, drawn uniformly on a logarithmic scale."""
    integer: tuple[int, int] | None = Field(default=None, alias="int")
    """An integer between two bounds, both included, drawn uniformly."""
    when: dict[str, Any] = Field(default={})
    """Only where these keys, axes before this one or not, have these values; elsewhere the key keeps its own value."""
    labels: tuple[str, ...] = ()
    """Names of the values of ``grid`` or ``choice`` in tables and figures, one each."""

    @model_validator(mode="after")
    def _one_kind(self) -> AxisConfig:
        given = [kind for kind in KINDS if self._values(kind)]
        if len(given) != 1:
            found = f"has {' and '.join(given)}" if given else "has no values"
            raise ValueError(f"an axis needs exactly one of {', '.join(KINDS)}; this one {found}")
        bounds = self.bounds
        if bounds is not None and (bounds[0] >= bounds[1] or (self.loguniform and bounds[0] <= 0)):
            low = ", and the lower one must be positive" if self.loguniform else ""
            raise ValueError(f"{self.kind} needs two bounds, the lower one first{low}")
        if self.labels and len(self.labels) != len(self.values):
            raise ValueError(f"there are {len(self.labels)} labels for {len(self.values)} values")
        return self

    @property
    def kind(self) -> str:
        """Which kind of values it has."""
        return next(kind for kind in KINDS if self._values(kind))

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of ``grid`` or ``choice``; empty for a range."""
        return self.grid or self.choice

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The bounds of a range; None for ``grid`` and ``choice``."""
        return self.uniform or self.loguniform or self.integer

    def _values(self, kind: str) -> Any:
        return getattr(self, "integer" if kind == "int" else kind)


class SweepConfig(Settings):
    """A search over the configuration; ``codeplan sweep`` runs it."""

    name: str = ""
    """Name of the sweep's folder in the home; empty takes the configuration's ``name``. The same name resumes it."""
    axes: dict[str, AxisConfig] = Field(min_length=1)
    """What varies: a key such as ``training.mixing``, or a section such as ``student``, and its values."""
    search: Literal["grid", "random", "optuna"] = "grid"
    """``grid``: all combinations. ``random``: ``points`` draws, each with all combinations of the ``grid`` axes.
    ``optuna``: ``points`` draws of Optuna's TPE sampler, which learns from the finished ones."""
    points: int = Field(default=20, gt=0, le=100_000)
    """Draws of ``random`` and ``optuna``, and the population of ``pbt``."""
    repeats: int = Field(default=1, gt=0, le=1000)
    """Seeds per point: the seeds of ``student``, ``training`` and ``sampling`` are raised by 0, 1, ..."""
    scheduler: Literal["none", "asha", "median", "pbt"] = "none"
    """What stops trials early by their validation loss: ``asha`` (successive halving), ``median`` (worse than the
    median so far), or ``pbt``, which instead replaces poor trials by changed copies of good ones."""
    grace_steps: int = Field(default=100, gt=0)
    """Optimizer steps before a trial can be stopped; under ``pbt`` the steps between two exchanges."""
    reduction: float = Field(default=3.0, gt=1.0)
    """``asha`` continues one in this many trials at each rung."""
    stop_by: str = "validation_loss/code"
    """The validation loss that a scheduler compares."""
    objective: Annotated[tuple[str, ...], BeforeValidator(_as_tuple, json_schema_input_type=str | tuple[str, ...])] = (
        Field(default=("codeplan",), min_length=1)
    )
    """What is best, by name: an arm (``direct``, ``control``, ``codeplan``, ``best_trial``, ``oracle``) for its pass@1,
    a difference such as ``codeplan - control``, ``validation_loss/TASK``, ``plan_quality.NAME``, ``sequences`` or
    ``teacher.cost_usd``. Of several, ``optuna`` searches for the best trade-offs; the first one names the best."""
    direction: dict[str, Literal["maximize", "minimize"]] = Field(default={})
    """Directions of objectives where they differ from the usual: losses, costs and sequences are minimized."""
    concurrent: int | None = Field(default=None, gt=0)
    """Trials at once at most; null takes as many as the cluster has room for, and there are never more."""
    seed: int = Field(default=0, ge=0)
    """Seed of the search."""

    @model_validator(mode="after")
    def _fits(self) -> SweepConfig:
        ranges = [key for key, axis in self.axes.items() if axis.bounds]
        if self.search == "grid" and ranges and self.scheduler != "pbt":
            raise ValueError(
                f"search: grid needs axes of grid or choice, and {ranges[0]} is {self.axes[ranges[0]].kind}; "
                "list its values, or set search to random or optuna"
            )
        if self.scheduler == "pbt":
            self._require_population()
        return self

    def _require_population(self) -> None:
        fixed = [key for key in self.axes if key not in MUTABLE]
        if fixed:
            raise ValueError(f"scheduler: pbt changes {', '.join(MUTABLE)} while it trains, and not {fixed[0]}")
        if self.repeats > 1 or len(self.objective) > 1 or self.search != "random" or self.points < MIN_POPULATION:
            raise ValueError(
                f"scheduler: pbt needs search: random, at least {MIN_POPULATION} points (the population), repeats: 1 "
                "and one objective"
            )
