//! The parts of an exchange, and how long they took.

/// A part of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Finding the addresses of the name.
    Dns,
    /// Making the connection.
    Connect,
    /// Making it private.
    Tls,
    /// Sending the request and waiting for the first byte of the answer.
    FirstByte,
    /// Reading the rest, as far as it is read.
    Body,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Dns, Self::Connect, Self::Tls, Self::FirstByte, Self::Body];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Connect => "CONNECT",
            Self::Tls => "TLS",
            Self::FirstByte => "FIRST_BYTE",
            Self::Body => "BODY",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }
}

/// How long the parts of an exchange took; `None` for a part that there was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Finding the addresses of the name.
    pub dns_ms: Option<u32>,
    /// Making the connection.
    pub connect_ms: Option<u32>,
    /// Making it private.
    pub tls_ms: Option<u32>,
    /// Sending the request and waiting for the first byte of the answer.
    pub first_byte_ms: Option<u32>,
    /// Reading the rest, as far as it is read.
    pub body_ms: Option<u32>,
}

impl Timing {
    /// Notes how long a part took.
    pub fn set(&mut self, phase: Phase, took_ms: u32) {
        let part = match phase {
            Phase::Dns => &mut self.dns_ms,
            Phase::Connect => &mut self.connect_ms,
            Phase::Tls => &mut self.tls_ms,
            Phase::FirstByte => &mut self.first_byte_ms,
            Phase::Body => &mut self.body_ms,
        };
        *part = Some(took_ms);
    }
}
