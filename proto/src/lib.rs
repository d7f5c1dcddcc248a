//! The wire contract of Latchkey: generated messages, clients and servers, and the descriptor set they came from.
//!
//! The `.proto` files beside this crate are the documentation of every message, field and RPC. Nothing here is written
//! by hand except the access to descriptors ([`descriptor`], [`comment`]), the JSON form of messages ([`json`], [`schema`])
//! and the types of events ([`catalogue`]).

pub mod catalogue;
pub mod comment;
pub mod descriptor;
pub mod json;
pub mod schema;

macro_rules! package {
    ($area:ident, $package:literal) => {
        #[doc = concat!("Package `", $package, "`.")]
        pub mod $area {
            #[doc = "Version 1."]
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
    };
}

package!(access, "latchkey.access.v1");
package!(auth, "latchkey.auth.v1");
package!(event, "latchkey.event.v1");
package!(session, "latchkey.session.v1");
package!(webhook, "latchkey.webhook.v1");
