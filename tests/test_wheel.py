"""The wheel holds what a plain install needs, and nothing of the tests."""

import subprocess
import sys
import zipfile

import pytest

from tests.conftest import REPOSITORY

pytest.importorskip("setuptools", "77")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Names in a wheel built from a clean copy of the sources, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (REPOSITORY / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(REPOSITORY / name)
    subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--no-build-isolation",
            "--no-index", "--quiet", "--wheel-dir", str(folder),
        ],
        check=True,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        assert archive.testzip() is None
        return {info.filename: info.file_size for info in archive.infolist()}


def test_it_holds_modules_weights_and_data(wheel):
    package = REPOSITORY / "kinetune"
    modules = {f"kinetune/{path.relative_to(package).as_posix()}" for path in package.rglob("*.py")}
    weights = {
        f"kinetune/{path.relative_to(package).as_posix()}"
        for folder in ("weights", "corpus/data", "corpus/styles", "metrics/data", "serve/static")
        for path in (package / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert (modules | weights | {"kinetune/py.typed"}) - wheel.keys() == set()
    assert all(wheel[name] == (REPOSITORY / name).stat().st_size for name in weights), (
        "a file was changed on its way"
    )


def test_it_holds_the_configs_and_one_example_dance(wheel):
    configs = {path.name for path in (REPOSITORY / "configs").glob("*.toml")}
    assert {name.split("/")[-1] for name in wheel if "data/configs/" in name} == configs
    assert len([name for name in wheel if "data/examples/" in name]) == 1


def test_it_holds_no_tests_nor_tools_and_the_licence(wheel):
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"kinetune"}
    assert {name.split("/")[-1] for name in wheel} >= {"LICENSE", "NOTICE"}
    files = [name.split("/")[-1] for name in wheel]
    assert not [name for name in files if name.startswith(("test_", "conftest"))]
    assert not [name for name in wheel if "__pycache__" in name]
