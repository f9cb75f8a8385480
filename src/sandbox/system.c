/* SPDX-License-Identifier: Apache-2.0 */
/* Files that libraries read by themselves. */
#include <dlfcn.h>
#include <libgen.h>
#include <link.h>
#include <openssl/crypto.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "sandbox/sandbox.h"

/* Private keys (/etc/ssl/private) and /etc/shadow are not below any of these. */
static const char *const read_only[] = {
    /* certificates, in the folders of distributions; OpenSSL's settings */
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/var/lib/ca-certificates",
    /* names of machines and users */
    "/run/systemd/resolve",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/passwd",
    "/etc/group",
    "/var/lib/sss/mc",
    "/var/lib/sss/pubconf",
    /* Kerberos */
    "/etc/krb5.conf",
    "/etc/krb5.conf.d",
    "/etc/gss",
    /* time zones, characters */
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    /* what the kernel shows */
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/kernel",
    "/proc/sys/net",
    "/proc/sys/vm",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
    "/dev/random",
    "/dev/urandom",
    /* shared libraries, and what they load: NSS and OpenSSL modules, plugins of
     * libmariadb and Kerberos */
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
};

/* Variables with files and folders, separated by colons. */
static const char *const variables[] = {
    "SSL_CERT_FILE",   "SSL_CERT_DIR",       "OPENSSL_CONF",
    "OPENSSL_MODULES", "OPENSSL_ENGINES",    "KRB5_CONFIG",
    "KRB5_KTNAME",     "KRB5_CLIENT_KTNAME", "TZDIR",
    "LOCPATH",         "GCONV_PATH",         "LD_LIBRARY_PATH",
    "LD_PRELOAD",      "MARIADB_PLUGIN_DIR",
};

/* "FILE:/etc/krb5.keytab" is such a list, too. */
static void allow_list(struct sl_sandbox *sandbox, const char *list)
{
    SL_CLEANUP(sl_freep) char *copy = sl_strdup(list);
    char *rest = NULL;

    for (char *path = strtok_r(copy, ":", &rest); path != NULL;
         path = strtok_r(NULL, ":", &rest))
        if (path[0] == '/')
            sl_sandbox_allow(sandbox, path, SL_SANDBOX_READ);
}

/* The default paths of the linked OpenSSL. */
static void allow_openssl(struct sl_sandbox *sandbox)
{
    const char *folder = OPENSSL_info(OPENSSL_INFO_CONFIG_DIR);

    sl_sandbox_allow(sandbox, X509_get_default_cert_dir(), SL_SANDBOX_READ);
    sl_sandbox_allow(sandbox, X509_get_default_cert_file(), SL_SANDBOX_READ);
    if (folder == NULL)
        return;
    SL_CLEANUP(sl_freep) char *settings = sl_asprintf("%s/openssl.cnf", folder);
    sl_sandbox_allow(sandbox, settings, SL_SANDBOX_READ);
}

/* The folders of the loaded libraries, and their loader. */
static int allow_loaded(struct dl_phdr_info *info, size_t size, void *context)
{
    struct sl_sandbox *sandbox = context;
    SL_CLEANUP(sl_freep) char *path = sl_strdup(info->dlpi_name);

    (void)size;
    if (path[0] == '/')
        sl_sandbox_allow(sandbox, dirname(path), SL_SANDBOX_READ);
    for (ElfW(Half) i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_INTERP)
            sl_sandbox_allow(
                sandbox,
                (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr),
                SL_SANDBOX_READ | SL_SANDBOX_EXECUTE);
    return 0;
}

/* The search path of the loader. */
static void allow_search_path(struct sl_sandbox *sandbox)
{
    Dl_serinfo size;
    void *self = dlopen(NULL, RTLD_NOW);

    if (self == NULL || dlinfo(self, RTLD_DI_SERINFOSIZE, &size) != 0)
        return;
    SL_CLEANUP(sl_freep) Dl_serinfo *folders = sl_alloc(size.dls_size);
    folders->dls_size = size.dls_size;
    folders->dls_cnt = size.dls_cnt;
    if (dlinfo(self, RTLD_DI_SERINFO, folders) == 0)
        for (unsigned i = 0; i < folders->dls_cnt; i++)
            sl_sandbox_allow(sandbox, folders->dls_serpath[i].dls_name,
                             SL_SANDBOX_READ);
    dlclose(self);
}

void sl_sandbox_allow_system(struct sl_sandbox *sandbox)
{
    for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++)
        sl_sandbox_allow(sandbox, read_only[i], SL_SANDBOX_READ);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        if (getenv(variables[i]) != NULL)
            allow_list(sandbox, getenv(variables[i]));
    sl_sandbox_allow(sandbox, "/etc/resolv.conf",
                     SL_SANDBOX_READ | SL_SANDBOX_REPLACED);
    sl_sandbox_allow(sandbox, "/dev/null", SL_SANDBOX_READ | SL_SANDBOX_WRITE);
    /* By its real path: a link would allow its folder as well. */
    SL_CLEANUP(sl_freep) char *self = realpath("/proc/self/exe", NULL);
    if (self != NULL)
        sl_sandbox_allow(sandbox, self, SL_SANDBOX_READ | SL_SANDBOX_EXECUTE);
    allow_openssl(sandbox);
    dl_iterate_phdr(allow_loaded, sandbox);
    allow_search_path(sandbox);
}
