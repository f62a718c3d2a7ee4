"""Fine-tune the student on code and plans, as a Ray job.

ray job submit --runtime-env cluster/runtime_env.yaml -- \
        python jobs/finetune_job.py jobs/configs/demo.yaml execution.ray_address=auto
"""

from codeplan.cli.main import job

if __name__ == "__main__":
    job("finetune")
