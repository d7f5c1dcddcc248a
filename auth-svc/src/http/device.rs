//! The endpoint at which a device begins (RFC 8628 §3.1).

use axum::{
    body::Bytes,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Json, Response},
};
use serde_json::json;
use url::Url;

use super::{
    HttpState,
    client::{Asked, client},
    tenant::Tenant,
    token::{NOT_CACHED, device_refused},
};
use crate::{
    app::Adapters,
    domain::device::{DEVICE_LIFETIME, INTERVAL_S},
};

pub(super) async fn begin<A: Adapters>(
    State(state): State<HttpState<A>>,
    tenant: Tenant,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked { tenant: &tenant.0, endpoint: "device_authorization" };
    let (fields, application) = match client(&state, asked, &headers, &body).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let begun = match state.auth.begin_device(&application, &fields).await {
        Ok(begun) => begun,
        Err(error) => return device_refused(error),
    };
    let (page, shown) = (format!("{}/device", state.auth.settings.issuer(&tenant.0)), begun.user_code.to_string());
    let complete = Url::parse_with_params(&page, [("user_code", &shown)]).map(String::from).unwrap_or_default();
    let answer = json!({
        "device_code": begun.device_code,
        "user_code": shown,
        "verification_uri": page,
        "verification_uri_complete": complete,
        "expires_in": DEVICE_LIFETIME.as_secs(),
        "interval": INTERVAL_S,
    });
    (NOT_CACHED, Json(answer)).into_response()
}
