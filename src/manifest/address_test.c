/* SPDX-License-Identifier: Apache-2.0 */
/* The value of ${...} within the URL of a service. */
#include "manifest/shared_test.h"

#include <stdlib.h>

#include "base/alloc.h"

/* The URL of a resource with this text. */
static const char *filled_url(const char *type, const char *key,
                              const char *text, struct sl_manifest **out)
{
    SL_CLEANUP(sl_freep)
    char *all = sl_asprintf(HEAD "[[resource]]\nname = \"a\"\ntype = \"%s\"\n"
                                 "%s = \"%s\"\n",
                            type, key, text);

    *out = manifest_good("slightfile.toml", all);
    const struct sl_driver_info info =
        sl_driver_info((*out)->resources[0].driver);
    const struct sl_option *option = sl_option_find(info.options, key);
    return *(const char *const *)((const char *)(*out)->resources[0].options +
                                  option->offset);
}

/* Within a URL, a value is data. */
static void test_filled_into_a_url(void **state)
{
    static const struct {
        const char *type, *key, *text, *url;
    } cases[] = {
        {"sql.postgres", "url", "postgres://u:${env:SL_TEST_PW}@h/d",
         "postgres://u:a%2F%3F%23%25%40%3A%26%20z@h/d"},
        {"sql.mysql", "url", "mysql://${env:SL_TEST_PW}:${env:SL_TEST_PW}@h",
         "mysql://a%2F%3F%23%25%40%3A%26%20z:a%2F%3F%23%25%40%3A%26%20z@h"},
        {"kv.redis", "url", "redis://:${env:SL_TEST_PW}@${env:SL_TEST_H}/1",
         "redis://:a%2F%3F%23%25%40%3A%26%20z@h.x:7000/1"},
        {"kv.redis", "url", "redis://${env:SL_TEST_BOTH}@${env:SL_TEST_H}",
         "redis://u:p%2Fw@h.x:7000"},
        {"kv.redis", "url", "redis://${env:SL_TEST_H}", "redis://h.x:7000"},
        {"kv.redis", "url", "redis://h:${env:SL_TEST_N}/${env:SL_TEST_N}",
         "redis://h:7/7"},
        {"sql.postgres", "url", "postgres://h/${env:SL_TEST_D}",
         "postgres://h/d%20%3Fe"},
        {"sql.postgres", "url",
         "postgres://h/d?application_name=${env:SL_TEST_PW}",
         "postgres://h/d?application_name=a%2F%3F%23%25%40%3A%26%20z"},
        {"sql.postgres", "url", "postgres://u:${file:/dev/null}@h/d",
         "postgres://u:@h/d"},
        /* A whole URL, or the rest of one, is encoded already. */
        {"sql.postgres", "url", "${env:SL_TEST_URL}",
         "postgres://u:p%2Fq@h/d?sslmode=require"},
        {"sql.mysql", "url", "mysql://${env:SL_TEST_REST}",
         "mysql://u:p%2Fq@h/d"},
        {"kv.redis", "url", "redis://${env:SL_TEST_AUTHORITY}/2",
         "redis://u:pw@h/2"},
        {"kv.etcd", "endpoints", "http://${env:SL_TEST_N}:1,${env:SL_TEST_E}",
         "http://7:1,https://e:2"},
        /* Other addresses are not changed. */
        {"lockd.zookeeper", "servers", "${env:SL_TEST_H}/root",
         "h.x:7000/root"},
        {"pubsub.kafka", "brokers", "${env:SL_TEST_H},b:1", "h.x:7000,b:1"},
    };

    (void)state;
    setenv("SL_TEST_PW", "a/?#%@:& z", 1);
    setenv("SL_TEST_BOTH", "u:p/w", 1);
    setenv("SL_TEST_H", "h.x:7000", 1);
    setenv("SL_TEST_N", "7", 1);
    setenv("SL_TEST_D", "d ?e", 1);
    setenv("SL_TEST_E", "https://e:2", 1);
    setenv("SL_TEST_URL", "postgres://u:p%2Fq@h/d?sslmode=require", 1);
    setenv("SL_TEST_REST", "u:p%2Fq@h/d", 1);
    setenv("SL_TEST_AUTHORITY", "u:pw@h", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        SL_CLEANUP(sl_manifest_freep) struct sl_manifest *m = NULL;
        assert_string_equal(
            filled_url(cases[i].type, cases[i].key, cases[i].text, &m),
            cases[i].url);
    }
}

static void test_invalid_parts_of_a_url(void **state)
{
    (void)state;
    setenv("SL_TEST_SECRET", "u:hunter/2@h/0", 1);
    manifest_bad(
        HEAD "[[resource]]\nname = \"a\"\ntype = \"kv.redis\"\n"
             "url = \"redis://${env:SL_TEST_SECRET}/0\"\n",
        "8:7: \"url\": the value of ${...} is used as the host of a URL and "
        "has more than a host; write each part as a ${...} of its own, which "
        "is percent-encoded: scheme://${env:USER}:${env:PASSWORD}@${env:HOST}/"
        "${env:DATABASE}, or give the whole URL in one ${...}\n");
    /* The message has the problem and the remedy, but not the value. */
    setenv("SL_TEST_SECRET", "redis://:hunter/2@h/0", 1);
    manifest_bad(
        HEAD "[[resource]]\nname = \"a\"\ntype = \"kv.redis\"\n"
             "url = \"${env:SL_TEST_SECRET}\"\n",
        "8:7: \"url\": not a URL such as "
        "scheme://user:password@host:port/path: "
        "there is no host; in a user or a password / is written %2F, ? %3F, # "
        "%23 and % %25, or it has a setting of its own\n");
    setenv("SL_TEST_SECRET", "postgres://h/d?connect_timeout=3", 1);
    manifest_bad(
        HEAD "[[resource]]\nname = \"a\"\ntype = \"kv.postgres\"\n"
             "url = \"${env:SL_TEST_SECRET}\"\n",
        "8:7: \"url\": \"connect_timeout\" in the query of the URL: write "
        "timeout = \"5s\" beside the url; it is for a whole call, connecting "
        "included\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filled_into_a_url),
        cmocka_unit_test(test_invalid_parts_of_a_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
