/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ZooKeeper's own C client takes for locks, one after the other, in one
 * session: a node is created, the line is read, the node is deleted.
 *
 *     zookeeper_locks HOST:PORT/CHROOT USER:PASSWORD COUNT
 *
 * prints nanoseconds a lock.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zookeeper/zookeeper.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int state;
static int answer = 1; /* to the login: 1 is none yet */

static void watch(zhandle_t *zk, int type, int now, const char *path,
                  void *context)
{
    (void)zk, (void)path, (void)context;
    pthread_mutex_lock(&mutex);
    if (type == ZOO_SESSION_EVENT)
        state = now;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void logged_in(int code, const void *context)
{
    (void)context;
    pthread_mutex_lock(&mutex);
    answer = code;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void must(int code, const char *what)
{
    if (code == ZOK)
        return;
    fprintf(stderr, "%s: %s\n", what, zerror(code));
    exit(1);
}

static void lock_and_unlock(zhandle_t *zk)
{
    char path[256];
    struct String_vector names;

    must(zoo_create(zk, "/bench/key/lock-", "slight", 6, &ZOO_CREATOR_ALL_ACL,
                    ZOO_EPHEMERAL | ZOO_SEQUENCE, path, sizeof(path)),
         "create");
    must(zoo_get_children(zk, "/bench/key", 0, &names), "children");
    deallocate_String_vector(&names);
    must(zoo_delete(zk, path, -1), "delete");
}

int main(int argc, char **argv)
{
    struct timespec from, to;

    if (argc != 4)
        return 2;
    int count = atoi(argv[3]);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *zk = zookeeper_init(argv[1], watch, 30000, NULL, NULL, 0);
    if (zk == NULL)
        return 1;
    pthread_mutex_lock(&mutex);
    while (state != ZOO_CONNECTED_STATE)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    must(zoo_add_auth(zk, "digest", argv[2], (int)strlen(argv[2]), logged_in,
                      NULL),
         "login");
    pthread_mutex_lock(&mutex);
    while (answer == 1)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    must(answer, "login");
    (void)zoo_create(zk, "/bench", "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0);
    (void)zoo_create(zk, "/bench/key", "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0);
    lock_and_unlock(zk);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < count; i++)
        lock_and_unlock(zk);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%.0f\n", ((double)(to.tv_sec - from.tv_sec) * 1e9 +
                      (double)(to.tv_nsec - from.tv_nsec)) /
                         count);
    zookeeper_close(zk);
    return 0;
}
