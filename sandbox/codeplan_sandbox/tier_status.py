"""What isolation this machine gives, tier by tier."""

from __future__ import annotations

from dataclasses import dataclass

from codeplan_sandbox import packages
from codeplan_sandbox.client import Server
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import SandboxError


@dataclass(frozen=True, slots=True)
class TierStatus:
    """Whether an isolation tier holds on this machine.

    Attributes:
        tier: its name; see `codeplan_sandbox.tiers`.
        holds: whether every layer came up, and withstood the attacks that a test process tries at the start.
        reason: which layer is missing or does not hold, and why; empty where all do.
    """

    tier: str
    holds: bool
    reason: str = ""


def survey() -> tuple[TierStatus, ...]:
    """Start a fork server in every tier, strongest first, and say whether it holds; takes about a second."""
    return tuple(map(_status, TIERS))


def chosen_tier(statuses: tuple[TierStatus, ...]) -> str | None:
    """The tier that a `Judge` takes by default; None where none is strong enough."""
    strong_enough = TIERS[: TIERS.index(MINIMUM_TIER) + 1]
    return next((status.tier for status in statuses if status.holds and status.tier in strong_enough), None)


def installed_packages() -> dict[str, bool]:
    """Which of the packages that tests may import are installed beside the sandbox."""
    return {name: packages.folder(name) is not None for name in packages.TEST_PACKAGES}


def _status(tier: str) -> TierStatus:
    try:
        Server(tier).close()
    except SandboxError as error:
        return TierStatus(tier, False, str(error).removeprefix(f"tier {tier}: "))
    return TierStatus(tier, True)
