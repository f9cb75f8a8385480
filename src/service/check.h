/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that the capabilities share: of texts, numbers, and what drivers can
 * do. */
#ifndef SL_SERVICE_CHECK_H
#define SL_SERVICE_CHECK_H

#include "service/driver.h"

/*
 * What is checked on this thread from now on ends by itself at this deadline;
 * SL_NEVER: it does not.  Large texts take longer than some deadlines.
 */
void sl_check_until(sl_deadline deadline);
/* Look at the clock: whether it has passed.  The check then fails. */
bool sl_check_is_late(void);
/* Whether that was so at a look: what the check says means nothing. */
bool sl_check_was_late(void);

/* Bytes that are checked between two looks at the clock. */
enum { SL_CHECK_PIECE = 64 * 1024 };

/* sl_bytes_are_text; also false once it is late. */
bool sl_check_is_text(struct sl_bytes bytes);

/* A text of `least` to `most` bytes of UTF-8 without NUL; what: "a group". */
SL_MUST_CHECK enum sl_status sl_check_text(const char *what,
                                           struct sl_bytes text, size_t least,
                                           size_t most, struct sl_error *err);
/* A number from `least` to `most`; what: "a delay in ms". */
SL_MUST_CHECK enum sl_status sl_check_range(const char *what, uint64_t value,
                                            uint64_t least, uint64_t most,
                                            struct sl_error *err);

/*
 * SL_UNSUPPORTED unless the driver has all of these features.  The message
 * names the first that is missing.
 */
SL_MUST_CHECK enum sl_status
sl_check_features(const struct sl_capability *capability,
                  const struct sl_driver *driver, unsigned features,
                  struct sl_error *err);

#endif
