"""The exact versions of everything that a run needs, for an installation elsewhere."""

from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cnn_sweeps.provenance.environment import PACKAGES

OWN = "cnn-sweeps"


def installed_versions(root: str = OWN) -> dict[str, str]:
    """Version of each package that one needs, with all that these need, itself left out.

    Optional extras count only where another package asks for them.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[str, str]] = [(canonicalize_name(root), "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # wanted on another system, or by an extra that is not installed
        found[name] = package.version
        waiting.extend(_needed(package, extra))
    found.pop(canonicalize_name(root), None)
    return dict(sorted(found.items()))


def text(recorded: Mapping[str, str]) -> str:
    """A requirements file: what is installed here, and in its place what a run had recorded.

    Args:
        recorded: versions of some packages, from the environment of the run.
    """
    here = installed_versions()
    known: dict[str, str] = {
        canonicalize_name(name): str(Version(number))  # which says nothing to pip but a version
        for name, number in recorded.items()
        if name in PACKAGES  # others that a record names are none of ours
    }
    own = known.pop(OWN, "of another release")
    lines = [
        f"# cnn-sweeps {own} itself is installed from its checkout or wheel.",
        "# Versions are those of the run where it recorded them, else those that were installed",
        "# where this file was written.",
    ]
    for name, number in sorted({**here, **known}.items()):
        other = here.get(name, number)
        lines.append(f"{name}=={number}" + (f"  # not {other}" if other != number else ""))
    return "\n".join(lines) + "\n"


def _needed(package: Distribution, extra: str) -> Iterator[tuple[str, str]]:
    """What a package with one of its extras asks for on this system, with the extras asked for."""
    for requirement in map(Requirement, package.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            name = canonicalize_name(requirement.name)
            yield from ((name, asked) for asked in ("", *requirement.extras))
