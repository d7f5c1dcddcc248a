//! What the services' processes take in memory: when nothing happens, and whether that grows while something does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    failure::Failure,
    load,
    process::Server,
    report::{Figure, Outcome, Target, new_table, number},
    settings::Settings,
    targets::{
        auth::{AuthSvc, Browsers, ES256, LoginTarget},
        broker::Bus,
        http::RotateTarget,
        receiver::Receivers,
        redis::Redis,
        session::{RefreshTarget, SessionSvc, ValidateTarget},
        webhook::WebhookSvc,
    },
};

/// How long services are left alone before they count as idle.
const SETTLE: Duration = Duration::from_secs(5);
/// Of the time under load, the part after which everything has been used once and must not grow any more.
const WARM_PART: u32 = 10;
/// Sessions that are validated, and as many that are refreshed.
const SESSIONS: usize = 3_000;
const EACH: usize = 3;
/// Deliveries of a turn of the load, over these tenants.
const DELIVERIES: usize = 2_000;
const TENANTS: usize = 4;

/// Measures the group.
///
/// # Errors
/// [`Failure`].
pub async fn run(settings: Settings) -> Result<Outcome, Failure> {
    let redis = Redis::start().await?;
    let session = Arc::new(SessionSvc::start(&redis).await?);
    let auth = Arc::new(AuthSvc::start(&session, None).await?);
    let webhook = WebhookSvc::start(&Bus::Memory).await?;
    let servers = [("session_svc", &session.server), ("auth_svc", &auth.server), ("webhook_svc", &webhook.server)];
    sleep(SETTLE).await;
    let idle = servers.map(resident);
    let load = Load::new(&session, &auth, &webhook, &settings).await?;
    let started = Instant::now();
    let (mut turns, mut warm) = (0, None);
    while started.elapsed() < settings.soak || warm.is_none() {
        load.turn(turns, &settings).await?;
        turns += 1;
        if started.elapsed() >= settings.soak / WARM_PART {
            warm.get_or_insert_with(|| servers.map(resident));
        }
    }
    let (warm, last) = (warm.unwrap_or(idle), servers.map(resident));
    let mut table = new_table(&["MB", "idle", "warm", "at the end"]);
    let mut figures = Vec::new();
    for (place, (name, _)) in servers.into_iter().enumerate() {
        let [idle, warm, last] = [idle[place], warm[place], last[place]];
        table.add_row([name.to_owned(), number(idle), number(warm), number(last)]);
        let goals = [format!("{name}_idle_mb"), format!("{name}_growth_under_load_pct")];
        let [idle_goal, growth_goal] = goals;
        figures.push(Figure::plain(idle_goal, idle, "MB", 1, Target::AtMost(30.0)));
        let growth = (last / warm - 1.0) * 100.0;
        figures.push(Figure::plain(growth_goal, growth, "%", 1, Target::AtMost(10.0)));
    }
    Ok(Outcome { figures, text: format!("{table}\n{} s under load", started.elapsed().as_secs()) })
}

fn resident((_, server): (&str, &Server)) -> f64 {
    server.watched().resident_bytes() as f64 / 1e6
}

/// The load of auth-svc beside that of the others: nobody is to be turned away.
fn few(settings: &Settings) -> Settings {
    Settings { threads: 1, connections: 4, in_flight: 2, ..settings.clone() }
}

/// What all three do at once.
struct Load<'s> {
    validate: Arc<ValidateTarget>,
    refresh: Arc<RefreshTarget>,
    logins: Arc<LoginTarget>,
    rotate: Arc<RotateTarget>,
    webhook: &'s WebhookSvc,
    receivers: Receivers,
    tenants: Vec<String>,
}

impl<'s> Load<'s> {
    async fn new(
        session: &Arc<SessionSvc>,
        auth: &Arc<AuthSvc>,
        webhook: &'s WebhookSvc,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let validated = session.make_sessions(SESSIONS, EACH, 0).await?;
        let refreshed = session.make_sessions(SESSIONS, EACH, SESSIONS).await?;
        auth.add_users().await?;
        let browsers = Browsers::sign_in(auth.clone()).await?;
        let codes = browsers.codes(ES256, settings.slots()).await?;
        let mut rotated = Vec::new();
        for code in codes {
            rotated.push(browsers.exchange(ES256, code).await?.refresh_token);
        }
        let (receivers, tenants) = (Receivers::start().await?, (0..TENANTS).map(|n| format!("load{n}")));
        let tenants: Vec<String> = tenants.collect();
        for tenant in &tenants {
            webhook.endpoint(tenant, &receivers.url("count"), 0).await?;
        }
        Ok(Self {
            validate: Arc::new(ValidateTarget::new(session.clone(), validated).await?),
            refresh: Arc::new(RefreshTarget::new(session.clone(), &refreshed, settings.slots())),
            logins: Arc::new(LoginTarget(auth.clone())),
            rotate: Arc::new(RotateTarget::new(auth.asking(ES256), &rotated, few(settings).slots())),
            webhook,
            receivers,
            tenants,
        })
    }

    /// One turn; the three services have it together.
    async fn turn(&self, turn: usize, settings: &Settings) -> Result<(), Failure> {
        let few = few(settings);
        let session = async {
            load::run(self.validate.clone(), settings, &[]).await?;
            load::run(self.refresh.clone(), settings, &[]).await
        };
        let auth = async {
            load::run(self.logins.clone(), &few, &[]).await?;
            load::run(self.rotate.clone(), &few, &[]).await
        };
        let webhook = async {
            self.webhook.feed(&self.tenants, DELIVERIES / TENANTS, turn * DELIVERIES).await?;
            self.receivers.wait_for((turn + 1) * DELIVERIES).await
        };
        futures::try_join!(session, auth, webhook).map(drop)
    }
}
