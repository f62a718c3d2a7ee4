"""Ask the teacher for the plans behind human solutions, as a Ray job.

ray job submit --working-dir . -- python jobs/distill_job.py jobs/configs/demo.yaml execution.ray_address=auto
"""

import sys

from codeplan.cli.main import travel

if __name__ == "__main__":
    travel(sys.argv[1], sys.argv[2:], "distill")
