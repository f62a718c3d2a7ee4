"""Run untrusted programs against tests on Linux, using only the standard library.

    with Judge(Limits(time_s=2.0)) as sandbox:
        verdict = sandbox.judge("print(int(input()) + 1)", suite)

The caller keeps the tests and compares the outputs. A fork server, started by exec with an empty environment, forks one
process for a program's tests, confines it and watches it. A program gets a Python interpreter with the standard
library, its input, and a file for its output. Programs that pass under plain Python pass here: what contest programs
expect of a machine (``/dev/stdin``, a large stack, ``__file__``) is provided.

It protects against programs that

* run, sleep, recurse, allocate, write or start threads without end;
* read, write or delete files, or leave state behind for the next program;
* open network connections or sockets, start processes, or signal, trace or stop other processes;
* search for the expected outputs: these never enter the process, nor the memory from which it was forked;
* fake a pass: with ``os._exit(0)``, objects that compare equal to everything, patched comparisons, or forged messages.

It does NOT protect against

* kernel vulnerabilities: the system calls that Python needs stay open. Add a virtual machine where that matters;
* side channels: timing, caches, and the load that programs put on one another;
* total memory to the byte: the limit applies to the address space of one process, and one large stack is allowed on top
  of it; see `codeplan_sandbox.memory_bound` for what one sandbox can take;
* reading what every process may read: system libraries, the interpreter, the host name and the clock. Below the
  ``namespaces`` tier also whether a file exists, and its size; in the ``limits`` tier everything;
* programs that memorised the tests: use tests that the model has not seen.

The layers that a machine supports are probed at start. `SuiteVerdict.tier` names the tier that was used, and `survey`
reports on all of them; see `codeplan_sandbox.tiers`.
"""

from codeplan_sandbox.judging import Judge, judge
from codeplan_sandbox.packages import TEST_PACKAGES, packages_needed
from codeplan_sandbox.suites import Case, Limits, Suite, SuiteError
from codeplan_sandbox.tier_status import TierStatus, survey
from codeplan_sandbox.tiers import MINIMUM_TIER, TIERS
from codeplan_sandbox.verdicts import CaseResult, Outcome, SandboxError, SuiteVerdict

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
    "SuiteVerdict",
    "TierStatus",
    "judge",
    "packages_needed",
    "survey",
]
