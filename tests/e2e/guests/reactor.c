/* SPDX-License-Identifier: Apache-2.0 */
/* A core module with nothing to run. */
__attribute__((export_name("answer"))) int answer(void)
{
    return 42;
}
