# SPDX-License-Identifier: Apache-2.0
"""A host of slight:kv that has nothing of slight but wit/: Python's wasmtime.

    host.py COMPONENT ARGUMENT...

It shows authors of other hosts what a host needs in order to run the conformance
components; with a fault in it (faults.py) the suite must find that.
"""
import re
import sys
import time

from wasmtime import Engine, ExitTrap, Store, WasiConfig
from wasmtime import component as wasm

VALUE_MAX, CALL_MAX, MANY_MAX = 4096, 64 << 20, 1000
HANDLES_MAX, YEARS_10_MS = 1024, 315360000000


class Failure(Exception):
    def __init__(self, code, message):
        self.code, self.message, self.retryable = code, message, False


def need(condition, code, message):
    if not condition:
        raise Failure(code, message)


class Bucket:
    """The functions of slight:kv's bucket, under their names there."""

    def __init__(self, features):
        self.features = features
        self.entries = {}  # key: [value, version, monotonic end or None]
        self.writes = 0

    def check_key(self, key):
        need(1 <= len(key.encode()) <= 1024 and "\0" not in key,
             "invalid-argument", "a key has 1 to 1024 bytes, and no NUL")

    def check_value(self, value):
        need(len(value) <= VALUE_MAX, "too-large", f"a value has at most {VALUE_MAX} bytes")

    def require(self, feature):
        need(feature in self.features, "unsupported", f"this bucket has no {feature}")

    def find(self, key):
        entry = self.entries.get(key)
        if entry is not None and entry[2] is not None and entry[2] <= time.monotonic():
            del self.entries[key]
            entry = None
        return entry

    def next_version(self, value):
        self.writes += 1
        return f"v{self.writes}"

    def put(self, key, value, end=None):
        self.entries[key] = [value, self.next_version(value), end]
        return self.entries[key][1]

    def matches(self, key, prefix):
        return key.startswith(prefix)

    def number(self, value):
        need(re.fullmatch(rb"0|-?[1-9][0-9]*", value), "invalid-argument", "no number")
        return int(value)

    # The interface.

    def get(self, key):
        self.check_key(key)
        entry = self.find(key)
        return entry and entry[0]

    def get_entry(self, key):
        self.check_key(key)
        self.require("versions")
        entry = self.find(key)
        return entry and record(value=entry[0], version=entry[1])

    def exists(self, key):
        self.check_key(key)
        return self.find(key) is not None

    def set(self, key, value):
        self.check_key(key)
        self.check_value(value)
        self.put(key, value)

    def set_with(self, key, value, options):
        self.check_key(key)
        self.check_value(value)
        ttl_ms = getattr(options, "ttl-ms")
        need(ttl_ms is None or 1 <= ttl_ms <= YEARS_10_MS, "invalid-argument", "no ttl-ms")
        entry, condition = self.find(key), options.condition
        if ttl_ms is not None:
            self.require("ttl")
        if condition.tag != "always":
            self.require("if-absent" if condition.tag == "absent" else "versions")
        if condition.tag == "absent":
            need(entry is None, "already-exists", "there is a value")
        if condition.tag == "version":
            need(entry is not None and entry[1] == condition.payload,
                 "conflict", "it is another version")
        end = None if ttl_ms is None else time.monotonic() + ttl_ms / 1000
        version = self.put(key, value, end)
        return version if "versions" in self.features else None

    def delete(self, key):
        self.check_key(key)
        found = self.find(key) is not None
        self.entries.pop(key, None)
        return found

    def delete_if(self, key, version):
        self.check_key(key)
        self.require("versions")
        entry = self.find(key)
        need(entry is not None and entry[1] == version, "conflict", "it is another version")
        del self.entries[key]

    def increment(self, key, delta):
        self.check_key(key)
        self.require("increment")
        entry = self.find(key)
        total = (0 if entry is None else self.in_range(self.number(entry[0]))) + delta
        self.put(key, b"%d" % self.in_range(total), entry and entry[2])
        return total

    def in_range(self, number):
        need(-2**63 <= number < 2**63, "invalid-argument", "not a number of 64 bits")
        return number

    def keys(self, prefix, cursor, limit):
        need(len(prefix.encode()) <= 1024 and "\0" not in prefix, "invalid-argument", "no prefix")
        need(1 <= limit <= 1000, "invalid-argument", "limit is 1 to 1000")
        self.require("keys")
        after = ""
        if cursor is not None:
            need(re.fullmatch(r"c([0-9a-f]{2}){1,1024}", cursor), "invalid-argument", "no cursor")
            try:
                after = bytes.fromhex(cursor[1:]).decode()
            except ValueError:
                raise Failure("invalid-argument", "no cursor") from None
        found = sorted(k for k in list(self.entries)
                       if self.matches(k, prefix) and k > after and self.find(k))
        more = len(found) > limit
        found = found[:limit]
        return record(keys=found, next="c" + found[-1].encode().hex() if more else None)

    # On many keys.

    def check_many(self, items, size):
        need(len(items) <= MANY_MAX, "too-large", f"at most {MANY_MAX} at once")
        need(size <= CALL_MAX, "too-large", f"at most {CALL_MAX} bytes at once")

    def get_many(self, keys):
        self.check_many(keys, 0)
        values = [self.get(key) for key in keys]
        self.check_many(keys, sum(len(value or b"") for value in values))
        return values

    def each(self, function, items):
        results = []
        for item in items:
            try:
                results.append(function(*item))
            except Failure as failure:
                results.append(failure)
        return results

    def set_many(self, entries):
        self.check_many(entries, sum(len(value) for _, value in entries))
        return self.each(self.set, entries)

    def delete_many(self, keys):
        self.check_many(keys, 0)
        return self.each(self.delete, [(key,) for key in keys])


