/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built for ThreadSanitizer only, which does not see librdkafka's atomics, and
 * so not the order of what it does before it frees something: nothing is said
 * of what its functions do, and its wrappers of POSIX threads.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:^rd_\nrace:^rwlock_\nrace:^mtx_\nrace:^cnd_\nrace:^thrd_\n"
           "mutex:^rwlock_\nmutex:^mtx_\n";
}

/* Asked for by the linker's flags, so that this file is linked: libtsan has a
 * function of that name, too. */
extern const char sl_kafka_tsan;
const char sl_kafka_tsan = 1;
