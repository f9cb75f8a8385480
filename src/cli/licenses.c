/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared libraries are read from the program's own dynamic section, so that the
 * list is that of this build.
 */
#include "cli/licenses.h"

#include <link.h>
#include <stddef.h>
#include <string.h>

#include "cli/embedded_files.h"

/* By the name of the file up to its first dot; e2e.notices fails when a library
 * is missing here. */
static const struct library {
    const char *name;
    const char *project;
    const char *license; /* an SPDX expression */
} libraries[] = {
    {"ld-linux", "GNU C Library", "LGPL-2.1-or-later"},
    {"libasan", "GCC runtime",
     "Apache-2.0 WITH LLVM-exception AND GPL-3.0-or-later WITH "
     "GCC-exception-3.1"},
    {"libc", "GNU C Library", "LGPL-2.1-or-later"},
    {"libcrypto", "OpenSSL", "Apache-2.0"},
    {"libcurl", "curl", "curl"},
    {"libgcc_s", "GCC runtime", "GPL-3.0-or-later WITH GCC-exception-3.1"},
    {"libhiredis", "hiredis", "BSD-3-Clause"},
    {"libjansson", "Jansson", "MIT"},
    {"libjemalloc", "jemalloc", "BSD-2-Clause"},
    {"libm", "GNU C Library", "LGPL-2.1-or-later"},
    {"libmariadb", "MariaDB Connector/C", "LGPL-2.1-or-later"},
    {"libpq", "PostgreSQL", "PostgreSQL"},
    {"libseccomp", "libseccomp", "LGPL-2.1-only"},
    {"libsqlite3", "SQLite", "blessing"},
    {"libssl", "OpenSSL", "Apache-2.0"},
    {"libtsan", "GCC runtime",
     "Apache-2.0 WITH LLVM-exception AND GPL-3.0-or-later WITH "
     "GCC-exception-3.1"},
    {"libubsan", "GCC runtime",
     "Apache-2.0 WITH LLVM-exception AND GPL-3.0-or-later WITH "
     "GCC-exception-3.1"},
    {"libz", "zlib", "Zlib"},
    {"libzstd", "Zstandard", "BSD-3-Clause OR GPL-2.0-only"},
};

static const struct library *find_library(const char *file)
{
    size_t len = strcspn(file, ".");

    /* "ld-linux-x86-64.so.2" has the processor in its name. */
    if (strncmp(file, "ld-linux", 8) == 0)
        len = 8;
    for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
        if (strlen(libraries[i].name) == len &&
            strncmp(libraries[i].name, file, len) == 0)
            return &libraries[i];
    return NULL;
}

static void print_library(FILE *out, const char *file)
{
    const struct library *library = find_library(file);

    if (library == NULL)
        fprintf(out, "  %s: unknown license\n", file);
    else
        fprintf(out, "  %s (%s): %s\n", file, library->project,
                library->license);
}

/* Addresses in it are relative to the program where the loader cannot write
 * there, and absolute elsewhere. */
static const char *find_strings(const ElfW(Dyn) * dynamic, ElfW(Addr) base)
{
    while (dynamic->d_tag != DT_NULL && dynamic->d_tag != DT_STRTAB)
        dynamic++;
    ElfW(Addr) at = dynamic->d_un.d_ptr;
    return (const char *)(at < base ? at + base : at);
}

static void print_needed(FILE *out, const ElfW(Dyn) * dynamic, ElfW(Addr) base)
{
    const char *strings = find_strings(dynamic, base);

    for (; dynamic->d_tag != DT_NULL; dynamic++)
        if (dynamic->d_tag == DT_NEEDED)
            print_library(out, strings + dynamic->d_un.d_val);
}

/* The first object is the program; the search ends with it. */
static int visit_program(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    for (ElfW(Half) i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            print_needed(context,
                         (const ElfW(Dyn) *)(info->dlpi_addr +
                                             info->dlpi_phdr[i].p_vaddr),
                         info->dlpi_addr);
    return 1;
}

void sl_licenses_print(FILE *out)
{
    fputs("slight " SL_VERSION " is licensed under Apache-2.0. It is linked "
          "with the following works\nof others.\n\nShared libraries, which "
          "the system provides:\n\n",
          out);
    dl_iterate_phdr(visit_program, out);
    for (size_t i = 0; i < sl_notices_file_count; i++)
        fprintf(out, "\n%s", sl_notices_files[i].text);
}
