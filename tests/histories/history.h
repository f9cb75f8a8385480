/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histories of a key-value store under kills: client processes write down what
 * they ask and what they are told, and a checker says whether one store could
 * have answered so (checker/).
 */
#ifndef TEST_HISTORIES_HISTORY_H
#define TEST_HISTORIES_HISTORY_H

/*
 * The whole life of a client process: do calls on a resource of this driver,
 * one after the other, until it is killed, and write them to the file.  number
 * is what makes its values its own.  Returns only where it could not start.
 */
int history_client(const char *driver, const char *settings, const char *number,
                   const char *path);

#endif
