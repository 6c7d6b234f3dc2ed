"""What the scripts beside it share: the version, the binary that is packaged, and where artefacts go.

Standard library only. Every artefact is made of a binary that was built before (`dist/binary`), so that all of them hold the
same bytes, and of nothing that differs from one run to the next.
"""

import argparse
import contextlib
import dataclasses
import datetime
import io
import os
import pathlib
import platform
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "sdk-tests"))
sys.dont_write_bytecode = True

import harness  # noqa: E402 - found through the line above
from harness import HarnessError  # noqa: E402

OUT = ROOT / "target/artefacts"
# What each shell calls the file of a program's completions.
COMPLETIONS = {"bash": "rollcall.bash", "zsh": "_rollcall", "fish": "rollcall.fish"}
DESCRIPTION = "Your own server for the User Profiles API"
LICENCES = ("LICENSE-APACHE", "LICENSE-MIT")

# e_machine of an ELF header, and what each kind of package calls it.
MACHINES = {62: "x86_64", 183: "aarch64"}
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
CONTAINER = {"x86_64": "amd64", "aarch64": "arm64"}
NODE = {"x86_64": "x64", "aarch64": "arm64"}


def version():
    """The workspace's version, which every artefact bears."""
    return tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]


def epoch():
    """The time that artefacts bear, in seconds: SOURCE_DATE_EPOCH, else that of the last commit."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    last = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    if last.returncode != 0:
        raise HarnessError("this is no git checkout; set SOURCE_DATE_EPOCH to the time that the artefacts are to bear")
    return int(last.stdout)


def modified():
    """That time as ISO 8601."""
    return datetime.datetime.fromtimestamp(epoch(), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass(frozen=True)
class Binary:
    """A built `rollcall`: `machine` is what it runs on, `static` whether it needs no library of the machine, `movable` whether
    the system may put it at any address, `native` one of the same build that runs here, to be asked in its place."""

    path: pathlib.Path
    machine: str
    static: bool
    movable: bool
    native: pathlib.Path | None = None

    @classmethod
    def read(cls, path):
        """Refuses what is no Linux program for a machine that is packaged for, and one of another version."""
        path = pathlib.Path(path).resolve()
        try:
            with open(path, "rb") as file:
                header = file.read(64)
                if header[:6] != b"\x7fELF\x02\x01":
                    raise HarnessError(f"{path} is no 64-bit ELF program")
                kind, number = struct.unpack_from("<HH", header, 16)
                (start,) = struct.unpack_from("<Q", header, 32)
                size, count = struct.unpack_from("<HH", header, 54)
                file.seek(start)
                segments = file.read(size * count)
        except OSError as error:
            raise HarnessError(f"{path}: {error.strerror}; `dist/binary` builds one") from error
        if number not in MACHINES:
            raise HarnessError(f"{path} is for a machine that is not packaged for (ELF machine {number})")
        interpreter = any(struct.unpack_from("<I", segments, size * each)[0] == 3 for each in range(count))  # PT_INTERP
        here = MACHINES[number] == platform.machine()
        found = cls(path, MACHINES[number], not interpreter, kind == 3, path if here else None)  # ET_DYN
        found.check_version()
        return found

    @classmethod
    def read_all(cls, paths):
        """Several of one build, for different machines."""
        found = [cls.read(path) for path in paths]
        if len({each.machine for each in found}) < len(found):
            raise HarnessError("two of the binaries are for the same machine")
        native = next((each.native for each in found if each.native), None)
        return [dataclasses.replace(each, native=native) for each in found]

    def completions(self):
        """The text of each shell's completions, by the name of their file."""
        return {name: self._said("completions", shell) for shell, name in COMPLETIONS.items()}

    def manual(self):
        """The text of each manual page, by the name of its file."""
        with stage() as staged:
            self._said("man", staged)
            return {page.name: page.read_bytes() for page in sorted(staged.iterdir())}

    def _said(self, *arguments):
        if self.native is None:
            raise HarnessError(f"{self.path} does not run here; package it together with one that does: dist/all --binary … --binary …")
        said = subprocess.run([self.native, *arguments], capture_output=True, check=False)
        if said.returncode != 0:
            raise HarnessError(f"{self.path} {arguments[0]}: {said.stderr.decode(errors='replace')}")
        return said.stdout

    def check_version(self):
        if self.native is None:
            return
        said = subprocess.run([self.path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if said != f"rollcall {version()}":
            raise HarnessError(f"{self.path} says {said!r}, but Cargo.toml has version {version()}; build it anew")


def parser(script, description, *, several=False):
    """The command line of an artefact's script: which binary, and where the artefact goes."""
    made = argparse.ArgumentParser(prog=f"dist/{script}", description=description)
    more = " (may repeat, one for each machine)" if several else ""
    made.add_argument("--binary", metavar="PATH", required=True, action="append" if several else "store", help=f"the built program to package{more}")
    made.add_argument("--out", metavar="DIRECTORY", type=pathlib.Path, default=OUT, help="where the artefact goes (default: target/artefacts)")
    return made


class Archive:
    """A tar archive whose bytes follow from its contents alone."""

    def __init__(self, time):
        self.time = time
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.USTAR_FORMAT)

    def directory(self, name, mode=0o755, owner=0):
        self._add(name, tarfile.DIRTYPE, mode, owner, b"")

    def file(self, name, content, mode=0o644):
        self._add(name, tarfile.REGTYPE, mode, 0, content)

    def _add(self, name, kind, mode, owner, content):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.uid, entry.gid, entry.mtime, entry.size = kind, mode, owner, owner, self.time, len(content)
        self.tar.addfile(entry, io.BytesIO(content))

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


@contextlib.contextmanager
def stage():
    """A directory to put an artefact's files together in."""
    with tempfile.TemporaryDirectory(prefix="rollcall-dist-") as directory:
        yield pathlib.Path(directory)


def put(source, target, mode):
    """Copies a file with the mode that the artefact is to have, whatever the checkout's umask was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def made(path):
    """Tells what was made."""
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB", flush=True)
    return path


def run(script, main):
    """Ends with status 0, or with 2 and the reason when the artefact could not be made."""
    try:
        main()
    except HarnessError as error:
        print(f"dist/{script}: {error}", file=sys.stderr)
        sys.exit(2)
