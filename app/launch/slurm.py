"""Slurm with apptainer: a batch script that ends before its time limit and queues itself again until it is done."""

from __future__ import annotations

import shlex

from .job import Job

_NOTICE = 180  # seconds before the time limit at which Slurm tells the script; saving a state takes a few
_CPUS = 8


def script(job: Job) -> str:
    """The script for `sbatch`.

    The signal goes to the script alone (B:), which hands it on and waits; exit code 75, and an end after the signal
    that was none of success, puts the job into the queue again. The folder of submission is the container's /workspace,
    and its `.env` holds the secrets. `--cleanenv` keeps the host's PYTHONPATH and libraries out.
    """
    hours, minutes = divmod(job.minutes, 60)
    gpu = job.gpu_or("", "a100")
    variables = [f"--env={name}={value}" for name, value in job.environment.items()]
    inside = ["apptainer", "exec", "--nv", "--cleanenv", "--no-home", "--pwd", "/app", *variables]
    dotenv = f", put .env with {' and '.join(job.secrets)} there" if job.secrets else ""
    return "\n".join(
        [
            "#!/usr/bin/env bash",
            f"# Save as {job.name}.sbatch in a folder for the run{dotenv}, and there:",
            f"#   sbatch {job.name}.sbatch    with --partition, --account where the cluster wants them",
            f"#SBATCH --job-name={job.name}",
            "#SBATCH --nodes=1",
            "#SBATCH --ntasks=1",
            f"#SBATCH --cpus-per-task={_CPUS}",
            f"#SBATCH --mem={job.memory_gb}G",
            f"#SBATCH --gres=gpu:{f'{gpu}:' if gpu else ''}{job.gpus}",
            f"#SBATCH --time={hours:02d}:{minutes:02d}:00",
            f"#SBATCH --signal=B:TERM@{_NOTICE}",
            "#SBATCH --requeue",
            "#SBATCH --open-mode=append",
            f"#SBATCH --output={job.name}-%j.log",
            "",
            f"image=docker://{job.image}  # or a .sif file, from: apptainer pull {job.name}.sif docker://...",
            'echo "job $SLURM_JOB_ID, start $((${SLURM_RESTART_COUNT:-0} + 1)), $(date -u +%FT%TZ)"',
            "",
            f"{shlex.join(inside)} \\",
            '  --bind "$SLURM_SUBMIT_DIR:/workspace" "$image" \\',
            f"  {shlex.join(job.command)} &",
            "training=$!",
            "stopped=",
            "trap 'stopped=yes; kill -TERM \"$training\"' TERM INT",
            'wait "$training"; code=$?',
            'while kill -0 "$training" 2>/dev/null; do wait "$training"; code=$?; done  # a signal ends a wait early',
            "trap '' TERM  # the one with which Slurm ends a job that it queues again",
            'echo "ended with $code"',
            *_again(job),
            'exit "$code"',
        ]
    )


def _again(job: Job) -> list[str]:
    """The end of the script: when the job goes into the queue again."""
    if job.is_timed:
        return []
    return [
        'if [ "$code" -eq 75 ] || { [ -n "$stopped" ] && [ "$code" -ne 0 ]; }; then',
        '  scontrol requeue "$SLURM_JOB_ID"',
        "fi",
    ]
