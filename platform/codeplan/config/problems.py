"""Where the problems come from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from codeplan.config.base import AddedLater, Address, FilePath, Settings


class MiniAppsSource(Settings):
    """Generated problems; see `codeplan.problems.miniapps`."""

    reader: Literal["miniapps"]
    """Selects the generated problems."""
    split: Literal["train", "test"]
    """Which of the two sets to generate; they share what ``held_out`` says."""
    count: int = Field(gt=0)
    """Number of problems."""
    seed: int = 0
    """Seed of the generator; the same seed gives the same bytes on every machine."""
    inversion: float = Field(default=0.5, ge=0.0, le=1.0)
    """Fraction of questions that name their operations out of order, which widens the gap between question and code."""
    vague: Annotated[float, AddedLater()] = Field(default=0.0, ge=0.0, le=1.0)
    """Probability, per step, that the question names only its aim ("keep some of them"), which several operations
    serve: the question leaves a choice that a plan decides. See `codeplan.problems.miniapps.aims`."""
    goal: Annotated[float, AddedLater()] = Field(default=0.0, ge=0.0, le=1.0)
    """Probability that the question names no step, only what comes out and in how many steps."""
    show_examples: Annotated[bool, AddedLater()] = True
    """Whether the question shows its example tests. Selection of plans runs them in any case; without them the question
    alone leaves open what ``vague`` and ``goal`` leave open, with them it can be guessed."""
    held_out: Annotated[Literal["compositions", "programs", "both"], AddedLater()] = "compositions"
    """What test problems have that no training problem has. ``compositions``: sequences of operations. ``programs``:
    only parameters; then the test problems are like those of training, with sequences of operations that it has too.
    ``both``, for test problems only: half of each, which the report also counts apart. It takes training problems with
    ``programs``, which leave out both."""

    @model_validator(mode="after")
    def _every_key_says_something(self) -> MiniAppsSource:
        if self.goal == 1.0 and self.vague > 0.0:
            raise ValueError("vague says nothing where goal is 1: no question names a step; remove one of the two")
        if self.held_out == "both" and self.split == "train":
            raise ValueError("held_out: both is for test problems; training problems leave out both with programs")
        return self


class FileSource(Settings):
    """Problems read from files of a known format."""

    reader: Literal["apps", "mbpp", "humaneval", "codecontests", "jsonl"]
    """The format of the files."""
    path: Annotated[FilePath, Field(min_length=1), Address()]
    """A file of JSON lines or of one JSON array, plain or gzipped; for ``apps`` also its folder tree. It enters
    fingerprints by its content."""
    examples_path: Annotated[FilePath, Address()] = ""
    """``apps`` only: a jsonl file with the example tests of each problem; without it they are extracted from the
    question."""
    split: str = ""
    """Which rows to take: ``mbpp`` has ``prompt``, ``test``, ``validation`` and ``train``, by task_id; the others
    go by the row's own field. Empty takes all rows, and labels them with their own split, or ``test``."""
    offset: int = Field(default=0, ge=0)
    """Number of rows to skip at the start of the split."""
    limit: int | None = Field(default=None, gt=0)
    """Maximum number of rows; ``null`` takes all."""
    skip_bad: bool = False
    """Drop broken rows and count them, instead of stopping at the first."""

    @model_validator(mode="after")
    def _examples_path_is_read(self) -> FileSource:
        if self.examples_path and self.reader != "apps":
            raise ValueError(f"examples_path is for reader apps only; {self.reader} has its examples in its rows")
        return self

    def identity(self) -> dict[str, Any]:
        """All keys but the addresses and ``skip_bad``: with it or without, reading that succeeds gives the same."""
        identity = super().identity()
        del identity["skip_bad"]
        return identity


Source = Annotated[MiniAppsSource | FileSource, Field(discriminator="reader")]


class ProblemsConfig(Settings):
    """Where the problems come from."""

    train: Source
    """The problems that the student is trained on."""
    test: Source
    """The problems that the student is evaluated on."""

    @model_validator(mode="after")
    def _test_programs_are_not_trained_on(self) -> ProblemsConfig:
        train, test = self.train, self.test
        if not isinstance(train, MiniAppsSource) or not isinstance(test, MiniAppsSource):
            return self
        trained_on = train.split == "train" and train.held_out == "compositions"
        if trained_on and test.split == "test" and test.held_out != "compositions":
            raise ValueError(
                f"test.held_out is {test.held_out}, but the training problems include the held-out programs: set "
                "train.held_out to programs (such a student can be tested with either), or test.held_out to "
                "compositions"
            )
        return self
