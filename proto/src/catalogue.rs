//! The types of events, as the contract has them: the alternatives of `latchkey.event.v1.Event.data`.

use std::sync::LazyLock;

use prost_reflect::MessageDescriptor;

use crate::{comment, descriptor::pool};

/// A type of events.
#[derive(Clone, Debug)]
pub struct EventType {
    /// Its dotted name, e.g. `session.revoked`.
    pub name: String,
    /// When such an event happens.
    pub description: String,
    /// What its `data` holds.
    pub data: MessageDescriptor,
}

static TYPES: LazyLock<Vec<EventType>> = LazyLock::new(|| {
    let event = pool().get_message_by_name("latchkey.event.v1.Event");
    let fields = event.iter().flat_map(|event| event.fields().collect::<Vec<_>>());
    let data = fields.filter(|field| field.containing_oneof().is_some());
    let mut types: Vec<EventType> = data.filter_map(|field| read(field.kind().as_message()?)).collect();
    types.sort_by(|one, other| one.name.cmp(&other.name));
    types
});

/// Returns every type, by name.
pub fn event_types() -> &'static [EventType] {
    &TYPES
}

/// Reads what the comment of `data` says: a name in backticks, a colon, and when it happens.
fn read(data: &MessageDescriptor) -> Option<EventType> {
    let comment = comment::of_message(data);
    let (name, description) = comment.strip_prefix('`')?.split_once("`: ")?;
    let (first, rest) = description.split_at_checked(1)?;
    let description = format!("{}{rest}", first.to_uppercase());
    Some(EventType { name: name.to_owned(), description, data: data.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alternative_is_a_type_whose_field_is_named_after_it() {
        let event = pool().get_message_by_name("latchkey.event.v1.Event").unwrap();
        let data = event.oneofs().next().unwrap();
        let mut fields: Vec<String> = data.fields().map(|field| field.name().to_owned()).collect();
        fields.sort();
        let mut names: Vec<String> = event_types().iter().map(|found| found.name.replace('.', "_")).collect();
        names.sort();
        assert_eq!(names, fields);
    }

    #[test]
    fn a_type_says_when_it_happens() {
        let expired = event_types().iter().find(|found| found.name == "session.expired").unwrap();
        assert_eq!(expired.description, "A session ended by time. The last event of the session.");
        assert_eq!(expired.data.name(), "SessionExpired");
    }
}
