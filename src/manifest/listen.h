/* SPDX-License-Identifier: Apache-2.0 */
/* "HOST:PORT": the addresses of servers. */
#ifndef SL_MANIFEST_LISTEN_H
#define SL_MANIFEST_LISTEN_H

#include "manifest/reader.h"

/* For an option: says what is wrong with the address. */
enum sl_status sl_manifest_check_listen(const void *field,
                                        struct sl_error *err);

/* Two servers must not listen at the same place.  Call it after all tables were
 * read. */
void sl_manifest_check_listeners(struct sl_manifest_reader *reader);

#endif
