#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same with Debian's etcd, the oldest that slight speaks to.
NAME=etcd-3.4
. "$(dirname "$0")/etcd.sh"
