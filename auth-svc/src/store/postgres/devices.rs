//! Devices that wait for their users, in PostgreSQL.

use svc_kit::clock::Timestamp;

use super::{PostgresStore, failed, unreadable};
use crate::{
    domain::device::Device,
    ports::{DeviceStore, StoreError},
};

struct Row {
    hash: Vec<u8>,
    user_code: Vec<u8>,
    request_json: String,
    expires_at_ms: i64,
    revision: i64,
}

impl TryFrom<Row> for Device {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let hash =
            |bytes: Vec<u8>| bytes.try_into().map_err(|_| unreadable("the hash of a stored device is malformed"));
        Ok(Self {
            hash: hash(row.hash)?,
            user_code: hash(row.user_code)?,
            request: serde_json::from_str(&row.request_json).map_err(|_| unreadable("a stored device is malformed"))?,
            expires_at: Timestamp::from_ms(row.expires_at_ms),
            revision: row.revision,
        })
    }
}

impl DeviceStore for PostgresStore {
    async fn add_device(&self, device: &Device, now: Timestamp) -> Result<bool, StoreError> {
        let json = serde_json::to_string(&device.request).map_err(|error| StoreError::Failed(error.into()))?;
        sqlx::query!("DELETE FROM device WHERE expires_at_ms <= $1", now.as_ms())
            .execute(&self.pool)
            .await
            .map_err(failed)?;
        let inserted = sqlx::query!(
            "INSERT INTO device (hash, user_code, request_json, expires_at_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            &device.hash[..],
            &device.user_code[..],
            json,
            device.expires_at.as_ms()
        )
        .execute(&self.pool)
        .await;
        Ok(inserted.map_err(failed)?.rows_affected() == 1)
    }

    async fn device(&self, hash: [u8; 32]) -> Result<Option<Device>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT hash, user_code, request_json, expires_at_ms, revision FROM device WHERE hash = $1",
            &hash[..]
        );
        row.fetch_optional(&self.pool).await.map_err(failed)?.map(Device::try_from).transpose()
    }

    async fn device_that_shows(&self, user_code: [u8; 32]) -> Result<Option<Device>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT hash, user_code, request_json, expires_at_ms, revision FROM device WHERE user_code = $1",
            &user_code[..]
        );
        row.fetch_optional(&self.pool).await.map_err(failed)?.map(Device::try_from).transpose()
    }

    async fn replace_device(&self, device: &Device) -> Result<bool, StoreError> {
        let json = serde_json::to_string(&device.request).map_err(|error| StoreError::Failed(error.into()))?;
        let replaced = sqlx::query!(
            "UPDATE device SET request_json = $3, revision = revision + 1 WHERE hash = $1 AND revision = $2",
            &device.hash[..],
            device.revision,
            json
        )
        .execute(&self.pool)
        .await;
        Ok(replaced.map_err(failed)?.rows_affected() == 1)
    }
}
