/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/confine.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/print.h"
#include "host/confine.h"

static int report_failure(struct sl_error *err)
{
    sl_fail_in(err,
               "slight cannot confine itself; --no-sandbox runs without it");
    return sl_print_failure(err, SL_EXIT_FAILED);
}

static void log_support(void)
{
    const struct sl_sandbox_support support = sl_sandbox_support();
    SL_CLEANUP(sl_freep) char *text = sl_sandbox_text(&support);

    if (support.landlock_abi == 0 || !support.has_seccomp)
        sl_log(SL_LOG_WARN, "sandbox-incomplete",
               SL_FIELD_STRING("sandbox", text));
    else
        sl_log(SL_LOG_INFO, "sandbox", SL_FIELD_STRING("sandbox", text));
}

int sl_confine_files(const struct sl_manifest *manifest,
                     const struct sl_host_run *run, struct sl_sandbox **out)
{
    struct sl_error err;

    *out = sl_sandbox_new();
    sl_host_allow(manifest, run, *out);
    if (sl_sandbox_confine(*out, &err) != SL_OK)
        return report_failure(&err);
    log_support();
    return SL_EXIT_OK;
}

int sl_confine_calls(const struct sl_sandbox *sandbox)
{
    struct sl_error err;

    return sl_sandbox_filter(sandbox, &err) == SL_OK ? SL_EXIT_OK
                                                     : report_failure(&err);
}

void sl_confine_print(void)
{
    const struct sl_sandbox_support support = sl_sandbox_support();
    SL_CLEANUP(sl_freep) char *text = sl_sandbox_text(&support);

    printf("\nsandbox: %s\n", text);
}
