# SPDX-License-Identifier: Apache-2.0
"""The host of host.py with faults, each of which the suite must find.

    faults.py                               their names, one a line
    faults.py NAME COMPONENT ARGUMENT...    run with this one
"""
import fnmatch
import hashlib
import sys

import host


class KeysIgnoreCase(host.Bucket):
    def find(self, key):
        return super().find(key.lower())

    def put(self, key, value, end=None):
        return super().put(key.lower(), value, end)


class ValuesOfOneByteTooMany(host.Bucket):
    def check_value(self, value):
        super().check_value(value[1:])


class EmptyIsAbsent(host.Bucket):
    def get(self, key):
        return super().get(key) or None


class DeleteFindsEverything(host.Bucket):
    def delete(self, key):
        super().delete(key)
        return True


class SetKeepsTheTimeToLive(host.Bucket):
    def set(self, key, value):
        entry = self.find(key)
        super().set(key, value)
        self.entries[key][2] = entry and entry[2]


class NothingExpires(host.Bucket):
    def put(self, key, value, end=None):
        return super().put(key, value)


class IncrementForgetsTheTimeToLive(host.Bucket):
    def increment(self, key, delta):
        total = super().increment(key, delta)
        self.entries[key][2] = None
        return total


class VersionsAreLengths(host.Bucket):
    def next_version(self, value):
        return f"v{len(value)}"


class VersionsAreSha1(host.Bucket):
    def next_version(self, value):
        return hashlib.sha1(value).hexdigest()


class TimesToLiveAreLong(host.Bucket):
    def put(self, key, value, end=None):
        return super().put(key, value, end and end + 3600)


class ConditionsKeepTheTimeToLive(host.Bucket):
    def set_with(self, key, value, options):
        entry = self.find(key)
        version = super().set_with(key, value, options)
        if options.condition.tag == "version" and getattr(options, "ttl-ms") is None:
            self.entries[key][2] = entry[2]
        return version


class NumbersMayHaveASign(host.Bucket):
    def number(self, value):
        return super().number(value.removeprefix(b"+"))


class CursorsBringTheirPrefix(host.Bucket):
    def keys(self, prefix, cursor, limit):
        own, _, place = (cursor or "").rpartition("|")
        if own:
            prefix = bytes.fromhex(own).decode()
        page = super().keys(prefix, cursor and place, limit)
        if page.next is not None:
            page.next = prefix.encode().hex() + "|" + page.next
        return page


class LimitsAreNotNamed(host.Bucket):
    def check_value(self, value):
        try:
            super().check_value(value)
        except host.Failure as failure:
            raise host.Failure(failure.code, "too large") from None


class DeleteIfAlwaysDeletes(host.Bucket):
    def delete_if(self, key, version):
        self.delete(key)


class NumbersWrapAround(host.Bucket):
    def in_range(self, number):
        return (number + 2**63) % 2**64 - 2**63


class TextCountsAsZero(host.Bucket):
    def number(self, value):
        return int(value) if value.lstrip(b"-").isdigit() else 0


class PrefixesArePatterns(host.Bucket):
    def matches(self, key, prefix):
        return fnmatch.fnmatchcase(key, prefix + "*")


class PagesLoseAKey(host.Bucket):
    def keys(self, prefix, cursor, limit):
        page = super().keys(prefix, cursor, limit)
        if page.next is not None and len(page.keys) > 1:
            page.keys.pop(0)
        return page


class ManyFailTogether(host.Bucket):
    def each(self, function, items):
        return [function(*item) for item in items]


class WhatIsMissingIsInternal(host.Bucket):
    def require(self, feature):
        host.need(feature in self.features, "internal", f"no {feature}")


class MessagesOfTwoLines(host.Bucket):
    def check_key(self, key):
        try:
            super().check_key(key)
        except host.Failure as failure:
            raise host.Failure(failure.code, failure.message + "\nat check_key") from None


class AnythingIsGranted(host.Host):
    def find(self, name):
        return self.buckets.get(name, self.buckets["store"])


class OneBucketForAll(host.Host):
    def find(self, name):
        super().find(name)
        return self.buckets["store"]


def faults():
    return [item for item in globals().values()
            if isinstance(item, type) and issubclass(item, (host.Bucket, host.Host))]


def host_with(fault, features):
    if issubclass(fault, host.Host):
        return fault(features)
    return host.Host(features, fault)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print("\n".join(fault.__name__ for fault in faults()))
    else:
        planted = host_with(globals()[sys.argv[1]], host.features_of(sys.argv))
        sys.exit(host.run(planted, sys.argv[2], sys.argv[3:]))
