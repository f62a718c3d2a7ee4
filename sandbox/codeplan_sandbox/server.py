"""The fork server: a warm, confined interpreter that forks a process for the tests of each program.

It is started by exec with an empty environment, never by a fork of its caller. Its arguments are the descriptor of the
socket to the judge, the tier, a canary file that must not be readable inside, the packages that tests may import, as a
JSON object from names to folders, and a JSON list of those that programs may import too.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import socket
import sys
import traceback

from codeplan_sandbox import drivers, host_calls, main_module, modules, probes, processes, tiers
from codeplan_sandbox.module_state import ModuleState
from codeplan_sandbox.processes import Spawner
from codeplan_sandbox.rehearsal import rehearse
from codeplan_sandbox.request_files import RequestFiles
from codeplan_sandbox.runner import JudgeDisconnectedError, TestRun
from codeplan_sandbox.suites import Limits
from codeplan_sandbox.wire import STARTED, Handshake, RunRequest, WireRecord

_DESCRIPTORS = 4
_MESSAGE_BYTES = 64
_MAX_REASON_CHARS = 500


def main(arguments: list[str]) -> None:
    """Enter the tier, verify it, and serve requests until the judge closes the socket."""
    judge = socket.socket(fileno=processes.reserve_descriptors(int(arguments[0])))
    tier, canary, packages, of_programs = arguments[1:]
    sys.set_int_max_str_digits(0)  # tests contain longer integers; a program that converts them spends its own CPU time
    modules.load(modules.COMMON)
    try:
        modules.load_packages(json.loads(packages), json.loads(of_programs))
    except Exception as error:  # a package's code may raise anything
        judge.send(
            Handshake(False, f"{type(error).__name__}: {error}"[:_MAX_REASON_CHARS], package_failed=True).to_json()
        )
        return
    modules.add_site_builtins()
    modules.remove_site_packages()
    sys.excepthook = sys.__excepthook__
    memory = processes.address_space_bytes()
    try:
        confinement = tiers.enter(tier)
    except tiers.LayerError as error:
        judge.send(Handshake(False, str(error)).to_json())
        return
    os.environ.clear()
    atexit._clear()  # handlers of imported modules, also of those that the tier imported, must not run in programs
    host_calls.install()
    main_module.provide_source()
    state = ModuleState()
    gc.collect()
    gc.freeze()
    rehearse(state)
    gc.collect()
    gc.freeze()  # the garbage collector of a test process skips these objects, so their pages stay shared
    denials = _denials(Spawner(confinement, Limits(), memory), canary) if tier != "limits" else {}
    holds = all(denials.values())
    judge.send(Handshake(holds, "" if holds else "the confinement does not hold", denials=denials).to_json())
    while _serve(judge, confinement, memory, state):
        pass


def _serve(judge: socket.socket, confinement: tiers.Confinement, memory: int, state: ModuleState) -> bool:
    """Receive one request and run it; False if the judge closed the socket."""
    message, descriptors, _, _ = socket.recv_fds(judge, _MESSAGE_BYTES, _DESCRIPTORS)
    if not message:
        return False
    if len(descriptors) != _DESCRIPTORS:
        return not descriptors  # a late STOP for a request that has finished
    request_file, *others = descriptors
    request = RunRequest.from_json(os.pread(request_file, os.fstat(request_file).st_size, 0))
    os.close(request_file)
    files = RequestFiles.create(*others, test_process=request.kind == "assert")
    try:
        spawner = Spawner(confinement, request.limits, memory + request.memory_bytes)
        TestRun(request, files, spawner, state, judge).run()
    except JudgeDisconnectedError:
        return False
    finally:
        files.close()
    judge.send(WireRecord(-1).to_bytes())
    return True


def _denials(spawner: Spawner, canary: str) -> dict[str, str]:
    """Try forbidden operations in a test process; returns what denies each, empty text where it succeeds."""
    report = os.memfd_create("denials")
    devnull = os.open("/dev/null", os.O_RDWR)

    def attack() -> None:
        os.write(drivers.CONTROL, STARTED)
        os.write(drivers.ANSWER, json.dumps(probes.denials(canary)).encode())

    child = spawner.start(attack, [devnull, devnull, 2, None, devnull, devnull, report], tests=1)
    status = child.wait()
    text = os.pread(report, os.fstat(report).st_size, 0)
    os.close(report)
    os.close(devnull)
    if status:
        return {f"ends with wait status {status} before all attempts are made": ""}
    denials: dict[str, str] = json.loads(text)
    return denials


def start() -> None:
    """Run the server process from its command line, and exit."""
    status = 0
    try:
        main(sys.argv[1:])
    except (BrokenPipeError, ConnectionResetError):  # the judge has ended
        status = 1
    except Exception:  # the judge sees that the server ended; stderr says why
        traceback.print_exc()
        status = 1
    finally:
        os._exit(status)  # without the exit handlers of imported modules
