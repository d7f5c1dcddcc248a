//! Tenants, users and applications.

use crate::{program::run_with_stdin, stack::Stack};

const GRACE: &str = "grace@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_created_and_disabled_and_may_come_back() {
    let stack = Stack::start().await;
    let create = ["users", "create", "Joan@Example.com", "--name", "Joan", "--password-stdin", "--json"];
    let created = run_with_stdin(&create, &stack.environment(&[]), "a rather long password\n").await.json();
    assert_eq!((created["login"].as_str(), created["name"].as_str()), (Some("joan@example.com"), Some("Joan")));
    let again = run_with_stdin(&create, &stack.environment(&[]), "a rather long password").await;
    assert!(again.code == 1 && again.stderr.contains("LOGIN_TAKEN"), "{again:?}");
    let list = stack.run(&["users", "list"]).await;
    assert!(list.text().contains("joan@example.com") && list.text().contains(GRACE), "{list:?}");

    let login = ["login", "joan@example.com", "--application", "demo-spa", "--print", "session"];
    let password = [("LATCHKEY_PASSWORD", "a rather long password")];
    let session = stack.run_in(&login, &password).await.text().trim().to_owned();
    assert!(stack.run(&["users", "disable", "joan@example.com"]).await.text().contains("disabled"));
    assert_eq!(stack.run(&["sessions", "validate", &session]).await.code, 1);
    assert_eq!(stack.run_in(&login, &password).await.code, 1);
    let id = created["id"].as_str().unwrap();
    assert!(stack.run(&["users", "enable", id]).await.text().contains("active"));
    assert_eq!(stack.run_in(&login, &password).await.code, 0);
    let set = ["users", "set-password", id, "--password-stdin"];
    run_with_stdin(&set, &stack.environment(&[]), "another long password").await.text();
    assert_eq!(stack.run_in(&login, &password).await.code, 1);
    assert_eq!(stack.run_in(&login, &[("LATCHKEY_PASSWORD", "another long password")]).await.code, 0);

    let update = ["users", "update", id, "--name", "Joanna", "--claim", "locale=en", "--email-verified", "true"];
    let updated = stack.run(&update).await;
    assert!(updated.text().contains("Joanna") && updated.text().contains("locale=en"), "{updated:?}");
    assert_eq!(stack.run(&["users", "update", id]).await.code, 2);
    assert_eq!(stack.run(&["users", "update", id, "--claim", "locale"]).await.code, 2);
    assert!(stack.run(&["users", "delete", "joan@example.com"]).await.text().contains("deleted"));
    assert!(stack.run(&["users", "get", id]).await.stderr.contains("USER_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_users_are_explained() {
    let stack = Stack::start().await;
    let unknown = stack.run(&["users", "get", "nobody@example.com"]).await;
    assert!(unknown.code == 1 && unknown.stderr.contains("USER_NOT_FOUND"), "{unknown:?}");
    let create = ["users", "create", "x@example.com", "--password-stdin"];
    let short = run_with_stdin(&create, &stack.environment(&[]), "short").await;
    assert!(short.code == 2 && short.stderr.contains("PASSWORD_REFUSED"), "{short:?}");
    let unasked = stack.run(&["users", "create", "x@example.com"]).await;
    assert!(unasked.code == 2 && unasked.stderr.contains("LATCHKEY_PASSWORD"), "{unasked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_created_and_shows_its_secret_once() {
    let stack = Stack::start().await;
    let create = ["applications", "create", "shop", "--redirect-uri", "https://shop.example/cb", "--json"];
    let created = stack.run(&create).await.json();
    assert!(!created["client_secret"].as_str().unwrap().is_empty());
    let shown = stack.run(&["applications", "get", "shop"]).await;
    assert!(shown.text().contains("https://shop.example/cb") && shown.text().contains("confidential"), "{shown:?}");
    assert!(stack.run(&["applications", "list"]).await.text().contains("demo-managed"));
    let again = stack.run(&create).await;
    assert!(again.code == 1 && again.stderr.contains("APPLICATION_EXISTS"), "{again:?}");
    let update = ["applications", "update", "shop", "--name", "Better", "--consent", "true", "--pkce", "optional"];
    let updated = stack.run(&update).await;
    assert!(updated.text().contains("Better") && updated.text().contains("asked"), "{updated:?}");
    assert_eq!(stack.run(&["applications", "update", "shop"]).await.code, 2);
    let rotated = stack.run(&["applications", "rotate-secret", "shop", "--json"]).await.json();
    assert_ne!(rotated["client_secret"], created["client_secret"]);
    assert!(rotated["application"]["old_secret_expires_at"].is_string(), "{rotated}");
    assert!(stack.run(&["applications", "delete", "shop"]).await.text().contains("deleted"));
    assert!(stack.run(&["applications", "get", "shop"]).await.stderr.contains("APPLICATION_NOT_FOUND"));
    let public = stack
        .run(&["applications", "create", "spa", "--public", "--redirect-uri", "https://spa.example/cb", "--json"])
        .await;
    assert_eq!(public.json().get("client_secret"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_created_changed_suspended_and_resumed() {
    let stack = Stack::start().await;
    let create = ["tenants", "create", "acme", "--name", "Acme", "--light-color", "accent=#0a7f2e"];
    let created = stack.run(&create).await;
    assert!(created.text().contains("/t/acme") && created.text().contains("accent=#0a7f2e"), "{created:?}");
    let again = stack.run(&create).await;
    assert!(again.code == 1 && again.stderr.contains("TENANT_EXISTS"), "{again:?}");
    assert!(stack.run(&["tenants", "list"]).await.text().contains("Acme"));
    let update = ["tenants", "update", "acme", "--sso-without-keep-signed-in", "none", "--default-language", "de"];
    let updated = stack.run(&update).await;
    assert!(updated.text().contains("none") && updated.text().contains("accent=#0a7f2e"), "{updated:?}");
    assert_eq!(stack.run(&["tenants", "update", "acme"]).await.code, 2);
    assert_eq!(stack.run(&["tenants", "update", "acme", "--dark-color", "ink"]).await.code, 2);
    let suspended = stack.run(&["tenants", "suspend", "acme"]).await;
    assert!(suspended.text().contains("suspended"), "{suspended:?}");
    assert!(stack.run(&["tenants", "resume", "acme"]).await.text().contains("active"));
    let default = stack.run(&["tenants", "suspend", "default"]).await;
    assert!(default.code == 1 && default.stderr.contains("TENANT_IS_DEFAULT"), "{default:?}");
    assert!(stack.run(&["tenants", "get", "nobody"]).await.stderr.contains("TENANT_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_created_used_rotated_and_deleted() {
    let stack = Stack::start().await;
    let create = ["keys", "create", "importer", "--scope", "directory.read", "--days", "7", "--json"];
    let created = stack.run(&create).await.json();
    let (id, secret) = (created["api_key"]["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    let with_key = async |command: &[&str]| stack.run_in(command, &[("LATCHKEY_KEY", secret)]).await;
    assert!(with_key(&["users", "list"]).await.text().contains(GRACE));
    let denied = with_key(&["users", "disable", GRACE]).await;
    assert!(denied.code == 4 && denied.stderr.contains("SCOPE_MISSING"), "{denied:?}");
    let listed = stack.run(&["keys", "list"]).await;
    assert!(listed.text().contains("importer") && !listed.text().contains(secret), "{listed:?}");
    let rotated = stack.run(&["keys", "rotate", id, "--overlap-hours", "0", "--json"]).await.json();
    assert_ne!(rotated["secret"].as_str(), Some(secret));
    assert_eq!(with_key(&["users", "list"]).await.code, 4);
    assert!(stack.run(&["keys", "get", id]).await.text().contains("operator:dev"));
    assert!(stack.run(&["keys", "delete", id]).await.text().contains("deleted"));
    assert!(stack.run(&["keys", "get", id]).await.stderr.contains("API_KEY_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_is_read_by_action_and_subject() {
    let stack = Stack::start().await;
    stack.run(&["users", "disable", GRACE]).await.text();
    let all = stack.run(&["audit", "--since", "1h"]).await;
    assert!(all.text().contains("user.disabled") && all.text().contains("operator:dev"), "{all:?}");
    let found = stack.run(&["audit", "--action", "user.disabled", "--json"]).await.json();
    let id = found[0]["subject"].as_str().unwrap();
    let about = stack.run(&["audit", "--subject", id, "--actor", "seed"]).await;
    assert!(about.text().contains("user.created") && !about.text().contains("user.disabled"), "{about:?}");
    let nothing = stack.run(&["audit", "--until", "30d"]).await;
    assert!(nothing.code == 0 && nothing.stderr.contains("no entries"), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_imported_from_a_file() {
    let stack = Stack::start().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let hash = "$pbkdf2-sha256$i=1000$c2FsdHNhbHRzYWx0c2FsdA$BBs+1+PaslLtBPULUr8/lQicvVuHiEPMz0i8MjLCbzM";
    let good = format!(r#"{{"login":"joan@example.com","name":"Joan","password_hash":"{hash}"}}"#);
    let taken = format!(r#"{{"login":"{GRACE}","password_hash":"{hash}"}}"#);
    std::fs::write(path, format!("{good}\n\n{taken}\n")).unwrap();
    let imported = stack.run(&["users", "import", path]).await;
    assert!(imported.code == 1 && imported.stdout.contains("LOGIN_TAKEN"), "{imported:?}");
    assert!(imported.stderr.contains("1 of 2 users imported") && !imported.stdout.contains("joan"), "{imported:?}");
    let login = ["login", "joan@example.com", "--application", "demo-spa"];
    assert_eq!(stack.run_in(&login, &[("LATCHKEY_PASSWORD", "correct horse")]).await.code, 0);
    std::fs::write(path, "{}").unwrap();
    let malformed = stack.run(&["users", "import", path]).await;
    assert!(malformed.code == 2 && malformed.stderr.contains("line 1"), "{malformed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_publishes_its_keys_or_gives_them() {
    let stack = Stack::start().await;
    let (uri, create) = ("http://localhost:9/jwks", ["applications", "create", "keyed", "--private-key-jwt"]);
    assert_eq!(stack.run(&create).await.code, 2, "by which key?");
    let made = stack.run(&[&create[..], &["--jwks-uri", uri, "--json"]].concat()).await.json();
    assert_eq!((&made["application"]["jwks_uri"], made.get("client_secret")), (&uri.into(), None), "{made}");
    assert!(stack.run(&["applications", "get", "keyed"]).await.text().contains(uri));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"keys":[{"kty":"EC","crv":"P-256","x":"eA","y":"eQ"}]}"#).unwrap();
    let update = ["applications", "update", "keyed", "--json", "--jwks", file.path().to_str().unwrap()];
    let given = stack.run(&update).await.json();
    assert_eq!((given["jwks"].is_string(), given.get("jwks_uri")), (true, None), "one takes the place of the other");
    let inside = ["applications", "update", "keyed", "--jwks-uri", "https://10.0.0.1/jwks"];
    assert!(stack.run(&inside).await.stderr.contains("JWKS_URI_REFUSED"));
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_are_shown_replaced_and_revoked() {
    let stack = Stack::start().await;
    let list = stack.run(&["signing-keys", "list"]).await;
    for text in ["rs256", "es256", "eddsa", "active"] {
        assert!(list.text().contains(text), "{text}: {list:?}");
    }
    let next = stack.run(&["signing-keys", "rotate", "es256", "--json"]).await.json();
    assert_eq!(next["state"], "SIGNING_KEY_STATE_PENDING", "{next}");
    let again = stack.run(&["signing-keys", "rotate", "es256"]).await;
    assert!(
        again.stderr.contains("waited already") && again.text().contains(next["id"].as_str().unwrap()),
        "{again:?}"
    );
    let told = stack.run(&["audit", "--action", "key.created"]).await;
    assert!(told.text().contains("operator:dev"), "{told:?}");
    let leaked = next["id"].as_str().unwrap();
    let active = stack.run(&["signing-keys", "revoke", leaked]).await;
    assert!(active.text().contains("active") && active.stderr.contains("is refused"), "{active:?}");
    assert!(!stack.run(&["signing-keys", "list"]).await.text().contains(leaked));
    let again = stack.run(&["signing-keys", "revoke", leaked]).await;
    assert!(again.code == 1 && again.stderr.contains("SIGNING_KEY_NOT_FOUND"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_lets_in_registered_users_and_a_password_is_for_once() {
    let stack = Stack::start().await;
    let update = ["applications", "update", "demo-spa", "--registration-required", "true"];
    stack.run(&update).await.text();
    let login = ["login", GRACE, "--application", "demo-spa", "--print", "session"];
    let password = [("LATCHKEY_PASSWORD", "nanoseconds matter too")];
    let refused = stack.run_in(&login, &password).await;
    assert!(refused.code == 1 && refused.stderr.contains("users register"), "{refused:?}");
    stack.run(&["users", "register", GRACE, "demo-spa"]).await.text();
    assert!(stack.run(&["users", "registrations", GRACE]).await.text().contains("demo-spa"));
    assert_eq!(stack.run_in(&login, &password).await.code, 0);
    stack.run(&["users", "update", GRACE, "--password-change-required", "true"]).await.text();
    let refused = stack.run_in(&login, &password).await;
    assert!(refused.stderr.contains("PASSWORD_CHANGE_REQUIRED"), "{refused:?}");
    let change = ["users", "change-password", GRACE];
    let unasked = stack.run_in(&change, &password).await;
    assert!(unasked.code == 2, "{unasked:?}");
    let both = [password[0], ("LATCHKEY_NEW_PASSWORD", "a wholly different one")];
    assert!(stack.run_in(&change, &both).await.text().contains("password changed"));
    assert!(stack.run_in(&change, &both).await.stderr.contains("CREDENTIALS_REFUSED"));
    let password = [("LATCHKEY_PASSWORD", "a wholly different one")];
    assert_eq!(stack.run_in(&login, &password).await.code, 0);
    stack.run(&["users", "deregister", GRACE, "demo-spa"]).await.text();
    let refused = stack.run_in(&login, &password).await;
    assert!(refused.stderr.contains("NOT_REGISTERED"), "{refused:?}");
}
