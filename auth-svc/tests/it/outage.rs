//! PostgreSQL or session-svc goes away.

use std::time::{Duration, Instant};

use proto::auth::v1::{Application, ClientType, CreateApplicationRequest, GetUserRequest, LoginRequest};
use tonic::Code;

use crate::{
    rpc::users::{PASSWORD, created},
    support::{
        database::with_database,
        eventually,
        proxy::Proxy,
        service::{OPERATOR_KEY, Service, in_memory, reason_of},
    },
};

/// The deadline of a call, by default, and a little for a busy machine.
const DEADLINE: Duration = Duration::from_secs(7);

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_it_says_so_in_time_and_recovers_by_itself() {
    with_database(|url| async move {
        let (proxy, through) = Proxy::before(&url).await;
        let service = Service::start(Some(&through), &[]).await;
        let ada = created(&service, "ada@example.com").await;
        let get = async || service.users(OPERATOR_KEY).get_user(GetUserRequest { user_id: ada.id.clone() }).await;
        let login = async || {
            let request = LoginRequest {
                tenant_id: "default".to_owned(),
                application_id: "backend".to_owned(),
                login: ada.login.clone(),
                password: PASSWORD.to_owned(),
                ..LoginRequest::default()
            };
            service.auth(OPERATOR_KEY).login(request).await.map(drop)
        };
        eventually("it is ready", async || (service.readiness().await == 200).then_some(())).await;
        proxy.cut(true);
        // Long enough that what is tried once is not thrown out as a failed attempt to sign in.
        for _ in 0..6 {
            let started = Instant::now();
            for refused in [get().await.map(drop).unwrap_err(), login().await.unwrap_err()] {
                let seen = (refused.code(), reason_of(&refused));
                assert_eq!(seen, (Code::Unavailable, "STORE_UNAVAILABLE".to_owned()));
            }
            assert!(started.elapsed() < DEADLINE, "{:?}", started.elapsed());
        }
        eventually("it is not ready", async || (service.readiness().await == 503).then_some(())).await;
        proxy.cut(false);
        eventually("it answers again", async || get().await.ok()).await;
        login().await.unwrap();
        eventually("it is ready again", async || (service.readiness().await == 200).then_some(())).await;
        service.event("user.login.success", &ada.id).await;
        service.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_show_nothing_tells_the_application_that_session_svc_is_away() {
    in_memory(async |service| {
        let application = Some(Application {
            id: "shop".to_owned(),
            tenant_id: "default".to_owned(),
            client_type: ClientType::Public.into(),
            redirect_uris: vec!["https://shop.example/cb".to_owned()],
            ..Application::default()
        });
        let request = CreateApplicationRequest { application };
        service.applications(OPERATOR_KEY).create_application(request).await.unwrap();
        service.sessions.be_away(true);
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        for (prompt, status) in [("none", 303), ("login consent", 503)] {
            let request = client.get(format!("{}/authorize", service.running.issuer)).query(&[
                ("client_id", "shop"),
                ("redirect_uri", "https://shop.example/cb"),
                ("response_type", "code"),
                ("scope", "openid"),
                ("state", "s"),
                ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
                ("code_challenge_method", "S256"),
                ("prompt", prompt),
            ]);
            let answer = request.header("cookie", "lk_sso_default=somebody").send().await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{prompt}");
            if status == 303 {
                let to = answer.headers()["location"].to_str().unwrap();
                assert!(to.starts_with("https://shop.example/cb?error=temporarily_unavailable"), "{to}");
                assert!(to.contains("&state=s") && to.contains("&iss="), "{to}");
            } else {
                assert!(answer.headers().contains_key("retry-after"));
            }
        }
    })
    .await;
}
