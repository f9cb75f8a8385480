/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A component that writes to its standard streams what the request says:
 *
 *     POST /out, /err     the body, to that stream
 *     GET /flood          lines to both, until it is ended
 *     GET /forge          traps, in a function whose name has a newline
 */
#include <stdio.h>

#include "http_reply.h"

/* Names are any bytes. */
void forge(void) __asm__(
    "evil\n  9: FORGED (host.c:1)\nerror: FORGED\r\x1b[2J");

__attribute__((noinline)) void forge(void)
{
    __builtin_trap();
}

static void print_body(wasi_http_types_borrow_incoming_request_t request,
                       FILE *out)
{
    http_list_u8_t body;

    if (!http_body(request, 1 << 20, &body))
        abort();
    fwrite(body.ptr, 1, body.len, out);
    fflush(out);
    http_list_u8_free(&body);
}

static void flood(void)
{
    for (;;) {
        puts("a line of an attacker, who has nothing to say, again and again");
        fputs("and one of the same to the other stream\n", stderr);
    }
}

void exports_wasi_http_incoming_handler_handle(
    exports_wasi_http_incoming_handler_own_incoming_request_t request,
    exports_wasi_http_incoming_handler_own_response_outparam_t out)
{
    wasi_http_types_borrow_incoming_request_t borrowed =
        wasi_http_types_borrow_incoming_request(request);
    char *path = http_path(borrowed);

    if (path != NULL && strcmp(path, "/out") == 0)
        print_body(borrowed, stdout);
    else if (path != NULL && strcmp(path, "/err") == 0)
        print_body(borrowed, stderr);
    else if (path != NULL && strcmp(path, "/flood") == 0)
        flood();
    else if (path != NULL && strcmp(path, "/forge") == 0)
        forge();
    http_reply_text(out, 200, "printed\n");
    free(path);
}
