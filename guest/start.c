/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entry of a command in C.  It replaces wasi-libc's: link with
 * -nostartfiles.
 *
 * Without it the linker makes *every* export of a command run the constructors
 * before and the destructors after its body.  cabi_realloc is such an export,
 * and the host calls it in the middle of a call of the guest.  A guest whose
 * constructors call WASI (because it has environment variables or folders)
 * would then trap.  The linker does not do this to a program that calls its
 * constructors itself.
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
