//! Policies.

use crate::stack::Stack;

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_stored_shown_and_explained() {
    let stack = Stack::start().await;
    let missing = stack.run(&["policies", "get"]).await;
    assert!(missing.code == 1 && missing.stderr.contains("policies put"), "{missing:?}");
    let put = ["policies", "put", "--application", "demo-spa", "--idle", "4h", "--lifetime", "30d"];
    let windows = ["--idle-window", "sat-sun=12h", "--time-zone", "Europe/Berlin", "--max-sessions", "3"];
    let put = [&put[..], &windows, &["--on-limit", "end-oldest"]].concat();
    let stored = stack.run(&put).await;
    for text in ["4h sat,sun=12h Europe/Berlin", "30d", "end-oldest", "operator:internal"] {
        assert!(stored.text().contains(text), "{text}: {stored:?}");
    }
    let version =
        stack.run(&["policies", "get", "--application", "demo-spa", "--json"]).await.json()["version"].clone();
    let again = stack.run(&[&put[..], &["--json"]].concat()).await.json();
    assert_eq!(again["version"], version, "{again}");
    // It is auth-svc that has it.
    let application = stack.run(&["applications", "get", "demo-spa", "--json"]).await.json();
    assert_eq!(application["session_policy"]["max_sessions"], 3, "{application}");
    let unknown = ["policies", "put", "--application", "elsewhere", "--idle", "1h"];
    assert!(stack.run(&unknown).await.stderr.contains("APPLICATION_NOT_FOUND"));
    let direct = [&unknown[..], &["--direct", "--expect-version", "0"]].concat();
    assert!(stack.run(&direct).await.text().contains("1h"));
    assert!(stack.run(&direct).await.stderr.contains("stored like this before"));
    let late = ["policies", "put", "--application", "elsewhere", "--direct", "--expect-version", "0"];
    let late = stack.run(&late).await;
    assert!(late.code == 1 && late.stderr.contains("POLICY_VERSION_MISMATCH"), "{late:?}");
    stack.run(&["policies", "put", "--sso-idle", "1h", "--kept-lifetime", "10d"]).await.text();
    let shown = stack.run(&["policies", "get", "--json"]).await.json();
    assert_eq!(shown["sso_kept_signed_in"]["absolute_lifetime"], "864000s", "{shown}");
    let list = stack.run(&["policies", "list"]).await;
    assert!(list.text().contains("demo-spa") && list.text().contains("1h"), "{list:?}");
    let login = ["login", "ada@example.com", "--application", "demo-spa", "--print", "session"];
    let password = [("LATCHKEY_PASSWORD", "correct horse battery staple")];
    let session = stack.run_in(&login, &password).await.text().trim().to_owned();
    let explained = stack.run(&["policies", "explain", &session]).await;
    for text in ["(application policy)", "else 4h, Europe/Berlin", "at most 3", "(deployment)"] {
        assert!(explained.text().contains(text), "{text}: {explained:?}");
    }
    let json = stack.run(&["policies", "explain", &session, "--json"]).await.json();
    assert_eq!(json["absolute"]["source"], "VALUE_SOURCE_APPLICATION_POLICY", "{json}");
    let wrong = stack.run(&["policies", "put", "--idle-window", "sabbath=1h", "--time-zone", "UTC"]).await;
    assert!(wrong.code == 2 && wrong.stderr.contains("sat-sun=12h"), "{wrong:?}");
    let unbounded = stack.run(&["policies", "put", "--idle", "500d"]).await;
    assert!(
        unbounded.code == 2 && unbounded.stderr.contains("tenant.session_policy.application.idle_timeout"),
        "{unbounded:?}"
    );
}
