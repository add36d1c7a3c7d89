#!/usr/bin/env python3
"""Writes the assemblies, programs and bundles of the cases. Nothing in them runs.

Layouts are those of the PE format, of VS_VERSIONINFO, of ECMA-335 and of the .NET runtime's bundles.
"""

import pathlib
import struct
import zlib

HERE = pathlib.Path(__file__).parent
SECTION_AT, ADDRESS = 0x200, 0x2000
SIGNATURE = bytes.fromhex("8b1202b96a612038727b930214d7a03213f5b9e6efae3318ee3b2dce24b36aae")


def padded(data, to=4):
    return data + bytes(-len(data) % to)


def record(name, kind, value, children=()):
    """One record of VS_VERSIONINFO."""
    head = padded(bytes(6) + name.encode("utf-16-le") + b"\0\0")[6:]
    body = value
    for child in children:
        body = padded(body) + child
    length = 6 + len(head) + len(body)
    return struct.pack("<HHH", length, len(value) // (2 if kind else 1), kind) + head + body


def version_resource(texts, numbers=(0, 0, 0, 0)):
    a, b, c, d = numbers
    fixed = struct.pack("<13I", 0xFEEF04BD, 0x10000, a << 16 | b, c << 16 | d, a << 16 | b, c << 16 | d, 63, 0, 4, 2, 0, 0, 0)
    strings = [record(name, 1, (value + "\0").encode("utf-16-le")) for name, value in texts.items()]
    table = record("000004b0", 1, b"", strings)
    names = record("VarFileInfo", 1, b"", [record("Translation", 0, struct.pack("<HH", 0, 1200))])
    return record("VS_VERSION_INFO", 0, fixed, [names, record("StringFileInfo", 1, b"", [table])])


def resources(data, address):
    """A directory of types, names and languages with one leaf."""
    table = lambda entry, offset: struct.pack("<IIHHHHII", 0, 0, 0, 0, 0, 1, entry, offset)
    out = table(16, 0x80000018) + table(1, 0x80000030) + table(1033, 0x48)
    return out + struct.pack("<IIII", address + 0x58, len(data), 0, 0) + data


def metadata(name, version, types=0, wide=False):
    """A root with the streams of tables and of texts; `types` rows stand before the assembly's."""
    strings = b"\0<Module>\0" + name.encode() + b"\0"
    strings = padded(strings)
    text = lambda at: struct.pack("<I" if wide else "<H", at)
    valid = 1 << 0 | 1 << 0x20 | (1 << 2 | 1 << 4 if types else 0)
    rows = [1] + ([types, types] if types else []) + [1]
    tables = struct.pack("<IBBBBQQ", 0, 2, 0, 1 if wide else 0, 1, valid, 0)
    tables += b"".join(struct.pack("<I", count) for count in rows)
    tables += struct.pack("<H", 0) + text(1) + struct.pack("<HHH", 1, 0, 0)
    index = struct.pack("<I" if types > 0xFFFF else "<H", 1)
    method = struct.pack("<H", 1)
    # An index of several tables holds two bits that tell them apart.
    parent = struct.pack("<I" if types >= 1 << 14 else "<H", 0)
    tables += (struct.pack("<I", 0) + text(1) + text(0) + parent + index + method) * types
    tables += (struct.pack("<H", 0) + text(1) + struct.pack("<H", 0)) * types
    tables += struct.pack("<I4HI", 0x8004, *version, 0) + struct.pack("<H", 0) + text(10) + text(0)
    streams = [(b"#~", padded(tables)), (b"#Strings", strings)]
    at = 32 + sum(8 + len(padded(label + b"\0")) for label, _ in streams)
    out = b"BSJB" + struct.pack("<HHII", 1, 1, 0, 12) + b"v4.0.30319\0\0" + struct.pack("<HH", 0, len(streams))
    for label, data in streams:
        out += struct.pack("<II", at, len(data)) + padded(label + b"\0")
        at += len(data)
    return out + b"".join(data for _, data in streams)


def image(texts=None, numbers=(0, 0, 0, 0), assembly=None, bits=32):
    """An image with one section, which holds a version resource, a CLI header and metadata."""
    section, directories = b"", [(0, 0)] * 16
    if texts is not None:
        data = resources(version_resource(texts, numbers), ADDRESS)
        directories[2] = (ADDRESS, len(data))
        section = padded(data)
    if assembly:
        at = ADDRESS + len(section)
        directories[14] = (at, 72)
        section += struct.pack("<IHHIII", 72, 2, 5, at + 72, len(assembly), 1).ljust(72, b"\0") + assembly
    size = {32: 224, 64: 240}[bits]
    out = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0"
    out += struct.pack("<HHIIIHH", {32: 0x14C, 64: 0x8664}[bits], 1, 0, 0, 0, size, 0x2022)
    optional = struct.pack("<HBBIIIII", {32: 0x10B, 64: 0x20B}[bits], 11, 0, 0, len(section), 0, 0, ADDRESS)
    optional += struct.pack("<III", 0, 0x10000000, 0x2000) if bits == 32 else struct.pack("<QI", 0x180000000, 0x2000)
    optional += struct.pack("<IHHHHHHIIIIHH", 0x200, 4, 0, 0, 0, 4, 0, 0, 0x10000, 0x200, 0, 3, 0x8540)
    optional += struct.pack("<4I" if bits == 32 else "<4Q", 1 << 20, 1 << 12, 1 << 20, 1 << 12)
    optional += struct.pack("<II", 0, 16) + b"".join(struct.pack("<II", *place) for place in directories)
    assert len(optional) == size
    section = padded(section, 0x200)
    header = struct.pack("<8sIIIIIIHHI", b".text", len(section), ADDRESS, len(section), SECTION_AT, 0, 0, 0, 0, 0x60000020)
    return (out + optional + header).ljust(SECTION_AT, b"\0") + section


def assembly(name, product, file="", version=(1, 0, 0, 0), company="Example Authors", **more):
    texts = {"CompanyName": company, "FileVersion": file or product, "ProductName": name, "ProductVersion": product}
    return image(texts, version, metadata(name, version), **more)


def text(value):
    raw = value.encode()
    return (bytes([len(raw)]) if len(raw) < 128 else bytes([len(raw) & 127 | 128, len(raw) >> 7])) + raw


def bundle(major, files, packed=(), offset=None):
    """A host, the files, and the manifest that the host points to. Types: 1 assembly, 2 native, 3 deps.json."""
    out = b"\x7fELF".ljust(0x100, b"\0") + bytes(8) + SIGNATURE + bytes(24)
    entries, places = b"", {}
    for path, kind, data in files:
        stored = zlib.compressobj(9, zlib.DEFLATED, -15) if path in packed else None
        body = stored.compress(data) + stored.flush() if stored else data
        entries += struct.pack("<QQ", len(out), len(data))
        if major >= 6:
            entries += struct.pack("<Q", len(body) if stored else 0)
        entries += bytes([kind]) + text(path)
        places[kind] = (len(out), len(data))
        out += body
    header = struct.pack("<III", major, 0, len(files)) + text("abcdefgh")
    if major >= 2:
        header += struct.pack("<QQQQQ", *places.get(3, (0, 0)), *places.get(4, (0, 0)), 0)
    at = len(out) if offset is None else offset
    return out[:0x100] + struct.pack("<Q", at) + out[0x108:] + header + entries


def with_sections(out):
    """The same host with a table of sections: the signature is in .data."""
    names = b"\0.data\0.shstrtab\0"
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI3QI6H", 3, 62, 1, 0, 0, 0x40, 0, 64, 0, 0, 64, 3, 2)
    head += bytes(64) + struct.pack("<II4QII2Q", 1, 1, 3, 0, 0x100, 0x28, 0, 0, 8, 0)
    head += struct.pack("<II4QII2Q", 7, 3, 0, 0, 0x128, len(names), 0, 0, 1, 0)
    return head + out[0x100:0x128] + names.ljust(24, b"\0") + out[0x140:]


def write(path, data):
    path = HERE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if data[:4] == b"\x7fELF":
        path.chmod(0o755)


APP = "application/image/opt/shop/"
write(APP + "Shop.dll", assembly("Shop", "2.1.0+6f1ed00"))
write(APP + "Newtonsoft.Json.dll", assembly("Newtonsoft.Json", "13.0.1+ae9fe44", "13.0.1.25517", (13, 0, 0, 0)))
write(APP + "Humanizer.dll", assembly("Humanizer", "2.14.1", "2.14.1.48190", (2, 14, 0, 0)))
write(APP + "de/Humanizer.resources.dll", assembly("Humanizer.resources", "2.14.1", "2.14.1.48190", (2, 14, 0, 0)))
write(APP + "runtimes/linux-x64/native/libexample.so", b"\x7fELF placeholder")
write(APP + "Plugin.dll", assembly("Plugin", "0.4.0-rc.2+1234567", "0.4.0.7", (0, 4, 0, 0)))
write(APP + "Old.Reference.dll", assembly("Old.Reference", "1.2.3.4", version=(1, 2, 3, 4)))

NET = "framework/image/usr/share/dotnet/shared/Microsoft.NETCore.App/8.0.11/"
for name in "System.Private.CoreLib", "System.Text.Json":
    write(NET + name + ".dll", assembly(name, "8.0.11+9cb3b72", "8.0.1124.51707", (8, 0, 0, 0), "Microsoft Corporation", bits=64))
write(NET + "libcoreclr.so", b"\x7fELF placeholder")
OLD = "framework/image/usr/share/dotnet/shared/"
write(OLD + "Microsoft.NETCore.App/3.1.23/System.Buffers.dll", assembly("System.Buffers", "3.1.23+641ee87", "4.700.22.12208"))
write(OLD + "Microsoft.AspNetCore.App/2.1.30/Microsoft.AspNetCore.dll", assembly("Microsoft.AspNetCore", "2.1.7"))
write(NET + "Left.Behind.dll", assembly("Left.Behind", "1.0.0"))

LONE = "assemblies/image/opt/app/"
write(LONE + "Example.Managed.dll", assembly("Example.Managed", "3.4.5-beta.6+0123456", "3.4.5.600", (3, 4, 0, 0)))
write(LONE + "Renamed.dll", assembly("Example.Original", "1.0.0", bits=64))
write(LONE + "Servicing.dll", assembly("Servicing", "3.1.3-servicing.20128.1+abc", "4.700.20.12001", (4, 0, 1, 2)))
write(LONE + "Bare.dll", image(assembly=metadata("Bare", (5, 6, 7, 8))))
write(LONE + "Wide.dll", image(assembly=metadata("Wide", (1, 2, 3, 4), types=3, wide=True), bits=64))
write(LONE + "Commas.EXE", image({"ProductName": "Example Tool", "FileVersion": "1, 20, 0, 3"}))
write(LONE + "numbers.exe", image({"ProductVersion": "Spring edition"}, (7, 1, 2, 3), bits=64))
write(LONE + "silent.exe", image())
write(LONE + "fr/Example.Managed.resources.dll", assembly("Example.Managed.resources", "3.4.5"))
write("assemblies/image/usr/share/dotnet/packs/Example.Ref/8.0.0/ref/net8.0/Example.dll", assembly("Example", "8.0.0"))

DEPS = (HERE / "bundle/Tool.deps.json").read_bytes()
FILES = [("Tool.dll", 1, assembly("Tool", "1.0.0")), ("Example.Library.dll", 1, assembly("Example.Library", "2.5.0")),
         ("Tool.deps.json", 3, DEPS)]
write("bundle/image/app/three", bundle(1, FILES))
write("bundle/image/app/five", bundle(2, FILES))
write("bundle/image/app/six", bundle(6, FILES, packed=("Tool.deps.json", "Tool.dll")))
write("bundle/image/app/linked", with_sections(bundle(6, FILES)))
write("bundle/image/app/libexample.so", b"\x7fELF placeholder")
write("bundle/image/app/host", b"\x7fELF".ljust(0x100, b"\0") + bytes(8) + SIGNATURE)

write("folder/image/home/builder/.nuget/packages/newtonsoft.json/13.0.1/lib/net45/Newtonsoft.Json.dll",
      assembly("Newtonsoft.Json", "13.0.1+ae9fe44", "13.0.1.25517", (13, 0, 0, 0)))

BAD = "broken/image/"
GOOD = assembly("Good", "1.0.0")
write(BAD + "cut.dll", GOOD[:0x1F0])
write(BAD + "half.dll", GOOD[:0x300])
write(BAD + "text.dll", b"MZ is not enough\n")
write(BAD + "empty.exe", b"")
VALUE = GOOD.find("VS_VERSION_INFO".encode("utf-16-le"))
write(BAD + "endless.dll", GOOD[:VALUE - 6] + bytes([255, 255, 255, 255]) + GOOD[VALUE - 2:])
ZERO = GOOD.find("StringFileInfo".encode("utf-16-le")) - 6
write(BAD + "zero.dll", GOOD[:ZERO] + bytes(6) + GOOD[ZERO + 6:])
META = GOOD.find(b"BSJB")
write(BAD + "rows.dll", GOOD[:META + 64] + b"\xff" * 40 + GOOD[META + 104:])
write(BAD + "beyond", bundle(6, FILES, offset=1 << 40))
write(BAD + "cut-bundle", bundle(6, FILES)[:-20])
write(BAD + "lying-bundle", bundle(6, FILES).replace(struct.pack("<Q", len(DEPS)), struct.pack("<Q", 1 << 50)))
