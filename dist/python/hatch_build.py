"""Puts a binary that was built before into the wheel, and says which machines the wheel is for.

The binary is built once and packaged many times, so that every artefact holds the same bytes. ROLLCALL_WHEEL_BINARY names
it and ROLLCALL_WHEEL_PLATFORM the platform tag; `dist/wheel` sets both.
"""

import os
import pathlib
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        try:
            binary, platform = os.environ["ROLLCALL_WHEEL_BINARY"], os.environ["ROLLCALL_WHEEL_PLATFORM"]
        except KeyError as missing:
            raise SystemExit(f"{missing} is not set; build the wheel with `dist/wheel --binary PATH`") from None
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["shared_scripts"] = {binary: "rollcall"}
        root = pathlib.Path(self.root).parent.parent
        for licence in ("LICENSE-APACHE", "LICENSE-MIT"):
            build_data["force_include"][str(root / licence)] = f"rollcall_server/{licence}"
