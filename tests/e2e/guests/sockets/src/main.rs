// SPDX-License-Identifier: Apache-2.0
//! What a component tries with sockets, one word of the command line after the other; it
//! prints how each ended. A word is `tcp=ADDRESS:PORT`, `udp=ADDRESS:PORT`,
//! `bind=ADDRESS:PORT`, `listen=ADDRESS:PORT` or `name=NAME`, of WASI 0.3, or with a 2
//! behind the kind of WASI 0.2. An address `@` is the first one of the last name.

use std::net::{IpAddr, SocketAddr};

use wasi::sockets as p2;
use wasip3::exports::cli::run::Guest;
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket,
    UdpSocket,
};

struct Program;

wasip3::cli::command::export!(Program);

fn socket_address(at: SocketAddr) -> (IpAddressFamily, IpSocketAddress) {
    match at {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            let address = Ipv4SocketAddress { port: at.port(), address: (a, b, c, d) };
            (IpAddressFamily::Ipv4, IpSocketAddress::Ipv4(address))
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            let address = Ipv6SocketAddress {
                port: at.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            };
            (IpAddressFamily::Ipv6, IpSocketAddress::Ipv6(address))
        }
    }
}

fn ip(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4((a, b, c, d)) => [a, b, c, d].into(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => [a, b, c, d, e, f, g, h].into(),
    }
}

/// The bindings of 0.2 and of 0.3 spell an error differently.
fn error_text(error: impl std::fmt::Debug) -> String {
    let text = format!("{error:?}");
    let is_denied = text.contains("AccessDenied") || text.contains("access-denied");
    if is_denied { "denied".into() } else { text }
}

fn told<T, E: std::fmt::Debug>(result: Result<T, E>) -> String {
    result.map_or_else(error_text, |_| "ok".into())
}

fn p2_address(at: SocketAddr) -> (p2::network::IpAddressFamily, p2::network::IpSocketAddress) {
    use p2::network as n;
    match at {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            let address = n::Ipv4SocketAddress { port: at.port(), address: (a, b, c, d) };
            (n::IpAddressFamily::Ipv4, n::IpSocketAddress::Ipv4(address))
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            let address = n::Ipv6SocketAddress {
                port: at.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            };
            (n::IpAddressFamily::Ipv6, n::IpSocketAddress::Ipv6(address))
        }
    }
}

fn p2_connect(at: SocketAddr) -> Result<(), p2::network::ErrorCode> {
    let network = p2::instance_network::instance_network();
    let (family, address) = p2_address(at);
    let socket = p2::tcp_create_socket::create_tcp_socket(family)?;
    socket.start_connect(&network, address)?;
    socket.subscribe().block();
    socket.finish_connect().map(drop)
}

fn p2_send(at: SocketAddr) -> Result<(), p2::network::ErrorCode> {
    let network = p2::instance_network::instance_network();
    let (family, address) = p2_address(at);
    let socket = p2::udp_create_socket::create_udp_socket(family)?;
    let any = SocketAddr::new(if at.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() }, 0);
    socket.start_bind(&network, p2_address(any).1)?;
    socket.finish_bind()?;
    socket.stream(Some(address)).map(drop)
}

fn p2_resolve(name: &str) -> Result<Vec<IpAddr>, p2::network::ErrorCode> {
    let network = p2::instance_network::instance_network();
    let stream = p2::ip_name_lookup::resolve_addresses(&network, name)?;
    stream.subscribe().block();
    let mut found = Vec::new();
    while let Some(address) = stream.resolve_next_address()? {
        found.push(match address {
            p2::network::IpAddress::Ipv4((a, b, c, d)) => [a, b, c, d].into(),
            p2::network::IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
                [a, b, c, d, e, f, g, h].into()
            }
        });
    }
    Ok(found)
}

async fn connect(at: SocketAddr) -> String {
    let (family, address) = socket_address(at);
    match TcpSocket::create(family) {
        Ok(socket) => told(socket.connect(address).await),
        Err(error) => error_text(error),
    }
}

async fn send(at: SocketAddr) -> String {
    let (family, address) = socket_address(at);
    match UdpSocket::create(family) {
        Ok(socket) => told(socket.send(b"x".to_vec(), Some(address)).await),
        Err(error) => error_text(error),
    }
}

fn bind(at: SocketAddr, listens: bool) -> String {
    let (family, address) = socket_address(at);
    let socket = match TcpSocket::create(family) {
        Ok(socket) => socket,
        Err(error) => return error_text(error),
    };
    match socket.bind(address) {
        Ok(()) if listens => told(socket.listen()),
        bound => told(bound),
    }
}

impl Guest for Program {
    async fn run() -> Result<(), ()> {
        let mut found: Vec<IpAddr> = Vec::new();
        for word in wasip3::cli::environment::get_arguments().into_iter().skip(1) {
            let (kind, rest) = word.split_once('=').ok_or(())?;
            if let "name" | "name2" = kind {
                let resolved = if kind == "name" {
                    let addresses = resolve_addresses(rest.into()).await;
                    addresses
                        .map(|list| list.into_iter().map(ip).collect::<Vec<_>>())
                        .map_err(error_text)
                } else {
                    p2_resolve(rest).map_err(error_text)
                };
                println!("{word}: {}", resolved.as_ref().map_or_else(|e| e.clone(), |_| "ok".into()));
                found = resolved.unwrap_or_default();
                continue;
            }
            let first = found.first().copied().unwrap_or([0; 4].into());
            let at = match rest.strip_prefix("@:") {
                Some(port) => SocketAddr::new(first, port.parse().map_err(drop)?),
                None => rest.parse().map_err(drop)?,
            };
            let end = match kind {
                "tcp" => connect(at).await,
                "tcp2" => told(p2_connect(at)),
                "udp" => send(at).await,
                "udp2" => told(p2_send(at)),
                "bind" => bind(at, false),
                "listen" => bind(at, true),
                _ => return Err(()),
            };
            println!("{word}: {end}");
        }
        Ok(())
    }
}

fn main() {}
