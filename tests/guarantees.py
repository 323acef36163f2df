"""What smalti guarantees: the list that `docs/reliability.md` shows, with the tests that prove it.

A test that proves a guarantee carries its number, `@pytest.mark.guarantee(7)`, and says with the
fixture `figure` what it counted or measured. `make trust` runs these tests and writes the page.
"""

from typing import NamedTuple

__all__ = ["GUARANTEES", "Guarantee"]


class Guarantee(NamedTuple):
    area: str
    name: str
    promise: str


GUARANTEES = {
    1: Guarantee("Files", "Complete or untouched",
        "Whenever a run is killed, an output is its old bytes or the complete new ones, in "
        "place too."),
    2: Guarantee("Files", "Durable",
        "Temporary file in the same folder, every write checked, flushed, renamed, folder "
        "flushed; a failing call at any of these steps is an error, and the old file is intact."),
    3: Guarantee("Files", "Full disk",
        "A full disk or a limit of file size ends in one line: no output, no temporary file."),
    4: Guarantee("Files", "Impossible outputs",
        "A folder that is missing, read-only or in the way is refused before any work."),
    5: Guarantee("Files", "In place",
        "An output that is its own input, by name or by link, is right or untouched; other "
        "names of a hard-linked file keep the old content."),
    6: Guarantee("Files", "Links",
        "Outputs are written through symbolic links; a planted temporary file is never "
        "followed."),
    7: Guarantee("Files", "Permissions",
        "A new file has the mode that the umask allows, a replaced one keeps its own."),
    8: Guarantee("Files", "No leftovers",
        "Ctrl-C and SIGTERM leave no temporary file and no traceback, and exit with 130 and "
        "143; what SIGKILL leaves has a recognizable name, and the next run removes it."),
    9: Guarantee("Files", "Inputs are only read",
        "An input has the same bytes, mode and times afterwards; read-only inputs are accepted."),
    10: Guarantee("Files", "Never larger",
        "An output is never larger than its input unless that was asked for; the exit code says "
        "so."),
    11: Guarantee("Files", "Exit codes",
        "Each kind of failure has its code; a run over many files goes on, and ends with the "
        "worst."),
    12: Guarantee("Files", "Messages",
        "A failure is one line that names the file, escaped, and the way out; never a "
        "traceback."),
    13: Guarantee("Files", "Names",
        "Any name that the file system takes gives the same result as `a.png`."),
    14: Guarantee("Pixels", "Lossless at k colors",
        "An image of at most k visible colors comes back exactly, from every format and depth."),
    15: Guarantee("Pixels", "Alpha",
        "Clear pixels stay clear and opaque ones opaque, exactly; what is clear takes no "
        "colors."),
    16: Guarantee("Pixels", "Orientation",
        "The eight orientations are honored in JPEG, PNG, WebP and TIFF; an invalid one is "
        "none."),
    17: Guarantee("Pixels", "Color profiles",
        "Profiles and PNG's color chunks are converted from; a broken one is ignored with a "
        "note; 16-bit samples are rounded."),
    18: Guarantee("Pixels", "Metadata",
        "Nothing private is in an output, unless it was asked for."),
    19: Guarantee("Pixels", "Frames",
        "Animations keep all frames, or are refused; pages are never dropped in silence."),
    20: Guarantee("Same answer", "Same bytes everywhere",
        "Same input, options and version: the same palette and indices on every instruction "
        "set, number of threads, hash seed, Python version and array layout."),
    21: Guarantee("Hostile input", "Hostile files",
        "No file, whatever is in it, causes a crash, a hang, a traceback or a partial output, and "
        "no good file of the seven formats is refused."),
    22: Guarantee("Hostile input", "Bombs",
        "Images beyond the limits are refused from their header, within a second and 150 MiB: 100 "
        "megapixels, 400 over all frames, 256 MiB of input, 8 MiB of unpacked metadata, 10,000 "
        "parts."),
    23: Guarantee("Hostile input", "Formats by list",
        "Only seven formats are opened; decoding starts no process and opens no connection."),
    24: Guarantee("Hostile input", "Regular files only",
        "Devices, pipes, sockets, folders and links that lead nowhere are refused at once."),
    25: Guarantee("Hostile input", "Memory",
        "At most 60 MiB and 12 bytes per pixel above the interpreter with its imports, for stills "
        "of 8 bits; 32 bytes per color more where nearly every pixel has one of its own."),
    26: Guarantee("Hostile input", "Out of memory",
        "Too little memory, beyond what the interpreter takes with its imports, ends in success "
        "or one line, in the native core as well."),
    27: Guarantee("Native core", "Memory safety",
        "No report of the address, undefined-behavior and thread sanitizers over the tests; "
        "hardened builds without warnings; no shape, stride, type or size breaks the boundary."),
    28: Guarantee("Native core", "Fuzzing",
        "Random files through the whole walk, and random bytes into the core beside a brute- "
        "force oracle: no open finding."),
    29: Guarantee("Concurrency", "Threads and processes",
        "Native loops release the interpreter; many threads give the results of one; fork, "
        "spawn and Ctrl-C work."),
    30: Guarantee("Web app", "Loopback and token",
        "It listens on 127.0.0.1; data needs a random token, which is in no log and no address "
        "bar."),
    31: Guarantee("Web app", "Foreign pages",
        "Foreign Host and Origin headers are refused, without exception; no GET changes "
        "anything."),
    32: Guarantee("Web app", "Sizes",
        "Bodies and pixels are bounded before they are held; work is done in processes with "
        "limits."),
    33: Guarantee("Web app", "Load",
        "Slow clients are dropped while others are served; memory comes back after many "
        "uploads."),
    34: Guarantee("Web app", "Content policy",
        "Strict headers on every answer; no request leaves the server; names are only text."),
    35: Guarantee("Web app", "Paths and disk",
        "No path outside the page is served; no upload touches the disk."),
    36: Guarantee("Collections", "Killed workers and drivers",
        "The final outputs equal those of a serial run; only what is missing is done again."),
    37: Guarantee("Collections", "Bad inputs among many",
        "Each bad file is listed once with its reason; one that kills its worker is set aside."),
    38: Guarantee("Collections", "Two runs, one folder",
        "Runs into one folder do no damage; nothing from a network is unpickled without keys."),
    39: Guarantee("Supply chain", "Dependencies",
        "At most four at run time, all permissive; development is locked by hashes; a bill of "
        "materials is made."),
    40: Guarantee("Supply chain", "Security policy",
        "Limits, threats and the command that reproduces each claim are written down."),
    41: Guarantee("Same answer", "scikit-learn's checks",
        "The estimator passes scikit-learn's own checks, with no expected failure."),
    42: Guarantee("Files", "Every crash point",
        "Killed or failing at every single system call in turn: old bytes or complete new ones."),
}  # fmt: skip
