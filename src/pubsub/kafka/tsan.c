/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built for ThreadSanitizer only, which does not see librdkafka's atomics and
 * so reports false races: reports about its functions and its wrappers of POSIX
 * threads are suppressed.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:^rd_\nrace:^rwlock_\nrace:^mtx_\nrace:^cnd_\nrace:^thrd_\n"
           "mutex:^rwlock_\nmutex:^mtx_\n";
}

/* The linker's flags require this symbol, so that this file is linked: libtsan
 * has a weak function of the same name. */
extern const char sl_pubsub_kafka_tsan;
const char sl_pubsub_kafka_tsan = 1;
