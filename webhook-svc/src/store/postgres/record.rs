//! Results: what tries change, one by one or many together.

use std::collections::HashSet;

use sqlx::{PgConnection, PgPool};
use svc_kit::{clock::Timestamp, outbox};

use super::{batches::batches, endpoints::cancel_pending, failed, health, hurry, lanes::Lanes, rows};
use crate::{
    domain::{
        delivery::{Attempt, DeliveryId, Phase},
        endpoint::EndpointId,
    },
    ports::{Claim, Ended, Outcome, StoreError, Word},
};

/// Records a try, if the claim is still ours.
pub(super) async fn record(pool: &PgPool, claim: &Claim, mut outcome: Outcome) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await.map_err(failed)?;
    // The endpoint and its record before its deliveries, as everybody does who locks both.
    match outcome.word {
        Word::Works => {
            if claim.lane.is_some() {
                health::keep(&mut transaction, &claim.endpoint.id).await?;
            }
            health::forget(&mut transaction, &claim.endpoint.id).await?;
        }
        Word::Nothing if outcome.disable.is_none() && claim.lane.is_none() => {}
        Word::Nothing | Word::Failed(_) => health::lock(&mut transaction, &claim.endpoint.id).await?,
    }
    let lane = claim.lane.as_ref().map(|name| Lanes::one(claim.endpoint.id.as_str(), name)).unwrap_or_default();
    lane.lock(&mut transaction).await?;
    let number = sqlx::query_scalar!(
        "UPDATE delivery SET state = $3, next_attempt_at_ms = $4, attempt_count = attempt_count + 1, step = step + $5,
                generation = generation + 1, is_claimed = false
         WHERE id = $1 AND generation = $2 AND state = 1 RETURNING attempt_count",
        claim.id.as_str(),
        claim.generation,
        rows::state(outcome.state),
        outcome.next_attempt_at.map(Timestamp::as_ms),
        i32::from(outcome.is_step),
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(failed)?;
    let Some(number) = number else { return Ok(false) };
    lane.settle(&mut transaction).await?;
    add_attempt(&mut transaction, claim, number, &outcome.attempt).await?;
    if let Word::Failed(judge) = outcome.word.clone() {
        let judgement = health::judge(&mut transaction, &claim.endpoint.id, &judge, outcome.attempt.at).await?;
        outcome.disable = outcome.disable.or(judgement.disable);
        outcome.events.extend(judgement.events);
    }
    if let Some(reason) = outcome.disable {
        disable(&mut transaction, &claim.endpoint.id, reason).await?;
    }
    for event in &outcome.events {
        outbox::postgres::insert(&mut transaction, event).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(true)
}

async fn add_attempt(
    connection: &mut PgConnection,
    claim: &Claim,
    number: i32,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO attempt (delivery_id, number, at_ms, verdict, status_code, duration_ms, response, endpoint_id,
                              failed_in, detail, dns_ms, connect_ms, tls_ms, first_byte_ms, body_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        claim.id.as_str(),
        number,
        attempt.at.as_ms(),
        attempt.verdict,
        i32::from(attempt.status_code),
        millis(attempt.duration_ms),
        attempt.response,
        claim.endpoint.id.as_str(),
        attempt.failed_in.map_or("", Phase::name),
        attempt.detail,
        attempt.timing.dns_ms.map(millis),
        attempt.timing.connect_ms.map(millis),
        attempt.timing.tls_ms.map(millis),
        attempt.timing.first_byte_ms.map(millis),
        attempt.timing.body_ms.map(millis),
    )
    .execute(connection)
    .await
    .map_err(failed)?;
    Ok(())
}

fn millis(took_ms: u32) -> i32 {
    i32::try_from(took_ms).unwrap_or(i32::MAX)
}

async fn disable(connection: &mut PgConnection, id: &EndpointId, reason: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE endpoint SET is_enabled = false, disabled_reason = $2, paused_at_ms = NULL,
                updated_at_ms = updated_at_ms + 1 WHERE id = $1",
        id.as_str(),
        reason,
    )
    .execute(&mut *connection)
    .await
    .map_err(failed)?;
    health::forget(connection, id).await?;
    cancel_pending(connection, id).await
}

/// What the statement below takes of each try, a column each.
#[derive(Default)]
struct Columns<'e> {
    ids: Vec<&'e str>,
    generations: Vec<i32>,
    at_ms: Vec<i64>,
    status_codes: Vec<i32>,
    durations_ms: Vec<i32>,
    responses: Vec<&'e str>,
    details: Vec<&'e str>,
    dns_ms: Vec<Option<i32>>,
    connect_ms: Vec<Option<i32>>,
    tls_ms: Vec<Option<i32>>,
    first_byte_ms: Vec<Option<i32>>,
    body_ms: Vec<Option<i32>>,
}

