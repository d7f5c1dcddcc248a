//! Where the development server listens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::DevError;

/// The ports of the development server, all on this machine only. Port 0 lets the system choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// HTTP of auth-svc: hosted pages, OpenID Provider.
    pub auth_http: u16,
    /// gRPC of auth-svc.
    pub auth_grpc: u16,
    /// Operations port of auth-svc.
    pub auth_ops: u16,
    /// gRPC of session-svc.
    pub session_grpc: u16,
    /// Operations port of session-svc.
    pub session_ops: u16,
    /// HTTP of webhook-svc: the public keys of endpoints.
    pub webhook_http: u16,
    /// gRPC of webhook-svc.
    pub webhook_grpc: u16,
    /// Operations port of webhook-svc.
    pub webhook_ops: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            auth_http: 9011,
            auth_grpc: 9012,
            auth_ops: 9013,
            session_grpc: 9022,
            session_ops: 9023,
            webhook_http: 9031,
            webhook_grpc: 9032,
            webhook_ops: 9033,
        }
    }
}

impl Ports {
    /// Lets the system choose every port.
    pub const fn free() -> Self {
        Self {
            auth_http: 0,
            auth_grpc: 0,
            auth_ops: 0,
            session_grpc: 0,
            session_ops: 0,
            webhook_http: 0,
            webhook_grpc: 0,
            webhook_ops: 0,
        }
    }

    /// Returns the usual ports, each moved up by `offset`.
    ///
    /// # Errors
    /// [`DevError::Offset`] when one would not be a port any more.
    pub fn moved(offset: u16) -> Result<Self, DevError> {
        let mut ports = Self::default();
        for (port, _) in ports.each_mut() {
            *port = port.checked_add(offset).ok_or(DevError::Offset(offset))?;
        }
        Ok(ports)
    }

    fn each_mut(&mut self) -> [(&mut u16, &'static str); 8] {
        [
            (&mut self.auth_http, "auth-svc HTTP"),
            (&mut self.auth_grpc, "auth-svc gRPC"),
            (&mut self.auth_ops, "auth-svc ops"),
            (&mut self.session_grpc, "session-svc gRPC"),
            (&mut self.session_ops, "session-svc ops"),
            (&mut self.webhook_http, "webhook-svc HTTP"),
            (&mut self.webhook_grpc, "webhook-svc gRPC"),
            (&mut self.webhook_ops, "webhook-svc ops"),
        ]
    }

    /// Chooses the HTTP port of auth-svc if that is left to the system: the issuer's name has to be known before anything
    /// listens. The others are learnt when they are bound.
    pub(super) fn with_http_port(mut self) -> std::io::Result<Self> {
        if self.auth_http == 0 {
            self.auth_http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        }
        Ok(self)
    }

    /// Looks whether the ports can be had, so that every one that is taken is named at once.
    ///
    /// # Errors
    /// [`DevError::Taken`].
    pub(super) fn check(mut self) -> Result<(), DevError> {
        let taken = |port: u16| port != 0 && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err();
        let taken: Vec<String> = (self.each_mut().into_iter())
            .filter(|(port, _)| taken(**port))
            .map(|(port, what)| format!("{port} ({what})"))
            .collect();
        if taken.is_empty() { Ok(()) } else { Err(DevError::Taken(taken.join(", "))) }
    }
}

/// The address of a port on this machine.
pub(super) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_moves_every_port() {
        let ports = Ports::moved(100).unwrap();
        assert_eq!((ports.auth_http, ports.webhook_ops), (9111, 9133));
        assert!(matches!(Ports::moved(60_000), Err(DevError::Offset(60_000))));
    }

    #[test]
    fn every_taken_port_is_named() {
        let (one, two) = (
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
        );
        let ports = Ports {
            auth_grpc: one.local_addr().unwrap().port(),
            session_ops: two.local_addr().unwrap().port(),
            ..Ports::free()
        };
        let text = ports.check().unwrap_err().to_string();
        assert!(text.contains("auth-svc gRPC") && text.contains("session-svc ops"), "{text}");
    }
}
