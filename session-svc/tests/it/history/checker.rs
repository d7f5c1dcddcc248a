//! Checks a recorded history: what clients were told against each other, against the events, and against what is stored.

use std::collections::{BTreeMap, HashMap};

use proto::event::v1::{Event, event::Data};
use session_svc::domain::{id::SessionId, session::RefreshMode};

use super::clients::{Call, Told};

/// A session as it is in the store at the end.
#[derive(Clone, Debug)]
pub struct Final {
    pub id: SessionId,
    pub sequence: u32,
    pub generation: u32,
    pub mode: RefreshMode,
    pub is_ended: bool,
}

/// Everything that is known of a history.
pub struct History {
    pub calls: Vec<Call>,
    pub events: Vec<Event>,
    pub finals: Vec<Final>,
}

impl History {
    /// Every violation of I1 to I4.
    pub fn violations(&self) -> Vec<String> {
        let mut events: BTreeMap<String, Vec<&Event>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.sequence > 0) {
            events.entry(event.aggregate_id.clone()).or_default().push(event);
        }
        let mut violations = self.resurrections();
        violations.extend(self.second_tokens());
        for known in &self.finals {
            let of_session = events.remove(&known.id.to_string()).unwrap_or_default();
            violations.extend(well_told(known, &of_session));
            violations.extend(self.untold(known.id, &of_session));
        }
        violations.extend(events.keys().map(|id| format!("I4: events of {id}, which does not exist")));
        violations
    }

    /// I1: whoever asked after the session was known to be over was not told that it lives.
    fn resurrections(&self) -> Vec<String> {
        let users: HashMap<SessionId, (usize, u64)> = self.calls.iter().filter_map(created).collect();
        let mut over: HashMap<SessionId, u64> = HashMap::new();
        let mut note = |id: SessionId, at: u64| {
            over.entry(id).and_modify(|first| *first = at.min(*first)).or_insert(at);
        };
        for call in &self.calls {
            match (&call.told, call.session) {
                (Told::Over | Told::Revoked, Some(id)) => note(id, call.answered),
                (Told::Cut { user }, _) => {
                    let covered = users.iter().filter(|(_, (of, created))| of == user && *created < call.began);
                    covered.for_each(|(id, _)| note(*id, call.answered));
                }
                _ => {}
            }
        }
        let is_alive = |told: &Told| matches!(told, Told::Alive | Told::Refreshed { .. });
        let asked_after = |call: &&Call| {
            let over = call.session.and_then(|id| over.get(&id));
            over.is_some_and(|over| call.began > *over)
        };
        let found = self.calls.iter().filter(|call| is_alive(&call.told)).filter(asked_after);
        found.map(|call| format!("I1: alive after its end: {call:?}")).collect()
    }

    /// I2: one generation has one token.
    fn second_tokens(&self) -> Vec<String> {
        let mut tokens: HashMap<(SessionId, u32), &str> = HashMap::new();
        let mut violations = Vec::new();
        for call in &self.calls {
            let (Told::Refreshed { generation, token, .. }, Some(id)) = (&call.told, call.session) else { continue };
            if *tokens.entry((id, *generation)).or_insert(token) != token {
                violations.push(format!("I2: two tokens of generation {generation}: {id}"));
            }
        }
        violations
    }

    /// I4: what was acknowledged was told.
    fn untold(&self, id: SessionId, events: &[&Event]) -> Vec<String> {
        let has = |kind: &str| events.iter().any(|event| event.r#type == kind);
        let generations: Vec<u32> = events.iter().filter_map(|event| generation(event)).collect();
        let is_told = |told: &Told| match told {
            Told::Created { .. } => has("session.created"),
            Told::Refreshed { generation, is_replay, .. } => *is_replay || generations.contains(generation),
            Told::Revoked => has("session.revoked"),
            _ => true,
        };
        let calls = self.calls.iter().filter(|call| call.session == Some(id) && !is_told(&call.told));
        calls.map(|call| format!("I4: no event of {call:?}")).collect()
    }
}

fn created(call: &Call) -> Option<(SessionId, (usize, u64))> {
    let Told::Created { user } = call.told else { return None };
    Some((call.session?, (user, call.answered)))
}

/// The generation that a refresh came to.
fn generation(event: &Event) -> Option<u32> {
    match event.data.as_ref()? {
        Data::SessionRefreshed(refreshed) => refreshed.session.as_ref().map(|session| session.generation),
        _ => None,
    }
}

/// I2, I3, I4: the events of a session are those that make it what it is.
fn well_told(known: &Final, events: &[&Event]) -> Vec<String> {
    let id = known.id;
    let types: Vec<&str> = events.iter().map(|event| event.r#type.as_str()).collect();
    let mut violations = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            violations.push(format!("{what}: {id}, {types:?}, stored {known:?}"));
        }
    };
    check(types.first() == Some(&"session.created"), "I3: begins with its creation");
    check(types.iter().filter(|name| **name == "session.created").count() == 1, "I3: one creation");
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    check(sequences == (1..=sequences.len() as u64).collect::<Vec<_>>(), "I3: numbered without gaps");
    let is_terminal = |name: &&str| matches!(*name, "session.revoked" | "session.expired");
    let ends = types.iter().filter(|name| is_terminal(name)).count();
    check(ends == usize::from(known.is_ended), "I3: one end, if it ended");
    check(ends == 0 || types.last().is_some_and(is_terminal), "I3: nothing after the end");
    check(u64::from(known.sequence) == events.len() as u64, "I4: as many events as changes");
    let generations: Vec<u32> = events.iter().filter_map(|event| generation(event)).collect();
    let steps: Vec<u32> = match known.mode {
        RefreshMode::Rotate => (2..).take(generations.len()).collect(),
        RefreshMode::Reusable => vec![1; generations.len()],
    };
    check(generations == steps, "I2: a generation advances by one");
    check(known.generation == steps.last().copied().unwrap_or(1), "I2: the generation that was told");
    violations
}
