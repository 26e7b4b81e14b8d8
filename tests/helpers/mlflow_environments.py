"""Makes the environments that the tests of tracking run in: MLflow's client beside what `.venv` holds, and its server.

Neither fits into `.venv`: the client wants an older importlib_metadata than constraints.txt pins, and the server an
older pyarrow as well. The client's environment comes first in the search for packages, and `.venv` after it.
"""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

VERSION = "3.17.2"


def main(folder: Path) -> None:
    """Make both environments in a folder."""
    for name, package in (("client", "mlflow-skinny"), ("server", "mlflow")):
        environment = folder / name
        venv.create(environment, with_pip=True, clear=True)
        python = environment / "bin" / "python"
        if name == "client":
            inside = {"base": str(environment), "platbase": str(environment)}
            packages = Path(sysconfig.get_path("purelib", vars=inside))
            beside = sysconfig.get_path("purelib")
            (packages / "beside.pth").write_text(f"import site; site.addsitedir({beside!r})\n", encoding="utf-8")
        pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", f"{package}=={VERSION}"]
        subprocess.run(pip, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
