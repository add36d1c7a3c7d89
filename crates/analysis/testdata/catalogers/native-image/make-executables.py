"""Writes the native images of the cases: headers, symbols and the embedded document. Nothing in them runs.

Layouts are those of elf(5), of the PE specification and of Mach-O; the symbols are those of GraalVM.
"""

import gzip
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
ADDRESS = 0x40000
DOCUMENT = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "metadata": {"component": {"type": "application", "name": "demo", "version": "1.0"}},
    "components": [
        {"type": "library", "group": "io.example", "name": "http", "version": "4.1.2",
         "purl": "pkg:maven/io.example/http@4.1.2", "licenses": [{"license": {"id": "Apache-2.0"}}]},
        {"type": "library", "group": "org.example", "name": "json", "version": "2.0"},
        {"type": "library", "name": "nameless"},
    ],
}


def packed(document):
    return gzip.compress(document if isinstance(document, bytes) else json.dumps(document).encode(), mtime=0)


def data(document, length=None):
    """The document and, at the next multiple of 8, its length; and where that is."""
    document = packed(document)
    at = -(-len(document) // 8) * 8
    return document.ljust(at, b"\0") + struct.pack("<Q", len(document) if length is None else length), at


def elf(content, length_at, names=("sbom", "sbom_length")):
    """A shared object with one segment and the sections .dynstr and .dynsym."""
    at = 0x100
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    symbols = bytes(24)
    for name, value in zip(names, (ADDRESS, ADDRESS + length_at)):
        symbols += struct.pack("<IBBHQQ", strings.index(b"\0" + name.encode() + b"\0") + 1, 0x11, 0, 1, value, 8)
    section_names = b"\0.shstrtab\0.dynstr\0.dynsym\0"
    parts, places = [content, strings, symbols, section_names], []
    out = b""
    for part in parts:
        places.append(at + len(out))
        out += part.ljust(-(-len(part) // 16) * 16, b"\0")
    table_at = at + len(out)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHI3QI6H", 3, 62, 1, 0, 64, table_at, 0, 64, 56, 1, 64, 4, 1)
    head += struct.pack("<II6Q", 1, 4, at, ADDRESS, ADDRESS, len(content), len(content), 16)
    section = lambda name, kind, place, size, link: struct.pack("<II4QII2Q", name, kind, 2, 0, place, size, link, 0, 1, 24)
    headers = bytes(64) + section(1, 3, places[3], len(section_names), 0) + section(11, 3, places[1], len(strings), 0)
    headers += section(19, 11, places[2], len(symbols), 2)
    return head.ljust(at, b"\0") + out + headers


def macho(content, length_at):
    at = 0x200
    strings = b"\0_main\0_sbom\0_sbom_length\0"
    symbols = struct.pack("<IBBHQ", 1, 15, 1, 0, 0) + struct.pack("<IBBHQ", 7, 15, 1, 0, ADDRESS)
    symbols += struct.pack("<IBBHQ", 13, 15, 1, 0, ADDRESS + length_at)
    symbols_at = at + len(content)
    out = struct.pack("<8I", 0xFEEDFACF, 0x01000007, 3, 2, 2, 72 + 24, 0, 0)
    out += struct.pack("<II16s4Q4I", 0x19, 72, b"__DATA", ADDRESS, 0x10000, at, len(content), 3, 3, 0, 0)
    out += struct.pack("<6I", 2, 24, symbols_at, 3, symbols_at + len(symbols), len(strings))
    return out.ljust(at, b"\0") + content + symbols + strings


def pe(content, length_at):
    """One section at 0x1000 with the document, then the export directory."""
    base, virtual, at = 0x400000, 0x1000, 0x200
    start = -(-len(content) // 16) * 16
    rva = virtual + start
    names = b"sbom\0sbom_length\0"
    tables = rva + 40
    export = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, 0, 1, 2, 2, tables, tables + 8, tables + 16)
    export += struct.pack("<IIIIHH", virtual, virtual + length_at, tables + 20, tables + 25, 0, 1) + names
    content = content.ljust(start, b"\0") + export
    out = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0"
    out += struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20B, 3, 0, 0, len(content), 0, 0x1000, 0x1000, base,
                           0x1000, 0x200, 6, 1, 1, 0, 6, 1, 0, 0x3000, 0x200, 0, 3, 0, 1 << 20, 1 << 12, 1 << 20,
                           1 << 12, 0, 16)
    out += (optional + struct.pack("<II", rva, len(export))).ljust(240, b"\0")
    out += struct.pack("<8sIIIIIIHHI", b".data", len(content), virtual, len(content), at, 0, 0, 0, 0, 0xC0000040)
    return out.ljust(at, b"\0") + content


def write(path, content):
    path = HERE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)


write("images/image/app/demo", elf(*data(DOCUMENT)))
write("images/image/app/demo-darwin", macho(*data(DOCUMENT)))
write("images/image/app/demo.exe", pe(*data(DOCUMENT)))
# An unrelated program with a symbol of that name.
write("images/image/app/other", elf(*data(DOCUMENT), names=("sbom", "sbom_lengthen")))
write("broken/image/app/cut", elf(*data(DOCUMENT, 40)))
write("broken/image/app/long", elf(*data(DOCUMENT, 1 << 40)))
write("broken/image/app/outside", elf(*data(DOCUMENT, 1 << 20)))
write("broken/image/app/text", elf(*data(b"no document")))
write("broken/image/app/empty", elf(*data({})))
