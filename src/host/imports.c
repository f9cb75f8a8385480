/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what is provided.  The linker of the bridge has the last word;
 * this table exists to name everything that is missing at once, with a reason,
 * where the linker would name the first and none.
 */
#include "host/imports.h"

#include <stdio.h>
#include <string.h>

#include "base/option.h"

struct provided {
    const char *package;
    const char *version;
    const char *const *interfaces; /* ended by NULL */
};

/* A list that ends with NULL. */
#define INTERFACES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct provided table[] = {
    {"slight:kv", "0.2.0", INTERFACES("store")},
    {"slight:lockd", "0.2.0", INTERFACES("locks")},
    {"slight:mq", "0.2.0", INTERFACES("queue", "types")},
    {"slight:pubsub", "0.2.0", INTERFACES("topics", "types")},
    {"slight:sql", "0.2.0", INTERFACES("database")},
    {"slight:types", "0.2.0", INTERFACES("errors")},
    {"wasi:cli", "0.2.12",
     INTERFACES("environment", "exit", "stdin", "stdout", "stderr",
                "terminal-input", "terminal-output", "terminal-stdin",
                "terminal-stdout", "terminal-stderr")},
    {"wasi:cli", "0.3.0",
     INTERFACES("environment", "exit", "stdin", "stdout", "stderr", "types",
                "terminal-input", "terminal-output", "terminal-stdin",
                "terminal-stdout", "terminal-stderr")},
    {"wasi:clocks", "0.2.12", INTERFACES("monotonic-clock", "wall-clock")},
    {"wasi:clocks", "0.3.0",
     INTERFACES("monotonic-clock", "system-clock", "types")},
    {"wasi:filesystem", "0.2.12", INTERFACES("types", "preopens")},
    {"wasi:filesystem", "0.3.0", INTERFACES("types", "preopens")},
    {"wasi:http", "0.2.12", INTERFACES("types", "outgoing-handler")},
    {"wasi:http", "0.3.0", INTERFACES("types", "client")},
    {"wasi:io", "0.2.12", INTERFACES("error", "poll", "streams")},
    {"wasi:random", "0.2.12",
     INTERFACES("random", "insecure", "insecure-seed")},
    {"wasi:random", "0.3.0", INTERFACES("random", "insecure", "insecure-seed")},
    {"wasi:sockets", "0.2.12",
     INTERFACES("network", "instance-network", "tcp", "tcp-create-socket",
                "udp", "udp-create-socket", "ip-name-lookup")},
    {"wasi:sockets", "0.3.0", INTERFACES("types", "ip-name-lookup")},
};

enum { TABLE_SIZE = sizeof(table) / sizeof(table[0]) };

static bool is_text(struct sl_bytes bytes, const char *text)
{
    return sl_bytes_equal(bytes, sl_bytes_of(text));
}

static bool is_wasi(struct sl_bytes package)
{
    return package.len > 5 && memcmp(package.ptr, "wasi:", 5) == 0;
}

static bool has_interface(const struct provided *provided,
                          struct sl_bytes interface)
{
    for (size_t i = 0; provided->interfaces[i] != NULL; i++)
        if (is_text(interface, provided->interfaces[i]))
            return true;
    return false;
}

/*
 * The length of the part of a version that must be the same: "1" of 1.2.3,
 * "0.2" of 0.2.3, and the whole of 0.0.3 and of 1.0.0-rc.1.
 */
static size_t track_len(struct sl_bytes version)
{
    const char *text = (const char *)version.ptr;
    size_t len = version.len;
    size_t at = 0;

    if (len == 0 || memchr(text, '-', len) != NULL)
        return len;
    for (int part = 0; part < 2; part++) {
        bool zero = text[at] == '0';
        while (at < len && text[at] != '.')
            at++;
        if (!zero || at == len)
            return at;
        at++;
        if (at == len)
            return len;
    }
    return len;
}

static bool is_compatible(struct sl_bytes wanted, const char *provided)
{
    struct sl_bytes have = sl_bytes_of(provided);

    if (sl_bytes_equal(wanted, have))
        return true;
    wanted.len = track_len(wanted);
    have.len = track_len(have);
    return sl_bytes_equal(wanted, have);
}

