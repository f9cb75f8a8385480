/* SPDX-License-Identifier: Apache-2.0 */
/* Tries to reach a port of this machine; 0 where it must not. */
#include "app.h"

#include <stdio.h>

int main(void)
{
    wasi_sockets_tcp_own_tcp_socket_t socket;
    wasi_sockets_tcp_error_code_t error;
    wasi_sockets_tcp_ip_socket_address_t address = {
        .tag = WASI_SOCKETS_NETWORK_IP_SOCKET_ADDRESS_IPV4,
        .val.ipv4 = {.port = 80, .address = {127, 0, 0, 1}},
    };

    if (!wasi_sockets_tcp_create_socket_create_tcp_socket(
            WASI_SOCKETS_NETWORK_IP_ADDRESS_FAMILY_IPV4, &socket, &error)) {
        printf("socket: error %d\n", error);
        return error != WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED;
    }
    if (wasi_sockets_tcp_method_tcp_socket_start_connect(
            wasi_sockets_tcp_borrow_tcp_socket(socket),
            wasi_sockets_network_borrow_network(
                wasi_sockets_instance_network_instance_network()),
            &address, &error)) {
        puts("connect: begun");
        return 1;
    }
    printf("connect: error %d\n", error);
    return error != WASI_SOCKETS_NETWORK_ERROR_CODE_ACCESS_DENIED;
}
