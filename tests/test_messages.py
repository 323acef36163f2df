"""Messages: what they quote, from files and command lines, is shown and not obeyed."""

import json
import struct
import subprocess
import zlib

import pytest
from process import COMMAND

import smalti
from smalti import SmaltiError, png


def chunk(name, content):
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


CODE = "\x1b[2K\r\x9b8m"
QUOTED = {
    "hex": ("a.hex", f"{CODE}\n"),
    "gpl, a line": ("a.gpl", f"GIMP Palette\n{CODE}\n"),
    "gpl, a color": ("a.gpl", f"GIMP Palette\n1 2 {CODE}\n"),
    "css, a name": ("a.css", f":root {{ --{CODE}: #12; }}"),
    "css, a value": ("a.css", f":root {{ --a: #{CODE}; }}"),
    "css, a declaration": ("a.css", f":root {{ a{CODE}: #123456; }}"),
    "pal, the count": ("a.pal", "JASC-PAL\n0100\n2\x1b[2K\n1 2 3\n"),
    "pal, a color": ("a.pal", "JASC-PAL\n0100\n1\n1 2 3\x1b[2K\n"),
    "json, a color": ("a.json", json.dumps([CODE])),
    "json, a share": ("a.json", json.dumps([{"hex": "#123456", "share": CODE}])),
    "json, no list": ("a.json", json.dumps({"colors": CODE})),
    "ase, a model": ("a.ase", b"ASEF\0\1\0\0\0\0\0\1\0\1\0\0\0\6\0\0\x1b[2K"),
    "lock, the title": ("a.palette", f"smalti {CODE} 1\n"),
    "lock, the version": ("a.palette", "smalti palette \x1b[2K\n"),
    "lock, a row": ("a.palette", f"smalti palette 1\n0 #12{CODE}\n"),
    "lock, a conflict": ("a.palette", f"smalti palette 1\n<<<<<<< {CODE}\n"),
    "png, a chunk": ("a.png", png.SIGNATURE + chunk(b"IHDR", bytes.fromhex(
        "00000001000000010800000000")) + chunk(b"\x1b[2K", b"")),
    "png, a chunk that is cut off": ("a.png", png.SIGNATURE + b"\0\0\1\0\x1b[2Kab"),
    "histogram": ("a.hist", b"\x8bSMHIST\n\x1b\0\0\0\0\0\0"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content"), QUOTED.values(), ids=QUOTED)
def test_no_message_holds_a_terminal_code_of_a_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    reader = {".hist": smalti.Histogram.load, ".png": smalti.choose_k}.get(
        path.suffix, smalti.Palette.load
    )

    with pytest.raises(SmaltiError) as told:
        reader(path)

    assert str(told.value).isprintable()


@pytest.mark.parametrize("arguments", [
    ["compress", "a.png", "--name", "{\x1b[2K\x9b}"], ["compress", "a.png", "--pack", "\x1b[2K"],
    ["compress", "a.png", "--palette", "#123,\x1b[2K"], ["compress", "a.png", "-k", "\x1b[2K"],
    ["compress", "a.png", "--keep", "1=\x1b[2K"], ["compress", "\x1b[2K.png"], ["\x1b[2K"],
    ["compress", "a.png", "--max-bytes", "\x1b"], ["compress", "a.png", "--quality", "\x1b"],
    ["--\x1b[2K"], ["verify", "a.png", "--palette", "\x1b[2K.gpl"], ["verify", "\x9b.png"],
], ids=repr)  # fmt: skip
def test_the_command_prints_no_terminal_code_that_it_was_given(arguments):
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert all(line.isprintable() for line in (done.stdout + done.stderr).split("\n"))
