/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever a ZooKeeper sends: the first byte says as what it is read, the rest
 * is a frame, or a challenge of SASL.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lockd/zookeeper/nodes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char own[] = "0123456789abcdef0123456789abcdef-0000000004";

static void read_line(struct sl_zk_reader body)
{
    struct sl_lockd_zookeeper_queue line = {.name = own, .sequence = 4};

    (void)!sl_zk_parse_children(body, sl_lockd_zookeeper_queue_add, &line);
    if (strlen(line.ahead) >= SL_LOCKD_ZOOKEEPER_NAME_SIZE)
        abort();
}

static void read_packet(struct sl_bytes frame)
{
    struct sl_zk_packet packet;
    struct sl_bytes path;
    struct sl_error err;
    int64_t czxid;
    bool unchanged;

    if (!sl_zk_parse_packet(frame, &packet))
        return;
    if (packet.error != 0 &&
        sl_zk_fail(packet.error, &unchanged, &err) == SL_OK)
        abort();
    if (sl_zk_parse_created(packet.body, &path, &czxid) && czxid <= 0)
        abort();
    (void)!sl_zk_parse_event(packet.body, &path);
    read_line(packet.body);
}

static void read_challenge(struct sl_bytes challenge)
{
    struct sl_buf answer = SL_BUF(8192);
    char proof[SL_ZK_PROOF_MAX];
    struct sl_error err;

    (void)!sl_zk_digest_md5_respond(challenge, "user", "password", "cnonce",
                                    &answer, proof, &err);
    sl_buf_done(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_zk_welcome welcome;
    size_t length;

    if (size == 0)
        return 0;
    struct sl_bytes rest = SL_BYTES(data + 1, size - 1);
    if (data[0] % 3 == 0) {
        (void)!sl_zk_parse_welcome(rest, &welcome);
        (void)!sl_zk_frame_length(rest, &length);
    } else if (data[0] % 3 == 1) {
        read_packet(rest);
    } else {
        read_challenge(rest);
    }
    return 0;
}
