/* SPDX-License-Identifier: Apache-2.0 */
#include "guest.h"

#include <stdio.h>
#include <string.h>

static const struct act *find(const struct act *acts, const char *name)
{
    for (; acts->name != NULL; acts++)
        if (strcmp(acts->name, name) == 0)
            return acts;
    return NULL;
}

int main(int argc, char *argv[])
{
    const struct act *const tables[] = {wasi_acts, trap_acts, kv_acts};

    for (size_t i = 0; argc > 1 && i < sizeof(tables) / sizeof(*tables); i++) {
        const struct act *act = find(tables[i], argv[1]);
        if (act != NULL)
            return act->run(argc - 2, argv + 2);
    }
    fprintf(stderr, "guest: no act \"%s\"\n", argc > 1 ? argv[1] : "");
    return 1;
}
