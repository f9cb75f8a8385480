/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Built for ThreadSanitizer only: librdkafka is not, so that most of its own
 * order is not known.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:^rd_\n";
}
