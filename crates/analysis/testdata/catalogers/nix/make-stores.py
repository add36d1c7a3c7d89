#!/usr/bin/env python3
"""Makes the stores of these cases. The database has the schema of Nix 2.8; the derivation is of its `nix-instantiate`."""
import os, sqlite3

HERE = os.path.dirname(os.path.abspath(__file__))
HELLO = "na7k2aidjry9n1dvw3367fwqf3crnz36-hello-2.12.1"
HELLO_DEV = "d4lm7ncn30501pbrrng0bmqy7a034ig8-hello-2.12.1-dev"
DRV = "ax9r310667dyic61yaq4q2znpcgafv7q-hello-2.12.1.drv"
OPENSSL = "0q3yk2zcbj1rn9mxvd5w8sflhg467apq-openssl-3.0.13-bin"
PYTHON = "1b8z5m2v0cdwj9xq6ran4lyk7fhs3gpi-python3-3.11.6-env"
SPLIT = "2c9wqnq0g3hz6iv1f7x8yldms4kbrpja-weird-name-v2-final"
HASHES = {name: name[:32] for name in (HELLO, HELLO_DEV, DRV, OPENSSL, PYTHON, SPLIT)}

DERIVATION = """Derive([("dev","/nix/store/%s","",""),("out","/nix/store/%s","","")],[],[],"x86_64-linux","/bin/sh",\
["-c","echo hi > $out"],[("builder","/bin/sh"),("dev","/nix/store/%s"),("name","hello-2.12.1"),("out","/nix/store/%s"),\
("outputs","out dev"),("pname","hello"),("system","x86_64-linux"),("text","quote \\" and \\\\ back\\nnewline"),\
("version","2.12.1")])""" % (HELLO_DEV, HELLO, HELLO_DEV, HELLO)
STRUCTURED = """Derive([("bin","/nix/store/%s","","")],[("/nix/store/x.drv",["out"])],["/nix/store/y"],"aarch64-linux",\
"/bin/sh",[],[("__json","{\\"pname\\":\\"weird-name-v2\\",\\"version\\":\\"final\\"}")])""" % SPLIT


def write(path, data=b""):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())


def database(path, paths, outputs):
    path = os.path.join(HERE, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        os.remove(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA page_size = 512")
    db.executescript("""
        create table if not exists ValidPaths (id integer primary key autoincrement not null, path text unique not null,
            hash text not null, registrationTime integer not null, deriver text, narSize integer, ultimate integer,
            sigs text, ca text);
        create table if not exists Refs (referrer integer not null, reference integer not null,
            primary key (referrer, reference));
        create table if not exists DerivationOutputs (drv integer not null, id text not null, path text not null,
            primary key (drv, id), foreign key (drv) references ValidPaths(id) on delete cascade);
        create index if not exists IndexDerivationOutputs on DerivationOutputs(path);""")
    for name, deriver, size in paths:
        db.execute("insert into ValidPaths (path, hash, registrationTime, deriver, narSize) values (?, ?, ?, ?, ?)",
                   ("/nix/store/" + name, "sha256:" + "0" * 64, 1700000000, deriver and "/nix/store/" + deriver, size))
    for number, (output, name) in enumerate(outputs, 1):
        db.execute("insert into DerivationOutputs values (?, ?, ?)", (number, output, "/nix/store/" + name))
    db.commit()
    db.close()


# Folders alone, as images made by `dockerTools` have them, each in a layer of its own.
write("folders/layers/0/nix/store/%s/bin/openssl" % OPENSSL)
write("folders/layers/0/nix/store/%s-bash52-001" % ("3" * 32), "a patch, which is a file")
write("folders/layers/0/nix/store/%s-source/x" % ("4" * 32))
write("folders/layers/0/nix/store/tooshort-1.0/x")
write("folders/layers/0/nix/store/%s-upper-1.0/x" % ("A" * 32))
write("folders/layers/0/nix/store/.links/x")
write("folders/layers/1/nix/store/%s/bin/python3" % PYTHON)
write("folders/layers/1/nix/store/%s/bin/x" % OPENSSL)
write("folders/layers/1/gnu/store/%s-glibc-2.35-debug/lib/x" % ("5" * 32))

# With derivations and a database.
write("database/image/nix/store/%s/bin/hello" % HELLO)
write("database/image/nix/store/%s/include/hello.h" % HELLO_DEV)
write("database/image/nix/store/%s/x" % SPLIT)
write("database/image/nix/store/%s/bin/openssl" % OPENSSL)
write("database/image/nix/store/" + DRV, DERIVATION)
write("database/image/nix/store/%s-weird.drv" % ("6" * 32), STRUCTURED)
database("database/image/nix/var/nix/db/db.sqlite",
         [(DRV, None, 640), (HELLO, DRV, 226560), (HELLO_DEV, DRV, 100), (OPENSSL, "x-openssl.drv", 1 << 33)] +
         [("%032d-many-%d" % (i, i), None, i) for i in range(60)],
         [("out", HELLO), ("dev", HELLO_DEV), ("bin", OPENSSL)])

# What can be read is kept.
write("broken/image/nix/store/%s/bin/hello" % HELLO)
write("broken/image/nix/store/" + DRV, DERIVATION[:300])
write("broken/image/nix/store/deep.drv", "Derive(" + "[" * 5000)
write("broken/image/nix/store/new.drv", 'DrvWithVersion("xp-dyn-drv",[])')
database("broken/image/nix/var/nix/db/db.sqlite", [(HELLO, DRV, 7)] + [("%032d-many-%d" % (i, i), None, i) for i in range(60)],
         [("out", HELLO)])
whole = open(os.path.join(HERE, "broken/image/nix/var/nix/db/db.sqlite"), "rb").read()
write("broken/image/nix/var/nix/db/db.sqlite", whole[:9000])
write("broken/image/var/guix/db/db.sqlite", b"no database")
