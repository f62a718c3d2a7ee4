"""The fork server: a warm interpreter, confined, that forks a process for the tests of each program.

It is started by exec with an empty environment, never by a fork of its caller. Its arguments: the descriptor of the
line to the judge, the tier, the canary file that nobody inside may be able to read, and the packages that tests may
import, as a JSON object of their names and folders.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import socket
import sys
import traceback

from codeplan_sandbox import children, drivers, modules, probes, tiers
from codeplan_sandbox.children import Spawner
from codeplan_sandbox.suites import Limits
from codeplan_sandbox.trials import Files, JudgeGoneError, Trial
from codeplan_sandbox.wire import STARTED, Greeting, Record, Request

_DESCRIPTORS = 4
_MESSAGE_BYTES = 64
_REASON_SHOWN = 500


def main(arguments: list[str]) -> None:
    """Enter the tier, prove it, and judge until the judge hangs up."""
    judge = socket.socket(fileno=int(arguments[0]))
    tier, canary, packages = arguments[1:]
    sys.set_int_max_str_digits(0)  # tests hold longer numbers; who converts them pays with its own time
    modules.load(modules.COMMON)
    try:
        modules.load_packages(json.loads(packages))
    except Exception as error:  # whatever its code raises
        judge.send(Greeting(False, f"{type(error).__name__}: {error}"[:_REASON_SHOWN], unusable=True).to_json())
        return
    modules.complete_builtins()
    modules.forget_packages()
    sys.excepthook = sys.__excepthook__
    memory = children.own_memory()
    try:
        confinement = tiers.enter(tier)
    except tiers.LayerError as error:
        judge.send(Greeting(False, str(error)).to_json())
        return
    os.environ.clear()
    atexit._clear()  # what modules registered, also those that the tier imported, is not the programs'
    gc.collect()
    gc.freeze()  # what is here now is never looked at by a test's collector, and so stays shared
    found = _holes(Spawner(confinement, Limits(), memory), canary) if tier != "limits" else []
    judge.send(Greeting(not found, "a layer does not hold" if found else "", holes=found).to_json())
    while _serve(judge, confinement, memory):
        pass


def _serve(judge: socket.socket, confinement: tiers.Confinement, memory: int) -> bool:
    """Take one request and answer it; False when the judge hung up."""
    message, descriptors, _, _ = socket.recv_fds(judge, _MESSAGE_BYTES, _DESCRIPTORS)
    if not message:
        return False
    if len(descriptors) != _DESCRIPTORS:
        return not descriptors  # a late "stop" for a request that is over
    request_file, *others = descriptors
    request = Request.from_json(os.pread(request_file, os.fstat(request_file).st_size, 0))
    os.close(request_file)
    files = Files.around(*others)
    try:
        Trial(request, files, Spawner(confinement, request.limits, memory), judge).run()
    except JudgeGoneError:
        return False
    finally:
        files.close()
    judge.send(Record(-1).to_json())
    return True


def _holes(spawner: Spawner, canary: str) -> list[str]:
    """Have a test process try what is forbidden."""
    found = os.memfd_create("holes")
    nothing = os.open("/dev/null", os.O_RDWR)

    def attack() -> None:
        os.write(drivers.CONTROL, STARTED)
        os.write(drivers.ANSWER, "\n".join(probes.holes(canary)).encode())

    child = spawner.start(attack, [nothing, nothing, 2, None, nothing, nothing, found], tests=1)
    status = child.wait()
    text = os.pread(found, os.fstat(found).st_size, 0).decode()
    os.close(found)
    os.close(nothing)
    return text.splitlines() if status == 0 else [f"the probes ended with wait status {status}"]


def start() -> None:
    """The process's whole life, from its command line."""
    status = 0
    try:
        main(sys.argv[1:])
    except Exception:  # the judge sees that the server is gone, a person reads why
        traceback.print_exc()
        status = 1
    finally:
        os._exit(status)  # the modules' exit handlers are none of a fork server's business
