//! The device that a session lives on, as far as callers know it.

/// What a device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceType {
    /// Not known.
    #[default]
    Unknown,
    /// A web browser.
    Browser,
    /// A desktop program.
    Desktop,
    /// A phone or tablet application.
    Mobile,
    /// A server or a script.
    Server,
    /// Anything else.
    Other,
}

/// A device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Name for people.
    pub name: String,
    /// What it is.
    pub kind: DeviceType,
    /// Description for people.
    pub description: String,
    /// `User-Agent` of the sign-in, or the last one seen.
    pub user_agent: String,
    /// IP address of the sign-in.
    pub ip_address: String,
    /// IP address last seen.
    pub last_ip_address: String,
}

impl Device {
    /// Notes where the session was used from; empty values say nothing.
    pub fn seen(&mut self, ip_address: &str, user_agent: &str) {
        if !ip_address.is_empty() {
            ip_address.clone_into(&mut self.last_ip_address);
        }
        if !user_agent.is_empty() {
            user_agent.clone_into(&mut self.user_agent);
        }
    }
}
