//! Others' programs to compare with: those in `bench/peers`, on the packages that `scripts/install.sh peers` brings. Each takes
//! its load on two processes, and so on as many processors as our services here.

use std::{net::SocketAddr, path::Path, process::Command};

use crate::{
    failure::Failure,
    process::{self, Watched},
};

/// Where the packages and their Node are.
const MODULES: &str = ".tools/peers/node_modules";
const NODE: &str = ".tools/relying-parties/node/node_modules/.bin/node";

/// A running program.
pub struct Peer {
    server: process::Server,
    address: SocketAddr,
}

impl Peer {
    /// Starts the program of this name; `arguments` follow the modules and the port.
    ///
    /// # Errors
    /// [`Failure`] when it is not installed or does not come up.
    pub async fn start(name: &str, arguments: &[&str]) -> Result<Self, Failure> {
        let absolute = |path: &str| {
            Path::new(path).canonicalize().map_err(|_| {
                Failure::Unexpected(format!("{path} is not there; scripts/install.sh peers brings what peers need"))
            })
        };
        let (node, modules, address) = (absolute(NODE)?, absolute(MODULES)?, process::free_address());
        let mut command = Command::new(node);
        command.arg(format!("bench/peers/{name}.mjs")).arg(modules).arg(address.port().to_string()).args(arguments);
        let mut server = process::Server::start(name, command.env("NODE_ENV", "production"))?;
        server.up(async || tokio::net::TcpStream::connect(address).await.is_ok()).await?;
        Ok(Self { server, address })
    }

    /// An address that it answers at.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its processes.
    pub fn watched(&self) -> Watched {
        self.server.watched().with_children()
    }
}
