#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A real MySQL server, which Debian has in sid only: prints the folder, in which
# `run usr/sbin/mysqld …` runs it.  Tests print its version.
set -eu
exec "$(dirname "$0")/debian.sh" sid mysql mysql-server-core mysql-client-core
