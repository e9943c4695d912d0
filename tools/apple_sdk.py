#!/usr/bin/env python3
"""Writes what a linker for Apple's systems asks of Apple's SDK: text stubs that say which names the system's libraries export.

    apple_sdk.py WHEEL FOLDER < METADATA

libSystem's stub comes from a wheel of ziglang, which carries it for its own linker. The stubs of the frameworks and of libobjc are made of
what the crates in METADATA (of `cargo metadata`) declare of them in `extern` blocks: so a name that they declare and Apple does not export
goes unnoticed, any other that is missing does not.
"""

import json
import re
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

TARGETS = "[ arm64-macos, x86_64-macos ]"
LIBSYSTEM = "ziglang/lib/libc/darwin/libSystem.tbd"
# Names by which libSystem is linked, too.
LIBSYSTEM_NAMES = ["System", "c", "m"]

LINK = re.compile(r'\blink\(name = "(\w+)", kind = "(framework|dylib)"')
# The body of an `extern` block; `extern_c!` and `extern_c_unwind!` are macros of objc2 for one.
BLOCK = re.compile(r'(?:extern "C(?:-unwind)?"|extern_c(?:_unwind)?!) \{\n(.*?)\n *\}', re.DOTALL)
ITEM = re.compile(r"^ *(?:pub(?:\(\w+\))? )?(?:safe |unsafe )?(?:fn|static(?: mut)?) (\w+)", re.MULTILINE)


def declared(package):
    """The frameworks and libraries that a package links, and the names that it declares."""
    links, names = set(), set()
    for path in sorted(Path(package["manifest_path"]).parent.rglob("src/**/*.rs")):
        text = path.read_text(encoding="utf-8")
        links.update(LINK.findall(text))
        for block in BLOCK.findall(text):
            names.update(ITEM.findall(block))
    return links, names


def stub(install_name, names):
    symbols = ", ".join(f"_{name}" for name in sorted(names))
    exports = f"exports:\n  - targets: {TARGETS}\n    symbols: [ {symbols} ]\n" if names else ""
    return (
        f"--- !tapi-tbd\ntbd-version: 4\ntargets: {TARGETS}\n"
        f"install-name: '{install_name}'\ncurrent-version: 1\n{exports}...\n"
    )


def main():
    wheel, folder = sys.argv[1], Path(sys.argv[2])
    exported = defaultdict(set)
    for package in json.load(sys.stdin)["packages"]:
        links, names = declared(package)
        for link in links:
            exported[link] |= names
    libraries, frameworks = folder / "usr/lib", folder / "System/Library/Frameworks"
    libraries.mkdir(parents=True, exist_ok=True)
    for (name, kind), names in exported.items():
        if kind == "framework":
            place = frameworks / f"{name}.framework"
            place.mkdir(parents=True, exist_ok=True)
            install = f"/System/Library/Frameworks/{name}.framework/Versions/A/{name}"
            (place / f"{name}.tbd").write_text(stub(install, names))
        elif name == "objc":
            (libraries / "libobjc.tbd").write_text(stub("/usr/lib/libobjc.A.dylib", names))
    # Rust's standard library links it on every system of Apple's and calls nothing of it.
    (libraries / "libiconv.tbd").write_text(stub("/usr/lib/libiconv.2.dylib", ()))
    with zipfile.ZipFile(wheel) as archive:
        system = archive.read(LIBSYSTEM)
    for name in LIBSYSTEM_NAMES:
        (libraries / f"lib{name}.tbd").write_bytes(system)


main()
