/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a component to standard output that is small, valid, and more work for
 * a compiler than anybody wants to do:
 *
 *     bomb loops N    N loops in each other, in which N locals are read: the
 *                     compiler keeps N * N values for a few bytes each
 *     bomb functions N  N functions of 300 additions: no more than a large
 *                     component is
 *     bomb targets N  N tables of branches, each with 65,000 targets whose
 *                     1,000 types are compared one by one while it is validated
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *at;
    size_t len;
    size_t room;
};

enum { RESULTS = 1000, TARGETS = 65000 };

static void add(struct bytes *to, const void *bytes, size_t len)
{
    if (to->len + len > to->room) {
        to->room = 2 * (to->len + len);
        to->at = realloc(to->at, to->room);
        if (to->at == NULL)
            exit(1);
    }
    memcpy(to->at + to->len, bytes, len);
    to->len += len;
}

static void add_byte(struct bytes *to, uint8_t byte)
{
    add(to, &byte, 1);
}

static void add_number(struct bytes *to, size_t number) /* LEB128 */
{
    for (; number >= 0x80; number >>= 7)
        add_byte(to, (uint8_t)(number | 0x80));
    add_byte(to, (uint8_t)number);
}

/* With its length before it; gives the bytes of part back. */
static void add_part(struct bytes *to, struct bytes *part)
{
    add_number(to, part->len);
    add(to, part->at, part->len);
    free(part->at);
    *part = (struct bytes){0};
}

static void add_section(struct bytes *to, uint8_t id, struct bytes *part)
{
    add_byte(to, id);
    add_part(to, part);
}

static void add_loops(struct bytes *body, size_t count)
{
    add(body, "\1", 1); /* one group of locals: */
    add_number(body, count);
    add_byte(body, 0x7f); /* i32 */
    for (size_t i = 0; i < count; i++)
        add(body, "\x03\x40", 2); /* loop */
    for (size_t i = 0; i < count; i++) {
        add_byte(body, 0x20); /* local.get */
        add_number(body, i);
        add(body, "\x41\1\x6a\x21", 4); /* i32.const 1, i32.add, local.set */
        add_number(body, i);
    }
    for (size_t i = 0; i < count; i++)
        add(body, "\x20\0\x0d\0\x0b", 5); /* local.get 0, br_if 0, end */
    add_byte(body, 0x0b);
}

static void add_tables(struct bytes *body, size_t count)
{
    add(body, "\0\x02\0\0", 4); /* no locals, block of type 0, unreachable */
    for (size_t i = 0; i < count; i++) {
        add_byte(body, 0x0e); /* br_table */
        add_number(body, TARGETS);
        for (size_t target = 0; target <= TARGETS; target++)
            add_byte(body, 0);
    }
    add(body, "\x0b\x0b", 2);
}

static void add_functions(struct bytes *code, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct bytes body = {0};
        add(&body, "\1\1\x7f", 3); /* one local */
        for (int j = 0; j < 300; j++)
            add(&body, "\x20\0\x41\1\x6a\x21\0", 7); /* add one to it */
        add_byte(&body, 0x0b);
        add_part(code, &body);
    }
}

static void add_type(struct bytes *types, size_t results)
{
    add(types, "\1\x60\0", 3); /* one type: a function without parameters */
    add_number(types, results);
    for (size_t i = 0; i < results; i++)
        add_byte(types, 0x7f);
}

int main(int argc, char *argv[])
{
    struct bytes types = {0};
    struct bytes functions = {0};
    struct bytes body = {0};
    struct bytes code_bodies = {0};
    struct bytes code = {0};
    struct bytes module = {0};
    struct bytes component = {0};

    if (argc != 3)
        return 2;
    size_t count = strtoul(argv[2], NULL, 10);
    size_t functions_count = 1;
    if (strcmp(argv[1], "functions") == 0) {
        functions_count = count;
        add_functions(&code_bodies, count);
    } else if (strcmp(argv[1], "loops") == 0) {
        add_loops(&body, count);
    } else {
        add_tables(&body, count);
    }
    add_type(&types, strcmp(argv[1], "targets") == 0 ? RESULTS : 0);
    add_number(&functions, functions_count);
    for (size_t i = 0; i < functions_count; i++)
        add_byte(&functions, 0);
    add_number(&code, functions_count);
    if (body.len > 0)
        add_part(&code, &body);
    else
        add(&code, code_bodies.at, code_bodies.len);
    free(code_bodies.at);

    add(&module, "\0asm\1\0\0\0", 8);
    add_section(&module, 1, &types);
    add_section(&module, 3, &functions);
    add_section(&module, 10, &code);
    add(&component, "\0asm\x0d\0\1\0", 8);
    add_section(&component, 1, &module);
    size_t written = fwrite(component.at, 1, component.len, stdout);
    free(component.at);
    return written == component.len && fflush(stdout) == 0 ? 0 : 1;
}
