//! Where a request comes from.

use std::net::SocketAddr;

use axum::http::HeaderMap;

/// The address of the browser: what the trusted header says last, or who connects to us.
///
/// Only the last value counts: it is the one that the nearest proxy wrote; those before it anybody can write.
pub(super) fn of_browser(headers: &HeaderMap, peer: SocketAddr, trusted_header: &str) -> String {
    let told = (!trusted_header.is_empty()).then(|| headers.get_all(trusted_header).iter().next_back()).flatten();
    let last = told.and_then(|value| value.to_str().ok()).and_then(|text| text.rsplit(',').next());
    last.map_or_else(|| peer.ip().to_string(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_value_of_the_trusted_header_counts() {
        let peer = SocketAddr::from(([192, 0, 2, 1], 9));
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "203.0.113.9".parse().unwrap());
        headers.append("x-forwarded-for", "203.0.113.7, 198.51.100.5".parse().unwrap());
        assert_eq!(of_browser(&headers, peer, ""), "192.0.2.1");
        assert_eq!(of_browser(&headers, peer, "x-forwarded-for"), "198.51.100.5");
        assert_eq!(of_browser(&headers, peer, "x-real-ip"), "192.0.2.1");
    }
}
