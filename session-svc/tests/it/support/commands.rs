//! Commands as the tests of the use cases want them.

use std::{collections::BTreeMap, time::Duration};

use session_svc::{
    app::create::CreateSession,
    domain::{
        device::Device,
        id::{ApplicationId, Owner, TenantId, UserId},
        session::{Kind, RefreshMode},
        times::Times,
    },
};

pub fn owner(tenant: &str, user: &str) -> Owner {
    Owner { tenant: TenantId::parse(tenant).unwrap(), user: UserId::parse(user).unwrap() }
}

/// A session of a user in an application.
pub fn create(tenant: &str, user: &str) -> CreateSession {
    CreateSession {
        owner: owner(tenant, user),
        kind: Kind::Application,
        application: Some(ApplicationId::parse("web").unwrap()),
        parent: None,
        survives_parent: false,
        keep_signed_in: false,
        authenticated_at: None,
        amr: Vec::new(),
        acr: String::new(),
        scopes: Vec::new(),
        device: Device::default(),
        attributes: BTreeMap::new(),
        refresh_mode: RefreshMode::Rotate,
        times: Times { idle_timeout: Duration::ZERO, absolute_lifetime: Duration::ZERO },
        idempotency: None,
    }
}
