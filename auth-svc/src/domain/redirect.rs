//! Whether an address is one that an application registered for its answers.

use super::application::Application;

/// The only hosts whose port may differ: an installed program listens on whatever port is free (RFC 8252 §7.3).
const LOOPBACK: [&str; 2] = ["http://127.0.0.1", "http://[::1]"];

/// Says whether `uri` is registered, byte for byte: whatever is added, dropped or spelled differently is another address.
/// Only the port of a public client's loopback address may differ.
pub fn is_registered(application: &Application, uri: &str) -> bool {
    if application.redirect_uris.iter().any(|known| known == uri) {
        return true;
    }
    let Some(wanted) = without_port(uri).filter(|_| application.is_public()) else { return false };
    application.redirect_uris.iter().any(|known| without_port(known) == Some(wanted))
}

/// Host and path of a loopback address.
fn without_port(uri: &str) -> Option<(&'static str, &str)> {
    LOOPBACK.into_iter().find_map(|host| {
        let rest = uri.strip_prefix(host)?;
        let rest = match rest.strip_prefix(':') {
            Some(port) => {
                let digits = port.bytes().take_while(u8::is_ascii_digit).count();
                port[..digits].parse::<u16>().ok()?;
                &port[digits..]
            }
            None => rest,
        };
        rest.starts_with('/').then_some((host, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::application::{Client, SecretHash};

    fn application(client: Client) -> Application {
        Application {
            redirect_uris: vec![
                "http://127.0.0.1/cb?a=1".into(),
                "http://[::1]:1/cb".into(),
                "https://a.example/".into(),
            ],
            ..Application::new("app", "default", client)
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_address_may_differ() {
        let public = application(Client::Public);
        for good in ["http://127.0.0.1/cb?a=1", "http://127.0.0.1:50000/cb?a=1", "http://[::1]/cb", "http://[::1]:9/cb"]
        {
            assert!(is_registered(&public, good), "{good}");
        }
        for bad in [
            "http://127.0.0.1:50000/cb",
            "http://127.0.0.1:/cb?a=1",
            "http://127.0.0.1:99999/cb?a=1",
            "http://127.0.0.1:1@evil.example/cb?a=1",
            "http://127.0.0.1.evil.example/cb?a=1",
            "http://127.0.0.2:1/cb?a=1",
            "http://localhost:1/cb?a=1",
            "https://127.0.0.1:1/cb?a=1",
            "https://a.example:444/",
            "https://a.example:443/",
        ] {
            assert!(!is_registered(&public, bad), "{bad}");
        }
        let confidential = application(Client::Confidential(SecretHash::of("s")));
        assert!(
            is_registered(&confidential, "http://[::1]:1/cb") && !is_registered(&confidential, "http://[::1]:2/cb")
        );
    }
}
