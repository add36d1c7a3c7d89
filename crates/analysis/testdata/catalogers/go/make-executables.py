"""Writes the executables of the cases: headers, one data segment, and what the Go toolchain would put into it.

Nothing in them runs. Layouts are those of the ELF, PE/COFF and Mach-O specifications; the build information is that
of Go's package debug/buildinfo.
"""

import pathlib
import struct

HERE = pathlib.Path(__file__).parent
MAGIC = b"\xff Go buildinf:"
START, END = bytes.fromhex("3077af0c9274080241e1c107e6d618e6"), bytes.fromhex("f932433186182072008242104116d8f2")
ADDRESS = 0x40000
MODULES = (
    "path\texample.org/demo/cmd/server\n"
    "mod\texample.org/demo\t(devel)\t\n"
    "dep\texample.org/mux\tv1.7.0\th1:rtBEJxvUB57gkH82G8d4JQBHU7dYWnxtZb1SsOoJUWo=\n"
    "dep\texample.org/old\tv0.3.5\n"
    "=>\texample.org/new\tv0.3.6\th1:+rl1MtCFac1LmDznIFJqZRaikXBVn0FCNsHv3PNyhhE=\n"
    "dep\texample.org/local\tv1.0.0\n"
    "=>\t../local\t(devel)\t\n"
    "dep\texample.org/legacy\tv3.2.0+incompatible\th1:tAQtqRqLn1h9VLmk73qYOZQ3Cd0cqibE5mXMDzhAMAM=\n"
    "build\t-compiler=gc\n"
    "build\tCGO_ENABLED=0\n"
)


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def text(modules):
    return START + modules.encode() + END if modules else b""


def inline(toolchain, modules):
    """Since Go 1.18."""
    return (MAGIC + bytes([8, 2])).ljust(32, b"\0") + b"".join(
        varint(len(part)) + part for part in (toolchain.encode(), text(modules))
    )


def pointers(toolchain, modules, size, order, address=ADDRESS):
    """Before Go 1.18: the header points to string headers, those to the texts."""
    word = {4: "I", 8: "Q"}[size]
    parts = toolchain.encode(), text(modules)
    headers = address + 32
    texts = headers + 4 * size
    header = MAGIC + bytes([size, order == ">"]) + struct.pack(order + 2 * word, headers, headers + 2 * size)
    strings = struct.pack(order + 4 * word, texts, len(parts[0]), texts + len(parts[0]), len(parts[1]))
    return header.ljust(32, b"\0") + strings + b"".join(parts)


