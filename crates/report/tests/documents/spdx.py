"""Prints what is wrong with documents in tag-value form (FILE.spdx) and as JSON (FILE.spdx.json), and where the two differ."""

import sys

from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


for path in sys.argv[1:]:
    forms = {name: parse_file(name) for name in (path, path + ".json")}
    for name, document in forms.items():
        for found in validate_full_spdx_document(document):
            print(f"{name}: {found.context.spdx_id}: {found.validation_message}")
    plain, json = forms.values()
    for name, member in vars(plain).items():
        if member != getattr(json, name):
            print(f"{path}: the forms differ in {name}")
