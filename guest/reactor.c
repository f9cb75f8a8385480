/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry of a C component that exports a handler instead of main.  It
 * replaces wasi-libc's: link with -nostartfiles and -Wl,--no-entry.  As in
 * start.c, it calls the constructors, so that the linker does not make every
 * export call them.
 */
void __wasm_call_ctors(void);

__attribute__((export_name("_initialize"))) void _initialize(void)
{
    __wasm_call_ctors();
}