def elf(data, section=".go.buildinfo", size=8, order="<", before=b""):
    """One loadable segment, and a section around the same bytes if it is named."""
    word = {4: "I", 8: "Q"}[size]
    head, program, entry = {4: (52, 32, 40), 8: (64, 56, 64)}[size]
    at = 0x100 + len(before)
    names = b"\0.shstrtab\0" + section.encode() + b"\0" if section else b""
    names_at = at + len(data)
    table_at = -(-(names_at + len(names)) // 16) * 16
    sections = 3 if section else 0
    out = b"\x7fELF" + bytes([{4: 1, 8: 2}[size], {"<": 1, ">": 2}[order], 1]) + bytes(9)
    out += struct.pack(order + "HHI", 2, {4: 20, 8: 62}[size], 1)
    out += struct.pack(order + 3 * word, ADDRESS, head, table_at if section else 0)
    out += struct.pack(order + "I6H", 0, head, program, 1, entry, sections, 1 if section else 0)
    place = (at, ADDRESS, ADDRESS, len(data), len(data))
    if size == 8:
        out += struct.pack(order + "II6Q", 1, 6, *place, 0x10)
    else:
        out += struct.pack(order + "8I", 1, *place, 6, 0x10)
    out = out.ljust(0x100, b"\0") + before + data + names
    if section:
        header = order + "II" + 4 * word + "II" + 2 * word
        out = out.ljust(table_at, b"\0") + bytes(entry)
        out += struct.pack(header, 1, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
        out += struct.pack(header, 11, 1, 3, ADDRESS, at, len(data), 0, 0, 16, 0)
    return out


def pe(data):
    """A 64-bit image with the one section .data."""
    out = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0"
    out += struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20B, 3, 0, 0, len(data), 0, 0x1000, 0x1000, 0x400000,
                           0x1000, 0x200, 6, 1, 1, 0, 6, 1, 0, 0x3000, 0x200, 0, 3, 0, 1 << 20, 1 << 12, 1 << 20,
                           1 << 12, 0, 16)
    out += optional.ljust(240, b"\0")
    out += struct.pack("<8sIIIIIIHHI", b".data", len(data), 0x1000, len(data), 0x200, 0, 0, 0, 0, 0xC0000040)
    return out.ljust(0x200, b"\0") + data


def macho(data):
    """A 64-bit executable with the one segment __DATA and the one section __go_buildinfo."""
    at = 0x100
    out = struct.pack("<8I", 0xFEEDFACF, 0x01000007, 3, 2, 1, 72 + 80, 0, 0)
    out += struct.pack("<II16s4Q4I", 0x19, 72 + 80, b"__DATA", ADDRESS, 0x1000, at, len(data), 3, 3, 1, 0)
    out += struct.pack("<16s16sQQ8I", b"__go_buildinfo", b"__DATA", ADDRESS, len(data), at, 4, 0, 0, 0, 0, 0, 0)
    return out.ljust(at, b"\0") + data


def write(path, content, mode=0o755):
    path = HERE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


NEW = inline("go1.22.1 X:boringcrypto", MODULES)
ONE = "path\tcommand-line-arguments\ndep\texample.org/mux\tv1.7.0\n"

write("elf/image/usr/local/bin/server", elf(NEW))
write("elf/image/usr/local/bin/without-sections", elf(NEW, section=None))
write("elf/image/usr/local/bin/without-modules", elf(inline("go1.26.8", "")))
write("elf/image/usr/local/bin/of-a-snapshot", elf(inline("devel go1.23-0123abcd Tue Mar 5 2024", ONE)))
write("elf/image/usr/lib/plugin.so.1", elf(NEW), 0o644)
write("elf/image/usr/share/not-executable", elf(NEW), 0o644)
# A program that reads build information has the magic among its constants.
write("elf/image/usr/local/bin/reader", elf(MAGIC.ljust(32, b"x") + inline("go1.20", ONE), section=None))
# A program that carries another Go program is itself, not the other.
write("elf/image/usr/local/bin/carrier", elf(inline("go1.25", ONE), before=inline("go1.2", MODULES).ljust(0x400, b"\0")))
write("pointers/image/usr/bin/little", elf(pointers("go1.17.13", MODULES, 8, "<")))
write("pointers/image/usr/bin/big", elf(pointers("go1.16", ONE, 4, ">"), size=4, order=">"))
write("pointers/image/usr/bin/without-sections", elf(pointers("go1.13.4", ONE, 8, "<"), section=None))
write("foreign/image/srv/server.exe", pe(NEW))
write("foreign/image/srv/old.exe", pe(pointers("go1.17.1", ONE, 8, "<", 0x401000)))
write("foreign/image/srv/server-darwin", macho(NEW))

write("broken/image/bin/cut", elf(NEW)[:0x180])
write("broken/image/bin/only-magic", b"\x7fELF".ljust(64, b"\0") + MAGIC)
write("broken/image/bin/length", elf((MAGIC + bytes([8, 2])).ljust(32, b"\0") + b"\xff" * 20))
write("broken/image/bin/huge", elf((MAGIC + bytes([8, 2])).ljust(32, b"\0") + varint(1 << 33) + b"go1.1"))
write("broken/image/bin/pointer-size", elf(MAGIC + bytes([7, 0]) + b"\xff" * 64))
write("broken/image/bin/pointer-outside", elf(pointers("go1.1", ONE, 8, "<", (1 << 64) - 256)))
write("broken/image/bin/no-release", elf(inline("rustc 1.80", MODULES)))
write("broken/image/bin/no-marks", elf(inline("go1.20", "").rstrip(b"\0") + b"\x03abc"))
write("broken/image/bin/lines", elf(inline("go1.20", "=>\texample.org/x\tv1\ndep\nmod\t\ndep\t\t\t\t\n\n=>\t\n")))
write("broken/image/bin/not-text", elf(inline("go1.20", "x").replace(b"x", b"\xff\xfe\n")))
