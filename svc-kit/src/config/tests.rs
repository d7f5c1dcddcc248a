//! Tests of loading: precedence, and that every problem is reported at once.

use std::io::Write as _;

use serde::Deserialize;

use super::*;

const DEFAULTS: &str = r#"
profile = "dev"
[grpc]
listen = "127.0.0.1:9022"
deadline = "2s"
concurrency_max = 100
reflection = true
[access]
issuer = ""
jwks_url = ""
audience = "latchkey"
operator_keys = []
"#;

#[derive(Debug, Deserialize)]
struct Config {
    profile: Profile,
    grpc: ServerConfig,
    access: AccessConfig,
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        self.grpc.validate(problems);
        self.access.validate(self.profile, problems);
    }
}

fn load_with(file: &str, env: &[(&str, &str)]) -> Result<Config, Problems> {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(file.as_bytes()).unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(DEFAULTS, Some(on_disk.path()), env)
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let env = [("LATCHKEY_GRPC__DEADLINE", "7s"), ("HOME", "/"), ("LATCHKEY_TEST_REDIS_URL", "x")];
    let config = load_with("[grpc]\ndeadline = \"5s\"\nconcurrency_max = 7", &env).unwrap();
    assert_eq!(config.grpc.deadline.to_string(), "7s");
    assert_eq!(config.grpc.concurrency_max, 7);
    assert_eq!(config.grpc.listen.port(), 9022);
}

#[test]
fn every_problem_is_reported_at_once() {
    let file = "[grpc]\ndeadlin = \"5s\"\nconcurrency_max = \"many\"\n[nonsense]\na = 1";
    let problems = load_with(file, &[("LATCHKEY_GRPC__REFLECTION", "maybe"), ("LATCHKEY_GRPC__X", "1")]).unwrap_err();
    let text = problems.to_string();
    for part in [
        "grpc.deadlin: is unknown",
        "did you mean deadline?",
        "grpc.concurrency_max: must be of type integer",
        "nonsense: is unknown",
        "grpc.reflection: must be of type boolean (from LATCHKEY_GRPC__REFLECTION)",
        "grpc.x: is unknown",
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    assert_eq!(problems.list().len(), 5);
}

#[test]
fn keys_in_plain_text_are_refused_outside_dev() {
    let keys = ("LATCHKEY_ACCESS__OPERATOR_KEYS", r#"[{ name = "ops", token = "t" }, { name = "x" }]"#);
    let dev = load_with("", &[keys]).unwrap_err().to_string();
    assert!(dev.contains("access.operator_keys.x: needs exactly one") && !dev.contains("keys.ops"), "{dev}");
    let strict = load_with("", &[keys, ("LATCHKEY_PROFILE", "production")]).unwrap_err().to_string();
    assert!(strict.contains("access.operator_keys.ops: must be given as token_sha256"), "{strict}");
}

#[test]
fn a_bad_value_names_itself() {
    let text = load_with("[grpc]\ndeadline = \"soon\"", &[]).unwrap_err().to_string();
    assert!(text.contains("soon"), "{text}");
    let text = load::<Config>(DEFAULTS, Some(Path::new("/nonexistent.toml")), []).unwrap_err().to_string();
    assert!(text.contains("/nonexistent.toml: cannot be read"), "{text}");
}
