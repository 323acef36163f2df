"""Bill of materials: what a wheel of smalti holds and needs, in CycloneDX. `make sbom` writes it.

    wheel, requirements/ -> [bill] -> Bom -> [written] -> JSON, held to the schema

Versions and hashes are those that requirements/ locks, for this Python and system; licenses and
who needs whom come from the metadata of what is installed. The same wheel gives the same bytes: the
serial number comes from the hash of the wheel, and the time from SOURCE_DATE_EPOCH.
"""

import argparse
import hashlib
import os
import sys
import uuid
import zipfile
from datetime import UTC, datetime
from email.parser import Parser
from importlib import metadata
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import LicenseExpression
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packages import COMPILED_IN, EXTRAS, RUN, Locked, bundled, license_of, locked, needs
from packageurl import PackageURL
from packaging.utils import canonicalize_name

__all__ = ["bill", "written"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--output", type=Path, help="default: beside the wheel, as .cdx.json")
    arguments = parser.parse_args()
    output = arguments.output or arguments.wheel.with_suffix(".cdx.json")
    output.write_text(written(bill(arguments.wheel)), encoding="utf-8")
    print(output)


def bill(wheel: Path) -> Bom:
    """Return what a wheel holds (the binding of the core), needs, and needs for its extras."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    root = _root(wheel, digest)
    build = tuple(each for each in locked("build") if each.name == COMPILED_IN)
    optional = [_component(each, ComponentScope.OPTIONAL) for each in _here(*map(locked, EXTRAS))]
    required = [_component(each, ComponentScope.REQUIRED) for each in _here(locked(RUN), build)]
    components = {each.name: each for each in (*optional, *required)}
    found = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, digest),
        components=components.values(),
        metadata=BomMetaData(
            component=root, tools=ToolRepository(components=[_maker()]), timestamp=_time()
        ),
    )
    found.dependencies = [_edges(each, components) for each in (root, *components.values())]
    return found


def written(found: Bom) -> str:
    """Return the JSON of a bill; raises ValueError if it breaks the schema of CycloneDX 1.6."""
    text = JsonV1Dot6(found).output_as_string(indent=2)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"the bill of materials breaks the schema: {error}")
    return text + "\n"


def _root(wheel: Path, digest: str) -> Component:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        fields = Parser().parsestr(archive.read(name).decode())
    return Component(
        type=ComponentType.LIBRARY,
        name=fields["Name"],
        version=fields["Version"],
        description=fields["Summary"],
        bom_ref=f"{fields['Name']}=={fields['Version']}",
        purl=PackageURL("generic", None, fields["Name"], fields["Version"]),  # on no index yet
        licenses=[LicenseExpression(fields["License-Expression"])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )


def _here(*locks: tuple[Locked, ...]) -> list[Locked]:
    """Return what the locks hold for this Python and system."""
    return [each for lock in locks for each in lock if not each.marker or each.marker.evaluate()]


def _component(entry: Locked, scope: ComponentScope) -> Component:
    """Return a locked package, with the hashes of all its wheels: one of them is installed."""
    return Component(
        type=ComponentType.LIBRARY,
        name=entry.name,
        version=entry.version,
        bom_ref=f"{entry.name}=={entry.version}",
        purl=PackageURL("pypi", None, entry.name, entry.version),
        scope=scope,
        licenses=_licenses(license_of(entry.name).expression),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in entry.hashes],
        components=[
            Component(
                type=ComponentType.LIBRARY,
                name=library,
                bom_ref=f"{entry.name}=={entry.version}/{library}",
                licenses=_licenses(expression),
            )
            for library, expression in bundled(entry.name).items()
        ],
    )


def _licenses(expression: str) -> list[LicenseExpression]:
    return [LicenseExpression(expression)] if expression else []


def _maker() -> Component:
    name = "cyclonedx-python-lib"
    return Component(type=ComponentType.LIBRARY, name=name, version=metadata.version(name))


def _edges(component: Component, components: dict[str, Component]) -> Dependency:
    """Return what a component needs; of smalti itself also what is compiled in, and its extras."""
    asked = {canonicalize_name(each.name) for each in needs(component.name)}
    if component.name not in components:
        asked |= {COMPILED_IN}
        extras = metadata.metadata(component.name).get_all("Provides-Extra", [])
        asked |= {canonicalize_name(each.name) for extra in extras
                  for each in needs(component.name, extra)}  # fmt: skip
    below = [Dependency(components[name].bom_ref) for name in sorted(asked & components.keys())]
    return Dependency(component.bom_ref, below)


def _time() -> datetime:
    return datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), UTC)


if __name__ == "__main__":
    sys.exit(main())
