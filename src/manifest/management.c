/* SPDX-License-Identifier: Apache-2.0 */
/* [management]: the server for operators. */
#include "base/alloc.h"
#include "manifest/listen.h"
#include "manifest/section.h"
#include "manifest/tables.h"

const struct sl_option sl_manifest_management_options[] = {
    {.name = "listen",
     .type = SL_OPTION_STRING,
     .offset = offsetof(struct sl_manifest_management, listen),
     .fallback = "127.0.0.1:9090",
     .help = "address and port of /metrics, /healthz and /readyz, which "
             "everybody who can connect may read; port 0: the system chooses "
             "one",
     .check = sl_manifest_check_listen},
    {.name = "max-connections-per-peer",
     .type = SL_OPTION_INTEGER,
     .offset = offsetof(struct sl_manifest_management, max_peer_connections),
     .min = 1,
     .max = 256,
     .fallback = "64",
     .help =
         "maximum open connections from one address; a further one replaces "
         "the one that has been idle longest"},
    {0},
};

const struct sl_manifest_key sl_manifest_management_keys[] = {
    {"allowed-hosts", "array of strings",
     "more names of this machine that a request may have in its Host header"},
    {0},
};

static void read_management_hosts(struct sl_manifest_reader *reader,
                                  const struct sl_toml *node,
                                  struct sl_manifest_management *management)
{
    if (node->type != SL_TOML_ARRAY) {
        sl_manifest_add_problem(
            reader, node->place,
            "\"allowed-hosts\": expected an array of strings, "
            "found %s",
            sl_manifest_type_text(node->type));
        return;
    }
    management->allowed_hosts = sl_manifest_own(
        reader->manifest, sl_alloc_array(node->child_count + 1,
                                         sizeof(*management->allowed_hosts)));
    for (size_t i = 0; i < node->child_count; i++) {
        const struct sl_toml *child = &node->children[i];
        const char *name =
            sl_manifest_string(reader, child, "allowed-hosts", NULL);
        if (name != NULL && !sl_manifest_is_name(sl_bytes_of(name)))
            sl_manifest_add_problem(reader, child->place,
                                    "\"allowed-hosts\": expected names of this "
                                    "machine, without scheme and port");
        else if (name != NULL)
            management->allowed_hosts[management->allowed_host_count++] = name;
    }
}

void sl_manifest_read_management(struct sl_manifest_reader *reader,
                                 const struct sl_toml *node)
{
    struct sl_manifest_management *management =
        sl_manifest_own(reader->manifest, sl_alloc(sizeof(*management)));
    const struct sl_manifest_section sections[] = {
        {sl_manifest_management_options, management},
        {NULL, NULL},
    };

    if (node->type == SL_TOML_TABLE) {
        sl_manifest_read_section(reader, node, "[management]", sections,
                                 sl_manifest_management_keys);
        management->listen_place = sl_manifest_place(node, "listen");
        const struct sl_toml *hosts = sl_manifest_get(node, "allowed-hosts");
        if (hosts != NULL)
            read_management_hosts(reader, hosts, management);
    } else
        sl_manifest_add_problem(reader, node->place,
                                "\"management\": expected a table, found %s",
                                sl_manifest_type_text(node->type));
    reader->manifest->management = management;
}
