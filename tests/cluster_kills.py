"""A pipeline on a cluster of three nodes with addresses of their own, of which one dies during a stage.

    python tests/cluster_kills.py distill finetune sample judge head head-without-redis

Submits the pipeline from a host outside the cluster, first undisturbed; then, for each case, kills a node with work of
the stage (or the head), and prints how long it took, whether the report is that of the undisturbed run, its digest, and
how many answers the teacher gave twice. Needs root's rights, for network namespaces. Ends with code 1 where something
was lost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from ray_network import NetworkCluster, network_cluster
from small_pipeline import changed

ROOT = Path(__file__).parents[1]
IN_FLIGHT = 4
PIPELINE: tuple[tuple[str, Any], ...] = (
    ("name", "kills"),
    ("problems.test.count", 64),
    ("training.steps", 60),
    ("sampling.trials", 2),
    ("teacher", {"model": "m", "api_key_env": "TEACHER_KEY"}),
    ("execution.requests_in_flight", IN_FLIGHT),
    ("execution.sample_batch", 32),
)
ACTORS = {
    "distill": ("_TeacherActor", "answers/**/*"),
    "finetune": ("RayTrainWorker", "stages/finetune/*/train/checkpoint_*"),
    "sample": ("Sampler", "pools/samples/*/programs/*.parquet"),
    "judge": ("JudgeActor", "pools/verdicts/*/verdicts/*.parquet"),
}
"""By stage: the class of its actors, and files that show that it is at work."""
CASES = (*ACTORS, "head", "head-without-redis")


class Job:
    """The pipeline as a job, or a stage of it, submitted from outside."""

    def __init__(self, cluster: NetworkCluster, folder: Path, *options: str, command: str = "run") -> None:
        self.log = folder / "job.log"
        line = [str(Path(sys.executable).with_name("codeplan")), "submit", command, "kills.yaml", *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                cluster.network.command("outside", *line),
                cwd=folder,
                env={**cluster.client, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def finish(self, seconds: float = 600) -> int:
        """Wait for its end; the exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait(30)
            raise

    def wait_until(self, happened: Callable[[], object], seconds: float = 400) -> None:
        """Return when something has happened.

        Raises:
            RuntimeError: the job ended before, or it did not happen in time.
        """
        until = time.monotonic() + seconds
        while not happened():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the job ended, or took too long\n{self.log.read_text()[-5000:]}")
            time.sleep(0.05)


@contextmanager
def teacher(cluster: NetworkCluster, delay_s: float) -> Iterator[str]:
    """A teacher on the host outside that takes a while for an answer; gives its address."""
    command = [sys.executable, str(ROOT / "tests" / "fake_teacher.py"), cluster.outside, str(delay_s)]
    with subprocess.Popen(
        cluster.network.command("outside", *command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.communicate()  # it ends with its standard input


def results(home: Path) -> dict[str, Any]:
    """What the report says, without how long it took."""
    (report,) = home.glob("stages/report/*/report.json")
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def finished(home: Path) -> dict[str, float]:
    """The stages that are finished, each with the time of its marker."""
    return {str(path.parent.relative_to(home)): path.stat().st_mtime for path in home.glob("stages/*/*/done.json")}


def case(name: str, folder: Path) -> dict[str, Any]:
    """Run one case in an empty folder with a short path."""
    delay_s = 1.0 if name == "distill" else 0.0  # so that the worker is killed with answers in flight
    home = folder / "home"
    with_redis = name == "head"
    variables = {"TEACHER_KEY": "none"}
    with network_cluster(folder, variables=variables, redis=with_redis) as cluster, teacher(cluster, delay_s) as url:
        plain = changed(*PIPELINE, ("teacher.base_url", f"{url}/v1"), ("execution.home", str(home)))
        (folder / "kills.yaml").write_text(yaml.safe_dump(plain))
        began = time.monotonic()
        found: dict[str, Any] = {"case": name}
        job = Job(cluster, folder, *(["--driver-cpus", "0.5"] if with_redis else []))
        if name in ACTORS:
            found["killed"] = kill_a_worker(name, cluster, job, home)
        elif with_redis:
            found |= restart_the_head(cluster, job, home)
        elif name == "head-without-redis":
            found |= restart_the_head(cluster, job, home)
            found["first code"] = job.finish()
            before = finished(home)
            job = Job(cluster, folder)
        code = job.finish()
        found["seconds"] = round(time.monotonic() - began)
        if code:
            raise RuntimeError(f"{name}: exit code {code}\n{job.log.read_text()[-6000:]}")
        counts = ask(cluster, f"{url}/counts")
    if name == "head-without-redis":
        found["made again"] = [stage for stage, when in before.items() if finished(home)[stage] != when]
    found |= {"answers": counts["answered"], "answered twice": counts["answered"] - counts["distinct"]}
    return {**found, "results": results(home)}


def losses(found: dict[str, Any], report: dict[str, Any], undisturbed: dict[str, Any]) -> list[str]:
    """What a case lost."""
    lost = []
    if report != undisturbed:
        lost.append("the report is another one")
    if found.get("made again"):
        lost.append(f"finished stages were made again: {found['made again']}")
    if found["answered twice"] > IN_FLIGHT:
        lost.append(f"{found['answered twice']} answers were paid twice, {IN_FLIGHT} can be in flight")
    return lost


def kill_a_worker(stage: str, cluster: NetworkCluster, job: Job, home: Path) -> str:
    """Kill a worker that has an actor of a stage, once the stage has done something; its name."""
    actor, files = ACTORS[stage]
    job.wait_until(lambda: any(path.is_file() or path.is_dir() for path in home.glob(files)))
    addresses: set[str] = set()
    job.wait_until(lambda: addresses.update(cluster.addresses_of(actor)) or addresses)
    worker = cluster.workers[min(addresses)]
    worker.kill()
    if any(home.glob(f"stages/{stage}/*/done.json")):
        raise RuntimeError(f"{stage} was finished before its worker could be killed")
    return worker.name


def restart_the_head(cluster: NetworkCluster, job: Job, home: Path) -> dict[str, Any]:
    """Kill the head during the training, and start it again."""
    job.wait_until(lambda: any(home.glob(ACTORS["finetune"][1])))
    cluster.head.kill()
    cluster.head.start()
    cluster.wait_for_nodes(3)
    return {"finished before": len(finished(home))}


def ask(cluster: NetworkCluster, url: str) -> dict[str, Any]:
    """What a server on the host outside answers there."""
    code = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
    command = cluster.network.command("outside", sys.executable, "-Ic", code, url)
    answer: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return answer


def main() -> None:
    """Run the cases that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--logs", action="store_true", help="print the jobs' output, too")
    asked = parser.parse_args()
    undisturbed: dict[str, Any] = {}
    lost = False
    for name in ("undisturbed", *(asked.cases or CASES)):
        with tempfile.TemporaryDirectory(prefix="cpk-", dir="/tmp", ignore_cleanup_errors=True) as folder:
            found = case(name, Path(folder))
            if asked.logs:
                print((Path(folder) / "job.log").read_text(), file=sys.stderr)
        report = found.pop("results")
        undisturbed = undisturbed or report
        found["same report"] = report == undisturbed
        found["report"] = hashlib.sha256(json.dumps(report, sort_keys=True).encode()).hexdigest()[:12]
        lost |= bool(losses(found, report, undisturbed))
        print(json.dumps(found), flush=True)
    sys.exit(lost)


if __name__ == "__main__":
    main()
