//! Every key of layout 3. All keys of a shard carry its hash tag, so that one script may touch them together.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `s2:{hhhh}:<id>` | string | created revision (12) ‖ sequence (4) ‖ next look (6) ‖ protobuf record; TTL only as a backstop |
//! | `u1:{hhhh}:<tenant>.<user>` | zset | session id → created ms |
//! | `t2:{hhhh}:<tenant>` | zset | [pages](super::pages) of created ms and session id → number that they begin with |
//! | `n1:{hhhh}` | hash | `<tenant>` and `<tenant>.<application>` → sessions whose end is not recorded |
//! | `b1:{hhhh}:<tenant>.<user>` | string | sessions born under a limit; 24 h after the last one |
//! | `x2:{hhhh}` | zset | pages of the next ms to look and session id → number that they begin with |
//! | `e1:{hhhh}` | hash | scope → revision (12) ‖ protobuf cutoff |
//! | `v1:{hhhh}` | string | version: marks of the last change of `e1`, and, × 2³², of the last policy announced |
//! | `d1:{hhhh}` | set | scopes whose clean-up is not finished |
//! | `o1:{hhhh}` | stream | outbox |
//! | `l1:{hhhh}` | string | lease of the shard's chores |
//! | `y1:{hhhh}` | hash | policy scopes whose sessions' deadlines are to be looked through → version of the policy |
//! | `w1:{hhhh}` | string | nothing; written to see whether copies have what was written before |
//! | `i1:{hhhh}:<key>` | string | answer for an idempotency key |
//! | `p1:{policies}` | hash | policy scope → version (8) ‖ protobuf policy |
//! | `q1:{policies}` | zset | policy scope → version |
//! | `r1:{policies}` | hash | policy scopes that may not be announced to every shard → version |
//! | `layout` | string | layout and number of shards, checked at boot |

use crate::domain::id::{Owner, SessionId, Shard, TenantId};

/// Makes keys, all under one prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Keys under `prefix`, which may be empty.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    fn key(&self, family: &str, shard: Shard) -> String {
        format!("{}{family}:{{{:04x}}}", self.prefix, shard.0)
    }

    /// A session's record.
    pub fn session(&self, id: SessionId) -> Vec<u8> {
        // The id in binary: half the bytes of the text, in every key.
        [self.key("s2", id.shard()).as_bytes(), b":", &id.to_bytes()].concat()
    }

    /// The sessions of an owner.
    pub fn owner(&self, shard: Shard, owner: &Owner) -> String {
        format!("{}:{owner}", self.key("u1", shard))
    }

    /// The sessions of a tenant in a shard.
    pub fn tenant(&self, shard: Shard, tenant: &TenantId) -> String {
        format!("{}:{tenant}", self.key("t2", shard))
    }

    /// How many sessions of an owner were born under a limit.
    pub fn births(&self, shard: Shard, owner: Option<&Owner>) -> String {
        let owner = owner.map(ToString::to_string).unwrap_or_default();
        format!("{}:{owner}", self.key("b1", shard))
    }

    /// How many sessions live.
    pub fn live(&self, shard: Shard) -> String {
        self.key("n1", shard)
    }

    /// When to look at which session.
    pub fn looks(&self, shard: Shard) -> String {
        self.key("x2", shard)
    }

    /// The cutoffs.
    pub fn cutoffs(&self, shard: Shard) -> String {
        self.key("e1", shard)
    }

    /// The version of the cutoffs.
    pub fn version(&self, shard: Shard) -> String {
        self.key("v1", shard)
    }

    /// The scopes to clean up.
    pub fn unfinished(&self, shard: Shard) -> String {
        self.key("d1", shard)
    }

    /// The outbox.
    pub fn outbox(&self, shard: Shard) -> String {
        self.key("o1", shard)
    }

    /// The lease.
    pub fn lease(&self, shard: Shard) -> String {
        self.key("l1", shard)
    }

    /// What is written to see what copies have.
    pub fn assured(&self, shard: Shard) -> String {
        self.key("w1", shard)
    }

    /// The answer for an idempotency key.
    pub fn answer(&self, shard: Shard, key: &str) -> String {
        format!("{}:{key}", self.key("i1", shard))
    }

    /// The policies whose sessions' deadlines are to be looked through.
    pub fn unsettled(&self, shard: Shard) -> String {
        self.key("y1", shard)
    }

    /// The policies.
    pub fn policies(&self) -> String {
        format!("{}p1:{{policies}}", self.prefix)
    }

    /// The policies in the order of their last change.
    pub fn policy_versions(&self) -> String {
        format!("{}q1:{{policies}}", self.prefix)
    }

    /// The policies that may not be announced to every shard.
    pub fn unannounced(&self) -> String {
        format!("{}r1:{{policies}}", self.prefix)
    }

    /// What the store was made with.
    pub fn layout(&self) -> String {
        format!("{}layout", self.prefix)
    }
}
