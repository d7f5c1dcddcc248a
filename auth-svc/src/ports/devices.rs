//! Devices that wait for their users, as the use cases need them kept.

use std::future::Future;

use svc_kit::clock::Timestamp;

use super::StoreError;
use crate::domain::device::Device;

/// Keeps devices.
pub trait DeviceStore: Send + Sync + 'static {
    /// Adds a device; forgets those that gave up. `false` when another one shows the same code.
    fn add_device(&self, device: &Device, now: Timestamp) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Returns a device by the code that it asks with.
    fn device(&self, hash: [u8; 32]) -> impl Future<Output = Result<Option<Device>, StoreError>> + Send;
    /// Returns a device by the code that it shows.
    fn device_that_shows(&self, user_code: [u8; 32])
    -> impl Future<Output = Result<Option<Device>, StoreError>> + Send;
    /// Replaces a device; `false` when it is not of the same revision any more. The revision grows.
    fn replace_device(&self, device: &Device) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
