//! Everything that is written. Data goes to stdout, as tables for people or as one JSON document; talk goes to stderr.

mod table;
pub mod text;

use std::io::{self, Write};

use prost::Name;
use serde_json::Value;
use svc_kit::clock::{Clock, SystemClock, Timestamp};

use crate::failure::Failure;

/// Title of a column and how its cells are made; the moment is the present one.
pub type Column<M> = (&'static str, fn(&M, Timestamp) -> String);

/// Where a command writes.
pub struct Output {
    data: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
    is_json: bool,
    clock: Box<dyn Clock>,
}

impl Output {
    /// Writes to stdout and stderr of the process.
    pub fn of_process(is_json: bool) -> Self {
        Self { data: Box::new(io::stdout()), talk: Box::new(io::stderr()), is_json, clock: Box::new(SystemClock) }
    }

    /// Says whether JSON was asked for.
    pub fn is_json(&self) -> bool {
        self.is_json
    }

    /// Returns the present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Writes a list: a table with one line an item, or a JSON array.
    ///
    /// # Errors
    /// Fails when stdout does.
    pub fn list<M: Name>(&mut self, items: &[M], columns: &[Column<M>]) -> Result<(), Failure> {
        if self.is_json {
            let values = items.iter().map(to_json).collect::<Result<Vec<_>, _>>()?;
            return self.json(&Value::Array(values));
        }
        if items.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let rows = items.iter().map(|item| columns.iter().map(|(_, text)| text(item, now)).collect());
        let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
        self.line(&table::lines(&titles, rows))
    }

    /// Writes one message: a line for each field that has a value, or a JSON object.
    ///
    /// # Errors
    /// Fails when stdout does.
    pub fn one<M: Name>(&mut self, item: &M, fields: &[Column<M>]) -> Result<(), Failure> {
        if self.is_json {
            return self.json(&to_json(item)?);
        }
        let now = self.now();
        let rows: Vec<_> = fields.iter().map(|(name, text)| (*name, text(item, now))).collect();
        self.line(&table::fields(&rows))
    }

    /// Writes that something is done: `text`, or the answer as JSON.
    ///
    /// # Errors
    /// Fails when stdout does.
    pub fn done<M: Name>(&mut self, answer: &M, text: &str) -> Result<(), Failure> {
        if self.is_json { self.json(&to_json(answer)?) } else { self.line(text) }
    }

    /// Writes a JSON document.
    ///
    /// # Errors
    /// Fails when stdout does.
    pub fn json(&mut self, value: &Value) -> Result<(), Failure> {
        self.line(&format!("{value:#}"))
    }

    /// Writes a line (or several) of data.
    ///
    /// # Errors
    /// Fails when stdout does.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        writeln!(self.data, "{text}").and_then(|()| self.data.flush()).map_err(cannot_write)
    }

    /// Tells the person at the terminal something that is not data.
    pub fn note(&mut self, text: &str) {
        // There is nobody left to tell when stderr is closed.
        let _ = writeln!(self.talk, "{text}");
    }

    /// Tells why the command failed.
    pub fn complain(&mut self, failure: &Failure) {
        if failure.cause != CLOSED {
            self.note(&format!("latchkey: {failure}"));
        }
    }
}

/// The cause when the reader of stdout went away (`latchkey … | head`); no reason to complain.
const CLOSED: &str = "stdout is closed";

fn cannot_write(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new("write the answer", CLOSED, crate::failure::Exit::Done),
        _ => Failure::fault("write the answer", error),
    }
}

/// Returns the JSON form of a message.
///
/// # Errors
/// Fails when the message is not part of the contract.
pub fn to_json<M: Name>(message: &M) -> Result<Value, Failure> {
    proto::json::to_value(message).map_err(|error| Failure::fault("write the answer as JSON", error))
}
