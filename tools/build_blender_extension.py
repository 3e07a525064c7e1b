"""Pack the Blender extension as a .zip file that Blender installs: what `make blender` runs.

    python tools/build_blender_extension.py [out/kinetune-blender.zip]

The version in its manifest must be that of the package. The same files give the same archive.
"""

import sys
import tomllib
import zipfile
from pathlib import Path

import kinetune

SOURCE = Path(__file__).parents[1] / "integrations" / "blender"
# The earliest date the format knows.
_DATE = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    """Pack it, and print where."""
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "out/kinetune-blender.zip")))


def build(target: Path) -> Path:
    """Write the archive and return its path.

    Raises:
        SystemExit: The manifest names another version.
    """
    manifest = tomllib.loads((SOURCE / "blender_manifest.toml").read_text("utf-8"))
    if manifest["version"] != kinetune.__version__:
        sys.exit(
            f"blender_manifest.toml: version {manifest['version']}, not {kinetune.__version__}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted([*SOURCE.glob("*.py"), SOURCE / "blender_manifest.toml"]):
            entry = zipfile.ZipInfo(path.name, _DATE)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
        entry = zipfile.ZipInfo("LICENSE", _DATE)
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, (SOURCE.parents[1] / "LICENSE").read_bytes())
    return target


if __name__ == "__main__":
    main()
