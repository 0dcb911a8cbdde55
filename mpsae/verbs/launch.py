"""`mpsae launch`: the parts of an experiment as jobs of a cluster, by submitit."""

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from mpsae import experiment
from mpsae.verbs import run
from mpsae.verbs.arguments import Arguments

CLUSTERS = ("slurm", "local")


class Part:
    """One part as a job; one that reaches its time limit is submitted again (submitit says how often), and goes on."""

    def __call__(self, words: list[str]) -> None:
        """Run one command line. Raises RuntimeError where its exit code is not 0."""
        from mpsae import cli

        if code := cli.main(words):
            raise RuntimeError(f"mpsae {words[0]} ended with exit code {code}")

    def checkpoint(self, words: list[str]) -> Any:
        """The same again: what is finished is kept, and training goes on from its checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, words)


def main(argv: list[str]) -> int:
    """Submit a job for every part; print their ids and where they write what they say."""
    parser = Arguments(
        prog="mpsae launch", description="Run an experiment in parts, each a job of a cluster."
    )
    parser.add_argument("--parts", type=int, required=True, help="how many jobs")
    parser.add_argument(
        "--cluster", choices=CLUSTERS, default="slurm", help="local: processes here, waited for"
    )
    parser.add_argument("--minutes", type=int, default=24 * 60, help="time limit of a job (default a day)")
    parser.add_argument("--logs", type=Path, default=Path("jobs"), help="folder for what the jobs say")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what submitit is to ask for, as slurm_partition=gpu or cpus_per_task=8; may be repeated",
    )
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="run NAME ...", help="the command without --part"
    )
    chosen = parser.parse_args(argv)
    if chosen.words[:1] != ["run"] or any(word.split("=")[0] == "--part" for word in chosen.words):
        raise ValueError("must end in the command to divide, as run hierarchy --scale full, without --part")
    for option in ("parts", "minutes"):
        if getattr(chosen, option) < 1:
            raise ValueError(f"--{option} {getattr(chosen, option)}: must be at least 1")
    experiment.find(run.parsed(chosen.words[1:]).name)  # name and options are refused here, not in every job
    settings = dict(map(_setting, chosen.set))
    if taken := settings.keys() & {"name", "timeout_min"}:
        raise ValueError(f"--set {min(taken)}: is set by mpsae launch itself; a time limit is --minutes")
    if importlib.util.find_spec("submitit") is None:
        raise ValueError('submitit is not installed: pip install -e ".[launch]"')
    import submitit

    try:
        executor = submitit.AutoExecutor(folder=chosen.logs, cluster=chosen.cluster)
        executor.update_parameters(name="mpsae", timeout_min=chosen.minutes, **settings)
    except (NameError, RuntimeError, AssertionError, TypeError) as error:  # an unknown setting, no srun
        raise ValueError(f"submitit refuses this ({error}); --cluster local needs no Slurm") from None
    parts = [[*chosen.words, "--part", f"{i}/{chosen.parts}"] for i in range(1, chosen.parts + 1)]
    jobs = executor.map_array(Part(), parts)
    for job, words in zip(jobs, parts, strict=True):
        print(f"{job.job_id}: mpsae {' '.join(words)}")
    print(f"what they say is in {chosen.logs}; once all are done: mpsae figures, mpsae verdict")
    failed = [job for job in jobs if chosen.cluster == "local" and job.exception() is not None]
    for job in failed:
        print(f"{job.job_id} failed, see {job.paths.stderr}")
    return int(bool(failed))


def _setting(text: str) -> tuple[str, int | str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"--set {text}: must be NAME=VALUE, as slurm_partition=gpu")
    return name, int(value) if value.isdecimal() else value
