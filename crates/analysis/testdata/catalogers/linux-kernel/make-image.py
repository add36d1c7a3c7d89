"""Writes the kernels and modules of the cases. Nothing in them runs.

What they say of themselves has the form of what Debian's linux-image-6.1.0-50-cloud-amd64 says.
"""

import gzip
import lzma
import pathlib
import struct
import subprocess

HERE = pathlib.Path(__file__).parent
RELEASE = "6.1.0-50-cloud-amd64"
SAID = f"{RELEASE} (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)"


def bzimage(said, protocol=0x20F, is_64=1):
    out = bytearray(0x400)
    out[0x1FE:0x200] = b"\x55\xaa"
    out[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", out, 0x206, protocol)
    struct.pack_into("<H", out, 0x20E, 0x300 - 0x200)
    struct.pack_into("<H", out, 0x236, is_64)
    said = said.encode() + b"\0"
    out[0x300:0x300 + len(said)] = said
    return bytes(out)


def image(said, arm64=True):
    head = bytes(56) + (b"ARM\x64" if arm64 else bytes(4))
    return head + b"Linux version %s (%s)\0" + bytes(300) + b"Linux version " + said.encode() + b"\n\0" + bytes(100)


def zboot(payload, compression):
    return b"MZ\0\0zimg" + struct.pack("<IIII", 64, len(payload), 0, 0) + compression.ljust(40, b"\0") + payload


def module(*lines, section=".modinfo"):
    info = b"".join(line.encode() + b"\0" for line in lines)
    names = b"\0.shstrtab\0" + section.encode() + b"\0"
    names_at = 64 + len(info)
    table_at = -(-(names_at + len(names)) // 16) * 16
    out = b"\x7fELF\x02\x01\x01" + bytes(9)
    out += struct.pack("<HHI3QI6H", 1, 62, 1, 0, 0, table_at, 0, 64, 0, 0, 64, 3, 1) + info + names
    out = out.ljust(table_at, b"\0") + bytes(64)
    out += struct.pack("<II4QII2Q", 1, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    return out + struct.pack("<II4QII2Q", 11, 1, 2, 0, 64, len(info), 0, 0, 1, 0)


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def write(path, content):
    path = HERE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


VERMAGIC = f"vermagic={RELEASE} SMP preempt mod_unload modversions "
VIRTIO = module("license=GPL", "description=Virtio network driver", "parmtype=napi_tx:bool", "alias=virtio:d00000001v*",
                "depends=virtio_ring,virtio,net_failover", "retpoline=Y", "intree=Y", "name=virtio_net", VERMAGIC)
OWN = module("license=Dual MIT/GPL", "author=A <a@example.org>", "author=B <b@example.org>", "version=1.0.20220627",
             "srcversion=0123456789ABCDEF0123456", "name=wireguard", VERMAGIC)
BARE = module("license=Proprietary", VERMAGIC)

write(f"kernels/image/boot/vmlinuz-{RELEASE}", bzimage(SAID))
write("kernels/image/opt/vm/vmlinuz-old", bzimage("5.10.0-kvm (root@build) #2 SMP", is_64=0))
write("kernels/image/opt/arm/vmlinuz", image("6.6.13-linuxkit (root@x) (gcc 13.2) #1 SMP PREEMPT Mon Jan 1 00:00:00 UTC 2024"))
write("kernels/image/opt/arm/vmlinuz.gz", gzip.compress(image("6.6.14 (root@x) #1 SMP"), mtime=0))
write("kernels/image/opt/efi/vmlinuz-zstd", zboot(zstd(image("6.9.1 (root@x) #1 SMP")), b"zstd22"))
write("kernels/image/opt/efi/vmlinuz-xz", zboot(lzma.compress(image("6.9.2 (root@x) #1 SMP")), b"xzkern"))
write("kernels/image/usr/lib/debug/vmlinux-6.9.3", b"\x7fELF\x02\x01\x01" + image("6.9.3 (root@x) #1 SMP", False))

folder = f"modules/image/lib/modules/{RELEASE}"
write(f"{folder}/kernel/drivers/net/virtio_net.ko", VIRTIO)
write(f"{folder}/updates/wireguard.ko.xz", lzma.compress(OWN, check=lzma.CHECK_CRC32))
write(f"{folder}/updates/nv-bare.ko.zst", zstd(BARE))
write(f"{folder}/updates/again.ko.gz", gzip.compress(VIRTIO.replace(b"name=virtio_net", b"name=virtio_bat"), mtime=0))

# The distribution answers for what is in its package.
write(f"owned/image/boot/vmlinuz-{RELEASE}", bzimage(SAID))
write(f"owned/image/lib/modules/{RELEASE}/kernel/drivers/net/virtio_net.ko", VIRTIO)
write(f"owned/image/lib/modules/{RELEASE}/updates/wireguard.ko", OWN)
write("owned/image/var/lib/dpkg/status", f"Package: linux-image-{RELEASE}\nStatus: install ok installed\nArchitecture: amd64\n"
      "Version: 6.1.176-1\nSource: linux\nMaintainer: A <a@example.org>\n")
write(f"owned/image/var/lib/dpkg/info/linux-image-{RELEASE}.list",
      f"/.\n/boot\n/boot/vmlinuz-{RELEASE}\n/lib/modules/{RELEASE}/kernel/drivers/net/virtio_net.ko\n")

write("broken/image/boot/vmlinuz-text", b"no kernel")
write("broken/image/boot/vmlinuz-cut.gz", gzip.compress(image(SAID) + bytes(range(256)) * 40, mtime=0)[:200])
write("broken/image/boot/vmlinuz-no-version", bzimage("no version"))
write("broken/image/lib/text.ko", b"no module")
write("broken/image/lib/other.ko", module("license=GPL", section=".data"))
write("broken/image/lib/bomb.ko.gz", gzip.compress(bytes(8 << 20), mtime=0))
write("broken/image/lib/cut.ko.xz", lzma.compress(VIRTIO)[:100])
write("broken/image/lib/cut.ko.zst", zstd(VIRTIO)[:100])
# An xz stream that wants 512 MiB for its window.
wide = lzma.compress(VIRTIO, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}])
write("broken/image/lib/wide.ko.xz", wide)
