//! Child processes: started, watched, and ended with us.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use svc_kit::testing::free_port;

use crate::failure::Failure;

/// How long a server may take to come up.
pub const UP_MAX: Duration = Duration::from_secs(20);
/// How often it is asked.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A process whose processor time is read.
#[derive(Clone, Copy, Debug)]
pub struct Watched(u32);

impl Watched {
    /// This process.
    pub fn myself() -> Self {
        Self(std::process::id())
    }

    /// Reads the time that all threads of each process have spent on a processor.
    pub fn times(watched: &[Self]) -> Vec<Duration> {
        watched.iter().map(|process| process.time()).collect()
    }

    /// The scheduler's own count, to the nanosecond; threads that are gone do not count.
    fn time(self) -> Duration {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.0)) else { return Duration::ZERO };
        let spent = threads.flatten().filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_ascii_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(spent.sum())
    }

    /// Reads the memory that the process holds, in bytes.
    pub fn resident_bytes(self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }
}

/// A child process, killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
    name: String,
}

impl Server {
    /// Starts `command`; what it says goes to `target/bench/<name>.log`.
    ///
    /// # Errors
    /// [`Failure::System`].
    pub fn start(name: &str, command: &mut Command) -> Result<Self, Failure> {
        let log = directory()?.join(format!("{name}.log"));
        let (out, err) = (File::create(&log)?, File::options().append(true).open(&log)?);
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn()?;
        Ok(Self { child, log, name: name.to_owned() })
    }

    /// The process, for [`Watched::times`].
    pub fn watched(&self) -> Watched {
        Watched(self.child.id())
    }

    /// Waits until `is_up` says so.
    ///
    /// # Errors
    /// [`Failure::NotUp`] when it never does, or the process ended.
    pub async fn up(&mut self, is_up: impl AsyncFn() -> bool) -> Result<(), Failure> {
        let started = Instant::now();
        while started.elapsed() < UP_MAX && self.child.try_wait()?.is_none() {
            if is_up().await {
                return Ok(());
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Err(Failure::NotUp(self.name.clone(), self.log.display().to_string()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where logs and the report go.
///
/// # Errors
/// [`Failure::System`].
pub fn directory() -> Result<PathBuf, Failure> {
    let path = PathBuf::from("target/bench");
    fs::create_dir_all(&path)?;
    Ok(path)
}

/// An address of this machine that is free.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// This program in another role.
///
/// # Errors
/// [`Failure::System`].
pub fn myself() -> Result<Command, Failure> {
    Ok(Command::new(std::env::current_exe()?))
}
