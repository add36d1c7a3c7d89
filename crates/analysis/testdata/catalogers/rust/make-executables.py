"""Writes the executables of the cases: headers and a section `.dep-v0` as cargo-auditable makes it. Nothing in them
runs."""

import json
import pathlib
import struct
import zlib

HERE = pathlib.Path(__file__).parent
LIST = {
    "packages": [
        {"name": "autocfg", "version": "1.5.1", "source": "crates.io", "kind": "build"},
        {"name": "chrono", "version": "0.4.19", "source": "crates.io", "dependencies": [0, 2]},
        {"name": "num-traits", "version": "0.2.19+meta", "source": "registry"},
        {"name": "demo", "version": "0.1.0", "source": "local", "dependencies": [1, 3], "root": True},
    ]
}
LIST["packages"].insert(3, {"name": "forked", "version": "2.0.0-rc.1", "source": "git"})
LIST["packages"][4]["dependencies"] = [1, 3]


def pack(document):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return zlib.compress(text, 9)


def elf(data, section=".dep-v0"):
    """64-bit, three sections: none, names, the one."""
    at = 0x80
    names = b"\0.shstrtab\0" + section.encode() + b"\0"
    names_at = at + len(data)
    table_at = -(-(names_at + len(names)) // 16) * 16
    out = b"\x7fELF\x02\x01\x01" + bytes(9)
    out += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, table_at, 0, 64, 56, 0, 64, 3, 1)
    out = out.ljust(at, b"\0") + data + names
    out = out.ljust(table_at, b"\0") + bytes(64)
    out += struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    out += struct.pack("<IIQQQQIIQQ", 11, 1, 0, 0, at, len(data), 0, 0, 1, 0)
    return out


def pe(data):
    """A 64-bit image with the one section."""
    out = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0"
    out += struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    out += struct.pack("<H", 0x20B).ljust(240, b"\0")
    out += struct.pack("<8sIIIIIIHHI", b".dep-v0", len(data), 0x1000, len(data), 0x200, 0, 0, 0, 0, 0x40000040)
    return out.ljust(0x200, b"\0") + data


def macho(data):
    """A 64-bit executable with the one section."""
    at = 0x100
    out = struct.pack("<8I", 0xFEEDFACF, 0x01000007, 3, 2, 1, 72 + 80, 0, 0)
    out += struct.pack("<II16s4Q4I", 0x19, 72 + 80, b"__DATA", 0x1000, 0x1000, at, len(data), 3, 3, 1, 0)
    out += struct.pack("<16s16sQQ8I", b".dep-v0", b"__DATA", 0x1000, len(data), at, 0, 0, 0, 0, 0, 0, 0)
    return out.ljust(at, b"\0") + data


def write(path, content, mode=0o755):
    path = HERE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


write("auditable/image/usr/bin/demo", elf(pack(LIST)))
write("auditable/image/usr/lib/libdemo.so.1.0", elf(pack(LIST)), 0o644)
write("auditable/image/usr/bin/demo.exe", pe(pack(LIST)))
write("auditable/image/usr/bin/demo-darwin", macho(pack(LIST)))
# A program that reads such lists has the name among its constants.
write("auditable/image/usr/bin/reader", elf(b"looks for .dep-v0", ".rodata"))

write("broken/image/bin/cut", elf(pack(LIST))[:0x90] + b".dep-v0")
write("broken/image/bin/not-compressed", elf(b"{}"))
write("broken/image/bin/short", elf(pack(LIST)[:40]))
write("broken/image/bin/empty", elf(b""))
write("broken/image/bin/not-json", elf(pack(b"crates: none")))
write("broken/image/bin/not-text", elf(pack(b"\xff\xfe")))
write("broken/image/bin/no-root", elf(pack({"packages": LIST["packages"][:4]})))
write("broken/image/bin/circular", elf(pack({"packages": [
    {"name": "a", "version": "1.0.0", "source": "local", "dependencies": [1], "root": True},
    {"name": "b", "version": "1.0.0", "source": "local", "dependencies": [0]},
]})))
write("broken/image/bin/outside", elf(pack({"packages": [
    {"name": "a", "version": "1.0.0", "source": "local", "dependencies": [7], "root": True},
]})))
write("broken/image/bin/version", elf(pack({"packages": [
    {"name": "a", "version": "latest", "source": "local", "root": True},
]})))
write("broken/image/bin/large", elf(pack(b" " * (9 << 20))))
