"""Standard streams that are closed, as daemons and cron have them: the work is the same."""

import os
import subprocess

import pytest
from process import COMMAND, file_of, one_line, picture

import smalti as package

QUICK = ("-k", "4", "--effort", "turbo", "--pack", "fast")
ALL = "<&- >&- 2>&-"


@pytest.fixture
def closed(tmp_path):
    """Run the command in a folder with a picture, with streams as the shell says."""
    (tmp_path / "in.png").write_bytes(file_of(picture()))

    def run(streams, *arguments, code=0):
        script = f'cd "$0" && exec "$@" {streams}'
        done = subprocess.run(
            ["/bin/sh", "-c", script, str(tmp_path), *COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr
        return done

    return run


@pytest.mark.guarantee(12)
@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", ALL])
def test_a_picture_is_compressed_whatever_streams_are_closed(closed, tmp_path, streams, figure):
    wanted = package.compress(tmp_path / "in.png", k=4, effort="turbo", pack="fast").data

    closed(streams, "compress", "in.png", "-v", "-o", "out.png", *QUICK)

    assert (tmp_path / "out.png").read_bytes() == wanted
    figure(f"the same output with {streams}")


@pytest.mark.parametrize("streams", ["2>&-", ALL])
def test_exit_codes_of_all_commands_are_those_of_the_work(closed, tmp_path, streams):
    closed(streams, "-q", "in.png", "-o", "out.png", "--embed-recipe", *QUICK)
    closed(streams, "verify", "out.png")
    closed(streams, "verify", "in.png", code=2)
    closed(streams, "palette", "in.png", "-k", "4", "-o", "out.hex")
    closed(streams, "--version")
    closed(streams, "compress", "--help")
    closed(streams, "compress", "in.png", "missing.png", "--out-dir", "some", *QUICK, code=1)
    closed(streams, "compress", "in.png", "--no-such-flag", code=2)

    assert len((tmp_path / "out.hex").read_text().split()) == 4


@pytest.mark.parametrize("streams", [">&-", "2>&-", ALL])
def test_workers_of_a_batch_have_streams_that_lead_nowhere(closed, tmp_path, streams):
    (tmp_path / "many").mkdir()
    for seed in range(3):
        (tmp_path / "many" / f"{seed}.png").write_bytes(file_of(picture(seed)))

    closed(streams, "batch", "many", "--out-dir", "out", "-j", "2", *QUICK)

    for seed in range(3):
        wanted = package.compress(
            tmp_path / "many" / f"{seed}.png", k=4, effort="turbo", pack="fast"
        )
        assert (tmp_path / "out" / f"{seed}.png").read_bytes() == wanted.data


@pytest.mark.guarantee(11)
def test_a_picture_that_shall_go_to_a_closed_stream_is_an_error(closed, tmp_path):
    for arguments in (("in.png", "-o", "-"), ("-",)):
        done = closed(">&-", "compress", *arguments, code=16)
        assert "standard output is closed" in one_line(done.stderr.decode())
    for command in ("compress", "palette", "verify", "sweep"):
        done = closed("<&-", command, "-", code=2)
        assert "standard input is closed" in one_line(done.stderr.decode())
    assert os.listdir(tmp_path) == ["in.png"]
