/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slight dead-letters: the messages that a queue gave up on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/print.h"
#include "cli/target.h"
#include "host/dead_letters.h"

/* --- One letter --------------------------------------------------------- */

/* UTC, as in the log. */
static void write_utc(FILE *out, uint64_t ms)
{
    const time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char text[32];

    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        snprintf(text, sizeof(text), "-");
    fprintf(out, "%s.%03uZ", text, (unsigned)(ms % 1000));
}

static void write_quoted(FILE *out, struct sl_bytes text)
{
    fputc('"', out);
    sl_escape(out, text, SL_ESCAPE_QUOTED);
    fputc('"', out);
}

/* RFC 4648, section 4. */
static void write_base64(FILE *out, struct sl_bytes bytes)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
        "uvwxyz0123456789+/";

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t three = (uint32_t)bytes.ptr[i] << 16 |
                         (left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)bytes.ptr[i + 2] : 0);
        fputc(digits[three >> 18], out);
        fputc(digits[three >> 12 & 63], out);
        fputc(left > 1 ? digits[three >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[three & 63] : '=', out);
    }
}

static bool print_json(void *context, const struct sl_dead_letter *letter)
{
    (void)context;
    fputs("{\"id\":", stdout);
    write_quoted(stdout, letter->id);
    printf(",\"deliveries\":%" PRIu32 ",\"sent\":\"", letter->deliveries);
    write_utc(stdout, letter->sent_at_ms);
    fputs("\",\"died\":\"", stdout);
    write_utc(stdout, letter->died_at_ms);
    fputs("\",\"reason\":", stdout);
    write_quoted(stdout, letter->reason);
    fputs(",\"group\":", stdout);
    if (letter->group.ptr != NULL)
        write_quoted(stdout, letter->group);
    else
        fputs("null", stdout);
    fputs(",\"attributes\":[", stdout);
    for (size_t i = 0; i < letter->attribute_count; i++) {
        fputs(i > 0 ? ",[" : "[", stdout);
        write_quoted(stdout, letter->attributes[i].name);
        fputc(',', stdout);
        write_quoted(stdout, letter->attributes[i].value);
        fputc(']', stdout);
    }
    printf("],\"bytes\":%zu,\"payload\":\"", letter->payload.len);
    write_base64(stdout, letter->payload);
    fputs("\"}\n", stdout);
    return !ferror(stdout);
}

static bool print_row(void *context, const struct sl_dead_letter *letter)
{
    size_t *count = context;
    SL_CLEANUP(sl_freep) char *id = sl_escaped(letter->id, SL_ESCAPE_LINE);

    if ((*count)++ == 0)
        printf("%s%-20s  DELIVERIES  %-24s  %10s  REASON%s\n",
               sl_style_on(stdout, SL_STYLE_BOLD), "ID", "DIED", "BYTES",
               sl_style_off(stdout));
    printf("%-20s  %10" PRIu32 "  ", id, letter->deliveries);
    write_utc(stdout, letter->died_at_ms);
    printf("  %10zu  ", letter->payload.len);
    sl_escape(stdout, letter->reason, SL_ESCAPE_LINE);
    fputc('\n', stdout);
    return !ferror(stdout);
}

/* --- The command line --------------------------------------------------- */

enum action { LIST, REPLAY, DROP, ACTIONS };

static const char *const action_names[ACTIONS + 1] = {"list", "replay", "drop",
                                                      NULL};

struct request {
    enum action action;
    bool json;
    const char *const *ids; /* NULL: all */
    size_t id_count;
};

static bool read_action(const char *text, enum action *action)
{
    for (size_t i = 0; i < ACTIONS; i++)
        if (strcmp(text, action_names[i]) == 0) {
            *action = (enum action)i;
            return true;
        }
    const char *nearest = sl_nearest(text, action_names);
    if (nearest != NULL)
        sl_print_error("unknown action \"%s\"; did you mean \"%s\"?", text,
                       nearest);
    else
        sl_print_error("unknown action \"%s\"; expected list, replay or drop",
                       text);
    return false;
}

/* False after a message. */
static bool read_request(const struct sl_args *args, struct request *request)
{
    bool all = sl_args_has(args, "all");

    if (!read_action(sl_args_operand(args, 0), &request->action))
        return false;
    request->json = sl_args_has(args, "json");
    request->id_count = args->operand_count - 2;
    request->ids = request->id_count > 0 ? &args->operands[2] : NULL;
    if (request->action == LIST && (all || request->id_count > 0)) {
        sl_print_error(
            "\"list\" shows all dead letters; %s for replay and drop",
            all ? "--all is" : "IDs are");
        return false;
    }
    if (request->action != LIST && all == (request->id_count > 0)) {
        sl_print_error("name the IDs of dead letters, or all of them with "
                       "--all%s",
                       all ? ", not both" : "");
        return false;
    }
    return true;
}

