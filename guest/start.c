/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry of a command in C, instead of wasi-libc's: linked with
 * -nostartfiles.
 *
 * Without it the linker lets *every* export of a command run the constructors
 * before and the destructors after, cabi_realloc among them, which the host
 * calls while a call of the guest is on its way.  A guest whose constructors
 * call WASI (that has environment variables or folders) would trap then.  A
 * program that calls its constructors by itself is left alone.
 */
void __wasm_call_ctors(void);
void __wasm_call_dtors(void);
int __main_void(void);
_Noreturn void __wasi_proc_exit(unsigned code);

__attribute__((export_name("_start"))) void _start(void)
{
    __wasm_call_ctors();
    int code = __main_void();
    __wasm_call_dtors();
    if (code != 0)
        __wasi_proc_exit((unsigned)code);
}
