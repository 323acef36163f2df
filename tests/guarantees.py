"""What smalti guarantees: the list that `docs/reliability.md` shows, with the tests that prove it.

A test that proves a guarantee carries its number, `@pytest.mark.guarantee(7)`, and says with the
fixture `figure` what it counted or measured. `make trust` runs these tests and writes the page.
"""

from typing import NamedTuple

__all__ = ["GUARANTEES", "PROPERTIES", "Guarantee", "Property"]


class Guarantee(NamedTuple):
    area: str
    name: str
    promise: str


class Property(NamedTuple):
    name: str
    statement: str


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
        "Outputs are written through symbolic links, but in place, a run through a folder leaves "
        "links to files outside of it alone, and says so; a planted temporary file is never "
        "followed."),
    7: Guarantee("Files", "Permissions",
        "A new file has the mode that the umask allows, a replaced one keeps its own."),
    8: Guarantee("Files", "No leftovers",
        "From the command's first line on, Ctrl-C and SIGTERM leave no temporary file and no "
        "traceback, and exit with 130 and 143; what SIGKILL leaves has a recognizable name, and "
        "the next run that writes there removes it."),
    9: Guarantee("Files", "Inputs are only read",
        "An input has the same bytes, mode and times afterwards; read-only inputs are accepted."),
    10: Guarantee("Files", "Never larger",
        "An output is never larger than its input, unless --allow-larger or a palette for many "
        "files asks for that; where nothing is written, the exit code says so."),
    11: Guarantee("Files", "Exit codes",
        "Each kind of failure has its code; a run over many files goes on, and ends with 1 if any "
        "failed."),
    12: Guarantee("Files", "Messages",
        "A failure is one line that names the file, escaped, and the way out; never a "
        "traceback."),
    13: Guarantee("Files", "Names",
        "Any name that the file system takes gives the same result as `a.png`."),
    14: Guarantee("Pixels", "Lossless at k colors",
        "An image of at most k visible colors comes back exactly, once it is 8-bit sRGB, from "
        "every format, mode and depth that is read; what would come out wrong is refused."),
    15: Guarantee("Pixels", "Alpha",
        "Clear pixels stay clear and opaque ones opaque, exactly, from two colors on; what is "
        "clear takes one entry, whatever its colors."),
    16: Guarantee("Pixels", "Orientation",
        "The eight orientations are honored in JPEG, PNG, WebP and TIFF; an invalid one is none; "
        "metadata that is kept says that the picture is upright."),
    17: Guarantee("Pixels", "Color profiles",
        "Profiles and PNG's color chunks are converted from, to within 1.5 of 255 steps of "
        "arithmetic, or kept to the byte; one that is broken or for other pixels is ignored with "
        "a note; 16-bit samples are rounded to the nearest."),
    18: Guarantee("Pixels", "Metadata",
        "Nothing private is in a file that smalti makes, unless `--keep-metadata` asks for it: no "
        "position, name, comment or thumbnail; with `--out-dir` or on standard output, an original "
        "that stays as it is because nothing smaller was found is said to hold what it holds."),
    19: Guarantee("Pixels", "Frames",
        "Animations keep all frames, or are refused; pages are never dropped in silence."),
    20: Guarantee("Same answer", "Same answer everywhere",
        "Same input, options and version: the same palette and indices on every instruction "
        "set, number of threads, hash seed, Python version and array layout; where bytes "
        "decide, with the same zlib."),
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
        "Random files through the whole walk, and random bytes into the core beside a "
        "brute-force oracle: no open finding."),
    29: Guarantee("Concurrency", "Threads and processes",
        "Native loops release the interpreter; many threads and forked or spawned processes give "
        "the results of one; Ctrl-C ends a native call at once; subinterpreters are refused."),
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
        "Runs into one folder do no damage; the cluster that a run starts hears only who has its "
        "keys."),
    39: Guarantee("Supply chain", "Dependencies",
        "Four packages at run time, all permissive, as all that an extra needs; development and "
        "build are locked by hashes; packages hold the tree, and have a bill of materials."),
    40: Guarantee("Supply chain", "Security policy",
        "SECURITY.md tells limits, threats, and for each claim the test or command that proves "
        "it; its limits are those of the code."),
    41: Guarantee("Same answer", "scikit-learn's checks",
        "The estimator passes scikit-learn's own checks, with no expected failure."),
    42: Guarantee("Files", "Every crash point",
        "Killed or failing at every single system call in turn: old bytes or complete new ones."),
}  # fmt: skip

PROPERTIES = {
    1: Property("Permutation",
        "Shuffled or turned pixels give the same palette, and the indices are shuffled as they "
        "are; with error diffusion or thresholds, the palette only."),
    2: Property("Replication",
        "Every row repeated 2, 3 or 7 times: the same palette, and so many times the inertia."),
    3: Property("Weights are repetition",
        "Colors with their counts give the palette of all pixels; weights, that of repeated ones."),
    4: Property("Monotone descent",
        "No iteration of Lloyd's algorithm raises the distortion; it ends where one more changes "
        "nothing, or at max_iter."),
    5: Property("Monotone in k",
        "One color more at the worst served pixel never raises the inertia, and from scratch not "
        "by more than 2 %; one color has the variance, all colors have none."),
    6: Property("Lossless",
        "At most k colors come back exactly, with exactly that many entries, at every depth and "
        "with alpha."),
    7: Property("Nearest, exactly",
        "Indices are those of brute force, ties to the lower row, on every instruction set."),
    8: Property("No entry unused or double",
        "Every entry of a palette is used, all differ, and there are at most min(k, colors) "
        "(without dithering, which may leave one unused)."),
    9: Property("Centroid condition",
        "At convergence each centroid is the mean of its pixels; no new extremes, gray stays gray, "
        "and a constant channel constant (in sRGB; of gray images in Oklab, too)."),
    10: Property("Translation and exchange of channels",
        "Colors moved without clipping move the centroids as far, with the same labels; channels "
        "exchanged exchange theirs (in sRGB, from given centroids, which break no ties)."),
    11: Property("Scaling and inversion",
        "Doubled values double the centroids and give four times the inertia; inverted values "
        "mirror them (in sRGB, from given centroids)."),
    12: Property("Idempotence",
        "Quantizing the result again changes nothing, in pixels and in the bytes of the file."),
    13: Property("Representation",
        "Layout, alpha of 255, file format, threads, and copies of an estimator do not show."),
    14: Property("Superset and irrelevance",
        "Colors that nobody sees change nothing; one more pixel of a color that is there keeps "
        "what is lossless so, and on a centroid costs nothing."),
    15: Property("Oracles",
        "At most the best partition plus a tenth in 99 of 100 tiny images (ten runs), and plus 2 % "
        "of gray ones of up to 32 colors (effort best, ten runs; 5 % for 64); equal to "
        "scikit-learn's Lloyd from the same start; on photographs never above median cut, nor more "
        "than 1 % above scikit-learn's best of ten."),
}  # fmt: skip
