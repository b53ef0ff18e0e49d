"""SkyPilot: a task file for a managed job, on any cloud that it knows."""

from __future__ import annotations

import json
import shlex

from .job import Job

_GPU = "RTX4090"


def task(job: Job) -> str:
    """The YAML of a managed job: a machine that was taken away is replaced, and exit code 75 starts it again.

    Its shell comes up in an environment of its own, so Python is named by its path. JSON's strings are YAML's.
    """
    flags = " ".join(f"--secret {name}" for name in job.secrets)
    launch = f"sky jobs launch {flags}".strip()
    recover = "" if job.is_timed else "\n    recover_on_exit_codes: [75]"
    return "\n".join(
        [
            f"# {job.name}.yaml: {launch} {job.name}.yaml",
            "# Not on RunPod's machines, which SkyPilot gives images without an entry point only.",
            f"name: {job.name}",
            "resources:",
            f"  image_id: {json.dumps(f'docker:{job.image}')}",
            f"  accelerators: {json.dumps(f'{job.gpu_or(_GPU, _GPU)}:{job.gpus}')}",
            "  use_spot: true",
            f"  disk_size: {job.disk_gb}",
            f"  memory: {job.memory_gb}+",
            "  job_recovery:",
            f"    max_restarts_on_errors: 0{recover}",
            *_mapping("envs", {name: json.dumps(value) for name, value in job.environment.items()}),
            *_mapping("secrets", dict.fromkeys(job.secrets, "null")),
            "config:",
            "  docker:",
            "    run_options: [--ipc=host]",
            "run: |",
            "  cd /app",
            f"  {shlex.join([job.command[0], '/app/run.py', 'doctor'])}",
            f"  exec tini -s -g {shlex.join(job.command)}",
        ]
    )


def _mapping(name: str, values: dict[str, str]) -> list[str]:
    return [f"{name}:", *(f"  {key}: {value}" for key, value in values.items())] if values else []
