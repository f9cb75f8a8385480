/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of a component in C that is called instead of run (a handler),
 * instead of wasi-libc's: linked with -nostartfiles and -Wl,--no-entry.  As in
 * start.c the constructors are called here, so that not every export does.
 */
void __wasm_call_ctors(void);

__attribute__((export_name("_initialize"))) void _initialize(void)
{
    __wasm_call_ctors();
}
