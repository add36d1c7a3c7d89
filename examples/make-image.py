#!/usr/bin/env python3
"""Builds `shop.tar`, the image that the README scans: real package metadata, no package contents.

The result is the same bytes every time. Inputs: `shop/debian.tsv` (fields of dpkg's status file),
`shop/applications.json` (Python, npm and Java packages), `shop/Dockerfile`.
"""

import gzip
import hashlib
import io
import json
import pathlib
import tarfile
import zipfile

HERE = pathlib.Path(__file__).parent
INPUT = HERE / "shop"
CREATED = "2023-06-20T12:00:00Z"
EPOCH = 1687262400

OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
"""


def layer(files):
    """A gzip-compressed tar of `{path: bytes}` and the digest of the plain tar."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folders = sorted({str(parent) for path in files for parent in pathlib.PurePath(path).parents} - {"."})
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, EPOCH
            tar.addfile(entry)
        for path, data in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(data), 0o644, EPOCH
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), 9, mtime=0), sha256(plain.getvalue())


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def debian_packages():
    """(base, added): the packages of the base image and those the Dockerfile installs."""
    added = {
        "ca-certificates", "curl", "openssl", "libcurl4", "libexpat1", "libnghttp2-14", "libsqlite3-0", "libssh2-1",
        "libssl3", "libwebp7", "libxml2", "python3.11-minimal",
    }
    base, extra = [], []
    for line in (INPUT / "debian.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        (extra if fields[0] in added else base).append(fields)
    return base, extra


def status(packages):
    stanzas = []
    for name, version, architecture, source, maintainer, size, priority, section in sorted(packages):
        lines = [
            f"Package: {name}", "Status: install ok installed", f"Priority: {priority}", f"Section: {section}",
            f"Installed-Size: {size}", f"Maintainer: {maintainer}", f"Architecture: {architecture}",
        ]
        if source:
            lines.append(f"Source: {source}")
        lines.append(f"Version: {version}")
        stanzas.append("\n".join(lines) + "\n")
    return "\n".join(stanzas).encode()


def python_files(packages):
    files = {}
    for package in packages:
        name, version = package["name"], package["version"]
        folder = f"usr/local/lib/python3.11/site-packages/{name}-{version}.dist-info"
        metadata = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nHome-page: {package['home']}\n"
            f"Author: {package['author']}\nAuthor-email: {package['email']}\nLicense: {package['license']}\n"
        )
        files[f"{folder}/METADATA"] = metadata.encode()
        files[f"{folder}/INSTALLER"] = b"pip\n"
        files[f"{folder}/top_level.txt"] = f"{name.lower()}\n".encode()
    return files


def npm_files(packages):
    files = {}
    for package in packages:
        files[f"srv/shop/node_modules/{package['name']}/package.json"] = json.dumps(package, indent=2).encode()
    return files


def java_files(packages):
    files = {}
    for package in packages:
        group, name, version = package["group"], package["name"], package["version"]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as jar:
            def member(path, text):
                jar.writestr(zipfile.ZipInfo(path, (2023, 6, 20, 12, 0, 0)), text)

            member("META-INF/MANIFEST.MF", (
                f"Manifest-Version: 1.0\r\nImplementation-Title: {package['title']}\r\n"
                f"Implementation-Vendor: {package['vendor']}\r\nImplementation-Version: {version}\r\n"
                f"Specification-Version: {version}\r\n\r\n"
            ))
            member(f"META-INF/maven/{group}/{name}/pom.properties",
                   f"version={version}\ngroupId={group}\nartifactId={name}\n")
        files[f"srv/shop/lib/{name}-{version}.jar"] = archive.getvalue()
    return files


def main():
    applications = json.loads((INPUT / "applications.json").read_text())
    base, added = debian_packages()
    root = {
        "etc/os-release": OS_RELEASE.encode(),
        "etc/debian_version": b"12.0\n",
        "etc/passwd": b"root:x:0:0:root:/root:/bin/bash\nshop:x:1000:1000::/srv/shop:/usr/sbin/nologin\n",
        "var/lib/dpkg/status": status(base),
    }
    steps = [("/bin/sh -c #(nop) ADD file:rootfs.tar.xz in / ", root), ("/bin/sh -c #(nop)  CMD [\"bash\"]", None)]
    contents = [
        {"var/lib/dpkg/status": status(base + added)},
        python_files(applications["python"]),
        npm_files(applications["npm"]),
        java_files(applications["java"]),
    ]
    for line in (INPUT / "Dockerfile").read_text().splitlines()[1:]:
        word = line.split()[0]
        if word in ("RUN", "COPY"):
            command = f"/bin/sh -c {line[4:]}" if word == "RUN" else f"/bin/sh -c #(nop) {line} "
            steps.append((command, contents.pop(0)))
        else:
            steps.append((f"/bin/sh -c #(nop)  {line}", None))

    layers, history = [], []
    for command, files in steps:
        entry = {"created": CREATED, "created_by": command}
        if files is None:
            entry["empty_layer"] = True
        else:
            layers.append(layer(files))
        history.append(entry)
    config = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"],
            "Entrypoint": ["/srv/shop/run"],
            "ExposedPorts": {"22/tcp": {}, "8080/tcp": {}},
        },
        "history": history,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}" for _, diff_id in layers]},
    }, separators=(",", ":")).encode()

    members = {f"{sha256(config)}.json": config}
    for blob, diff_id in layers:
        members[f"{diff_id}/layer.tar"] = blob
    members["manifest.json"] = json.dumps([{
        "Config": f"{sha256(config)}.json",
        "RepoTags": ["example/shop:1.0"],
        "Layers": [f"{diff_id}/layer.tar" for _, diff_id in layers],
    }]).encode()
    target = HERE / "shop.tar"
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path, data in members.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime = len(data), EPOCH
            tar.addfile(entry, io.BytesIO(data))
    print(f"{target}: {target.stat().st_size} bytes, {len(layers)} layers")


main()
