"""Writes the ELF files of the cases: headers, a segment of notes, and the names of sections. Nothing in them runs.

Layouts are those of elf(5) and of systemd's "Package Metadata for ELF Files".
"""

import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent


def note(value, owner=b"FDO\0", kind=0xCAFE1A7E, order="<"):
    pad = lambda data: data.ljust(-(-len(data) // 4) * 4, b"\0")
    return struct.pack(order + "3I", len(owner), len(value), kind) + pad(owner) + pad(value)


BUILD_ID = note(bytes(20), b"GNU\0", 3)


def elf(notes, order="<", segment=True, section=False):
    at = 0x100
    names = b"\0.shstrtab\0.note.package\0"
    names_at = at + len(notes)
    table_at = -(-(names_at + len(names)) // 16) * 16
    out = b"\x7fELF\x02" + bytes([1 if order == "<" else 2, 1]) + bytes(9)
    out += struct.pack(order + "HHI3QI6H", 3, 62, 1, 0, 64, table_at if section else 0, 0, 64, 56, int(segment), 64,
                       3 if section else 0, 1 if section else 0)
    if segment:
        out += struct.pack(order + "II6Q", 4, 4, at, at, at, len(notes), len(notes), 4)
    out = out.ljust(at, b"\0") + notes + names
    if section:
        out = out.ljust(table_at, b"\0") + bytes(64)
        out += struct.pack(order + "II4QII2Q", 1, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
        out += struct.pack(order + "II4QII2Q", 11, 7, 2, at, at, len(notes), 0, 0, 4, 0)
    return out


def of(**fields):
    return note(json.dumps(fields).encode() + b"\0")


def write(path, content, mode=0o755):
    path = HERE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


fedora = of(type="rpm", name="tree", version="2.1.0-6.fc40", architecture="x86_64", osCpe="cpe:/o:fedoraproject:fedora:40")
debian = of(type="deb", os="debian", name="zlib", version="1:1.3.1-1", architecture="amd64",
            debugInfoUrl="https://debuginfod.debian.net")
write("copied/image/usr/local/bin/tree", elf(BUILD_ID + fedora))
write("copied/image/usr/local/lib/libtree.so.2", elf(fedora, section=True), 0o644)
write("copied/image/opt/lib/libz.so.1", elf(debian, segment=False, section=True), 0o644)
write("copied/image/opt/big-endian", elf(note(b'{"type":"apk","name":"musl","version":"1.2.5-r0","os":"alpine","osVersion":"3.20"}',
                                              order=">"), ">"))
write("copied/image/opt/own", elf(of(type="generic", name="own@tool", version="7.1")))
write("copied/image/opt/without", elf(BUILD_ID))
write("copied/image/opt/data.so.txt", b"\x7fELF".ljust(64, b"\0"), 0o644)

# A file of a package of the image is that package's; its copy elsewhere is told, with the same version once.
owned = of(type="deb", os="debian", name="hello", version="2.10-3", architecture="amd64")
write("owned/image/usr/bin/hello", elf(owned))
other = of(type="deb", os="debian", name="gawk", version="1:5.2.1-2", architecture="amd64")
write("owned/image/usr/bin/gawk", elf(other))
write("owned/image/opt/gawk", elf(other))
status = HERE / "owned/image/var/lib/dpkg"
(status / "info").mkdir(parents=True, exist_ok=True)
(status / "status").write_text(
    "Package: hello\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.10-3+b1\nSource: hello (2.10-3)\n"
    "Maintainer: A <a@example.org>\n\n"
    "Package: gawk-bin\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:5.2.1-2\nSource: gawk\n"
    "Maintainer: A <a@example.org>\n"
)
(status / "info/hello.list").write_text("/.\n/usr\n/usr/bin\n/usr/bin/hello\n")
(status / "info/gawk-bin.list").write_text("/.\n/usr\n/usr/bin\n/usr/bin/gawk\n")

write("broken/image/bin/text", elf(note(b"name=tree")))
write("broken/image/bin/list", elf(note(b"[1]")))
write("broken/image/bin/no-version", elf(of(type="rpm", name="tree")))
write("broken/image/bin/numbers", elf(of(type="rpm", name=1, version=2)))
write("broken/image/bin/long", elf(of(type="rpm", name="x" * 2000, version="1")))
write("broken/image/bin/cut", elf(fedora[:40]))
write("broken/image/bin/length", elf(struct.pack("<3I", 0xFFFFFFFC, 0xFFFFFFFC, 1) + fedora))
write("broken/image/bin/other-owner", elf(note(b'{"name":"x","version":"1"}', b"TBD\0")))
write("broken/image/bin/endless", elf(b"\0" * 12 * 300 + fedora))
