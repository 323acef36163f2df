"""Supply chain: what is needed, locked, licensed, packed and promised is what the files say.

What is installed is judged where there is metadata of smalti: after `make test`, not in a tree.
"""

import base64
import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from importlib import metadata
from itertools import product
from pathlib import Path, PurePosixPath

import pytest
from packages import (
    ALLOWED,
    COMPILED_IN,
    DEVELOPMENT,
    EXTRAS,
    JUDGED,
    REQUIREMENTS,
    REVIEWED,
    RUN,
    allowed,
    bundled,
    closure,
    license_of,
    locked,
)
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from process import COMMAND, file_of, picture

import smalti

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PURPOSES = (RUN, *EXTRAS, *DEVELOPMENT)
FOUR = {"numpy", "pillow", "click", "pyoxipng"}
SYSTEMS = {"linux": ("Linux", "posix"), "darwin": ("Darwin", "posix"), "win32": ("Windows", "nt")}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

needs_git = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the git tree")


@pytest.fixture(scope="module")
def installed():
    """The metadata of smalti, as pip installed it."""
    try:
        found = metadata.distribution("smalti")
    except metadata.PackageNotFoundError:
        pytest.skip("smalti is not installed here, only its sources are: make test")
    return found


def environments():
    """The Pythons and systems that the locks are for."""
    for python, (platform, (system, name)) in product(PYTHONS, SYSTEMS.items()):
        yield {**default_environment(), "python_version": python,
               "python_full_version": f"{python}.4", "sys_platform": platform,
               "platform_system": system, "os_name": name}  # fmt: skip


def wanted(purpose):
    """What pyproject.toml asks for, of a purpose that requirements/ locks."""
    extras = PROJECT["project"]["optional-dependencies"]
    if purpose in DEVELOPMENT:
        base = PROJECT["project"]["dependencies"] if purpose in ("test", "bench") else []
        return [Requirement(each) for each in base + PROJECT["dependency-groups"][purpose]]
    asked = [*PROJECT["project"]["dependencies"]]
    asked += [each for name in extras if purpose in (name, "extras") for each in extras[name]]
    return [each for each in map(Requirement, asked) if each.name != "smalti"]


def names(*purposes):
    return {each.name for purpose in purposes for each in locked(purpose)}


# ---------------------------------------------------------------- what is needed


@pytest.mark.guarantee(39)
def test_four_packages_are_needed_at_run_time_on_every_python_and_system(installed, figure):
    counts = [len(closure("smalti", environment=each)) for each in environments()]

    assert closure("smalti") <= FOUR
    assert max(counts) <= 4
    figure(f"{max(counts)} packages at run time, with all that they need")


def test_the_lock_of_the_run_time_holds_no_fifth_package():
    assert names(RUN) == FOUR


@pytest.mark.guarantee(39)
def test_metadata_name_no_package_of_development(installed):
    asked = {canonicalize_name(Requirement(each).name) for each in installed.requires}
    offered = {
        canonicalize_name(each.name) for purpose in (RUN, "extras") for each in wanted(purpose)
    }

    assert asked - {"smalti"} == offered
    assert set(installed.metadata.get_all("Provides-Extra")) == set(
        PROJECT["project"]["optional-dependencies"]
    )
    assert "imagequant" not in asked | names(RUN, *EXTRAS)


