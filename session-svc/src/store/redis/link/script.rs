//! Scripts by their hash; a server that does not know one yet is sent its text once.

use redis::{Cmd, ToRedisArgs};

/// A script.
pub(in crate::store::redis) struct Script {
    text: String,
    hash: String,
}

impl Script {
    pub(in crate::store::redis) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Begins a call.
    pub(in crate::store::redis) fn prepare_invoke(&self) -> Invocation<'_> {
        Invocation { script: self, keys: Vec::new(), arguments: Vec::new() }
    }
}

/// A call of a script.
pub(in crate::store::redis) struct Invocation<'s> {
    script: &'s Script,
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
}

impl Invocation<'_> {
    /// Adds a key. All keys of a call are in one slot.
    pub(in crate::store::redis) fn key(&mut self, key: impl ToRedisArgs) -> &mut Self {
        key.write_redis_args(&mut self.keys);
        self
    }

    /// Adds an argument.
    pub(in crate::store::redis) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    pub(super) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    /// The call with the text, which the server keeps.
    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", &self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let length: usize = self.keys.iter().chain(&self.arguments).map(Vec::len).sum();
        let mut command = Cmd::with_capacity(3 + self.keys.len() + self.arguments.len(), length + script.len() + 16);
        command.arg(name).arg(script).arg(self.keys.len()).arg(&self.keys[..]).arg(&self.arguments[..]);
        command
    }
}
