//! The use cases over a store of the test's choice, with the default policy.

use std::{collections::BTreeMap, sync::Arc};

pub use session_svc::app::Sessions;
use session_svc::{
    app::limit::Turns,
    config::{Config, DEFAULTS},
    domain::token::ServerKeys,
    ports::SessionStore,
};
use svc_kit::{
    access::{Caller, Scopes},
    clock::Clock,
    entropy::OsEntropy,
};

use super::service::Setting;

/// Use cases with some settings changed.
pub fn use_cases<S: SessionStore>(store: Arc<S>, clock: Arc<dyn Clock>, settings: &[Setting<'_>]) -> Sessions<S> {
    let settings: BTreeMap<String, String> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let config: Config = svc_kit::config::load(DEFAULTS, None, settings).unwrap();
    Sessions {
        store,
        keys: ServerKeys::parse(&config.session.server_keys).unwrap(),
        policies: config.policy.policies(),
        clock,
        entropy: Arc::new(OsEntropy),
        turns: Turns::default(),
    }
}

/// A caller that may do everything, in every tenant or in one.
pub fn caller(tenant: Option<&str>) -> Caller {
    Caller { subject: "test".to_owned(), tenant: tenant.map(str::to_owned), scopes: Scopes::All }
}
