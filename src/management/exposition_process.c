/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of the process. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "management/exposition.h"

/* The index-th field behind the name in /proc/self/stat; 0 where there is none.
 */
static unsigned long long read_stat(int index)
{
    char text[1024];
    unsigned long long value = 0;
    FILE *file = fopen("/proc/self/stat", "re");

    if (file == NULL)
        return 0;
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    char *at = strrchr(text, ')');
    for (int i = 0; at != NULL && i < index; i++)
        at = strchr(at + 1, ' ');
    if (at != NULL)
        value = strtoull(at + 1, NULL, 10);
    return value;
}

/* proc(5): starttime is the 20th field, in clock ticks since boot. */
static double start_time(void)
{
    struct timespec boot = {0}, now = {0};

    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)(now.tv_sec - boot.tv_sec) +
           (double)(now.tv_nsec - boot.tv_nsec) / 1e9 +
           (double)read_stat(20) / (double)sysconf(_SC_CLK_TCK);
}

static double cpu_seconds(void)
{
    struct rusage usage = {0};

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void write_family(FILE *out, const char *name, const char *type,
                         const char *help)
{
    const struct sl_metric_family family = {name, type, help};

    sl_metric_family_write(out, &family);
}

/* proc(5): num_threads is the 18th field, rss the 22nd, in pages. */
void sl_exposition_write_process(const struct sl_exposition *exposition)
{
    FILE *out = exposition->out;

    write_family(out, "slight_build_info", "gauge", "The version of slight.");
    fprintf(out, "slight_build_info{version=\"%s\"} 1\n", SL_VERSION);
    write_family(out, "process_start_time_seconds", "gauge",
                 "When the process was started, in seconds since 1970.");
    fprintf(out, "process_start_time_seconds %.2f\n", start_time());
    write_family(out, "process_cpu_seconds_total", "counter",
                 "Processor time of the process, user and system.");
    fprintf(out, "process_cpu_seconds_total %.6f\n", cpu_seconds());
    write_family(out, "process_resident_memory_bytes", "gauge",
                 "Resident memory.");
    fprintf(out, "process_resident_memory_bytes %llu\n",
            read_stat(22) * (unsigned long long)sysconf(_SC_PAGESIZE));
    write_family(out, "process_threads", "gauge", "Threads.");
    fprintf(out, "process_threads %llu\n", read_stat(18));
}
