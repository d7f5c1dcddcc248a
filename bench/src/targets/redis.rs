//! A Redis of our own, and the yardstick of the store: the two reads of a validation without anything around them.

use std::{path::PathBuf, process::Command, sync::Arc, time::Duration};

use redis::{Client, Value, aio::MultiplexedConnection};

use crate::{failure::Failure, load::Target, process};

/// An entry of the slow log: id, moment, microseconds, command, who, their name.
type Slow = (u64, u64, u64, Vec<Vec<u8>>, Value, Value);

/// Shards of session-svc by default.
const SHARDS: u16 = 64;

/// A running Redis with settings fit for production: append-only file, no eviction.
pub struct Redis {
    /// The process.
    pub server: process::Server,
    client: Client,
    url: String,
    directory: PathBuf,
}

impl Redis {
    /// Starts one, empty.
    ///
    /// # Errors
    /// [`Failure`] when it does not come up.
    pub async fn start() -> Result<Self, Failure> {
        let address = process::free_address();
        let directory = process::directory()?.join(format!("redis-{}", address.port()));
        std::fs::create_dir_all(&directory)?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", ""]);
        // Rewriting the file forks the process in the middle of a round.
        command.args(["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"]);
        command.arg("--dir").arg(&directory);
        let url = format!("redis://{address}/0");
        let client = Client::open(url.as_str())?;
        let mut server = process::Server::start("redis", &mut command)?;
        server.up(async || client.get_multiplexed_async_connection().await.is_ok()).await?;
        Ok(Self { server, client, url, directory })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Connects.
    ///
    /// # Errors
    /// [`Failure::Redis`].
    pub async fn connection(&self) -> Result<MultiplexedConnection, Failure> {
        Ok(self.client.get_multiplexed_async_connection().await?)
    }

    /// Reads a figure of `INFO`.
    ///
    /// # Errors
    /// [`Failure`] when Redis does not say it.
    pub async fn info(&self, section: &str, field: &str) -> Result<u64, Failure> {
        let text: String = redis::cmd("INFO").arg(section).query_async(&mut self.connection().await?).await?;
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.trim().parse().ok());
        value.ok_or_else(|| Failure::Unexpected(format!("Redis does not say {field}")))
    }

    /// Events that have not left yet.
    ///
    /// # Errors
    /// [`Failure::Redis`].
    pub async fn waiting_events(&self) -> Result<u64, Failure> {
        let mut connection = self.connection().await?;
        let mut lengths = redis::pipe();
        for shard in 0..SHARDS {
            lengths.cmd("XLEN").arg(format!("o1:{{{shard:04x}}}"));
        }
        let lengths: Vec<u64> = lengths.query_async(&mut connection).await?;
        Ok(lengths.into_iter().sum())
    }

    /// Says whether sessions are still to be recorded as ended after a revocation of many.
    ///
    /// # Errors
    /// [`Failure::Redis`].
    pub async fn is_cleaning_up(&self) -> Result<bool, Failure> {
        let mut exists = redis::cmd("EXISTS");
        for shard in 0..SHARDS {
            exists.arg(format!("d1:{{{shard:04x}}}"));
        }
        Ok(exists.query_async::<u64>(&mut self.connection().await?).await? > 0)
    }

    /// The longest that one command held Redis up since [`forget_slow`](Self::forget_slow), and which one.
    ///
    /// # Errors
    /// [`Failure::Redis`].
    pub async fn slowest(&self) -> Result<(Duration, String), Failure> {
        let mut get = redis::cmd("SLOWLOG");
        get.arg("GET").arg(-1);
        let entries: Vec<Slow> = get.query_async(&mut self.connection().await?).await?;
        let slowest = entries.into_iter().map(|(_, _, us, command, _, _)| (us, command)).max().unwrap_or_default();
        let name = slowest.1.first().map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
        Ok((Duration::from_micros(slowest.0), name))
    }

    /// Notes every command from now on that holds Redis up for more than a little.
    ///
    /// # Errors
    /// [`Failure::Redis`].
    pub async fn forget_slow(&self) -> Result<(), Failure> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("CONFIG").arg("SET").arg("slowlog-log-slower-than").arg(200).ignore();
        pipeline.cmd("CONFIG").arg("SET").arg("slowlog-max-len").arg(4096).ignore();
        pipeline.cmd("SLOWLOG").arg("RESET").ignore();
        Ok(pipeline.query_async(&mut self.connection().await?).await?)
    }

    /// The keys that match a pattern.
    ///
    /// # Errors
    /// [`Failure::Redis`].
    pub async fn keys(&self, pattern: &str) -> Result<Vec<Vec<u8>>, Failure> {
        let mut connection = self.connection().await?;
        let (mut keys, mut cursor) = (Vec::new(), 0u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1000);
            let (next, found): (u64, Vec<Vec<u8>>) = scan.query_async(&mut connection).await?;
            keys.extend(found);
            cursor = next;
            if cursor == 0 {
                return Ok(keys);
            }
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The reads of a validation.
pub struct ReadsTarget {
    redis: Arc<Redis>,
    keys: Vec<(Vec<u8>, Vec<u8>)>,
}

impl ReadsTarget {
    /// Reads the records that are there now.
    ///
    /// # Errors
    /// [`Failure`] when there are none.
    pub async fn new(redis: Arc<Redis>) -> Result<Self, Failure> {
        let records = redis.keys("s2:*").await?;
        if records.is_empty() {
            return Err(Failure::Unexpected("there are no records to read".into()));
        }
        // `s2:{hhhh}:<id>` belongs to `v1:{hhhh}`.
        let version = |record: &Vec<u8>| [b"v1", record.get(2..9).unwrap_or_default()].concat();
        let keys = records.into_iter().map(|record| (record.clone(), version(&record))).collect();
        Ok(Self { redis, keys })
    }
}

impl Target for ReadsTarget {
    type Connection = MultiplexedConnection;

    async fn connect(&self) -> Result<Self::Connection, Failure> {
        self.redis.connection().await
    }

    async fn call(&self, connection: &mut Self::Connection, slot: usize, turn: usize) -> Result<(), Failure> {
        let (record, version) = &self.keys[super::spread(slot, turn, self.keys.len())];
        let mut pipeline = redis::pipe();
        pipeline.get(record).get(version);
        let (record, _version): (Option<Vec<u8>>, Option<u64>) = pipeline.query_async(connection).await?;
        if record.is_some() { Ok(()) } else { Err(Failure::Unexpected("a record is gone".into())) }
    }
}
