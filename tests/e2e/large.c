/* SPDX-License-Identifier: Apache-2.0 */
/*
 * large INSTANCES MEMORIES TABLES ELEMENTS FUNCTIONS: a component that runs and
 * returns, of so many core instances, each with so many memories of 64 KiB,
 * tables of so many elements, and functions.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t data[8 << 20];
    size_t len;
};

static struct bytes component, module, section;

static void add(struct bytes *to, const void *data, size_t len)
{
    if (len > sizeof(to->data) - to->len)
        exit(1);
    memcpy(to->data + to->len, data, len);
    to->len += len;
}

static void add_byte(struct bytes *to, unsigned byte)
{
    const uint8_t value = (uint8_t)byte;

    add(to, &value, 1);
}

/* LEB128. */
static void add_number(struct bytes *to, size_t number)
{
    for (; number >= 128; number >>= 7)
        add_byte(to, (unsigned)(number & 127) | 128);
    add_byte(to, (unsigned)number);
}

static void add_text(struct bytes *to, const char *text)
{
    add_number(to, strlen(text));
    add(to, text, strlen(text));
}

/* What is in section, which is empty then. */
static void add_section(struct bytes *to, unsigned id)
{
    add_byte(to, id);
    add_number(to, section.len);
    add(to, section.data, section.len);
    section.len = 0;
}

static void make_module(size_t memories, size_t tables, size_t elements,
                        size_t functions)
{
    add(&module, "\0asm\1\0\0\0", 8);
    add(&section, "\1\x60\0\1\x7f", 5); /* func () -> i32 */
    add_section(&module, 1);
    add_number(&section, functions);
    for (size_t i = 0; i < functions; i++)
        add_byte(&section, 0);
    add_section(&module, 3);
    add_number(&section, tables);
    for (size_t i = 0; i < tables; i++) {
        add(&section, "\x70\0", 2);
        add_number(&section, elements);
    }
    add_section(&module, 4);
    add_number(&section, memories);
    for (size_t i = 0; i < memories; i++)
        add(&section, "\0\1", 2);
    add_section(&module, 5);
    add_byte(&section, 1);
    add_text(&section, "run");
    add(&section, "\0\0", 2);
    add_section(&module, 7);
    /* Each is in a table, so that an instance holds something for each. */
    add(&section, "\1\3\0", 3);
    add_number(&section, functions);
    for (size_t i = 0; i < functions; i++)
        add_number(&section, i);
    add_section(&module, 9);
    add_number(&section, functions);
    for (size_t i = 0; i < functions; i++)
        add(&section, "\4\0\x41\0\x0b", 5); /* i32.const 0 */
    add_section(&module, 10);
}

static void make_component(size_t instances)
{
    add(&component, "\0asm\x0d\0\1\0", 8);
    add(&section, module.data, module.len);
    add_section(&component, 1);
    add_number(&section, instances);
    for (size_t i = 0; i < instances; i++)
        add(&section, "\0\0\0", 3);
    add_section(&component, 2);
    add(&section, "\1\0\0\1\0", 5); /* the first one's core function "run" */
    add_text(&section, "run");
    add_section(&component, 6);
    add(&section, "\2\x6a\0\0\x40\0\0\0", 8); /* result, func () -> result */
    add_section(&component, 7);
    add(&section, "\1\0\0\0\0\1", 6); /* lifted */
    add_section(&component, 8);
    add(&section, "\1\1\1\0", 4);
    add_text(&section, "run");
    add(&section, "\1\0", 2);
    add_section(&component, 5);
    add(&section, "\1\0", 2);
    add_text(&section, "wasi:cli/run@0.2.0");
    add(&section, "\5\0\0", 3);
    add_section(&component, 11);
}

int main(int argc, char **argv)
{
    size_t numbers[5] = {1, 1, 1, 10, 1};

    for (int i = 1; i < argc && i <= 5; i++)
        numbers[i - 1] = strtoul(argv[i], NULL, 10);
    make_module(numbers[1], numbers[2], numbers[3], numbers[4]);
    make_component(numbers[0]);
    return fwrite(component.data, 1, component.len, stdout) == component.len
               ? 0
               : 1;
}
