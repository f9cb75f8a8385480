#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A Redis that has WAITAOF (7.2 or newer), which Debian has since 13: prints the
# folder, in which `run usr/bin/redis-server …` runs it.
set -eu
exec "$(dirname "$0")/debian.sh" trixie redis redis-server
