"""What this machine offers the sandbox: tiers, layers, what is missing and how to get it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codeplan_sandbox import layers, tier_status
from codeplan_sandbox.layers import LayerStatus
from codeplan_sandbox.memory_bound import MemoryBound, memory_bound
from codeplan_sandbox.remedies import Machine, remedies
from codeplan_sandbox.tier_status import TierStatus
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS

_WIDTH = 17


@dataclass(frozen=True, slots=True)
class Report:
    """The state of a machine.

    Attributes:
        tiers: every isolation tier, strongest first.
        layers: every layer, tried alone.
        remedies: for each layer that does not hold, how to get it.
        chosen: the tier that a `Judge` uses by default; None if none is strong enough.
        packages: which of the packages that tests may import are installed.
        memory: whether the memory of a whole sandbox is limited.
    """

    tiers: tuple[TierStatus, ...]
    layers: tuple[LayerStatus, ...]
    remedies: Mapping[str, list[str]]
    chosen: str | None
    packages: Mapping[str, bool]
    memory: MemoryBound

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "chosen": self.chosen,
            "minimum": MINIMUM_TIER,
            "tiers": {status.tier: _without(status, "tier") for status in self.tiers},
            "layers": {
                status.name: {**_without(status, "name"), "remedies": self.remedies.get(status.name, [])}
                for status in self.layers
            },
            "packages": dict(self.packages),
            "memory": dataclasses.asdict(self.memory),
        }

    def text(self) -> str:
        """As text for a terminal."""
        return "\n".join((*self._tier_lines(), "", *self._layer_lines(), "", *self._other_lines()))

    def _tier_lines(self) -> Iterator[str]:
        yield "isolation tiers, strongest first"
        for status in self.tiers:
            state = "holds" if status.holds else f"missing: {status.reason}"
            if status.tier == self.chosen:
                state += "; used by default"
            elif TIERS.index(status.tier) > TIERS.index(MINIMUM_TIER):
                state += "; no isolation, used only if --allow-tier names it"
            yield f"  {status.tier:{_WIDTH}}{state}"
        if self.chosen is None:
            yield "  none of them is strong enough: programs are not run"
        else:
            yield f"attempts of a test process in tier {self.chosen}"
            (used,) = (status for status in self.tiers if status.tier == self.chosen)
            yield from _denials(used.denials)

    def _layer_lines(self) -> Iterator[str]:
        yield "layers, each tried alone"
        for status in self.layers:
            state = "holds" if status.holds else "missing"
            yield f"  {status.name:{_WIDTH}}{state}{f' ({status.detail})' if status.detail else ''}: {status.purpose}"
            yield from _denials(status.denials)
            for remedy in self.remedies.get(status.name, []):
                yield f"    to get it: {remedy}"

    def _other_lines(self) -> Iterator[str]:
        yield "memory of a whole sandbox"
        state = "holds" if self.memory.enforced else "missing"
        limit = f"{self.memory.bytes / (1 << 30):.1f} GiB with the default limits"
        yield f"  {'control group':{_WIDTH}}{state}: {limit}, {self.memory.how}"
        if self.memory.advice:
            yield f"    to get it: {self.memory.advice}"
        yield ""
        yield "packages that tests may import"
        for name, installed in self.packages.items():
            yield f"  {name:{_WIDTH}}{'installed' if installed else 'not installed'}"


def examine() -> Report:
    """Try all tiers and layers of this machine; takes a few seconds."""
    tiers, found = tier_status.survey(), layers.survey()
    machine = Machine.read()
    missing = {status.name: remedies(status.name, machine) for status in found if not status.holds}
    return Report(
        tiers, found, missing, tier_status.chosen_tier(tiers), tier_status.installed_packages(), memory_bound()
    )


def _without(status: TierStatus | LayerStatus, name: str) -> dict[str, Any]:
    return {key: value for key, value in dataclasses.asdict(status).items() if key != name}


def _denials(denials: Mapping[str, str]) -> Iterator[str]:
    for attempt, denial in denials.items():
        yield f"    {attempt}: {f'denied ({denial})' if denial else 'SUCCEEDS'}"
