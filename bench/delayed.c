/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-delayed PORT MS: a proxy before that port of the loopback interface,
 * which passes everything on MS milliseconds later, in both directions.  Prints
 * its own port, and ends with its standard input.
 */
#include <stdio.h>
#include <stdlib.h>

#include "support/proxy.h"

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench-delayed PORT MS\n");
        return 2;
    }
    struct proxy *proxy = proxy_new(0, (int)strtol(argv[1], NULL, 10));
    if (proxy == NULL) {
        fprintf(stderr, "no port to listen on\n");
        return 1;
    }
    proxy_delay(proxy, (int)strtol(argv[2], NULL, 10));
    printf("%d\n", proxy_port(proxy));
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    proxy_free(proxy);
    return 0;
}
