/* SPDX-License-Identifier: Apache-2.0 */
/* The tables by which a manifest is read, as a reference for people. */
#include "manifest/capabilities.h"
#include "manifest/tables.h"

static const struct sl_manifest_table tables[] = {
    {
        .title = "At the top",
        .options = {sl_manifest_top_options},
        .keys = sl_manifest_top_keys,
    },
    {
        .title = "[component]",
        .text = "what runs; [[component]] for each of several",
        .options = {sl_manifest_component_options},
        .keys = sl_manifest_component_keys,
    },
    {
        .title = "[[component]]",
        .text = "in addition to the keys of [component]",
        .options = {sl_manifest_component_name_options},
    },
    {
        .title = "[[component.directories]]",
        .text = "a folder that the component sees",
        .options = {sl_manifest_directory_options},
    },
    {
        .title = "[[resource]]",
        .text = "what components may open; \"slight providers NAME\" lists the "
                "settings of a type",
        .options = {sl_manifest_resource_options, sl_service_options},
        .keys = sl_manifest_resource_keys,
    },
    {
        .title = "[management]",
        .text = "the server for operators",
        .options = {sl_manifest_management_options},
        .keys = sl_manifest_management_keys,
    },
    {
        .title = "[[trigger]]",
        .text = "what calls a component; without one it is run once",
        .options = {sl_manifest_any_trigger_options},
        .keys = sl_manifest_trigger_keys,
    },
};

enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static const char *const trigger_titles[] = {
    "[[trigger]] of type \"http\"",
    "[[trigger]] of type \"mq\"",
    "[[trigger]] of type \"pubsub\"",
};

enum { TRIGGERS = sizeof(trigger_titles) / sizeof(trigger_titles[0]) };

struct sl_manifest_table sl_manifest_table(size_t index)
{
    if (index < TABLES)
        return tables[index];
    index -= TABLES;
    if (index < TRIGGERS)
        return (struct sl_manifest_table){
            .title = trigger_titles[index],
            .options = {sl_manifest_trigger_options(
                (enum sl_manifest_trigger_type)index)},
        };
    return (struct sl_manifest_table){0};
}
