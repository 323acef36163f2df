"""Run both fuzzers at once, each on a core of its own, and report what they did.

    python fuzz/run.py --minutes 120 --core build/fuzz/fuzz_core --work build/fuzz

What is interesting is kept in `work`, and is where the next run begins; so are inputs that failed.
Each run adds to the logs, so that what a fuzzer did before a finding was fixed counts, too.
"""

import argparse
import os
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import report

HERE = Path(__file__).resolve().parent
LIMITS = (
    "-timeout=60",
    "-rss_limit_mb=3000",
    "-print_final_stats=1",
    "-reload=0",
    "-len_control=0",
)


def commands(core: Path, work: Path, seconds: int) -> dict[str, list[str]]:
    """Return the command of each fuzzer, which begins with what was found before."""
    found = {}
    for name, program, most in (
        ("core", [str(core)], 1024),
        ("files", [sys.executable, str(HERE / "files.py")], 4096),
    ):
        folders = [work / "corpus" / name, HERE / "crashers" / name]
        if not folders[0].is_dir():
            with zipfile.ZipFile(HERE / "corpus" / f"{name}.zip") as kept:
                kept.extractall(folders[0])
        (work / "findings" / name).mkdir(parents=True, exist_ok=True)
        found[name] = [
            *program,
            *(str(folder) for folder in folders if folder.is_dir()),
            f"-max_total_time={seconds}",
            f"-max_len={most}",
            f"-artifact_prefix={work}/findings/{name}/",
            *LIMITS,
        ]
    found["files"].append(f"-dict={HERE / 'files.dict'}")
    return found


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def start(command: list[str], log: Path, commit: str) -> subprocess.Popen[bytes]:
    """Start a fuzzer that writes to the end of its log."""
    with log.open("ab") as file:
        file.write(f"# start {now()} {commit}\n".encode())
        file.flush()
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)


def main() -> None:
    """Fuzz for a while; ends with 1 if something was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--core", type=Path, required=True, help="the program made of core.cpp")
    parser.add_argument("--work", type=Path, required=True, help="folder of corpus, logs, findings")
    parser.add_argument("--only", choices=("core", "files"), help="run one of both")
    parser.add_argument("--report", type=Path, default=HERE / "report.json")
    given = parser.parse_args()
    work = given.work.resolve()
    os.environ["PYTHONUNBUFFERED"] = "1"
    commit = report.commit_of(HERE)
    running = {
        name: start(command, work / f"{name}.log", commit)
        for name, command in commands(given.core.resolve(), work, round(given.minutes * 60)).items()
        if given.only in (None, name)
    }
    codes = {}
    while len(codes) < len(running):
        for name, process in running.items():
            if name not in codes and process.poll() is not None:
                codes[name] = process.returncode
                with (work / f"{name}.log").open("a") as file:
                    file.write(f"# end {now()} {process.returncode}\n")
        time.sleep(1)
    found = report.write(work, given.report)
    print(report.told(found))
    sys.exit(any(codes.values()))


if __name__ == "__main__":
    main()
