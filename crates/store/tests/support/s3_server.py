"""Serves S3 by Swift of OpenStack, all of it in this process: a proxy with `s3api`, and one server each for accounts,
containers and objects, on a folder. Prints the port; ends when its input does, and removes the folder.

usage: s3_server.py FOLDER REGION ACCOUNT:USER SECRET BUCKET...
"""

import os
import pathlib
import shutil
import sys

import eventlet

eventlet.monkey_patch()

import eventlet.wsgi
from swift.common import utils, wsgi
from swift.common.ring import RingBuilder
from swift.common.swob import Request

# Keys in an answer to a list, at most. It is 1000 by itself, which tests would need long to exceed.
PAGE = 20

folder = pathlib.Path(sys.argv[1])
region, key, secret, *buckets = sys.argv[2:]
account, user = key.split(":")


def storage(kind):
    return f"""
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
[app:main]
use = egg:swift#{kind}
"""


def proxy(*filters):
    filters = ["catch_errors", "gatekeeper", "listing_formats", *filters, "copy", "slo"]
    settings = {
        "s3api": f"location = {region}\nmax_bucket_listing = {PAGE}\n",
        "tempauth": f"user_{account}_{user} = {secret} .admin\n",
    }
    sections = [f"[filter:{name}]\nuse = egg:swift#{name}\n{settings.get(name, '')}" for name in filters]
    return f"""
[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = {" ".join(filters)} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
{"".join(sections)}"""


class Cache:
    """In place of memcached, for what the proxy knows of accounts and buckets."""

    def __init__(self):
        self.values = {}

    def get(self, name, *_, **options):
        return self.values.get(name)

    def set(self, name, value, *_, **options):
        self.values[name] = value

    def delete(self, name, *_, **options):
        self.values.pop(name, None)


def application(name, settings):
    path = folder / f"{name}.conf"
    path.write_text(settings)
    app = wsgi.loadapp(str(path))
    cache = Cache()

    def answer(environ, start_response):
        environ["swift.cache"] = cache
        return app(environ, start_response)

    return answer


def serve(app):
    listener = eventlet.listen(("127.0.0.1", 0))
    eventlet.spawn(eventlet.wsgi.server, listener, app, log=utils.NullLogger(), protocol=wsgi.SwiftHttpProtocol)
    return listener.getsockname()[1]


def ring(kind, port):
    """Everything is once on the only device."""
    builder = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
    address = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1, "device": "disk", "meta": "", **address})
    builder.rebalance()
    builder.get_ring().save(str(folder / f"{kind}.ring.gz"))


(folder / "devices/disk").mkdir(parents=True)
utils.SWIFT_CONF_FILE = str(folder / "swift.conf")
utils.HASH_PATH_SUFFIX = b"of these tests"
for kind in ["account", "container", "object"]:
    ring(kind, serve(application(kind, storage(kind))))
unguarded = application("unguarded", proxy())
for bucket in buckets:
    made = Request.blank(f"/v1/AUTH_{account}/{bucket}", method="PUT").get_response(unguarded)
    assert made.is_success, f"{bucket}: {made.status}"
print(serve(application("proxy", proxy("s3api", "tempauth"))), flush=True)
while eventlet.tpool.execute(os.read, 0, 1):
    pass
shutil.rmtree(folder)