/* NULL after a message. */
static const struct sl_manifest_resource *
find_queue_resource(const struct sl_manifest *manifest, const char *name)
{
    const struct sl_manifest_resource *found =
        sl_manifest_resource(manifest, sl_bytes_of(name));

    if (found != NULL)
        return found;
    const char **names =
        sl_alloc_array(manifest->resource_count + 1, sizeof(*names));
    for (size_t i = 0; i < manifest->resource_count; i++)
        names[i] = manifest->resources[i].name;
    const char *nearest = sl_nearest(name, names);
    sl_print_error(
        "%s has no resource \"%s\"%s%s%s",
        manifest->path != NULL ? manifest->path : "the built-in manifest", name,
        nearest != NULL ? "; did you mean \"" : "",
        nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
    free(names);
    return NULL;
}

/* --- The actions -------------------------------------------------------- */

static int list_letters(struct sl_dead_letters *letters,
                        const struct request *request)
{
    struct sl_error err;
    size_t count = 0;

    if (sl_dead_letters_visit(letters, request->json ? print_json : print_row,
                              &count, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_FAILED);
    if (!request->json && count == 0)
        puts("no dead letters");
    return SL_EXIT_OK;
}

static void print_done(void *context, const char *id, const char *as)
{
    const struct request *request = context;
    const char *word = request->action == REPLAY ? "replayed" : "dropped";

    if (request->json) {
        printf("{\"%s\":", word);
        write_quoted(stdout, sl_bytes_of(id));
        if (as[0] != '\0') {
            fputs(",\"as\":", stdout);
            write_quoted(stdout, sl_bytes_of(as));
        }
        fputs("}\n", stdout);
    } else {
        sl_print_line(stdout, "%s %s%s%s", word, id,
                      as[0] != '\0' ? " as " : "", as);
    }
}

/* Without the duplicates. */
static size_t count_named(const struct request *request)
{
    size_t count = 0;

    for (size_t i = 0; i < request->id_count; i++) {
        size_t before = 0;
        while (strcmp(request->ids[before], request->ids[i]) != 0)
            before++;
        count += before == i;
    }
    return count;
}

static int settle_letters(struct sl_dead_letters *letters,
                          struct request *request)
{
    size_t named = count_named(request), count;
    struct sl_error err;

    if (sl_dead_letters_settle(letters,
                               request->action == REPLAY
                                   ? SL_DEAD_LETTERS_REPLAY
                                   : SL_DEAD_LETTERS_DROP,
                               request->ids, request->id_count, print_done,
                               request, &count, &err) != SL_OK)
        return sl_print_failure(&err, SL_EXIT_FAILED);
    if (request->ids == NULL && count == 0 && !request->json)
        puts("no dead letters");
    if (count >= named)
        return SL_EXIT_OK;
    sl_print_error("%zu of these dead letters %s not exist; \"slight "
                   "dead-letters list\" shows those that do",
                   named - count, named - count > 1 ? "do" : "does");
    return SL_EXIT_FAILED;
}

static void close_letters(struct sl_dead_letters *letters, int code)
{
    if (sl_dead_letters_close(letters))
        return;
    fflush(NULL);
    sl_output_flush(SL_OUTPUT_FLUSH_MS);
    /* Its thread may use anything until the process ends. */
    _exit(code);
}

static int run_dead_letters(const struct sl_args *args)
{
    SL_CLEANUP(sl_manifest_freep) struct sl_manifest *manifest = NULL;
    struct sl_dead_letters *letters = NULL;
    struct request request;
    struct sl_error err;

    if (!read_request(args, &request))
        return SL_EXIT_USAGE;
    int code =
        sl_target_open(NULL, sl_args_value(args, "manifest"), NULL, &manifest);
    if (code != SL_EXIT_OK)
        return code;
    const struct sl_manifest_resource *resource =
        find_queue_resource(manifest, sl_args_operand(args, 1));
    if (resource == NULL)
        return SL_EXIT_USAGE;
    if (sl_dead_letters_open(resource, &letters, &err) != SL_OK)
        return sl_print_failure(&err, err.status == SL_UNSUPPORTED
                                          ? SL_EXIT_USAGE
                                          : SL_EXIT_FAILED);
    code = request.action == LIST ? list_letters(letters, &request)
                                  : settle_letters(letters, &request);
    close_letters(letters, code);
    return code;
}

static const struct sl_command_option options[] = {
    {.name = "all", .help = "replay or drop all current dead letters"},
    {.name = "json",
     .help = "print one JSON object per line, with attributes and the payload "
             "in base64"},
    {.name = "manifest",
     .argument = "FILE",
     .kind = SL_ARGUMENT_FILE,
     .help = "the manifest with the resource; default slightfile.toml"},
    {0},
};

static const char *const examples[] = {
    "slight dead-letters list jobs",
    "slight dead-letters list jobs --json",
    "slight dead-letters replay jobs 17 23",
    "slight dead-letters drop jobs --all",
    NULL,
};

extern const struct sl_command sl_command_dead_letters;
const struct sl_command sl_command_dead_letters = {
    .name = "dead-letters",
    .summary = "list, replay or delete the dead letters of a queue",
    .operands = "list|replay|drop RESOURCE [ID...]",
    .text = "RESOURCE is a queue (mq.*) of the manifest. ID is the ID of a "
            "message as \"list\"\n"
            "and the log show it. A dead letter was rejected, or delivered "
            "max-deliveries\n"
            "times.\n"
            "\n"
            "\"replay\" sends it to the end of the queue with a new ID and no "
            "deliveries;\n"
            "\"drop\" deletes it. Both may be used while slight runs.\n"
            "\n"
            "Exit code 0: done, 1: the service failed or an ID does not exist, "
            "2: there is no\n"
            "such queue, 3: the manifest is wrong.\n",
    .options = options,
    .examples = examples,
    .operand_kind = SL_ARGUMENT_ACTION,
    .operands_min = 2,
    .operands_max = 1000,
    .run = run_dead_letters,
};
