"""What Optuna draws for a sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codeplan.on_ray.tune_search import optuna_search, resume_study


class Draw:
    """Four trials in all."""

    def __call__(self, trial: Any) -> dict[str, str]:
        return {"values": json.dumps([trial.suggest_categorical(name, [0, 1]) for name in ("x", "y")])}


def test_no_trial_is_drawn_twice_while_there_are_others(tmp_path: Path) -> None:
    log = tmp_path / "optuna.log"
    searcher = optuna_search(Draw(), metrics=["loss"], modes=["min"], seed=0, log=log)
    drawn = []
    for number in range(4):
        found = searcher.suggest(str(number))
        assert found is not None
        drawn.append(found["values"])
        if number % 2:  # the others are still running when the next one is drawn
            for done in (number - 1, number):
                searcher.on_trial_complete(str(done), {"loss": float(done)})
    assert sorted(drawn) == ["[0, 0]", "[0, 1]", "[1, 0]", "[1, 1]"]
    again = searcher.suggest("4")
    assert again is not None, "there is no further one"
    assert again["values"] in drawn
    searcher.on_trial_complete("4", {"loss": 0.0})
    assert resume_study(log) == 5
