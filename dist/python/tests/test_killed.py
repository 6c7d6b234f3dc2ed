"""No process outlives a run, however it ends: the sample project's 30 tests on four workers, killed in the middle."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

SAMPLE = pathlib.Path(__file__).parent / "sample"
TESTS = 30


class Run:
    """The sample project under way. A mark in its environment tells its processes, however they are related."""

    def __init__(self, directory: pathlib.Path, *, pause: bool) -> None:
        self.mark = f"SAMPLE_RUN={uuid.uuid4()}"
        self.done = directory / "done"
        self.released = directory / "released"
        self.done.mkdir()
        if not pause:
            self.released.touch()
        environment = os.environ | {"SAMPLE_DONE": str(self.done), "SAMPLE_RELEASED": str(self.released)}
        environment |= dict([self.mark.split("=", 1)])
        self.output = directory / "output"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "4", "--rootdir", SAMPLE, "-c", SAMPLE / "pytest.ini", SAMPLE],
                env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def left(self) -> list[str]:
        """The command lines of its processes."""
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def wait(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                left = "\n".join(self.left())
                raise AssertionError(f"{what}: not within {seconds} s\n{left}\n{self.output.read_text()[-2000:]}")
            time.sleep(0.01)


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(*, pause: bool) -> Run:
        runs.append(Run(tmp_path, pause=pause))
        return runs[-1]

    yield begin
    for each in runs:
        if each.process.poll() is None:
            each.process.kill()
        each.released.touch()
        each.process.wait()


def test_thirty_tests_on_four_workers_pass_and_leave_nothing(run: Callable[..., Run]) -> None:
    sample = run(pause=False)
    assert sample.process.wait(timeout=120) == 0, sample.output.read_text()[-3000:]
    assert len(list(sample.done.iterdir())) == TESTS
    sample.wait("nothing is left", lambda: sample.left() == [], 2)


@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["the runner", "its process group"])
def test_a_run_that_is_killed_leaves_no_process(run: Callable[..., Run], kill: Callable[[int, int], None]) -> None:
    sample = run(pause=True)
    sample.wait("the middle", lambda: len(list(sample.done.iterdir())) >= 8, 120)
    assert sum("--exit-with-parent" in line for line in sample.left()) >= 2, "no server of a worker was seen"
    kill(sample.process.pid, signal.SIGKILL)
    sample.released.touch()
    sample.process.wait()
    sample.wait("nothing is left", lambda: sample.left() == [], 2)
    assert len(list(sample.done.iterdir())) < TESTS


def test_a_forked_child_that_outlives_the_process_does_not_keep_its_server(tmp_path: pathlib.Path) -> None:
    # The child holds copies of its parent's files; it sleeps until the test has looked.
    program = (
        "import os, signal, sys, rollcall_server\n"
        "server = rollcall_server.start()\n"
        "child = os.fork()\n"
        "if child == 0:\n    signal.pause()\n"
        "print(server.base_url, child, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    url, child = parent.stdout.readline().split()
    try:
        parent.wait(timeout=30)
        end = time.monotonic() + 2
        while answers(url) and time.monotonic() < end:
            time.sleep(0.01)
        assert not answers(url)
    finally:
        os.kill(int(child), signal.SIGKILL)
        parent.stdout.close()


def answers(url: str) -> bool:
    import socket

    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
