"""Ask the teacher for the plans behind human solutions, as a Ray job.

ray job submit --runtime-env cluster/runtime_env.yaml -- \
        python jobs/distill_job.py jobs/configs/demo.yaml execution.ray_address=auto
"""

from codeplan.cli.main import job

if __name__ == "__main__":
    job("distill")
