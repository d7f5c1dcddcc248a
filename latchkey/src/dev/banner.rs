//! What the development server says when it is up: where everything is, who may sign in, what to try.

use std::fmt::Write as _;

use svc_kit::secret::{ExposeSecret as _, SecretString};

use super::{DevServer, Ports};

/// Returns the text for the person who started `server`.
pub fn banner(server: &DevServer) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(server, &mut text);
    text
}

fn write(server: &DevServer, text: &mut String) -> std::fmt::Result {
    writeln!(text, "Latchkey is up, in one process. Everything is in memory and lost at exit.\n")?;
    addresses(server, text)?;
    people(server, text)?;
    commands(server, text)?;
    writeln!(text, "Ctrl-C stops; a second one stops at once.")
}

fn addresses(server: &DevServer, text: &mut String) -> std::fmt::Result {
    let at = &server.addresses;
    writeln!(text, "  issuer       {}", at.issuer)?;
    if let Some(link) = sign_in_link(server) {
        writeln!(text, "  sign-in      {link}")?;
    }
    writeln!(text, "  discovery    {}/.well-known/openid-configuration", at.issuer)?;
    for (name, grpc, ops) in [
        ("auth-svc", at.auth_grpc, at.auth_ops),
        ("session-svc", at.session_grpc, at.session_ops),
        ("webhook-svc", at.webhook_grpc, at.webhook_ops),
    ] {
        let (grpc, ops) = (grpc.port(), ops.port());
        writeln!(text, "  {name:<12} gRPC localhost:{grpc}, http://localhost:{ops}/readyz and /metrics")?;
    }
    writeln!(text)
}

/// An address that shows the sign-in page: the authorization request of an application that needs no PKCE.
fn sign_in_link(server: &DevServer) -> Option<String> {
    let confidential = server.seed.directory.applications.iter().find(|found| found.secret.is_some())?;
    let redirect_uri = confidential.redirect_uris.first()?;
    let parameters = [
        ("response_type", "code"),
        ("client_id", &confidential.id),
        ("redirect_uri", redirect_uri),
        ("scope", "openid profile email offline_access"),
    ];
    let authorize = format!("{}/authorize", server.addresses.issuer);
    url::Url::parse_with_params(&authorize, parameters).ok().map(Into::into)
}

fn people(server: &DevServer, text: &mut String) -> std::fmt::Result {
    for user in &server.seed.directory.users {
        writeln!(text, "  user         {}  password \"{}\"", user.login, user.password.expose_secret())?;
    }
    for application in &server.seed.directory.applications {
        let secret = application.secret.as_ref().map_or("public, no secret", SecretString::expose_secret);
        let redirect = application.redirect_uris.first().map_or_else(String::new, |uri| format!("  redirect {uri}"));
        writeln!(text, "  application  {:<13} {secret:<20}{redirect}", application.id)?;
    }
    for token in server.seed.operator_keys.iter().filter_map(|key| key.token.as_ref()) {
        writeln!(text, "  operator key {}", token.expose_secret())?;
    }
    writeln!(text)
}

/// Commands that are true as they stand: with the names of this seed and the ports of this server.
fn commands(server: &DevServer, text: &mut String) -> std::fmt::Result {
    let seed = &server.seed.directory;
    let (Some(user), Some(application)) = (seed.users.first(), seed.applications.first()) else { return Ok(()) };
    writeln!(text, "Try, in another terminal:\n")?;
    environment(server, text)?;
    let (login, password) = (&user.login, user.password.expose_secret());
    writeln!(text, "  # somebody signs in; who has sessions; end them")?;
    writeln!(text, "  LATCHKEY_PASSWORD={} latchkey login {login} --application {}", quoted(password), application.id)?;
    writeln!(text, "  latchkey sessions list --user {login}")?;
    writeln!(text, "  latchkey sessions revoke --user {login}")?;
    writeln!(text, "  # be told: create an endpoint, then receive with the secret that it prints")?;
    writeln!(text, "  latchkey endpoints create --url http://localhost:9050/ --event 'session.*'")?;
    writeln!(text, "  latchkey receive --port 9050 --secret whsec_…\n")
}

fn environment(server: &DevServer, text: &mut String) -> std::fmt::Result {
    let (at, usual) = (&server.addresses, Ports::default());
    if let Some(folder) = folder_outside_path() {
        writeln!(text, "  export PATH=\"{folder}:$PATH\"")?;
    }
    if let Some(token) = server.seed.operator_keys.first().and_then(|key| key.token.as_ref()) {
        writeln!(text, "  export LATCHKEY_KEY={}", quoted(token.expose_secret()))?;
    }
    for (variable, address, usual) in [
        ("LATCHKEY_AUTH_URL", at.auth_grpc, usual.auth_grpc),
        ("LATCHKEY_SESSION_URL", at.session_grpc, usual.session_grpc),
        ("LATCHKEY_WEBHOOK_URL", at.webhook_grpc, usual.webhook_grpc),
    ] {
        if address.port() != usual {
            writeln!(text, "  export {variable}=http://localhost:{}", address.port())?;
        }
    }
    Ok(())
}

/// The folder of this program, unless the shell finds a program of this name anyway.
fn folder_outside_path() -> Option<String> {
    let program = std::env::current_exe().ok()?;
    let (folder, name) = (program.parent()?, program.file_name()?);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_found = std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    (!is_found).then(|| folder.display().to_string())
}

/// A value as the shell reads it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn values_survive_the_shell() {
        assert_eq!(quoted("dev-operator-key"), "dev-operator-key");
        assert_eq!(quoted("correct horse"), "'correct horse'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
