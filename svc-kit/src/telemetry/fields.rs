//! Writes the fields of a span as a JSON object.
//!
//! Every call has a span, and its fields are written when it begins, because a log line may come of it; hardly ever does one. The
//! library makes a tree of values first, which is most of what a span costs. Here they go straight into the text.

use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, FormattedFields, format::Writer},
};

/// Fields as JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut object = Object { writer: &mut writer, opening: '{', result: Ok(()) };
        fields.record(&mut object);
        object.finish()
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &tracing::span::Record<'_>) -> fmt::Result {
        // Without the brace at the end it goes on; where there is nothing else it begins anew.
        current.fields.pop();
        let opening = if current.fields.len() > 1 { ',' } else { '{' };
        if opening == '{' {
            current.fields.clear();
        }
        let mut object = Object { writer: &mut current.fields, opening, result: Ok(()) };
        fields.record(&mut object);
        object.finish()
    }
}

/// An object that is being written.
struct Object<'w, W> {
    writer: &'w mut W,
    /// What comes before the next field.
    opening: char,
    result: fmt::Result,
}

impl<W: fmt::Write> Object<'_, W> {
    fn field(&mut self, name: &str, value: impl FnOnce(&mut W) -> fmt::Result) {
        if self.result.is_ok() {
            let opening = std::mem::replace(&mut self.opening, ',');
            self.result = self.writer.write_char(opening).and_then(|()| quoted(self.writer, name));
            self.result = self.result.and_then(|()| self.writer.write_char(':')).and_then(|()| value(self.writer));
        }
    }

    fn finish(self) -> fmt::Result {
        self.result?;
        // Without any field nothing was opened.
        self.writer.write_str(if self.opening == '{' { "{}" } else { "}" })
    }
}

impl<W: fmt::Write> Visit for Object<'_, W> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field.name(), |writer| quoted(writer, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field.name(), |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field.name(), |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), |writer| write!(writer, "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.field(field.name(), |writer| quoted(writer, &format!("{value:?}")));
    }
}

/// Writes a text as JSON.
fn quoted(writer: &mut impl fmt::Write, text: &str) -> fmt::Result {
    writer.write_char('"')?;
    let needs_care = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(needs_care) {
        writer.write_str(&rest[..at])?;
        match rest.as_bytes()[at] {
            byte @ (b'"' | b'\\') => write!(writer, "\\{}", char::from(byte))?,
            byte => write!(writer, "\\u{byte:04x}")?,
        }
        rest = &rest[at + 1..];
    }
    writer.write_str(rest)?;
    writer.write_char('"')
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The span of a line that is logged within `work`'s span.
    fn logged(work: impl FnOnce() -> tracing::Span) -> Value {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).fmt_fields(JsonFields);
        let layer = layer.with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            work().in_scope(|| tracing::info!("here"));
        });
        let line: Value = serde_json::from_slice(&lines.0.lock().unwrap()).unwrap();
        assert_eq!(line["message"], "here");
        line["span"].clone()
    }

    #[test]
    fn fields_are_what_they_were() {
        let text = "a \"quoted\" \\ line\nend\u{1} ä";
        let span = logged(|| tracing::info_span!("s", text, number = -3, count = 7u64, yes = true, what = ?Some(text)));
        let what = format!("{:?}", Some(text));
        assert_eq!(span, json!({"name": "s", "text": text, "number": -3, "count": 7, "yes": true, "what": what}));
        assert_eq!(logged(|| tracing::info_span!("s")), json!({"name": "s"}));
    }

    #[test]
    fn fields_may_come_later() {
        let span = logged(|| {
            let span = tracing::info_span!("s", one = 1, two = tracing::field::Empty);
            span.record("two", "2");
            span
        });
        assert_eq!(span, json!({"name": "s", "one": 1, "two": "2"}));
        let span = logged(|| {
            let span = tracing::info_span!("s", two = tracing::field::Empty);
            span.record("two", "2");
            span
        });
        assert_eq!(span, json!({"name": "s", "two": "2"}));
    }
}
