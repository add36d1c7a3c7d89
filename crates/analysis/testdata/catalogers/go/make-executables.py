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


def pclntab(names, magic=0xFFFFFFF1, order="<", size=8):
    """The header of the table of functions, and their names; what would follow is left out."""
    word = {4: "I", 8: "Q"}[size]
    texts = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    fields = [len(names), 1] + ([0] if magic >= 0xFFFFFFF0 and magic != 0xFFFFFFFA else [])
    start = 8 + size * (len(fields) + 5)
    offsets = [start, start + len(texts), start + len(texts), start + len(texts), start + len(texts)]
    head = struct.pack(order + "I", magic) + bytes([0, 0, 1, size])
    return head + struct.pack(order + (len(fields) + 5) * word, *fields, *offsets) + texts


def elf_with(sections):
    """A 64-bit executable with sections of these names, all in one segment."""
    names, headers, body, at = b"\0.shstrtab\0", [], b"", 0x100
    for name, data in sections:
        place = at + len(body)
        headers.append((len(names), 1, 3, ADDRESS + len(body), place, len(data), 0, 0, 16, 0))
        names += name.encode() + b"\0"
        body += data.ljust(-(-len(data) // 16) * 16, b"\0")
    names_at = at + len(body)
    table_at = -(-(names_at + len(names)) // 16) * 16
    headers.append((1, 3, 0, 0, names_at, len(names), 0, 0, 1, 0))
    out = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI3QI6H", 2, 62, 1, ADDRESS, 64, table_at, 0, 64, 56, 1, 64,
                                                          len(headers) + 1, len(headers))
    out += struct.pack("<II6Q", 1, 6, at, ADDRESS, ADDRESS, len(body), len(body), 0x10)
    out = (out.ljust(at, b"\0") + body + names).ljust(table_at, b"\0") + bytes(64)
    return out + b"".join(struct.pack("<II4QII2Q", *header) for header in headers)


def fat(*programs):
    """A universal file; programs begin at multiples of 4096."""
    out, heads = b"", b""
    for processor, program in zip((0x01000007, 0x0100000C), programs):
        at = 4096 + len(out)
        heads += struct.pack(">5I", processor, 3, at, len(program), 12)
        out += program.ljust(-(-len(program) // 4096) * 4096, b"\0")
    return (struct.pack(">II", 0xCAFEBABE, len(programs)) + heads).ljust(4096, b"\0") + out


def settings(module, lines):
    return f"path\t{module}/cmd/app\nmod\t{module}\t(devel)\t\n" + "".join(f"build\t{line}\n" for line in lines)


FUNCTIONS = (
    "runtime.main",
    "net/http.(*Client).Do",
    "vendor/golang.org/x/net/http2/hpack.NewDecoder",
    "main.main",
    "main.run.func1",
    "example.org/demo/internal/a.Parse",
    "example.org/mux.(*Router).ServeHTTP",
    "example.org/mux.(*Router).ServeHTTP.func1",
    "example.org/old/b%2ev1.Load[...]",
    "type:.eq.example.org/mux.Route",
)
VCS = ["vcs=git", "vcs.revision=0123456789abcdef0123456789abcdef01234567", "vcs.time=2023-04-05T06:07:08Z"]

with_functions = elf_with([(".go.buildinfo", inline("go1.24.1", MODULES)), (".gopclntab", pclntab(FUNCTIONS))])
write("symbols/image/usr/bin/server", with_functions)
write("symbols/image/usr/bin/go1.16", elf_with([(".go.buildinfo", pointers("go1.16", MODULES, 8, "<")),
                                                (".gopclntab", pclntab(FUNCTIONS, 0xFFFFFFFA))]))
# Without sections the table is found by how it begins.
write("symbols/image/srv/server.exe", pe(NEW.ljust(-(-len(NEW) // 16) * 16, b"\0") + pclntab(FUNCTIONS)))
# No function of the module `local` is left; of older tables nothing is said.
write("symbols/image/usr/bin/go1.12", elf_with([(".go.buildinfo", pointers("go1.12", ONE, 8, "<")),
                                                (".gopclntab", pclntab(FUNCTIONS, 0xFFFFFFFB))]))
write("symbols/image/usr/bin/cut-table", elf_with([(".go.buildinfo", inline("go1.24.1", ONE)),
                                                   (".gopclntab", pclntab(FUNCTIONS)[:60])]))

versions = {
    "ldflags": settings("example.org/demo", ['-ldflags="-s -w -X main.version=1.4.2 -X main.commit=0123abc"'] + VCS),
    "quoted": settings("example.org/demo", ['-ldflags="-X \\"example.org/demo/internal/build.Version=v2.0.0-rc.1\\""']),
    "other-module": settings("example.org/demo", ['-ldflags="-X example.org/dep.Version=9.9.9"']),
    "two": settings("example.org/demo", ['-ldflags="-X main.version=1.0.0 -X main.Version=2.0.0"']),
    "revision": settings("example.org/demo", VCS),
    "modified": settings("example.org/demo/v2", VCS + ["vcs.modified=true"]),
    "nothing": settings("example.org/demo", ["-compiler=gc"]),
    "released": settings("example.org/demo", ['-ldflags="-X main.version=9.9.9"']).replace("(devel)", "v1.0.0"),
}
for name, text_of in versions.items():
    write(f"versions/image/opt/{name}/app", elf(inline("go1.22.1", text_of)))

write("universal/image/srv/both", fat(macho(NEW), macho(NEW)))
write("universal/image/srv/different", fat(macho(inline("go1.21", ONE)), macho(inline("go1.22", ONE))))
# A class of Java begins in the same way.
write("universal/image/srv/Main.class", b"\xca\xfe\xba\xbe\0\0\0\x41\0\x10".ljust(64, b"\0"))

write("packed/image/bin/elf", elf_with([])[:0x100].replace(struct.pack("<Q", 0x110), bytes(8)).ljust(0x100, b"\0")
      + b"\xd5\x03\x01\x02UPX!\x0d\x24\x0e\x0a".ljust(512, b"x"))
upx = pe(b"x" * 64).replace(b".data\0\0\0", b"UPX0\0\0\0\0")
write("packed/image/bin/pe.exe", upx)
# The packer itself, and whatever speaks of it, is not packed.
write("packed/image/bin/upx", elf_with([(".text", b"UPX!".ljust(64, b"\0"))]))
