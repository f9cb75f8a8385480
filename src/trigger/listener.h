/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses at which triggers listen. */
#ifndef SL_TRIGGER_LISTENER_H
#define SL_TRIGGER_LISTENER_H

#include <stdint.h>

/* "http://127.0.0.1:8080" of a `listen` and the port that it got; the caller's
 * to free. */
char *sl_trigger_address(const char *listen, uint16_t port);

/* An address at which one or more triggers listen. */
struct sl_trigger_listener {
    const char *address; /* "http://127.0.0.1:8080" */
    uint32_t connections;
    uint32_t requests;  /* that are being answered */
    uint64_t unmatched; /* requests so far that no route matched */
};

#endif
