//! The README's tour, as printed: every block marked `<!-- tour -->` is run by a shell against the development stack, and
//! must answer what the README says it does.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::stack::Stack;

const README: &str = include_str!("../../../README.md");
const BLOCK_ENDS: &str = "-- end of block --";
const BLOCK_TAKES: Duration = Duration::from_secs(30);
/// How often a list is looked at again: "a moment later" may be two.
const LOOKS: usize = 200;

/// One block of commands, and what the README says that it answers.
struct Step {
    commands: String,
    answer: Vec<String>,
}

/// The blocks of the tour, each with the output block that follows it before the next one.
fn steps(readme: &str) -> Vec<Step> {
    let fenced = |text: &str, kind: &str| {
        let (_, rest) = text.split_once(&format!("```{kind}\n"))?;
        Some(rest.split_once("\n```")?.0.to_owned())
    };
    let step = |text: &str| {
        let commands = fenced(text, "sh").unwrap();
        let section = text.split("\n## ").next().unwrap();
        let answer = fenced(section, "text").unwrap_or_default();
        Step { commands, answer: answer.lines().map(str::to_owned).collect() }
    };
    readme.split("<!-- tour -->").skip(1).map(step).collect()
}

/// A line without what differs from run to run: ids, numbers, widths of columns.
fn shape(line: &str) -> String {
    let word = |word: &str| {
        let prefix = ["sess_", "user_", "ep_", "msg_", "evt_"].into_iter().find(|prefix| word.starts_with(prefix));
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        prefix.map_or_else(|| if is_number { "#".to_owned() } else { word.to_owned() }, str::to_owned)
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Says whether the expected lines are there, in their order; `…` stands for any lines.
fn answers(said: &[String], expected: &[String]) -> bool {
    let mut said = said.iter().map(|line| shape(line));
    expected.iter().filter(|line| line.trim() != "…").all(|line| said.any(|other| other == shape(line)))
}

/// A shell that stays for the whole tour.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    async fn start(environment: &[(&str, &str)]) -> Self {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_latchkey"));
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc"]).env("PATH", path).envs(environment.iter().copied());
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).process_group(0);
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut shell = Self { child, stdin, lines: BufReader::new(stdout).lines() };
        shell.write("exec 2>&1\n").await;
        shell
    }

    async fn write(&mut self, text: &str) {
        self.stdin.write_all(text.as_bytes()).await.unwrap();
    }

    /// Runs commands and returns the lines that came meanwhile. Any command that fails ends the tour.
    async fn run(&mut self, commands: &str) -> Vec<String> {
        self.write(&format!("{{\nset -e\n{commands}\nset +e\n}} </dev/null\nprintf '\\n%s\\n' '{BLOCK_ENDS}'\n")).await;
        let mut said = Vec::new();
        let reading = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line == BLOCK_ENDS {
                    return true;
                }
                said.push(line);
            }
            false
        };
        let has_ended = tokio::time::timeout(BLOCK_TAKES, reading).await;
        assert_eq!(has_ended, Ok(true), "{commands}\nended the tour after saying:\n{}", said.join("\n"));
        said
    }

    /// Ends the shell and what it started.
    fn end(&self) {
        let group = format!("-{}", self.child.id().unwrap());
        assert!(std::process::Command::new("kill").args(["-KILL", "--", &group]).status().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_works_as_printed() {
    let stack = Stack::start().await;
    let steps = steps(README);
    assert!(steps.len() >= 6 && steps.iter().filter(|step| !step.answer.is_empty()).count() >= 3);
    let port = svc_kit::testing::free_port();
    let here = |commands: &str| {
        let commands = commands.replace("http://localhost:9011", &stack.server.addresses.issuer);
        commands.replace("9050", &port.to_string())
    };
    let mut shell = Shell::start(&stack.environment(&[])).await;
    for step in &steps {
        let commands = here(&step.commands);
        let mut said = shell.run(&commands).await;
        // Looking again changes nothing.
        let is_look = commands.lines().count() == 1 && commands.ends_with(" list");
        let mut looks = if is_look { LOOKS } else { 0 };
        while !answers(&said, &step.answer) && looks > 0 {
            said = shell.run(&commands).await;
            looks -= 1;
        }
        let (expected, said_all) = (step.answer.join("\n"), said.join("\n"));
        assert!(answers(&said, &step.answer), "{commands}\n-- says:\n{said_all}\n-- the README says:\n{expected}");
    }
    shell.end();
}

#[test]
fn an_answer_is_compared_by_its_shape() {
    let said = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let actual = said("SESSION   STATE\nsess_aaa  active   12 s ago");
    assert!(answers(&actual, &said("SESSION STATE\nsess_bbb active 0 s ago")));
    assert!(answers(&actual, &said("…\nsess_bbb active 0 s ago")));
    assert!(!answers(&actual, &said("sess_bbb revoked 0 s ago")));
    assert!(!answers(&actual, &said("sess_bbb active 0 s ago\nSESSION STATE")));
}
