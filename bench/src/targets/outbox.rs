//! The outbox of a service in PostgreSQL with its relay, without the service.

use std::sync::Arc;

use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use svc_kit::{
    bus::{Message, PublishError, Publisher, RabbitPublisher},
    lifecycle::Lifecycle,
    outbox, sql,
};
use tokio::{
    sync::watch,
    time::{Duration, timeout},
};

use super::{broker::Broker, database::Database};
use crate::failure::Failure;

/// Connections that the relay needs: one to listen, one to work.
const CONNECTIONS: u32 = 4;
/// How long events may take to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(120);

/// An outbox whose relay runs.
pub struct RelayedOutbox {
    lifecycle: Lifecycle,
    pool: PgPool,
    confirmed: watch::Receiver<usize>,
    _database: Database,
}

impl RelayedOutbox {
    /// Makes an empty one and starts its relay to `broker`.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn start(broker: &Broker) -> Result<Self, Failure> {
        let database = Database::create().await?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&database.url()).await?;
        sql::migrate(&pool, &webhook_svc::store::postgres::MIGRATIONS).await?;
        let (count, confirmed) = watch::channel(0);
        let publisher = Counted { publisher: RabbitPublisher::new(&broker.config()), count: Arc::new(count) };
        let lifecycle = Lifecycle::new();
        outbox::postgres::relay(pool.clone(), publisher, &lifecycle);
        Ok(Self { lifecycle, pool, confirmed, _database: database })
    }

    /// Writes events in one transaction.
    ///
    /// # Errors
    /// [`Failure::Postgres`].
    pub async fn commit(&self, messages: &[Message]) -> Result<(), Failure> {
        let mut transaction = self.pool.begin().await?;
        // The last one by the front door: that wakes the relay.
        let Some((last, others)) = messages.split_last() else { return Ok(()) };
        insert(&mut transaction, others).await?;
        outbox::postgres::insert(&mut transaction, last).await?;
        Ok(transaction.commit().await?)
    }

    /// Events that the broker has for good, so far.
    pub fn confirmed(&self) -> usize {
        *self.confirmed.borrow()
    }

    /// Waits until the broker has so many.
    ///
    /// # Errors
    /// [`Failure::Unexpected`] when it does not take them.
    pub async fn wait_for(&self, count: usize) -> Result<(), Failure> {
        let mut confirmed = self.confirmed.clone();
        let all = timeout(LEAVE_WITHIN, confirmed.wait_for(|confirmed| *confirmed >= count)).await;
        match all {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Failure::Unexpected(format!("{} of {count} events left the outbox", self.confirmed()))),
        }
    }
}

impl Drop for RelayedOutbox {
    fn drop(&mut self) {
        self.lifecycle.shutdown();
    }
}

/// Many rows at once; what they say is what [`outbox::postgres::insert`] writes.
async fn insert(connection: &mut PgConnection, messages: &[Message]) -> Result<(), Failure> {
    const INSERT: &str = "INSERT INTO outbox (event_id, routing_key, body, traceparent, tracestate) \
                          SELECT id, key, body, '', '' FROM unnest($1::text[], $2::text[], $3::bytea[]) AS t (id, key, body)";
    let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    let keys: Vec<&str> = messages.iter().map(|message| message.routing_key.as_str()).collect();
    let bodies: Vec<&[u8]> = messages.iter().map(|message| &message.body[..]).collect();
    sqlx::query(INSERT).bind(ids).bind(keys).bind(bodies).execute(connection).await?;
    Ok(())
}

/// Counts what the bus took.
struct Counted {
    publisher: RabbitPublisher,
    count: Arc<watch::Sender<usize>>,
}

impl Publisher for Counted {
    async fn publish(&self, batch: &[Message]) -> Result<(), PublishError> {
        let result = self.publisher.publish(batch).await;
        let confirmed = result.as_ref().map_or_else(|error| error.confirmed, |()| batch.len());
        self.count.send_modify(|count| *count += confirmed);
        result
    }
}
