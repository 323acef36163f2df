"""SECURITY.md: its limits are those of the code, and what proves its claims exists."""

import ast
import re
from pathlib import Path

import pytest

from smalti import animation, floods, gif, histogram_file, lock, palette_files, png
from smalti.decode import Limits
from smalti.errors import LimitExceeded

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.split("\n## ")}
CLAIMS = re.findall(r"^\| (?!claim|---)([^|]+) \| ([^|]+) \|$", SECTIONS["Check it"], re.MULTILINE)


def row(start):
    """The cells of the row of a limit."""
    (line,) = re.findall(rf"^\| {start}[^|]* \|.*$", SECTIONS["Limits"], re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def mib(size):
    return f"{size // 2**20:g} MiB"


@pytest.mark.guarantee(40)
def test_the_limits_on_the_page_are_those_of_the_code(figure):
    limits, refused = Limits(), f"exit code {LimitExceeded.exit_code}"
    expected = {
        "pixels of a picture": (f"{limits.megapixels:g} megapixels", refused),
        "pixels of all frames": (f"{limits.all_megapixels:g} megapixels", refused),
        "bytes of a file": (f"{limits.input_mib:g} MiB", refused),
        "frames of an animation": (f"{animation.MAX_FRAMES:,}", refused),
        "PNG chunks beside": (f"{png.MAX_CHUNKS:,}", refused),
        "parts of a JPEG": (f"{floods.MAX_PARTS:,}; {floods.MAX_SCANS}", refused),
        "chunks of a WebP": (f"{floods.MAX_FRAME_PARTS:,}; {mib(floods.MAX_RUN_BYTES)}", refused),
        "PNG chunks of pixels": (f"{png.MAX_PARTS:,}; {gif.MAX_BLOCKS:,}", refused),
        "a color profile": (mib(png.MAX_PROFILE_BYTES), "ignored, with a note"),
        "a palette file": (f"{mib(palette_files.MAX_BYTES)}; {mib(lock.MAX_BYTES)}", "exit code 2"),
        "colors in a histogram": (f"{histogram_file.MOST_COLORS:,}", "exit code 2"),
    }

    assert {name: (row(name)[0], row(name)[2]) for name in expected} == expected
    figure(f"{len(expected)} limits on the page, each that of the code")


@pytest.mark.guarantee(40)
def test_the_limits_of_the_web_app_on_the_page_are_those_of_the_code(figure):
    pytest.importorskip("starlette", reason="the web app needs its extra")
    from smalti.web import images, jobs, server, worker
    from smalti.web.guard import Bounds

    bounds, patience = Bounds(), jobs.Patience()
    expected = {
        "bytes of an upload": f"{mib(bounds.file_bytes)}; {mib(bounds.other_bytes)}",
        "files": f"{images.MOST:,}; {images.MOST_BYTES // 2**30} GiB",
        "time of a job": f"{patience.seconds:g} seconds; {worker.MEMORY // 2**30} GiB",
        "jobs at once": f"{patience.at_once}; {patience.queued}",
        "connections": f"{server.CONNECTIONS}; {bounds.requests}",
        "time for the head": f"{server.HEAD_SECONDS:g} seconds; {bounds.stall:g} seconds",
    }

    assert {name: row(f"`smalti web`: {name}")[0] for name in expected} == expected
    figure(f"{len(expected)} limits of the web app on the page, each that of the code")


def test_flags_on_the_page_are_those_of_the_command():
    from click.testing import CliRunner

    from smalti.cli.app import smalti as command

    flags = set(re.findall(r"`(--[a-z-]+)`", SECTIONS["Limits"] + SECTIONS["Threats"]))
    known = "".join(CliRunner().invoke(command, [name, "--help"], terminal_width=500).output
                    for name in ("compress", "batch"))  # fmt: skip

    assert flags >= {"--max-megapixels", "--max-input-mib", "--memory-limit"}
    assert [flag for flag in flags if f"{flag} " not in known.replace(",", " ")] == []


def names_in(module):
    tree = ast.parse((ROOT / "tests" / f"{module}.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.guarantee(40)
def test_every_claim_names_tests_and_commands_that_exist(figure):
    goals = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = 0
    for claim, proof in CLAIMS:
        commands = re.findall(r"`make ([a-z-]+)", proof)
        proofs = [(module, name) for part in proof.split(";")
                  for module in re.findall(r"`(test_\w+)`:", part)
                  for name in re.findall(r"`(test_\w+)`(?!:)", part)]  # fmt: skip
        assert commands or proofs, claim
        assert set(commands) <= goals, claim
        assert [name for module, name in proofs if name not in names_in(module)] == [], claim
        assert len(proofs) + len(set(re.findall(r"`(test_\w+)`:", proof))) == len(
            re.findall(r"`test_\w+`", proof)
        ), claim
        named += len(proofs) + len(commands)

    assert len(CLAIMS) > 20
    assert set(re.findall(r"make ([a-z-]+)", re.sub(r"[^`]*(`[^`]*`)?", r"\1 ", PAGE))) <= goals
    figure(f"{len(CLAIMS)} claims, proved by {named} tests and commands that exist")


def test_links_of_the_page_lead_somewhere():
    targets = [each for each in re.findall(r"\]\(([^)#\s]+)", PAGE) if "://" not in each]

    assert targets
    assert [each for each in targets if not (ROOT / each).exists()] == []


def test_there_is_a_way_to_report_and_no_invented_address():
    assert "security advisory" in SECTIONS["Reporting"]
    assert "@" not in SECTIONS["Reporting"]
