"""Writes the zipped eggs of the cases: one whole, one cut short, one without metadata."""

import io
import pathlib
import zipfile

HERE = pathlib.Path(__file__).parent


def egg(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def write(path, content):
    path = HERE / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


WHOLE = egg({
    "zipped_module.py": "",
    "EGG-INFO/PKG-INFO": "Metadata-Version: 1.0\nName: zipped\nVersion: 0.9.7\nLicense: ZPL\n",
    "EGG-INFO/top_level.txt": "zipped_module\n",
})
write("eggs/image/opt/eggs/zipped-0.9.7-py3.11.egg", WHOLE)
write("broken/image/opt/cut-1.0.egg", WHOLE[: len(WHOLE) // 2])
write("broken/image/opt/plain-1.0.egg", egg({"plain.py": ""}))
