#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Redis with WAITAOF, whose disk is as slow as a test wants: SL_TEST_SLOW_DISK is
# the library of tests/support/slow_disk.c, and its files are in FOLDER.
NAME=redis-slow-disk
PREFIX=$("$(dirname "$0")/../../scripts/services/redis.sh")

server() {
    spawn env LD_PRELOAD="$SL_TEST_SLOW_DISK" SL_TEST_DISK="$FOLDER" \
        "$PREFIX/run" usr/bin/redis-server "$@"
}

. "$(dirname "$0")/redis.sh"
