//! Keys of relying parties, and what they sign with them. Nothing real is protected by these.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// A P-256 key.
#[derive(Clone, Copy)]
pub struct Key {
    pem: &'static str,
    x: &'static str,
    y: &'static str,
}

/// The key that the seed knows of application `keyed`.
pub const KEYED: Key = Key {
    pem: "-----BEGIN PRIVATE KEY-----\n\
          MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjqNW9e3TLK24yPc5\n\
          2InTtscU9Izom1ug/9eCTuMjozehRANCAASnx0Wmv77Yij92mQDJX+Xq6pWh4svU\n\
          /9mlHFHo4RATw1RrzsIQPI7fvRivUPmFnhjV8vtDqJ856QgBvHRmSu5j\n\
          -----END PRIVATE KEY-----\n",
    x: "p8dFpr--2Io_dpkAyV_l6uqVoeLL1P_ZpRxR6OEQE8M",
    y: "VGvOwhA8jt-9GK9Q-YWeGNXy-0OonznpCAG8dGZK7mM",
};
/// A key that nobody knows.
pub const STRANGE: Key = Key {
    pem: "-----BEGIN PRIVATE KEY-----\n\
          MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCm8T2PNL+3GUcOG8\n\
          xcPJTCVIK+So33y/VmugsLTmMwqhRANCAAQhT/9U8lynSyWciVVcw9lneLT+sMhZ\n\
          NF7ekjo5lqAx1m7TYjr5gY0G3/J3U3wdVAFyfh9xOp0pbuI99I+p6FK4\n\
          -----END PRIVATE KEY-----\n",
    x: "IU__VPJcp0slnIlVXMPZZ3i0_rDIWTRe3pI6OZagMdY",
    y: "btNiOvmBjQbf8ndTfB1UAXJ-H3E6nSlu4j30j6noUrg",
};

impl Key {
    /// Its public half.
    pub fn jwk(&self) -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y })
    }

    /// Its private half, as a relying party is told it.
    pub fn pem(&self) -> &'static str {
        self.pem
    }

    /// The name of the key (RFC 7638).
    pub fn thumbprint(&self) -> String {
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x, self.y);
        super::encoded_bytes(&svc_kit::secret::sha256(members.as_bytes()))
    }

    /// Signs a proof of possession.
    pub fn prove(&self, claims: &Value) -> String {
        self.sign(&json!({ "typ": "dpop+jwt", "jwk": self.jwk() }), claims)
    }

    /// Signs claims; `header` is added to the header.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let mut full = json!({ "alg": "ES256", "typ": "JWT" });
        full.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
        let key = EncodingKey::from_ec_pem(self.pem.as_bytes()).unwrap();
        let start = format!("{}.{}", super::encoded(&full), super::encoded(claims));
        let signed = jsonwebtoken::crypto::sign(start.as_bytes(), &key, Algorithm::ES256).unwrap();
        format!("{start}.{signed}")
    }
}