/*
 * The last candidate of WASI 0.3 has the types of 0.3.0, whose names its imports
 * get (bridge/src/rename.rs).
 */
static bool is_candidate(const struct sl_import_name *name,
                         const char *provided)
{
    return is_text(name->version, "0.3.0-rc-2026-03-15") &&
           strcmp(provided, "0.3.0") == 0 && is_wasi(name->package);
}

static const char *nearest_in(struct sl_bytes word, const char *const names[])
{
    char text[128];

    snprintf(text, sizeof(text), "%.*s",
             (int)(word.len < sizeof(text) ? word.len : sizeof(text) - 1),
             (const char *)word.ptr);
    return sl_nearest(text, names);
}

static void hint_package(struct sl_bytes package, char *hint, size_t size)
{
    const char *names[TABLE_SIZE + 1] = {NULL};

    for (size_t i = 0; i < TABLE_SIZE; i++)
        names[i] = table[i].package;
    /* The names of WASI are made by tools: another one is another package. */
    const char *nearest = is_wasi(package) ? NULL : nearest_in(package, names);
    if (nearest != NULL && !is_wasi(sl_bytes_of(nearest)))
        snprintf(hint, size, "unknown package; did you mean %s?", nearest);
    else
        snprintf(hint, size, "this slight does not provide the package");
}

/* The package is known, the interface or the version is not. */
static void hint_interface(const struct sl_import_name *name, char *hint,
                           size_t size)
{
    const char *const *names = NULL;
    size_t used = 0;

    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (!is_text(name->package, table[i].package))
            continue;
        names = table[i].interfaces;
        if (!has_interface(&table[i], name->interface))
            continue;
        int more = snprintf(hint + used, size - used, "%s%s",
                            used > 0 ? " and " : "this slight provides ",
                            table[i].version);
        if (more < 0 || (size_t)more >= size - used)
            return;
        used += (size_t)more;
    }
    if (used > 0)
        return;

    const char *nearest =
        is_wasi(name->package) ? NULL : nearest_in(name->interface, names);
    if (nearest != NULL)
        snprintf(hint, size, "no such interface; did you mean %s?", nearest);
    else
        snprintf(hint, size, "the package has no such interface here");
}

bool sl_import_provided(const struct sl_import_name *name, char *hint,
                        size_t hint_size)
{
    bool package_known = false;

    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (!is_text(name->package, table[i].package))
            continue;
        package_known = true;
        if (has_interface(&table[i], name->interface) &&
            (is_compatible(name->version, table[i].version) ||
             is_candidate(name, table[i].version)))
            return true;
    }
    if (name->package.len == 0)
        snprintf(hint, hint_size,
                 "a plain import, which belongs to no interface");
    else if (package_known)
        hint_interface(name, hint, hint_size);
    else
        hint_package(name->package, hint, hint_size);
    return false;
}

/* The number at *at, which moves behind it and the point that follows. */
static unsigned long take_number(const char **at, const char *end)
{
    unsigned long number = 0;

    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
        number = number * 10 + (unsigned long)(**at - '0');
    *at += *at < end;
    return number;
}

/* Of two versions without a prerelease. */
static bool is_later(struct sl_bytes version, const char *than)
{
    const char *a = (const char *)version.ptr;
    const char *a_end = a + version.len;
    const char *b_end = than + strlen(than);

    for (int part = 0; part < 3; part++) {
        unsigned long mine = take_number(&a, a_end);
        unsigned long other = take_number(&than, b_end);
        if (mine != other)
            return mine > other;
    }
    return false;
}

bool sl_import_newer(const struct sl_import_name *name, char *text, size_t size)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (!is_text(name->package, table[i].package) ||
            !has_interface(&table[i], name->interface) ||
            !is_compatible(name->version, table[i].version) ||
            !is_later(name->version, table[i].version))
            continue;
        snprintf(text, size, "%s %.*s, and this slight provides %s",
                 table[i].package, (int)name->version.len,
                 (const char *)name->version.ptr, table[i].version);
        return true;
    }
    return false;
}
