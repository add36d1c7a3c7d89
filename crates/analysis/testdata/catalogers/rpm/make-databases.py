#!/usr/bin/env python3
"""Makes the rpm databases of these cases. Needs `db5.3_load` (Debian package `db5.3-util`) for Berkeley DB.

The headers are made up; every database can be read by rpm itself, for instance with
`rpm --dbpath $PWD/sqlite/image/var/lib/rpm --define '_db_backend sqlite' -qa`.
"""
import base64, hashlib, os, sqlite3, struct, subprocess, zlib

HERE = os.path.dirname(os.path.abspath(__file__))
I16, I32, I64, S, BIN, SA, I18N, CH = 3, 4, 5, 6, 7, 8, 9, 1


def header(tags):
    """A header: index of (tag, type, offset, count), then the values."""
    index, store = b"", b""
    for tag, kind, value in sorted(tags):
        values = value if isinstance(value, list) else [value]
        width = {I16: 2, I32: 4, I64: 8}.get(kind, 1)
        store += b"\0" * (-len(store) % width)
        index += struct.pack(">IIII", tag, kind, len(store), len(values))
        if kind in (S, SA, I18N):
            store += b"".join(v.encode() + b"\0" for v in values)
        else:
            store += b"".join(v.to_bytes(width, "big") for v in values)
    return struct.pack(">II", len(index) // 16, len(store)) + index + store


# Signature packets of GnuPG 2.2 with keys made for these cases; what they sign is not theirs.
ED25519 = bytes.fromhex("888a04001608003216210459a850e64dcad65f3d90fb4b64ab3ec62bc4bb1505026b0a5abb141c65643235353139"
                        "406578616d706c652e636f6d000a091064ab3ec62bc4bb15b8f200fe24c43083ec4dc05f1f17b88d5187fd7b391f"
                        "884f54dd9d3d4930ff2866209d7800ff5712270375e041240745d1b1af885046df3e7e71a40df0c2c83fc324450c"
                        "5504")
DSA = bytes.fromhex("888a040011080032162104393dfd6b4e6fe3825d02805835ae3fd48b59684905026b0a5abb141c6473613230343840"
                    "6578616d706c652e636f6d000a091035ae3fd48b596849ae1c00fc087f112d416118a7af967308d269d4073d68c9f9"
                    "f8be1fbfc0c0e036cc6a033a00fc0c69037ad50baecc225dd36e21d97aa14f0b0b96b51b39108ca39bcd48666e9c")


def package(name, version, release, arch="x86_64", source=None, licence="MIT", vendor="Example Vendor", more=()):
    tags = [(1000, S, name), (1001, S, version), (1002, S, release), (1004, I18N, "A package"), (1009, I32, 4096),
            (1014, S, licence)]
    tags += [(1022, S, arch)] if arch else []
    tags += [(1044, S, source)] if source else []
    tags += [(1011, S, vendor)] if vendor else []
    return header(tags + list(more))


def digest(letter):
    return letter * 64


BASH = package("bash", "5.1.8", "6.el9_1", source="bash-5.1.8-6.el9_1.src.rpm", licence="GPLv3+", more=[
    (1005, I18N, "A shell. " * 700),                      # does not fit into one page of any format
    (5008, I64, [1392552, 577, 60, 0, 30]),
    (1030, I16, [0o100755, 0o100644, 0o100644, 0o40755, 0o100644]),
    (1035, SA, [digest("a"), digest("b"), digest("c"), "", digest("d")]),
    (1037, I32, [0, 1, 2, 0, 64]),                        # a configuration file, documentation, a ghost
    (1029, CH, [0, 0, 2, 0, 0]),                          # documentation is not installed
    (5011, I32, 8),
    (1116, I32, [0, 1, 2, 3, 4]),
    (1117, SA, ["bash", "bashrc", "README", "bash", "lastlog"]),
    (1118, SA, ["/usr/bin/", "/etc/", "/usr/share/doc/bash/", "/usr/share/", "/var/log/"]),
])
BIND = package("bind-libs", "9.16.23", "11.el9", source="bind-9.16.23-11.el9.src.rpm", licence="MPLv2.0",
               more=[(1003, I32, 32), (5096, S, "bind:9.16:820:abcdef"), (5009, I64, 5 << 32)])
OLD = package("old-names", "1", "2", arch="noarch", source="old-names-1-2.nosrc.rpm", vendor=None, more=[
    (1015, S, "Packager <p@example.com>"),
    (1027, SA, ["/usr/lib/old/a", "/etc/old.conf"]),
    (1028, I32, [10, 20]), (1030, I16, [0o100644, 0o100600]), (1035, SA, ["1" * 32, "2" * 32]), (1037, I32, [0, 17]),
])
KEY = package("gpg-pubkey", "350d275d", "6279464b", arch=None, licence="pubkey", vendor=None,
              more=[(1015, S, "Example Signing Key <security@example.com>")])
# The second signature is of the same key, the third of another; rpm 6 has them in base 64 in one tag.
SIGNED = package("signed", "1.0", "1.fc43", source="signed-1.0-1.fc43.src.rpm", more=[
    (268, BIN, list(ED25519)), (259, BIN, list(ED25519)), (278, SA, [base64.b64encode(DSA).decode(), "no base 64"]),
    (262, BIN, list(b"no packet")),
    (5011, I32, 10), (1028, I32, [10, 20, 30, 40]), (1030, I16, [0o100755, 0o100644, 0o100640, 0o40755]),
    (1035, SA, ["e" * 128, "f" * 128, "too short", ""]), (1037, I32, [0, 0, 0, 0]),
    (1045, I32, [0xffffffff, 0xffffffff ^ 0b1000011, 0xffffffff, 0xffffffff]),    # the cache changes in every respect
    (1116, I32, [0, 1, 2, 3]), (1117, SA, ["signed", "cache", "secret", "empty"]),
    (1118, SA, ["/usr/bin/", "/var/lib/signed/", "/usr/lib/", "/opt/"]),
])
# Of the image in ../../owners: one file as it was packaged, one that is not.
METADATA = b"Metadata-Version: 2.1\nName: urllib3\nVersion: 1.26.5\n"
URLLIB3 = package("python3-urllib3", "1.26.5", "6.el9", arch="noarch", source="python-urllib3-1.26.5-6.el9.src.rpm", more=[
    (5011, I32, 8), (1028, I32, [len(METADATA), 40]), (1030, I16, [0o100644, 0o100644]),
    (1035, SA, [hashlib.sha256(METADATA).hexdigest(), digest("a")]), (1037, I32, [0, 0]),
    (1116, I32, [0, 1]), (1117, SA, ["METADATA", "package.json"]),
    (1118, SA, ["/usr/lib/python3.9/site-packages/urllib3-1.26.5.dist-info/", "/usr/lib/node_modules/left-pad/"]),
])
NAMELESS = header([(1001, S, "1"), (1002, S, "1")])
BASH2 = package("bash", "5.1.8", "9.el9", source="bash-5.1.8-9.el9.src.rpm", licence="GPLv3+")
ALL = [BASH, BIND, OLD, KEY]


def write(path, data):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(data)


def make_sqlite(path, headers, page_size=512):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        os.remove(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA page_size = %d" % page_size)
    db.execute("CREATE TABLE IF NOT EXISTS 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)")
    db.execute("CREATE TABLE IF NOT EXISTS 'Name' (key 'TEXT' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
    db.execute("CREATE INDEX IF NOT EXISTS 'Name_key_idx' ON 'Name'(key ASC)")
    for header in headers:
        db.execute("INSERT INTO Packages (blob) VALUES (?)", (header,))
    db.commit()
    db.close()


def ndb(headers):
    slots, blobs, block = b"", b"", 4096 // 16
    for index, header in enumerate(headers, 1):
        head = struct.pack("<4sIII", b"BlbS", index, 1, len(header))
        pad = b"\0" * (-(len(head) + len(header) + 12) % 16)
        body = head + header + pad
        body += struct.pack("<II4s", zlib.adler32(body), len(header), b"BlbE")
        slots += struct.pack("<4sIII", b"Slot", index, block, len(body) // 16)
        blobs += body
        block += len(body) // 16
    start = struct.pack("<4sIIII12x", b"RpmP", 0, 1, 1, len(headers) + 1) + slots
    start += b"Slot".ljust(16, b"\0") * ((4096 - len(start)) // 16)
    return start + blobs


def make_bdb(path, headers, order):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        os.remove(path)
    pack = {1234: "<I", 4321: ">I"}[order]
    pairs = [(struct.pack(pack, 0), struct.pack(pack, len(headers)))]
    pairs += [(struct.pack(pack, number), header) for number, header in enumerate(headers, 1)]
    text = "VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=1024\ndb_lorder=%d\nHEADER=END\n" % order
    text += "".join(" %s\n %s\n" % (key.hex(), value.hex()) for key, value in pairs) + "DATA=END\n"
    subprocess.run(["db5.3_load", path], input=text.encode(), check=True)


OWNERS = "../../owners/rpm/image/"
write(OWNERS + "usr/lib/python3.9/site-packages/urllib3-1.26.5.dist-info/METADATA", METADATA)
make_sqlite(OWNERS + "var/lib/rpm/rpmdb.sqlite", [URLLIB3])
make_sqlite("sqlite/image/var/lib/rpm/rpmdb.sqlite", ALL)
write("sqlite/image/var/lib/rpm/rpmdb.sqlite-wal", b"")
write("ndb/image/usr/lib/sysimage/rpm/Packages.db", ndb(ALL))
make_bdb("bdb/image/var/lib/rpm/Packages", ALL, 1234)
make_bdb("bdb-big-endian/image/var/lib/rpm/Packages", ALL, 4321)

# Each layer rewrites the whole database; bash is updated by the second.
make_sqlite("rewritten/layers/0/var/lib/rpm/rpmdb.sqlite", [KEY, BASH])
make_sqlite("rewritten/layers/1/var/lib/rpm/rpmdb.sqlite", [KEY, BASH2, OLD])

# A conversion left the old database, another tool an empty new one, and a copy lies where it was before.
make_bdb("several/image/var/lib/rpm/Packages", [BASH], 1234)
write("several/image/var/lib/rpm/Packages.db", ndb([BASH2, KEY]))
make_sqlite("several/image/var/lib/rpm/rpmdb.sqlite", [])
write("several/image/var/lib/rpm/rpmdb.sqlite-wal", b"log" * 100)
write("several/image/usr/lib/sysimage/rpm/Packages.db", ndb([BASH2, KEY]))

make_sqlite("signed/image/usr/share/rpm/rpmdb.sqlite", [SIGNED, KEY])

# A conversion to another place and format: what was there before was not introduced by it.
make_bdb("moved/layers/0/var/lib/rpm/Packages", [BASH, OLD], 1234)
make_sqlite("moved/layers/1/usr/lib/sysimage/rpm/rpmdb.sqlite", [BASH, OLD, BIND])
write("moved/layers/1/var/lib/rpm/.wh.Packages", b"")

write("manifest/image/var/lib/rpmmanifest/container-manifest-1", b"filesystem-1.1-20.azl3.x86_64\n")
write("manifest/image/var/lib/rpmmanifest/container-manifest-2", "".join("\t".join(line) + "\n" for line in [
    ["filesystem", "1.1-20.azl3", "1716242100", "1713905000", "Microsoft Corporation", "(none)", "7596", "x86_64", "0",
     "filesystem-1.1-20.azl3.src.rpm"],
    ["openssl-libs", "3.3.0-1.azl3", "1716242100", "1713905000", "Microsoft Corporation", "1", "7000000", "x86_64", "1",
     "openssl-3.3.0-1.azl3.src.rpm"],
    ["bind-libs", "9.19.21-1.azl3", "1716242100", "1713905000", "Microsoft Corporation", "(none)", "1", "x86_64", "32",
     "bind-9.19.21-1.azl3.src.rpm"],
    ["local", "1-1", "1716242100", "1713905000", "(none)", "(none)", "many", "noarch", "0", "(none)"],
    ["short", "1-1"],
    ["versionless", "", "1716242100"],
    ["no-release", "1"],
]).encode())

# What can be read is kept.
broken = bytearray(ndb([BASH2, NAMELESS, b"\xff" * 40, KEY]))
broken[32 + 16 * 3 + 8] ^= 0x40                           # the last slot points nowhere
write("broken/image/usr/lib/sysimage/rpm/Packages.db", bytes(broken))
make_bdb("broken/image/var/lib/rpm/Packages", ALL, 1234)
whole = open(os.path.join(HERE, "broken/image/var/lib/rpm/Packages"), "rb").read()
write("broken/image/var/lib/rpm/Packages", whole[:-1024])
write("broken/image/usr/share/rpm/Packages", b"this is no database\n" * 30)
make_sqlite("broken/image/usr/share/rpm/rpmdb.sqlite", ALL)
whole = open(os.path.join(HERE, "broken/image/usr/share/rpm/rpmdb.sqlite"), "rb").read()
write("broken/image/usr/share/rpm/rpmdb.sqlite", whole[:6000])
