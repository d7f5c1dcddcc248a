//! What the tests and measurements of several crates need, and no service does.

pub mod database;

use std::{
    net::{Ipv4Addr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Where the ports begin, and how many there are: below those that systems give to outgoing connections.
const FIRST: u32 = 10_000;
const COUNT: u32 = 20_000;
/// How far apart the ports of two processes begin.
const STEP: u32 = 20;

/// Returns a port of this machine that nobody listens on and that no outgoing connection will take.
///
/// For servers that must be told their port, or come back at the same one; all others listen on port 0. A port that the
/// system hands out by itself could belong to anybody's connection before the server is there. Zero when all are taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = process::id().wrapping_mul(STEP);
    let ports = (0..COUNT).map(|_| FIRST + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
    let mut ports = ports.filter_map(|port| u16::try_from(port).ok());
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once_and_never_one_that_is_taken() {
        let first = free_port();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first + 1)).unwrap();
        let more: Vec<u16> = (0..20).map(|_| free_port()).collect();
        assert!(!more.contains(&first) && !more.contains(&(first + 1)), "{first}: {more:?}");
    }
}
