"""Run untrusted programs against tests, on Linux, with the standard library alone.

    with Judge(Limits(time_s=2.0)) as sandbox:
        verdict = sandbox.judge("print(int(input()) + 1)", suite)

The caller holds the tests and compares. A fork server, started by exec with an empty environment, forks a process for
each program's tests, confines it, and watches it. What programs get is a Python interpreter with its standard library,
their input, and a place for their output. Right programs pass that pass under plain Python: what contest programs
ask of a machine (``/dev/stdin``, a large stack, ``__file__``) they find.

It protects against programs that

* run or sleep forever, recurse, allocate, write or start threads without end;
* read, write or delete files, or leave something behind for the next program;
* open network connections or sockets, start processes, or signal, trace or stop others;
* look for the expected outputs: those never enter the process, nor the memory it was copied from;
* pretend to pass: by ``os._exit(0)``, by objects that equal everything, by patching what compares, by forged messages.

It does NOT protect against

* faults of the kernel: the system calls that Python needs stay open. Add a virtual machine where that matters;
* side channels: timing, caches, and the load that programs put on each other;
* memory beyond limits in sum: the limit is on each process's address space, there is no control group; one large stack
  comes on top;
* reading what every process may read: the system's libraries, the interpreter, the machine's name and clock. Below the
  ``namespaces`` tier also whether a file exists, and its size; in the ``limits`` tier everything;
* a program that answers tests by rote: that is a matter of tests that it has not seen.

Which layers a machine gives is tried out at start; `Verdict.tier` says what held, and `survey` what this machine gives.
See `codeplan_sandbox.tiers`.
"""

from codeplan_sandbox.judging import Judge, judge
from codeplan_sandbox.packages import TEST_PACKAGES, packages_needed
from codeplan_sandbox.suites import Case, Limits, Suite, SuiteError
from codeplan_sandbox.tier_status import TierStatus, survey
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import CaseResult, Outcome, SandboxError, Verdict

__all__ = [
    "MINIMUM_TIER",
    "TEST_PACKAGES",
    "TIERS",
    "Case",
    "CaseResult",
    "Judge",
    "Limits",
    "Outcome",
    "SandboxError",
    "Suite",
    "SuiteError",
    "TierStatus",
    "Verdict",
    "judge",
    "packages_needed",
    "survey",
]
