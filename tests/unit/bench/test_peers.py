"""The benchmark against peers, on a few images, with peers that need no installation."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_peer_that_cannot_be_installed_or_fails_is_a_result(tmp_path: Path, two_folders: tuple[Path, Path]) -> None:
    out, program = tmp_path / "peers.json", ROOT / "benchmarks" / "peers" / "run.py"
    # Neither a peer that cannot be installed nor one that fails keeps the others from being measured.
    patched = tmp_path / "peers" / "run.py"
    patched.parent.mkdir()
    for file in program.parent.glob("*.py"):
        (patched.parent / file.name).write_text(file.read_text())
    (tmp_path / "harness.py").write_text((ROOT / "benchmarks" / "harness.py").read_text())
    (patched.parent / "dies.py").write_text("raise SystemExit('no luck today')\n")
    (patched.parent / "works.py").write_text(
        "import json, pathlib, sys\n"
        "count = sum(1 for folder in sys.argv[1:3] for _ in pathlib.Path(folder).iterdir())\n"
        "answer = {'images': count, 'steps': {'all': 1.0}, 'comes_out': '<a count>', 'numbers': {}}\n"
        "(pathlib.Path(sys.argv[3]) / 'answer.json').write_text(json.dumps(answer))\n"
    )
    text = patched.read_text().replace(
        "PEERS = {",
        "PEERS = {'works': Peer(script='works.py'), 'dies': Peer(script='dies.py'),\n"
        "    'absent': Peer(script='works.py', needs=('./no-such-package',)),",
        1,
    )
    patched.write_text(text)
    command = [sys.executable, str(patched), *map(str, two_folders), "--images", "10", "--repeats", "1"]
    command += ["--peers", "works,dies,absent", "--envs", str(tmp_path / "envs"), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    peers = json.loads(out.read_text())["peers"]
    assert peers["works"]["images"] == 20
    assert len(peers["works"]["seconds"]) == 1
    assert peers["dies"]["failed"] == "no luck today"
    assert peers["absent"]["not_run"].startswith("not installed: ")
    page = out.with_suffix(".html").read_text()
    assert "&lt;a count&gt;" in page
    assert "no luck today" in page


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks" / "peers").glob("*.py")), ids=lambda file: file.stem)
def test_every_script_compiles_and_says_what_it_does(file: Path) -> None:
    code = compile(file.read_text(), str(file), "exec")
    assert isinstance(code.co_consts[0], str)
