/* SPDX-License-Identifier: Apache-2.0 */
#include "host/limits.h"

#include "manifest/manifest.h"

enum { SECOND_MS = 1000, KIB = 1024, MIB = 1024 * KIB };

struct sl_bridge_limits
sl_host_limits(const struct sl_manifest_component *component)
{
    return (struct sl_bridge_limits){
        /* Each may cost some kilobytes of the host's memory. */
        .max_resources = 4096,
        /* A stream costs a kilobyte. */
        .max_handles = 16384,
        .max_call_bytes = 16 * MIB,
        /* More would keep a thread of the runtime for milliseconds. */
        .max_random_bytes = MIB,
        .max_fields_bytes = 128 * KIB,
        /* As long as a path may be. */
        .max_name_bytes = 64 * KIB,
        .body_chunk_bytes = 64 * KIB,
        .client =
            {
                .max_requests = 64,
                .max_response_fields = (uint32_t)component->max_response_fields,
                .max_idle_connections = 16,
                .max_addresses = 8,
                .idle_timeout_ms = 60 * SECOND_MS,
                .connect_timeout_ms = 10 * SECOND_MS,
                .response_timeout_ms = 600 * SECOND_MS,
                .address_timeout_ms = 3 * SECOND_MS,
                .first_piece_timeout_ms = 100,
            },
    };
}

const struct sl_bridge_http_limits sl_http_limits = {
    .max_header_fields = 100,
    .max_request_id = 64,
    /* The request before may have been answered, and its instance be ending. */
    .queue_timeout_ms = 250,
    .backlog = 4096,
    /* A client that vanished without a word is noticed within a minute. */
    .keepalive_idle_s = 30,
    .keepalive_interval_s = 10,
    .keepalive_probes = 3,
    .min_idle_ms = 50,
    .probe_interval_ms = 3 * SECOND_MS,
    .max_discard_bytes = 64 * KIB,
    .discard_timeout_ms = 5 * SECOND_MS,
    .max_linger_bytes = 256 * MIB,
    .linger_timeout_ms = 30 * SECOND_MS,
    .linger_idle_timeout_ms = 5 * SECOND_MS,
};
