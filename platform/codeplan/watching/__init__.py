"""What a running pipeline shows of itself: metrics for Prometheus, and a log of events as JSON lines.

A `Watch` is passed to whatever counts, also to actors. Here nothing is exported: `codeplan.on_ray.metrics` gives the
counts to Ray, and without Ray they go nowhere.
"""

from codeplan.watching.watch import UNWATCHED, Watch

__all__ = ["UNWATCHED", "Watch"]
