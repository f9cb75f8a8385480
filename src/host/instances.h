/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of the instances of a component. */
#ifndef SL_HOST_INSTANCES_H
#define SL_HOST_INSTANCES_H

#include <stdint.h>

struct sl_host_instances {
    _Atomic uint64_t begun; /* since the start */
    _Atomic uint64_t ended;
    _Atomic uint64_t held;    /* bytes of the host's memory, now */
    _Atomic uint64_t refused; /* times that host-memory was not enough */
};

#endif
