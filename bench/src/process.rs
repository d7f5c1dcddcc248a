//! Child processes: started, watched, and ended with us.

use std::{
    collections::HashMap,
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

/// Processes whose processor time is read, as one.
#[derive(Clone, Debug)]
pub struct Watched(Vec<u32>);

impl Watched {
    /// This process.
    pub fn myself() -> Self {
        Self(vec![std::process::id()])
    }

    /// Processes of this machine, by their ids.
    pub fn of(ids: Vec<u32>) -> Self {
        Self(ids)
    }

    /// These processes and those that they have started by now.
    #[must_use]
    pub fn with_children(mut self) -> Self {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = processes.filter_map(|process| process.file_name().to_string_lossy().parse::<u32>().ok());
        let children: Vec<u32> = ids.filter(|id| parent(*id).is_some_and(|parent| self.0.contains(&parent))).collect();
        self.0.extend(children);
        self
    }

    /// Reads the time that every thread of the processes has spent on a processor.
    pub fn times(&self) -> Times {
        Times(self.0.iter().flat_map(|id| times(*id)).collect())
    }

    /// Counts the threads whose name begins so.
    pub fn threads_named(&self, start: &str) -> usize {
        let names = self.0.iter().flat_map(|id| threads(*id)).map(|thread| fs::read_to_string(thread.join("comm")));
        names.filter(|name| name.as_ref().is_ok_and(|name| name.starts_with(start))).count()
    }

    /// Reads the memory that the processes hold, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.0.iter().map(|id| resident_bytes(*id)).sum()
    }
}

/// Time on a processor until some moment, by thread.
#[derive(Clone, Debug)]
pub struct Times(HashMap<u32, Duration>);

impl Times {
    /// What was spent from this moment to a later one. A thread that ended meanwhile is left out: what it had spent before must
    /// not count against the others.
    pub fn until(&self, later: &Self) -> Duration {
        let spent = |(id, time): (&u32, &Duration)| time.saturating_sub(self.0.get(id).copied().unwrap_or_default());
        later.0.iter().map(spent).sum()
    }
}

/// The process that started another.
fn parent(id: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before may hold anything; after it come the state and the parent.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The scheduler's own count, to the nanosecond, for each thread of a process.
fn times(id: u32) -> Vec<(u32, Duration)> {
    let times = threads(id).filter_map(|thread| {
        let text = fs::read_to_string(thread.join("schedstat")).ok()?;
        let spent = text.split_ascii_whitespace().next()?.parse().ok()?;
        Some((thread.file_name()?.to_string_lossy().parse().ok()?, Duration::from_nanos(spent)))
    });
    times.collect()
}

/// Where the kernel tells of each thread of a process.
fn threads(id: u32) -> impl Iterator<Item = PathBuf> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    threads.map(|thread| thread.path())
}

fn resident_bytes(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
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
        File::create(&log)?;
        // Two of a name may run at once; what they say goes one after the other.
        let (out, err) = (File::options().append(true).open(&log)?, File::options().append(true).open(&log)?);
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn()?;
        Ok(Self { child, log, name: name.to_owned() })
    }

    /// The process, for [`Watched::times`].
    pub fn watched(&self) -> Watched {
        Watched(vec![self.child.id()])
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

/// Says whether a service that has its operations port there can serve.
pub async fn is_ready(ops: SocketAddr) -> bool {
    let answer = reqwest::get(format!("http://{ops}/readyz")).await;
    answer.is_ok_and(|answer| answer.status().is_success())
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
