/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong with every queue and every service of topics, once for all
 * drivers: what was sent is what is settled, each once.
 */
#ifndef TEST_FAULTS_MESSAGE_FAULTS_H
#define TEST_FAULTS_MESSAGE_FAULTS_H

#include "faults/driver.h"

/* How a capability sends and receives. */
struct message_kind {
    const char *patient; /* settings for traffic */
    enum sl_status (*send)(struct test_store *store, const char *key,
                           const char *payload);
    /* Receive some and settle them, with message_settled: a write of traffic.
     */
    enum sl_status (*consume)(struct fault_traffic *traffic, int writer,
                              int number);
    /* Receive and settle until there is nothing. */
    void (*drain)(struct test_store *store);
    bool ordered; /* by key, which is the writer */
};

/* The program's. */
extern const struct message_kind message_kind;

/* Nothing is sent or stored; and one that the ledger knows. */
void message_new_ledger(void);
enum sl_status message_send(struct fault_traffic *traffic, int writer,
                            int number);
/* It was received: is it one of ours? */
bool message_received(struct sl_bytes payload);
/* And what came of settling it. */
void message_settled(struct sl_bytes payload, enum sl_status status);
/* How many were sent and are not settled, nor perhaps settled. */
int message_missing(void);
/* How often that one was. */
int message_times(int writer, int number);

void message_case_killed_sending(void **state);
void message_case_killed_receiving(void **state);
void message_case_cut_sending(void **state);
void message_case_cut_receiving(void **state);

#define MESSAGE_FAULT_CASES                                                    \
    FAULT_DRIVER_CASES,                                                        \
        {"a server killed while sending loses nothing",                        \
         message_case_killed_sending, NULL, NULL, NULL},                       \
        {"a server killed while receiving loses nothing",                      \
         message_case_killed_receiving, NULL, NULL, NULL},                     \
        {"connections cut while sending lose nothing",                         \
         message_case_cut_sending, NULL, NULL, NULL},                          \
    {                                                                          \
        "connections cut while receiving lose nothing",                        \
            message_case_cut_receiving, NULL, NULL, NULL                       \
    }

#endif