def imported(arguments, folder):
    """The packages, by the name under which they are installed, that a run imported anywhere."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1",
             "PYTHONPATH": str(Path(smalti.__file__).parent.parent)},
    )  # fmt: skip
    modules = re.findall(r"^import time:[\d |]+\|\s*(\w+)", done.stderr, re.MULTILINE)
    owners = metadata.packages_distributions()
    return {canonicalize_name(owner) for name in modules for owner in owners.get(name, [])}


@pytest.mark.guarantee(39)
def test_importing_and_compressing_load_nothing_else(tmp_path, figure):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(file_of(picture(1)))

    always = imported(["-c", "pass"], tmp_path)  # by the environment itself, such as setuptools
    loaded = imported(["-c", "import smalti"], tmp_path) - always
    ran = imported([*COMMAND[1:], "compress", "-j", "2", "a.png", "b.png"], tmp_path)
    ran -= always

    assert "numpy" in loaded
    assert loaded - {"smalti"} <= FOUR
    assert FOUR - {"pyoxipng"} <= ran <= {*FOUR, "smalti"}
    figure(f"a run of compress imported {len(ran & FOUR)} packages of others, and no extra")


def test_the_check_of_imports_sees_an_extra(tmp_path):
    (tmp_path / "a.png").write_bytes(file_of(picture(1)))

    assert "matplotlib" in imported(
        [*COMMAND[1:], "sweep", "a.png", "-k", "2,4", "--plot", "k.png"], tmp_path
    )


# ---------------------------------------------------------------- licenses


@pytest.mark.parametrize(("expression", "expected"), [
    ("MIT", True), ("GPL-3.0-or-later", False), ("AGPL-3.0-only", False),
    ("LGPL-2.1-or-later", False), ("MIT OR GPL-2.0-only", True), ("MIT AND GPL-2.0-only", False),
    ("BSD-3-Clause AND (MIT OR GPL-2.0-only)", True),
    ("(MIT AND AGPL-3.0-only) OR LGPL-2.1-only", False),
    ("GPL-3.0-or-later WITH GCC-exception-3.1", True),
    ("GPL-3.0-or-later WITH Bison-exception-2.2", False),
    ("mit", True), ("MPL-2.0", False), ("Permissive, honestly", False), ("", False),
])  # fmt: skip
def test_of_and_all_parts_are_judged_and_of_or_the_best(expression, expected):
    assert allowed(expression) is expected


def test_nothing_of_the_gpl_is_among_the_allowed_but_the_runtime_of_gcc():
    assert [each for each in ALLOWED if "GPL" in each] == [
        "GPL-3.0-or-later WITH GCC-exception-3.1"
    ]


@pytest.mark.guarantee(39)
def test_whatever_the_package_or_an_extra_needs_is_permissive(installed, figure):
    here = {
        each for each in names(RUN, *EXTRAS, "build") if license_of(each).source != "not installed"
    }
    needed = {COMPILED_IN} | (here & (closure("smalti") | closure("smalti", "all")))
    libraries = {library: spdx for name in needed for library, spdx in bundled(name).items()}

    assert FOUR & here <= needed
    assert [name for name in needed if not allowed(license_of(name).expression)] == []
    assert {name for name, spdx in libraries.items() if not allowed(spdx)} <= {"libquadmath"}
    figure(f"{len(needed)} packages that it or an extra needs: all permissive")


def test_pillow_comes_without_its_parts_under_the_gpl():
    from PIL import features

    assert not features.check("libimagequant")
    assert not any("fribidi" in name or "imagequant" in name for name in bundled("pillow"))


def rows():
    """{package: (version, license)} of the page, with the section each stands in."""
    text = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    found = {}
    for section in text.split("\n## ")[1:]:
        for cells in re.findall(r"^\| (\S+) \| ([\d.]+) \| ([^|]+) \|", section, re.MULTILINE):
            assert cells[0] not in found, cells[0]
            found[cells[0]] = (*cells[1:], section.partition("\n")[0])
    return found


def test_the_page_of_licenses_has_every_locked_package_and_no_other():
    page = rows()

    assert set(page) == names(*PURPOSES)
    for name, (version, _, section) in page.items():
        assert version in {each.version for purpose in PURPOSES for each in locked(purpose)
                           if each.name == name}, f"{name}: make licenses"  # fmt: skip
        first = next(purpose for purpose in PURPOSES if name in names(purpose))
        part = "Extras" if first in EXTRAS else "Development only" if first in DEVELOPMENT else ""
        assert section == ("At run time" if name == COMPILED_IN else part or "At run time")


def test_the_page_of_licenses_says_what_the_metadata_say():
    seen = 0
    for name, (version, shown, _) in rows().items():
        expression, source = license_of(name)
        if source != "not installed" and (name in REVIEWED or metadata.version(name) == version):
            assert shown.strip("*") == expression, name
            assert shown.startswith("**") != allowed(expression), name
            seen += 1

    assert seen > 30


@pytest.mark.guarantee(39)
def test_what_is_not_permissive_is_for_development_and_judged_by_name(figure):
    page = rows()
    others = {name for name, (_, shown, _) in page.items() if shown.startswith("**")}

    assert others == {*JUDGED} - {"libquadmath"}
    assert {page[name][2] for name in others} == {"Development only"}
    figure(f"{len(page)} locked packages on the list of licenses; {len(others)} not permissive, "
           "all for development only")  # fmt: skip


# ---------------------------------------------------------------- locks


@pytest.mark.guarantee(39)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_locks_hold_what_the_project_asks_for_on_every_python_and_system(purpose):
    entries = locked(purpose)

    for environment in environments():
        here = [each for each in entries if not each.marker or each.marker.evaluate(environment)]
        versions = {each.name: each.version for each in here}
        assert len(versions) == len(here), "a name is locked twice"
        for each in wanted(purpose):
            if each.marker is None or each.marker.evaluate(environment):
                locked_version = versions.get(canonicalize_name(each.name))
                assert locked_version, f"{each}: make lock"
                assert each.specifier.contains(locked_version), f"{each}: make lock"


@pytest.mark.guarantee(39)
def test_everything_that_is_locked_has_hashes_and_names_no_host(figure):
    everything = [each for purpose in PURPOSES for each in locked(purpose)]

    assert sorted(path.stem for path in REQUIREMENTS.iterdir()) == sorted(PURPOSES)
    for each in everything:
        assert each.hashes
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in each.hashes), each.name
    for path in REQUIREMENTS.iterdir():
        assert not re.search(r"://|index|find-links", path.read_text(encoding="utf-8")), path
    versions = {(each.name, each.version) for each in everything}
    hashes = {digest for each in everything for digest in each.hashes}
    figure(f"{len(versions)} versions locked by {len(hashes):,} hashes")


def test_no_two_locks_ask_for_two_versions():
    for environment in environments():
        versions = {}
        for purpose in PURPOSES:
            for each in locked(purpose):
                if not each.marker or each.marker.evaluate(environment):
                    assert versions.setdefault(each.name, each.version) == each.version, each.name


def test_the_build_is_locked_with_all_that_it_would_fetch():
    asked = {Requirement(each).name for each in PROJECT["build-system"]["requires"]}

    assert asked | {"cmake", "ninja"} <= names("build")
    assert set(PROJECT["build-system"]["requires"]) <= set(PROJECT["dependency-groups"]["build"])


@pytest.mark.parametrize("file", ["Makefile", "action.yml"])
def test_whatever_is_installed_is_locked_or_smalti_itself(file):
    text = re.sub(r"\\\n\s*", "", (ROOT / file).read_text(encoding="utf-8"))
    calls = [line for line in text.splitlines()
             if re.search(r"pip install|\$\((INSTALL|LOCKED)\) ", line)]  # fmt: skip
    bound = ("INSTALL := ", "$(LOCKED) -r requirements/", "--require-hashes",
             "--no-build-isolation --no-deps")  # fmt: skip
    free = [line for line in calls if not any(words in line for words in bound)]

    assert len(calls) >= 2
    assert all("pyvips" in line for line in free), (
        free
    )  # a rival without a wheel; never in `make test`
    if file == "Makefile":
        assert "LOCKED := $(INSTALL) --require-hashes --only-binary :all:\n" in text


@pytest.mark.guarantee(39)
def test_what_is_installed_for_the_tests_is_what_is_locked(installed, figure):
    if Path(sys.prefix) != (ROOT / ".venv").resolve():
        pytest.skip("this Python is not that of .venv: make test")
    versions = {(each.name, each.version) for purpose in PURPOSES for each in locked(purpose)}
    here = {(canonicalize_name(each.name), each.version) for each in metadata.distributions()}
    brought = {
        each for each in here if each[0] not in ("smalti", "pip", "setuptools")
    }  # by venv itself

    assert brought <= versions
    figure(f"all {len(brought)} packages of the test environment are locked versions")


@pytest.mark.guarantee(39)
def test_actions_of_others_are_named_by_their_commit(figure):
    used = re.findall(r"uses: (\S+)", (ROOT / "action.yml").read_text(encoding="utf-8"))

    assert used
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)] == []
    figure(f"{len(used)} foreign action, named by its commit")


# ---------------------------------------------------------------- bill of materials


@pytest.fixture(scope="module")
def wheel(installed, tmp_path_factory):
    """A wheel with the metadata of the installed package."""
    path = tmp_path_factory.mktemp("dist") / "smalti-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("smalti-0.dist-info/METADATA")
        archive.writestr(entry, installed.read_text("METADATA"))
    return path


@pytest.mark.guarantee(39)
def test_the_bill_of_materials_keeps_the_schema_and_tells_all_of_every_part(wheel, figure):
    from bom import bill, written

    text = written(bill(wheel))  # held to the schema there

    found = json.loads(text)
    root, parts = (
        found["metadata"]["component"],
        {each["name"]: each for each in found["components"]},
    )
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert (root["name"], root["version"]) == ("smalti", smalti.__version__)
    assert root["hashes"][0]["content"] == hashlib.sha256(wheel.read_bytes()).hexdigest()
    required = {name for name, each in parts.items() if each["scope"] == "required"}
    assert required == closure("smalti") | {COMPILED_IN}
    assert closure("smalti", "all") <= set(parts)
    for name, each in parts.items():
        lock = next(entry for purpose in (RUN, *EXTRAS, "build") for entry in locked(purpose)
                    if (entry.name, entry.version) == (name, each["version"]))  # fmt: skip
        assert each["purl"] == f"pkg:pypi/{name}@{each['version']}"
        assert {digest["content"] for digest in each["hashes"]} == set(lock.hashes)
        if expression := license_of(name).expression:
            assert each["licenses"][0]["expression"] == expression
    edges = {each["ref"]: set(each.get("dependsOn", [])) for each in found["dependencies"]}
    assert {parts[name]["bom-ref"] for name in required} <= edges[root["bom-ref"]]
    figure(f"{len(parts)} parts with version, purl, license and hashes, valid CycloneDX 1.6")


def test_the_same_wheel_has_the_same_bill(wheel, monkeypatch):
    from bom import bill, written

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")

    assert written(bill(wheel)) == written(bill(wheel))


def test_a_bill_that_breaks_the_schema_is_not_written(wheel):
    from bom import bill, written
    from cyclonedx.model import HashAlgorithm, HashType

    broken = bill(wheel)
    broken.metadata.component.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content="none"))

    with pytest.raises(ValueError, match="breaks the schema"):
        written(broken)


# ---------------------------------------------------------------- what is packed


def tracked():
    """All files of the tree: those that git knows, and new ones that it does not ignore."""
    said = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    return {name for name in said.split("\0") if name and (ROOT / name).exists()}


def packed(names_of_files):
    """The files of a wheel as the tree has them, and those that only wheels have."""
    ours = {name for name in names_of_files if name.startswith(("smalti/", "smalti_command/"))}
    ours = {name for name in ours if not name.endswith(".pyc")}
    core = {name for name in ours if re.fullmatch(r"smalti/_core\.[\w-]+\.(so|pyd)", name)}
    return ours - core, core, set(names_of_files) - ours


def test_installed_files_are_those_that_were_built(installed, figure):
    record = list(csv.reader(io.StringIO(installed.read_text("RECORD"))))
    hashed = [(name, digest) for name, digest, _ in record if digest]

    for name, digest in hashed:
        kind, _, expected = digest.partition("=")
        content = Path(installed.locate_file(name)).read_bytes()
        found = base64.urlsafe_b64encode(hashlib.new(kind, content).digest()).decode().rstrip("=")
        assert found == expected, name
    assert len(hashed) > 100


@needs_git
@pytest.mark.guarantee(39)
def test_the_package_holds_its_sources_the_core_and_licenses_and_nothing_else(installed, figure):
    listed = [row[0] for row in csv.reader(io.StringIO(installed.read_text("RECORD")))]

    ours, core, others = packed(listed)

    assert {f"src/{name}" for name in ours} == {
        name for name in tracked() if name.startswith("src/")
    }
    assert len(core) == 1
    assert {PurePosixPath(name).parts[0] for name in others if not name.endswith(".pyc")} <= {
        "..", f"smalti-{smalti.__version__}.dist-info"}  # fmt: skip
    notices = {PurePosixPath(name).name for name in others if "/licenses/" in name}
    assert notices == {"LICENSE", "nanobind.txt", "robin_map.txt"}
    figure(f"the package holds {len(ours)} files of src/, the core and 3 licenses")


@needs_git
@pytest.mark.guarantee(39)
def test_the_source_archive_is_the_tree(tmp_path, figure):
    pytest.importorskip(
        "scikit_build_core", reason="builds are tried where their tools are: make test"
    )
    code = "import sys; from scikit_build_core.build import build_sdist; build_sdist(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )

    (path,) = tmp_path.iterdir()
    with tarfile.open(path) as archive:
        inside = {entry.name.partition("/")[2]: archive.extractfile(entry).read()
                  for entry in archive if entry.isfile()}  # fmt: skip

    assert inside.pop("PKG-INFO")
    tree = {name for name in tracked() if not name.startswith(".ci/")}
    assert set(inside) == tree
    assert [name for name in tree if (ROOT / name).read_bytes() != inside[name]] == []
    figure(f"{len(tree)} files in the source archive, those of the tree byte for byte")


@needs_git
@pytest.mark.thorough
@pytest.mark.guarantee(39)
def test_two_builds_in_two_places_give_the_same_wheel(tmp_path, figure):
    pytest.importorskip(
        "scikit_build_core", reason="builds are tried where their tools are: make trust"
    )
    wheels = []
    for name, umask in (("one", 0o022), ("another-with-a-longer-name", 0o077)):
        tree = tmp_path / name
        for file in tracked():
            target = tree / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / file).read_bytes())
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
             "--no-build-isolation", "--no-deps", "--wheel-dir", "dist", "."],
            cwd=tree, check=True, umask=umask,
            env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        )  # fmt: skip
        wheels += (tree / "dist").glob("*.whl")

    first, second = (path.read_bytes() for path in wheels)
    assert first == second
    with zipfile.ZipFile(wheels[0]) as archive:
        ours, core, others = packed(archive.namelist())
        (about,) = (name for name in others if name.endswith("METADATA"))
        fields = Parser().parsestr(archive.read(about).decode())
    assert {f"src/{name}" for name in ours} == {
        name for name in tracked() if name.startswith("src/")
    }
    assert len(core) == 1
    assert fields["License-Expression"] == "MIT"
    figure(f"2 builds in 2 folders: 1 SHA-256, {hashlib.sha256(first).hexdigest()[:16]}…")
