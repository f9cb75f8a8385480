/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Count the words of standard input in the key-value store "default", and print
 * the ten most frequent ones with their totals over all runs.
 *
 * The program does not know which store "default" is; slightfile.toml says
 * that.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h" /* generated from the WIT: slight bindgen c */

enum { WORD_MAX = 64, TABLE_SIZE = 1 << 16, SHOWN = 10 };

struct count {
    char word[WORD_MAX + 1];
    int64_t here;  /* in this text */
    int64_t total; /* over all runs */
};

/* A hash table with open addressing; an empty word marks a free slot. */
static struct count table[TABLE_SIZE];
static size_t used;

static void give_up(const char *what, const slight_kv_store_error_t *error)
{
    fprintf(stderr, "wordcount: %s: %.*s\n", what, (int)error->message.len,
            (const char *)error->message.ptr);
    exit(1);
}

static void count_word(const char *word)
{
    uint32_t hash = 2166136261;

    for (const char *c = word; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619;
    struct count *slot = &table[hash % TABLE_SIZE];
    while (slot->word[0] != '\0' && strcmp(slot->word, word) != 0)
        slot = slot == &table[TABLE_SIZE - 1] ? table : slot + 1;
    if (slot->word[0] == '\0') {
        if (++used == TABLE_SIZE) {
            fputs("wordcount: too many different words\n", stderr);
            exit(1);
        }
        strcpy(slot->word, word);
    }
    slot->here++;
}

/* A word is a sequence of letters; case is ignored. */
static void count_text(FILE *text)
{
    char word[WORD_MAX + 1];
    size_t len = 0;
    int c;

    do {
        c = getc(text);
        if (isalpha(c)) {
            if (len < WORD_MAX)
                word[len++] = (char)tolower(c);
        } else if (len > 0) {
            word[len] = '\0';
            count_word(word);
            len = 0;
        }
    } while (c != EOF);
}

/* Add each count to its total in the store.  Concurrent runs are safe. */
static void add_totals(slight_kv_store_borrow_bucket_t bucket)
{
    for (struct count *count = table; count < table + TABLE_SIZE; count++) {
        slight_kv_store_error_t error;
        command_string_t key;

        if (count->here == 0)
            continue;
        command_string_set(&key, count->word);
        if (!slight_kv_store_method_bucket_increment(bucket, &key, count->here,
                                                     &count->total, &error))
            give_up(count->word, &error);
    }
}

static int by_total(const void *a, const void *b)
{
    const struct count *left = a, *right = b;

    if (left->total != right->total)
        return left->total < right->total ? 1 : -1;
    return strcmp(left->word, right->word);
}

int main(void)
{
    slight_kv_store_own_bucket_t bucket;
    slight_kv_store_error_t error;
    command_string_t name;

    command_string_set(&name, "default");
    if (!slight_kv_store_static_bucket_open(&name, &bucket, &error))
        give_up("open", &error);
    count_text(stdin);
    add_totals(slight_kv_store_borrow_bucket(bucket));
    slight_kv_store_bucket_drop_own(bucket);

    qsort(table, TABLE_SIZE, sizeof(table[0]), by_total);
    printf("%-16s %10s %10s\n", "word", "this text", "all runs");
    for (int i = 0; i < SHOWN && table[i].here > 0; i++)
        printf("%-16s %10" PRId64 " %10" PRId64 "\n", table[i].word,
               table[i].here, table[i].total);
    return 0;
}
