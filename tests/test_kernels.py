"""Warm kernels are processes of their own, behave as others do, and end when they should."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.provisioning import LocalProvisioner

from mtlkit.kernels import WarmProvisioner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they start as usual")

# Each test has a process of its own: the libraries are loaded once a process, with what its
# environment then says.
SCRIPT = """
import nbformat, os, sys
from nbclient import NotebookClient
from mtlkit import kernels

def said(*sources, **options):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    arguments = ["--log-level=ERROR", "--HistoryManager.hist_file=:memory:"]
    client = NotebookClient(
        notebook, kernel_name="python3", extra_arguments=arguments, **options
    )
    client.execute()
    outputs = [output for cell in cells for output in cell.outputs]
    return "".join(output.get("text", output.get("evalue", "")) for output in outputs).split()

"""
LOADED = "import os, sys; print('torch' in sys.modules, os.getpid(), os.getppid(), os.getcwd())"


def environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("MPLBACKEND", "OMP_NUM_THREADS")}


def run(script: str, *arguments: str, warning: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr
    assert ("which is slower" in done.stderr) == bool(warning) and warning in done.stderr
    return done.stdout


def test_kernels_have_the_libraries_and_nothing_else(tmp_path: Path) -> None:
    script = f"""
LOADED = {LOADED!r}
place = {{"metadata": {{"path": sys.argv[1]}}}}
with kernels.warm():
    print(*said(LOADED + "; sys.left = 1", resources=place))
    print(*said(LOADED))
    print(*said("import sys; print(hasattr(sys, 'left'))"))
print(*said(LOADED))
print(os.getpid(), os.getcwd(), {{"MPLBACKEND", "OMP_NUM_THREADS"}} & {{*os.environ}})
"""
    first, second, other, usual, here = map(str.split, run(script, str(tmp_path)).splitlines())
    assert first[0] == second[0] == "True"
    assert first[1] != second[1] and first[2] == second[2] != here[0]
    assert (first[3], second[3]) == (str(tmp_path), os.getcwd())
    assert other == ["False"]
    assert usual[0] == "False" and usual[2] == here[0]  # outside they start as they always do
    assert here[1:] == [os.getcwd(), "set()"]


def test_a_warm_kernel_behaves_as_others_do() -> None:
    cells = (
        "import matplotlib, multiprocessing, os, signal, torch; print(matplotlib.get_backend())",
        "child = multiprocessing.get_context('fork').Process(target=os.getpid)",
        "child.start(); child.join(); print(child.exitcode)",
        "print(torch.get_num_threads(), os.environ['OMP_NUM_THREADS'])",
        "!echo shell",
        "import mtlkit.batching",  # says nothing
        "print(os.getpgid(0) == os.getpid(), signal.getsignal(signal.SIGINT).__name__)",
    )
    script = f"""
cells = {cells!r}
kernels.PRELOADED = ("torch", "matplotlib_inline.backend_inline", "ipykernel.kernelapp")
settings = dict(kernels.SETTINGS)
with kernels.warm():
    print(*said(*cells))
os.environ |= settings
print(*said(*cells))
"""
    warm, usual = run(script).splitlines()
    assert warm == usual
    assert warm.split()[1:] == ["0", "1", "1", "shell", "True", "default_int_handler"]
    assert "inline" in warm.split()[0]


def test_a_kernel_that_dies_is_told_and_the_next_one_starts() -> None:
    script = """
from nbclient.exceptions import DeadKernelError
kernels.PRELOADED = ()
with kernels.warm():
    try:
        said("import os; os._exit(3)")
    except DeadKernelError as error:
        print("dead")
    print(*said("print('goes', 'on')"))
"""
    assert run(script).split() == ["dead", "goes", "on"]


def test_a_library_that_does_not_load_is_told_by_the_cell_that_needs_it(tmp_path: Path) -> None:
    (tmp_path / "broken_library.py").write_text("This is no Python.")
    script = """
kernels.PRELOADED = ("not_there_at_all", "broken_library")
os.environ["PYTHONPATH"] = sys.argv[1]
sys.path.append(sys.argv[1])
with kernels.warm():
    print(*said("print('starts')", "import broken_library", allow_errors=True))
"""
    said = run(script, str(tmp_path), warning="(EOFError), so each loads")
    assert said.startswith("starts invalid syntax")


def test_where_no_socket_can_be_made_kernels_start_as_usual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("x" * 120)  # longer than the name of a socket may be
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    script = "kernels.PRELOADED = ()\nwith kernels.warm():\n    print(*said('print(1)'))"
    assert run(script, warning="(AF_UNIX path too long), so each loads") == "1\n"


def test_no_kernel_outlives_its_study(tmp_path: Path) -> None:
    script = """
kernels.PRELOADED = ()
with kernels.warm():
    said(f"import os, time; open({sys.argv[1]!r}, 'w').write(str(os.getpid())); time.sleep(600)")
"""
    file = tmp_path / "pid"
    study = subprocess.Popen([sys.executable, "-c", SCRIPT + script, str(file)], env=environment())
    try:
        pid = _when(lambda: file.is_file() and file.read_text())
    finally:
        study.send_signal(signal.SIGKILL)
        study.wait()
    assert _when(lambda: not Path(f"/proc/{pid}").exists(), seconds=20)


def _when(condition: Any, seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def test_kernels_of_another_python_start_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    async def launch(self: Any, cmd: list[str], **kwargs: Any) -> list[str]:
        return cmd

    monkeypatch.setattr(LocalProvisioner, "launch_kernel", launch)
    for cmd in (
        ["/another/python", "-m", "ipykernel_launcher", "-f", "x"],
        [sys.executable, "-m", "xonsh"],
    ):
        assert asyncio.run(WarmProvisioner().launch_kernel(cmd, env={})) == cmd
