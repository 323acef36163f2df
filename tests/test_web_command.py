"""`smalti web` as people start it: the address, the port, files, signals, and the extra."""

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

import httpx
import pytest
from process import COMMAND, file_of, one_line, picture
from serving import children, command

PNG = file_of(picture())


def gone(pids, seconds=5):
    """Whether processes end within a while."""
    for _ in range(int(seconds * 20)):
        alive = [pid for pid in pids if os.path.exists(f"/proc/{pid}") and not zombie(pid)]
        if not alive:
            return True
        time.sleep(0.05)
    return False


def zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def run(*arguments, code, **environment):
    done = subprocess.run(
        [*COMMAND, "web", "--no-open", *arguments], capture_output=True, text=True, timeout=30,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip
    assert done.returncode == code, (done.stdout, done.stderr)
    assert done.stdout == ""
    return one_line(done.stderr)


@pytest.mark.guarantee(30)
def test_address_with_the_token_in_its_fragment_is_all_that_is_printed(figure):
    with command() as (process, client):
        assert client.url.startswith("http://127.0.0.1:")
        assert len(client.token) >= 32
        assert client.get("/").status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stdout.read() == process.stderr.read() == ""
    figure("nothing but the address is printed; the token is in its fragment")


def test_first_byte_comes_soon(record_property, capsys):
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        with command() as (_, client):
            assert client.get("/").status_code == 200
            seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    with capsys.disabled():
        print(f"\nfirst byte after {median:.2f} s (median of 3 starts)")
    record_property("first_byte_seconds", median)


@contextlib.contextmanager
def job_running(client):
    """A job that takes long, followed until the block ends."""
    image = client.open(file_of(picture(1, 900, 1200)))
    job = client.render(image["id"], effort="best", pack="max")
    with client.stream("GET", f"/api/jobs/{job}/events") as stream:
        for line in stream.iter_lines():
            if "running" in line:
                break
        yield


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_it_and_all_its_processes_in_the_middle_of_a_job(number, code):
    with command() as (process, client):
        with job_running(client):
            workers = children(process.pid)
            assert workers

            process.send_signal(number)
            assert process.wait(10) == code

        assert gone(workers)
        assert process.stderr.read() == ""


def test_killed_server_leaves_no_process_behind():
    with command() as (process, client):
        with job_running(client):
            workers = children(process.pid)

            process.kill()
            process.wait(10)

        assert workers
        assert gone(workers)


def test_files_are_opened_and_a_bad_one_stops_nothing(tmp_path):
    (tmp_path / "good 100%.png").write_bytes(PNG)
    (tmp_path / "bad.png").write_bytes(PNG[:99])
    missing = tmp_path / "none.png"

    with command(tmp_path / "bad.png", missing, tmp_path, tmp_path / "good 100%.png") as (
        process,
        client,
    ):
        names = [image["name"] for image in client.get("/api/state").json()["images"]]
        process.send_signal(signal.SIGINT)
        process.wait(10)
        said = process.stderr.read().splitlines()

    assert names == ["good 100%.png"]
    assert [line.startswith("smalti: ") for line in said] == [True] * 3
    assert [
        name in line for name, line in zip(("bad.png", "none.png", "folder"), said, strict=True)
    ]
    assert all(str(tmp_path) in line for line in said)


def test_taken_port_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        line = run("--port", str(port), code=2)

    assert f"--port {port}" in line
    assert "without --port" in line


def test_usual_port_makes_way_for_the_next(monkeypatch):
    from smalti.web import server

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(server, "PORT", taken.getsockname()[1])

        with server.bound("127.0.0.1", None) as listener:
            assert listener.getsockname()[1] != server.PORT


@pytest.mark.guarantee(30)
def test_host_that_lets_others_in_needs_a_name():
    line = run("--host", "0.0.0.0", code=2)

    assert "--allow-host" in line


def test_host_that_is_none_is_one_line():
    assert "--host" in run("--host", "nowhere.invalid", "--allow-host", "x", code=2)


def test_without_the_extra_one_line_says_how_to_install_it(tmp_path):
    for name in ("starlette", "uvicorn"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no', name={name!r})\n")
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])

    line = run(code=2, PYTHONPATH=path)

    assert "pip install '.[web]'" in line


def test_help_and_the_list_of_commands_load_no_server():
    code = (
        "import sys\n"
        "from smalti.cli.app import smalti\n"
        "try:\n    smalti.main(['web', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "print([name for name in ('starlette', 'uvicorn', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "--allow-host" in done.stdout
    assert done.stdout.endswith("[]\n")


def test_command_is_listed():
    done = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)

    assert "\n  web " in done.stdout


def test_browser_that_cannot_be_opened_is_no_error(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "web", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "BROWSER": str(tmp_path / "none"), "DISPLAY": "", "PATH": str(tmp_path)},
    )  # fmt: skip
    try:
        url = process.stdout.readline().strip()
        assert httpx.get(url.partition("#")[0]).status_code == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (130, "")