# --- The host -------------------------------------------------------------------


def record(**fields):
    result = wasm.Record()
    result.__dict__.update({name.replace("_", "-"): value for name, value in fields.items()})
    return result


def lower(kind, value):
    """What wasmtime takes for a value of this type; a Failure is an err."""
    if isinstance(kind, wasm.ListType):
        return value if isinstance(value, bytes) else [lower(kind.element, v) for v in value]
    if not isinstance(kind, wasm.ResultType):
        return value
    tag = "err" if isinstance(value, Failure) else "ok"
    if tag == "err":
        value = record(code=value.code, message=value.message, retryable=value.retryable)
    elif kind.ok is not None:
        value = lower(kind.ok, value)
    return wasm.Variant(tag, value)


# Without it wasmtime takes an error for a value where the other one is an option.
wasm.ResultType._tagged = lambda self: True


class Host:
    def __init__(self, features, bucket_class=Bucket):
        self.buckets = {name: bucket_class(features) for name in ("store", "other")}
        self.handles, self.last = {}, 0

    def find(self, name):
        need(name in self.buckets, "permission-denied", "there is no such resource")
        return self.buckets[name]

    def open(self, name):
        bucket = self.find(name)
        need(len(self.handles) < HANDLES_MAX, self.too_many, f"at most {HANDLES_MAX} handles")
        self.last += 1
        self.handles[self.last] = bucket
        return wasm.ResourceHost.own(self.last, 1)

    def call(self, store, name, handle, arguments):
        bucket = self.handles[handle.to_host(store).rep]
        return getattr(bucket, name.replace("-", "_"))(*arguments)

    def function(self, name, kind):
        def run(store, *arguments):
            try:
                if name == "[static]bucket.open":
                    answer = self.open(*arguments)
                else:
                    answer = self.call(store, name.split(".")[1], arguments[0], arguments[1:])
            except Failure as failure:
                answer = failure
            return lower(kind.result, answer)
        return run

    def link(self, engine, linker, component):
        for name, extern in component.type.imports(engine).items():
            if name.startswith("slight:types/"):
                with linker.root() as root, root.add_instance(name):
                    codes = extern.ty.exports(engine)["error-code"].ty.names
                    self.too_many = ("resource-exhausted" if "resource-exhausted" in codes
                                     else "too-large")
            if name.startswith("slight:kv/store@"):
                with linker.root() as root, root.add_instance(name) as instance:
                    instance.add_resource("bucket", wasm.ResourceType.host(1),
                                          lambda store, rep: self.handles.pop(rep))
                    for item, function in extern.ty.exports(engine).items():
                        if isinstance(function.ty, wasm.FuncType):
                            instance.add_func(item, self.function(item, function.ty))


def run(host, path, arguments):
    engine = Engine()
    store, linker = Store(engine), wasm.Linker(engine)
    wasi = WasiConfig()
    wasi.argv = [path, *arguments]
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    component = wasm.Component.from_file(engine, path)
    linker.add_wasip2()
    host.link(engine, linker, component)
    instance = linker.instantiate(store, component)
    name = next(n for n in component.type.exports(engine) if n.startswith("wasi:cli/run@"))
    interface = instance.get_export_index(store, name)
    main = instance.get_func(store, instance.get_export_index(store, "run", interface))
    try:
        answer = main(store)
    except ExitTrap as trap:
        return trap.code
    return 0 if answer.tag == "ok" else 1


def features_of(arguments):
    """The buckets have the features of which the component is told."""
    for option, value in zip(arguments, arguments[1:]):
        if option == "--features":
            return value.split(",")
    return []


if __name__ == "__main__":
    sys.exit(run(Host(features_of(sys.argv)), sys.argv[1], sys.argv[2:]))