impl<'e> Columns<'e> {
    fn push(&mut self, claim: &'e Claim, attempt: &'e Attempt) {
        self.ids.push(claim.id.as_str());
        self.generations.push(claim.generation);
        self.at_ms.push(attempt.at.as_ms());
        self.status_codes.push(i32::from(attempt.status_code));
        self.durations_ms.push(millis(attempt.duration_ms));
        self.responses.push(&attempt.response);
        self.details.push(&attempt.detail);
        self.dns_ms.push(attempt.timing.dns_ms.map(millis));
        self.connect_ms.push(attempt.timing.connect_ms.map(millis));
        self.tls_ms.push(attempt.timing.tls_ms.map(millis));
        self.first_byte_ms.push(attempt.timing.first_byte_ms.map(millis));
        self.body_ms.push(attempt.timing.body_ms.map(millis));
    }
}

/// Bytes of a try besides its long texts, about.
const TRY_BYTES: usize = 100;

/// Records tries that were taken; returns those that it recorded.
///
/// It waits for no lock: a row that somebody else changes just now is passed over. So is one of an endpoint that fails: its record
/// must end with the success, in the order of locks that everybody keeps.
pub(super) async fn record_taken(pool: &PgPool, ended: &[Ended]) -> Result<HashSet<DeliveryId>, StoreError> {
    let mut transaction = hurry::begin(pool).await?;
    let texts = |attempt: &Attempt| attempt.response.len() + attempt.detail.len();
    let mut recorded = HashSet::new();
    for batch in batches(ended, |ended| texts(&ended.outcome.attempt) + TRY_BYTES) {
        recorded.extend(take_batch(&mut transaction, batch).await?);
    }
    transaction.commit().await.map_err(failed)?;
    let ids = ended.iter().map(|ended| &ended.claim.id);
    Ok(ids.filter(|id| recorded.contains(id.as_str())).cloned().collect())
}

async fn take_batch(connection: &mut PgConnection, ended: &[Ended]) -> Result<Vec<String>, StoreError> {
    let mut columns = Columns::default();
    for Ended { claim, outcome } in ended {
        columns.push(claim, &outcome.attempt);
    }
    sqlx::query_scalar!(
        "WITH ended AS (
             SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::integer[], $5::integer[], $6::text[], $7::text[],
                                  $8::integer[], $9::integer[], $10::integer[], $11::integer[], $12::integer[])
                 AS ended (id, generation, at_ms, status_code, duration_ms, response, detail, dns_ms, connect_ms, tls_ms,
                           first_byte_ms, body_ms)
         ), held AS (
             -- One by one, by id: there is no better way, and LIMIT hides all others.
             SELECT found.id FROM ended CROSS JOIN LATERAL (
                 SELECT id, generation, state, lane, endpoint_id FROM delivery WHERE delivery.id = ended.id
                 LIMIT 1 FOR UPDATE SKIP LOCKED
             ) AS found
             WHERE found.generation = ended.generation AND found.state = 1 AND found.lane IS NULL
               AND NOT EXISTS (SELECT FROM endpoint_health WHERE endpoint_health.endpoint_id = found.endpoint_id)
         ), taken AS (
             UPDATE delivery SET state = 2, next_attempt_at_ms = NULL, attempt_count = attempt_count + 1, step = step + 1,
                    generation = generation + 1, is_claimed = false
             FROM held WHERE delivery.id = held.id RETURNING delivery.id, attempt_count, endpoint_id
         )
         INSERT INTO attempt (delivery_id, number, at_ms, verdict, status_code, duration_ms, response, endpoint_id,
                              failed_in, detail, dns_ms, connect_ms, tls_ms, first_byte_ms, body_ms)
         SELECT id, attempt_count, at_ms, 'OK', status_code, duration_ms, response, endpoint_id, '', detail, dns_ms, connect_ms,
                tls_ms, first_byte_ms, body_ms
         FROM taken JOIN ended USING (id)
         RETURNING delivery_id",
        &columns.ids as _,
        &columns.generations,
        &columns.at_ms,
        &columns.status_codes,
        &columns.durations_ms,
        &columns.responses as _,
        &columns.details as _,
        &columns.dns_ms as _,
        &columns.connect_ms as _,
        &columns.tls_ms as _,
        &columns.first_byte_ms as _,
        &columns.body_ms as _,
    )
    .fetch_all(connection)
    .await
    .map_err(failed)
}
