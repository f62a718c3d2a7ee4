"""Which isolation tiers this machine supports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codeplan_sandbox import packages
from codeplan_sandbox.client import Server
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import SandboxError


@dataclass(frozen=True, slots=True)
class TierStatus:
    """Whether an isolation tier works on this machine.

    Attributes:
        tier: its name; see `codeplan_sandbox.tiers`.
        holds: whether all layers could be set up and withstood the attempts of `codeplan_sandbox.probes`.
        reason: which layer is missing or does not hold, and why; empty if the tier holds.
        denials: for a tier that holds, what denied each forbidden operation that was attempted.
    """

    tier: str
    holds: bool
    reason: str = ""
    denials: Mapping[str, str] = field(default_factory=dict)


def survey() -> tuple[TierStatus, ...]:
    """Start a fork server in every tier, strongest first, to see whether it works; takes about a second."""
    return tuple(map(_status, TIERS))


def chosen_tier(statuses: tuple[TierStatus, ...]) -> str | None:
    """The tier that a `Judge` uses by default; None if no supported tier is strong enough."""
    strong_enough = TIERS[: TIERS.index(MINIMUM_TIER) + 1]
    return next((status.tier for status in statuses if status.holds and status.tier in strong_enough), None)


def installed_packages() -> dict[str, bool]:
    """Which of the packages that tests may import are installed in the sandbox's environment."""
    return {name: packages.folder(name) is not None for name in packages.TEST_PACKAGES}


def _status(tier: str) -> TierStatus:
    try:
        server = Server(tier)
    except SandboxError as error:
        return TierStatus(tier, False, str(error).removeprefix(f"tier {tier}: "))
    server.close()
    return TierStatus(tier, True, denials=server.denials)
