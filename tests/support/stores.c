/* SPDX-License-Identifier: Apache-2.0 */
/* Key-value stores for tests: settings read from text, and opened. */
#include "support/stores.h"

#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "manifest/capabilities.h"

/* A copy of text in which each ${env:NAME} is replaced. */
static enum sl_status fill_in(const char *text, char **out,
                              struct sl_error *err)
{
    struct sl_buf filled = SL_BUF(1 << 20);
    const char *start;
    enum sl_status status = SL_OK;

    while (status == SL_OK && (start = strstr(text, "${env:")) != NULL) {
        const char *name = start + strlen("${env:"), *end = strchr(name, '}');
        if (end == NULL) {
            status = sl_fail(err, SL_INVALID_ARGUMENT, "a ${env: without a }");
            break;
        }
        SL_CLEANUP(sl_freep)
        char *copy = sl_strndup(name, (size_t)(end - name));
        const char *value = getenv(copy);
        if (value == NULL)
            status = sl_fail(err, SL_NOT_FOUND, "%s is not set", copy);
        else
            status = sl_buf_printf(&filled, err, "%.*s%s", (int)(start - text),
                                   text, value);
        text = end + 1;
    }
    if (status == SL_OK)
        status = sl_buf_printf(&filled, err, "%s", text);
    if (status == SL_OK)
        *out = sl_strndup(filled.ptr, filled.len);
    sl_buf_done(&filled);
    return status;
}

/* A value as it stands behind the `=`; text loses its quotes in place. */
static struct sl_setting_value read_value(char *text)
{
    struct sl_setting_value value = {.type = SL_SETTING_TEXT, .text = text};
    size_t len = strlen(text);

    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        text[len - 1] = '\0';
        value.text = text + 1;
    } else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        value.type = SL_SETTING_BOOLEAN;
        value.boolean = text[0] == 't';
    } else {
        value.type = SL_SETTING_INTEGER;
        value.integer = strtoll(text, NULL, 10);
    }
    return value;
}

static enum sl_status set_line(struct test_store *store, char *line,
                               struct sl_error *err)
{
    char *equals = strstr(line, " = ");

    if (equals == NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT, "no setting: %s", line);
    *equals = '\0';
    struct sl_setting_value value = read_value(equals + 3);
    void *target = store->options;
    const struct sl_option *option =
        sl_option_find(store->driver->options, line);
    if (option == NULL) {
        target = store->config;
        option = sl_option_find(store->capability->options, line);
    }
    if (option == NULL)
        option = sl_option_find(sl_service_options, line);
    if (option == NULL)
        return sl_fail(err, SL_INVALID_ARGUMENT, "no such setting: %s", line);
    if (sl_option_set(option, &value, target, err) != SL_OK)
        return sl_fail_in(err, "%s", line);
    return SL_OK;
}

enum sl_status test_store_set(struct test_store *store, const char *driver,
                              const char *settings, struct sl_error *err)
{
    *store = (struct test_store){0};
    store->driver = sl_driver_find(driver, &store->capability);
    if (store->driver == NULL)
        return sl_fail(err, SL_NOT_FOUND, "no driver %s", driver);
    store->config = sl_alloc(store->capability->config_size);
    store->options = sl_alloc(store->driver->options_size);
    sl_options_default(store->driver->options, store->options);
    sl_options_default(sl_service_options, store->config);
    sl_options_default(store->capability->options, store->config);

    enum sl_status status = fill_in(settings, &store->text, err);
    if (status != SL_OK)
        return status;
    char *rest = store->text, *line;
    while (status == SL_OK && (line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0' && line[0] != '#')
            status = set_line(store, line, err);
    return status;
}

enum sl_status test_store_open(struct test_store *store, const char *driver,
                               const char *settings, struct sl_error *err)
{
    enum sl_status status = test_store_set(store, driver, settings, err);

    if (status != SL_OK)
        return status;
    return sl_service_open(store->capability, "test", store->driver,
                           store->config, store->options, &store->service, err);
}

void test_store_done(struct test_store *store)
{
    sl_service_free(store->service);
    free(store->config);
    free(store->options);
    free(store->text);
    *store = (struct test_store){0};
}

static void load_file(const char *path)
{
    struct sl_buf text = SL_BUF(1 << 20);

    if (sl_file_read(path, &text, NULL) == SL_OK) {
        SL_CLEANUP(sl_freep) char *copy = sl_strndup(text.ptr, text.len);
        char *rest = copy, *line;
        while ((line = strsep(&rest, "\n")) != NULL) {
            char *equals = strchr(line, '=');
            if (equals == NULL)
                continue;
            *equals = '\0';
            setenv(line, equals + 1, 1);
        }
    }
    sl_buf_done(&text);
}

void test_services_load(void)
{
    const char *folder = getenv("SL_TEST_SERVICES");
    glob_t found;

    if (folder == NULL)
        return;
    SL_CLEANUP(sl_freep) char *pattern = sl_asprintf("%s/*.env", folder);
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        load_file(found.gl_pathv[i]);
    globfree(&found);
}

void test_remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    (void)rmdir(folder);
}
