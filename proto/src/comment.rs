//! The comments of the contract, as text.

use prost_reflect::{EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor};

/// Returns the comment of a message.
pub fn of_message(message: &MessageDescriptor) -> String {
    of(&message.parent_file(), message.path())
}

/// Returns the comment of a field.
pub fn of_field(field: &FieldDescriptor) -> String {
    of(&field.parent_message().parent_file(), field.path())
}

/// Returns the comment of a value of an enum.
pub fn of_enum_value(value: &EnumValueDescriptor) -> String {
    of(&value.parent_enum().parent_file(), value.path())
}

/// The lines above the element at `path`, joined into one; empty when there are none.
fn of(file: &FileDescriptor, path: &[i32]) -> String {
    let locations = file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location);
    let mut comments = locations.filter(|location| location.path == path).filter_map(|location| {
        let text = location.leading_comments.as_deref()?;
        Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
    });
    comments.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::pool;

    #[test]
    fn comments_are_found_and_joined() {
        let event = pool().get_message_by_name("latchkey.event.v1.EndpointPinged").unwrap();
        let text = of_message(&event);
        assert_eq!(text, "`endpoint.pinged`: a test event, asked for by `PingEndpoint`; goes to that endpoint only.");
        assert_eq!(of_field(&event.get_field_by_name("endpoint_id").unwrap()), "Endpoint.");
    }

    #[test]
    fn every_message_field_and_value_of_the_contract_has_a_comment() {
        let mut without = Vec::new();
        let ours = |name: &str| name.starts_with("latchkey.");
        let messages = pool().all_messages().filter(|message| ours(message.full_name()) && !message.is_map_entry());
        for message in messages {
            without.extend(of_message(&message).is_empty().then(|| message.full_name().to_owned()));
            let fields = message.fields().filter(|field| field.containing_oneof().is_none());
            without.extend(fields.filter(|field| of_field(field).is_empty()).map(|field| field.full_name().to_owned()));
        }
        let values =
            pool().all_enums().filter(|of| ours(of.full_name())).flat_map(|of| of.values().collect::<Vec<_>>());
        let named = values.filter(|value| value.number() != 0 && of_enum_value(value).is_empty());
        without.extend(named.map(|value| value.full_name().to_owned()));
        assert!(without.is_empty(), "{without:#?}");
    }
}
