//! What needs no server: help, completion, wrong command lines, nobody there.

use crate::program::run;

/// A port on which nothing listens.
const NOBODY: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn every_command_has_help() {
    for command in [
        "",
        "sessions",
        "sessions list",
        "sessions revoke",
        "policies put",
        "endpoints create",
        "events tail",
        "receive",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let ran = run(&arguments, &[]).await;
        assert!(ran.text().contains("Usage: latchkey"), "{ran:?}");
    }
    assert!(run(&["--help"], &[]).await.text().contains("Exit codes:"));
}

#[tokio::test]
async fn completion_is_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(run(&["completion", shell], &[]).await.text().contains("sessions"), "{shell}");
    }
    assert_eq!(run(&["completion", "tcsh"], &[]).await.code, 2);
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_2_and_says_why() {
    let cases: [(&[&str], &str); 7] = [
        (&[], "Usage"),
        (&["sesions"], "sessions"),
        (&["sessions", "list"], "--user"),
        (&["sessions", "list", "--user", "u", "--created-after", "yesterday"], "how long ago"),
        (&["sessions", "revoke", "sess_x", "--dry-run"], "--user"),
        (&["sessions", "list", "--user", "u", "--session-url", "https://x"], "http://"),
        (&["endpoints", "update", "ep_x"], "nothing to change"),
    ];
    for (arguments, expected) in cases {
        let ran = run(arguments, &[]).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(expected) && ran.stdout.is_empty(), "{ran:?}");
    }
}

#[tokio::test]
async fn nobody_there_ends_with_3_and_says_what_to_do() {
    let cases: [(&[&str], &str, &str); 3] = [
        (&["sessions", "get", "sess_x"], "LATCHKEY_SESSION_URL", "session-svc"),
        (&["sessions", "validate", "lkr_x", "--json"], "LATCHKEY_SESSION_URL", "session-svc"),
        (&["endpoints", "list"], "LATCHKEY_WEBHOOK_URL", "webhook-svc"),
    ];
    for (arguments, variable, service) in cases {
        let ran = run(arguments, &[(variable, NOBODY)]).await;
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.stdout.is_empty(), "{ran:?}");
        for expected in [service, NOBODY, "make dev"] {
            assert!(ran.stderr.contains(expected), "{ran:?}");
        }
    }
}
