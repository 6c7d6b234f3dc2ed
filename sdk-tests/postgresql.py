"""A PostgreSQL server of a run's own, from Debian's binaries, gone when the run is.

It never runs as root: as root it is started as the user `postgres`.
"""

import glob
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from harness import HarnessError, call, free_port

SETTINGS = ["listen_addresses=127.0.0.1", "timezone=UTC", "log_min_messages=warning"]


def programs():
    """Where the newest server's programs are."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    given = os.environ.get("ROLLCALL_TEST_POSTGRES_BIN")
    if not (given or found):
        raise HarnessError("PostgreSQL's server is missing: apt-get install postgresql, or set ROLLCALL_TEST_POSTGRES_BIN to its programs")
    return pathlib.Path(given) if given else max((pathlib.Path(path).parent for path in found), key=lambda path: int(path.parent.name))


class PostgreSQL:
    """A server on a free port for the length of a `with` block; `url` is its one database."""

    def __enter__(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="rollcall-postgresql-"))
        self.unprivileged = []
        if os.geteuid() == 0:
            shutil.chown(self.place, "postgres", "postgres")
            self.unprivileged = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        data, bin = self.place / "data", programs()
        initdb = [bin / "initdb", "--username=rollcall", "--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync", "--pgdata", data]
        call([*self.unprivileged, *initdb], cwd="/")
        port = free_port()
        settings = [part for setting in [*SETTINGS, f"unix_socket_directories={data}"] for part in ("-c", setting)]
        command = [*self.unprivileged, bin / "postgres", "-D", data, "-p", str(port), *settings]
        with open(self.place / "server.log", "wb") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        end = time.monotonic() + 60
        ask = [bin / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={port}"]
        while subprocess.run([str(part) for part in ask], check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                raise HarnessError(f"PostgreSQL does not start:\n{(self.place / 'server.log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        self.url = f"postgres://rollcall@127.0.0.1:{port}/postgres?sslmode=disable"

    def database(self, name):
        """The URL of a new database."""
        call([*self.unprivileged, programs() / "createdb", "--maintenance-db", self.url, name], cwd="/")
        return self.url.replace("/postgres?", f"/{name}?")

    def __exit__(self, *_):
        process = getattr(self, "process", None)
        if process:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.place, ignore_errors=True)
