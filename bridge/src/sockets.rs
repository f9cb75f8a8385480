// SPDX-License-Identifier: Apache-2.0
//! wasi:sockets: C grants each name that is looked up, and each address that a socket
//! uses, with the names whose look-up by this instance gave that address.

use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::{Accessor, HasData, Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    Host as _, HostResolveAddressStream as _, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup as p3;
use wasmtime_wasi::sockets::{
    SocketAddrUse, WasiSockets, WasiSocketsCtxView, WasiSocketsView as _,
};

use crate::abi::{required, SlBytes, SlHost, SlSocket, SlSocketUse};
use crate::instance::State;

/// The latest addresses of looked up names that an instance keeps.
const FOUND_MAX: usize = 256;

#[derive(Default)]
struct Found {
    addresses: VecDeque<(IpAddr, Arc<str>)>,
    /// The names of the streams of WASI 0.2, by their handles, which are used again.
    streams: HashMap<u32, Arc<str>>,
}

/// The sockets of one instance.
pub struct Sockets {
    functions: SlHost,
    context: *mut c_void,
    found: Mutex<Found>,
}

// SAFETY: C's function may be called from any thread (slight_bridge.h).
unsafe impl Send for Sockets {}
// SAFETY: as above.
unsafe impl Sync for Sockets {}

impl Sockets {
    pub fn new(functions: SlHost, context: *mut c_void) -> Arc<Sockets> {
        Arc::new(Sockets { functions, context, found: Mutex::default() })
    }

    fn ask(&self, used: SlSocketUse, names: &[SlBytes], address: &[u8], port: u16) -> bool {
        let socket = SlSocket {
            used,
            names: names.as_ptr(),
            name_count: names.len(),
            address: SlBytes::of(address),
            port,
        };
        // SAFETY: the caller of the bridge vouches for both.
        unsafe { required(self.functions.may_use_socket)(self.context, &socket) }
    }

    fn may_look_up(&self, name: &str) -> bool {
        self.ask(SlSocketUse::LOOK_UP, &[SlBytes::of(name.as_bytes())], &[], 0)
    }

    pub fn may_use(&self, address: SocketAddr, used: SocketAddrUse) -> bool {
        let used = match used {
            SocketAddrUse::TcpBind => SlSocketUse::TCP_BIND,
            SocketAddrUse::TcpListen => SlSocketUse::TCP_LISTEN,
            SocketAddrUse::TcpAccept => SlSocketUse::TCP_ACCEPT,
            SocketAddrUse::TcpConnect => SlSocketUse::TCP_CONNECT,
            SocketAddrUse::UdpBind => SlSocketUse::UDP_BIND,
            SocketAddrUse::UdpSend => SlSocketUse::UDP_SEND,
            SocketAddrUse::UdpReceive => SlSocketUse::UDP_RECEIVE,
        };
        let ip = address.ip().to_canonical();
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let of_ip = found.addresses.iter().filter(|(address, _)| *address == ip);
        let names: Vec<_> = of_ip.map(|(_, name)| SlBytes::of(name.as_bytes())).collect();
        match ip {
            IpAddr::V4(v4) => self.ask(used, &names, &v4.octets(), address.port()),
            IpAddr::V6(v6) => self.ask(used, &names, &v6.octets(), address.port()),
        }
    }

    fn note(&self, address: IpAddr, name: &Arc<str>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let one = (address.to_canonical(), name.clone());
        if found.addresses.contains(&one) {
            return;
        }
        if found.addresses.len() == FOUND_MAX {
            found.addresses.pop_front();
        }
        found.addresses.push_back(one);
    }

    fn note_stream(&self, handle: u32, name: Arc<str>) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).streams.insert(handle, name);
    }

    fn stream_name(&self, handle: u32) -> Option<Arc<str>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).streams.get(&handle).cloned()
    }
}

// --- WASI 0.2 -------------------------------------------------------------------

type Stream = Resource<ResolveAddressStream>;
type Answer<T> = std::result::Result<T, ErrorCode>;

fn resolve(
    mut store: StoreContextMut<'_, State>,
    (network, name): (Resource<Network>, String),
) -> Result<(Answer<Stream>,)> {
    let sockets = store.data().socket_uses().clone();
    if !sockets.may_look_up(&name) {
        return Ok((Err(ErrorCode::AccessDenied),));
    }
    let noted = Arc::from(name.as_str());
    Ok((match store.data_mut().sockets().resolve_addresses(network, name) {
        Ok(stream) => {
            sockets.note_stream(stream.rep(), noted);
            Ok(stream)
        }
        Err(error) => Err(error.downcast()?),
    },))
}

fn ip_of(address: &IpAddress) -> IpAddr {
    match *address {
        IpAddress::Ipv4((a, b, c, d)) => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h))
        }
    }
}

fn next(
    mut store: StoreContextMut<'_, State>,
    (stream,): (Stream,),
) -> Result<(Answer<Option<IpAddress>>,)> {
    let sockets = store.data().socket_uses().clone();
    let name = sockets.stream_name(stream.rep());
    Ok((match store.data_mut().sockets().resolve_next_address(stream) {
        Ok(address) => {
            if let (Some(address), Some(name)) = (&address, name) {
                sockets.note(ip_of(address), &name);
            }
            Ok(address)
        }
        Err(error) => Err(error.downcast()?),
    },))
}

// --- WASI 0.3 -------------------------------------------------------------------

struct Lookup;

impl HasData for Lookup {
    type Data<'a> = WasiSocketsCtxView<'a>;
}

impl p3::HostWithStore<State> for Lookup {
    async fn resolve_addresses(
        store: &Accessor<State, Self>,
        name: String,
    ) -> Result<std::result::Result<Vec<p3::IpAddress>, p3::ErrorCode>> {
        let sockets = store.with(|mut store| store.data_mut().socket_uses().clone());
        if !sockets.may_look_up(&name) {
            return Ok(Err(p3::ErrorCode::AccessDenied));
        }
        let noted = Arc::from(name.as_str());
        let standard = store.with_getter::<WasiSockets>(State::sockets);
        let addresses =
            <WasiSockets as p3::HostWithStore<State>>::resolve_addresses(&standard, name).await?;
        for address in addresses.iter().flatten() {
            sockets.note(IpAddr::from(*address), &noted);
        }
        Ok(addresses)
    }
}

/// Replace the look-ups that are linked already.
pub fn link(linker: &mut Linker<State>, has_p3: bool) -> Result<()> {
    linker.allow_shadowing(true);
    let mut lookup = linker.instance("wasi:sockets/ip-name-lookup@0.2.12")?;
    lookup.func_wrap("resolve-addresses", resolve)?;
    lookup.func_wrap("[method]resolve-address-stream.resolve-next-address", next)?;
    if has_p3 {
        p3::add_to_linker::<_, Lookup>(linker, State::sockets)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}
