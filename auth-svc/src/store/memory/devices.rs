//! Devices that wait for their users, in memory.

use svc_kit::clock::Timestamp;

use super::MemoryStore;
use crate::{
    domain::device::Device,
    ports::{DeviceStore, StoreError},
};

impl DeviceStore for MemoryStore {
    async fn add_device(&self, device: &Device, now: Timestamp) -> Result<bool, StoreError> {
        let devices = &mut self.lock().devices;
        devices.retain(|_, device| now < device.expires_at);
        let is_free =
            !devices.contains_key(&device.hash) && devices.values().all(|other| other.user_code != device.user_code);
        if is_free {
            devices.insert(device.hash, device.clone());
        }
        Ok(is_free)
    }

    async fn device(&self, hash: [u8; 32]) -> Result<Option<Device>, StoreError> {
        Ok(self.lock().devices.get(&hash).cloned())
    }

    async fn device_that_shows(&self, user_code: [u8; 32]) -> Result<Option<Device>, StoreError> {
        Ok(self.lock().devices.values().find(|device| device.user_code == user_code).cloned())
    }

    async fn replace_device(&self, device: &Device) -> Result<bool, StoreError> {
        let mut tables = self.lock();
        let Some(kept) = tables.devices.get_mut(&device.hash) else { return Ok(false) };
        if kept.revision != device.revision {
            return Ok(false);
        }
        *kept = Device { revision: device.revision + 1, ..device.clone() };
        Ok(true)
    }
}
