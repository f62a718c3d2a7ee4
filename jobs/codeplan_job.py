"""The `codeplan` command as a Ray job: the same commands, options and exit codes as on a terminal.

ray job submit --runtime-env cluster/runtime_env.yaml -- \
        python jobs/codeplan_job.py run jobs/configs/demo.yaml -s execution.ray_address=auto
"""

from codeplan.cli.main import main

if __name__ == "__main__":
    main()
