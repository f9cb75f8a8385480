/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for what we size ourselves.  Running out of it ends the process: what
 * a guest, a server or a file sizes goes through sl_buf, which has a limit.
 */
#ifndef SL_BASE_ALLOC_H
#define SL_BASE_ALLOC_H

#include <stddef.h>

/* Never NULL.  sl_alloc's memory is zeroed; free it with free(). */
void *sl_alloc(size_t size);
void *sl_alloc_array(size_t count, size_t size);
void *sl_realloc(void *ptr, size_t size);
char *sl_strdup(const char *text);
/* A NUL-terminated copy of len bytes. */
char *sl_strndup(const void *text, size_t len);
char *sl_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For SL_CLEANUP: frees what a `char *` or any other pointer points to. */
void sl_freep(void *pointer_to_pointer);

#endif
