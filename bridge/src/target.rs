// SPDX-License-Identifier: Apache-2.0
//! The target of a request, and its authority: RFC 9112, sections 3.2 and 6.1. Errors
//! are answered before a route is looked for.

use std::net::{Ipv6Addr, SocketAddr};

use http::header::{HeaderValue, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, StatusCode, Uri, Version};

use crate::refusal::Refusal;

const fn bad(text: &'static str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, text)
}

const HOST_INVALID: Refusal = bad("the Host is no host and port\n");
const TARGET_INVALID: Refusal = bad("the request target is none that a server answers\n");

/// unreserved and sub-delims of RFC 3986.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// IPv6, or what RFC 3986 keeps for later kinds of addresses.
fn is_literal(text: &str) -> bool {
    let later = text.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'));
    match later {
        Some((version, address)) => {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !address.is_empty()
                && address.bytes().all(|byte| byte == b':' || is_name_byte(byte))
        }
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// A host, which is not empty, and perhaps a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((literal, port)) if is_literal(literal) => ("literal", port),
            _ => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port = match port.strip_prefix(':') {
        Some("") => true,
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
        None => port.is_empty(),
    };
    !host.is_empty() && host.bytes().all(is_name_byte) && is_port
}

fn authority_of(host: &[u8]) -> Option<Authority> {
    let text = std::str::from_utf8(host).ok()?;
    if !is_host(text) {
        return None;
    }
    Authority::try_from(host).ok()
}

/// The authority of a request without a host: the address that the client connected
/// to.
fn own_authority(local: Option<SocketAddr>) -> Result<Authority, Refusal> {
    let local = local.ok_or(HOST_INVALID)?;
    Authority::try_from(local.to_string()).map_err(|_| HOST_INVALID)
}

/// Whose request it is. An absolute target says it, whatever Host does; but Host
/// must be one all the same.
fn find_authority<T>(
    request: &Request<T>,
    local: Option<SocketAddr>,
) -> Result<Authority, Refusal> {
    let mut fields = request.headers().get_all(HOST).iter();
    let host = fields.next();
    if fields.next().is_some() {
        return Err(bad("more than one Host\n"));
    }
    if host.is_none() && request.version() >= Version::HTTP_11 {
        return Err(bad("no Host\n"));
    }
    let host = host.map(HeaderValue::as_bytes).filter(|host| !host.is_empty());
    let named = host.map(|host| authority_of(host).ok_or(HOST_INVALID)).transpose()?;
    match (request.uri().authority(), named) {
        (Some(target), _) => authority_of(target.as_str().as_bytes()).ok_or(TARGET_INVALID),
        (None, Some(named)) => Ok(named),
        (None, None) => own_authority(local),
    }
}

/// slight can decode no transfer coding but chunked.
fn check_coding<T>(request: &Request<T>) -> Result<(), Refusal> {
    const CODING: Refusal =
        Refusal(StatusCode::NOT_IMPLEMENTED, "the only transfer coding here is chunked\n");
    let fields = request.headers().get_all(TRANSFER_ENCODING).iter();
    let mut chunked = 0;
    for field in fields {
        let field = field.to_str().map_err(|_| CODING)?;
        for coding in field.split(',').map(str::trim).filter(|coding| !coding.is_empty()) {
            if !coding.eq_ignore_ascii_case("chunked") {
                return Err(CODING);
            }
            chunked += 1;
        }
    }
    if chunked > 1 {
        return Err(bad("chunked more than once\n"));
    }
    Ok(())
}

/// What a request is for.
pub struct Target {
    pub authority: Authority,
    /// `OPTIONS *`: of the server itself, not of a route.
    pub is_server: bool,
}

/// Check the request, and make its target absolute, with the authority that it is
/// for; path and query stay as they were sent. local: the address that the client has
/// come to.
pub fn check<T>(request: &mut Request<T>, local: Option<SocketAddr>) -> Result<Target, Refusal> {
    const TUNNEL: Refusal = Refusal(StatusCode::NOT_IMPLEMENTED, "there are no tunnels here\n");
    const SCHEME: Refusal =
        Refusal(StatusCode::MISDIRECTED_REQUEST, "only http is answered here\n");

    let authority = find_authority(request, local)?;
    check_coding(request)?;
    if request.method() == Method::CONNECT {
        return Err(TUNNEL);
    }
    let uri = request.uri();
    if uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP) {
        return Err(SCHEME);
    }
    if uri.path() == "*" && request.method() == Method::OPTIONS {
        return Ok(Target { authority, is_server: true });
    }
    if !uri.path().starts_with('/') {
        return Err(TARGET_INVALID);
    }
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority.clone());
    parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| TARGET_INVALID)?;
    Ok(Target { authority, is_server: false })
}
