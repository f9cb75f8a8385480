/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What idle keep-alive connections cost an HTTP server, and the requests of
 * others meanwhile:
 *
 *     idle PORT PID COUNT
 *
 * Each connection has had one answer.  Prints "each <tab> 0 <tab> 1 <tab>
 * bytes", what the process PID has grown by for each, and "before" and
 * "meanwhile", the nanoseconds of a request of another connection at the
 * median.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/deadline.h"

enum { REQUESTS = 2001, FILES_OF_OURS = 64 };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t rss_of(const char *pid)
{
    char path[64], line[128];
    int64_t kib = 0;

    snprintf(path, sizeof(path), "/proc/%s/status", pid);
    FILE *status = fopen(path, "r");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtoll(line + 6, NULL, 10);
    if (status != NULL)
        fclose(status);
    return kib * 1024;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        fail("connect");
    return fd;
}

static void request(int fd)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[4096];

    if (write(fd, text, sizeof(text) - 1) != (ssize_t)sizeof(text) - 1)
        fail("write");
    /* The answer is small, and the last of it is the chunk that ends it or the
     * body itself: one read has it, or the next request's first read has. */
    if (read(fd, answer, sizeof(answer)) <= 0)
        fail("read");
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t median(uint16_t port)
{
    static int64_t times[REQUESTS];
    int fd = connect_to(port);

    for (size_t i = 0; i < REQUESTS; i++) {
        int64_t start = sl_now_ns();
        request(fd);
        times[i] = sl_now_ns() - start;
    }
    close(fd);
    qsort(times, REQUESTS, sizeof(times[0]), by_size);
    return times[REQUESTS / 2];
}

int main(int argc, char **argv)
{
    struct rlimit files;

    if (argc != 4) {
        fputs("usage: idle PORT PID COUNT\n", stderr);
        return 2;
    }
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    rlim_t count = strtoul(argv[3], NULL, 10);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        fail("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 ||
        files.rlim_cur < count + FILES_OF_OURS) {
        fprintf(stderr, "idle: only %llu files may be open\n",
                (unsigned long long)files.rlim_cur);
        return 1;
    }
    int64_t before = median(port);
    int64_t rss = rss_of(argv[2]);
    for (rlim_t i = 0; i < count; i++)
        request(connect_to(port));
    printf("each\t0\t1\t%" PRId64 "\n",
           (rss_of(argv[2]) - rss) / (int64_t)count);
    printf("before\t0\t1\t%" PRId64 "\n", before);
    printf("meanwhile\t0\t1\t%" PRId64 "\n", median(port));
    return 0;
}
