// SPDX-License-Identifier: Apache-2.0
//! Responses that the server gives in place of a guest. They tell the client no
//! details.

use http::StatusCode;

/// The status, and the text of the body.
pub struct Refusal(pub StatusCode, pub &'static str);

pub const FAILED: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n");
pub const LATE: Refusal = Refusal(StatusCode::GATEWAY_TIMEOUT, "the request timed out\n");
pub const CLIENT_LATE: Refusal =
    Refusal(StatusCode::REQUEST_TIMEOUT, "the body of the request came too slowly\n");
pub const SHORT: Refusal =
    Refusal(StatusCode::SERVICE_UNAVAILABLE, "no room for the request now\n");
