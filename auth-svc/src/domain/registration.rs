//! What an application says of itself when it registers itself (RFC 7591 §2, OpenID Connect Registration 1.0 §2).

use serde_json::{Map, Value, json};

use super::{
    application::{Application, Client, SecretHash, is_redirect_uri},
    device::DEVICE_GRANT,
    keys::SigningAlgorithm,
    settings::{KeysProblem, LogoutTarget},
};

/// Longest name, in bytes, and most addresses of one kind.
const NAME_BYTES_MAX: usize = 128;
const URIS_MAX: usize = 32;

/// Why an application cannot register itself: error code and description (RFC 7591 §3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unregistrable(pub &'static str, pub &'static str);

const fn metadata(description: &'static str) -> Unregistrable {
    Unregistrable("invalid_client_metadata", description)
}

/// What is wrong with the keys.
fn keys((member, _): KeysProblem) -> Unregistrable {
    metadata(match member {
        "jwks" => "jwks must be a set of 1 to 16 public keys; private_key_jwt needs it, or jwks_uri",
        _ => "jwks_uri must be an https address (http on the own machine), and not be given beside jwks",
    })
}

/// Metadata that was read; what we do not know was left out (RFC 7591 §2).
#[derive(Clone, Debug)]
pub struct Metadata<'a>(&'a Map<String, Value>);

impl<'a> Metadata<'a> {
    /// Takes the members of a request.
    pub fn of(members: &'a Map<String, Value>) -> Self {
        Self(members)
    }

    /// How the application will authenticate itself; the secret is a stand-in for the one that is made for it.
    ///
    /// # Errors
    /// [`Unregistrable`].
    pub fn client(&self) -> Result<Client, Unregistrable> {
        match self.text("token_endpoint_auth_method")?.unwrap_or("client_secret_basic") {
            "client_secret_basic" | "client_secret_post" => Ok(Client::Confidential(SecretHash::of(""))),
            "private_key_jwt" => Ok(Client::PrivateKey),
            "none" => Ok(Client::Public),
            _ => Err(metadata("token_endpoint_auth_method is not supported")),
        }
    }

    /// `application` as the metadata have it. Whoever registers itself is a stranger: its users are asked.
    ///
    /// # Errors
    /// [`Unregistrable`].
    pub fn applied_to(&self, mut application: Application) -> Result<Application, Unregistrable> {
        let grants = self.grants()?;
        application.name = self.text("client_name")?.unwrap_or(&application.id).to_owned();
        if application.name.len() > NAME_BYTES_MAX || application.name.contains(char::is_control) {
            return Err(metadata("client_name must be at most 128 bytes, without control characters"));
        }
        application.redirect_uris = self.addresses("redirect_uris", &application.client)?;
        if application.redirect_uris.is_empty() && grants.contains(&"authorization_code") {
            return Err(Unregistrable("invalid_redirect_uri", "redirect_uris is missing"));
        }
        application.post_logout_redirect_uris = self.addresses("post_logout_redirect_uris", &application.client)?;
        let settings = &mut application.settings;
        settings.jwks = self.0.get("jwks").filter(|set| !set.is_null()).map(Value::to_string).unwrap_or_default();
        settings.jwks_uri = self.text("jwks_uri")?.unwrap_or_default().to_owned();
        if let Some(problem) = settings.keys_problem(application.client == Client::PrivateKey) {
            return Err(keys(problem));
        }
        settings.requires_consent = true;
        settings.allows_devices = grants.contains(&DEVICE_GRANT);
        settings.frontchannel_logout = self.target("frontchannel_logout")?;
        if !settings.frontchannel_logout.is_of_one_of(&application.redirect_uris) {
            return Err(metadata("frontchannel_logout_uri must be of the origin of a redirect address"));
        }
        settings.backchannel_logout = self.target("backchannel_logout")?;
        settings.requires_pushed_requests = self.flag("require_pushed_authorization_requests")?;
        settings.requires_dpop = self.flag("dpop_bound_access_tokens")?;
        settings.signing_algorithm = self.algorithm("id_token_signed_response_alg")?.unwrap_or_default();
        let of_userinfo = self.algorithm("userinfo_signed_response_alg")?;
        if of_userinfo.is_some_and(|algorithm| algorithm != settings.signing_algorithm) {
            return Err(metadata("userinfo_signed_response_alg must be id_token_signed_response_alg"));
        }
        settings.signs_userinfo = of_userinfo.is_some();
        self.check_the_only_values()?;
        Ok(application)
    }

    fn text(&self, name: &str) -> Result<Option<&'a str>, Unregistrable> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(metadata("a member that must be a text is none")),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, Unregistrable> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(metadata("a member that must be true or false is neither")),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<&'a str>, Unregistrable> {
        let malformed = metadata("a member that must be a list of texts is none");
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(texts)) => texts.iter().map(|text| text.as_str().ok_or(malformed)).collect(),
            Some(_) => Err(malformed),
        }
    }

    fn addresses(&self, name: &str, client: &Client) -> Result<Vec<String>, Unregistrable> {
        let addresses = self.texts(name)?;
        let is_good = |address: &str| client.may_be_answered_at(address) && !address.contains(char::is_control);
        if addresses.len() > URIS_MAX || !addresses.iter().all(|address| is_good(address)) {
            let rule = "addresses must be https (http on the own machine, or a public application's own scheme), without \
                        fragment or wildcard, at most 32";
            return Err(Unregistrable("invalid_redirect_uri", rule));
        }
        Ok(addresses.into_iter().map(str::to_owned).collect())
    }

    fn grants(&self) -> Result<Vec<&'a str>, Unregistrable> {
        let grants = self.texts("grant_types")?;
        let is_known = |grant: &&str| ["authorization_code", "refresh_token", DEVICE_GRANT].contains(grant);
        if !grants.iter().all(is_known) {
            return Err(metadata("a grant type is not supported, or not for applications that register themselves"));
        }
        Ok(if grants.is_empty() { vec!["authorization_code"] } else { grants })
    }

    fn target(&self, name: &str) -> Result<LogoutTarget, Unregistrable> {
        let session_required = self.flag(&format!("{name}_session_required"))?;
        match self.text(&format!("{name}_uri"))? {
            None => Ok(LogoutTarget::default()),
            Some(uri) if is_redirect_uri(uri) => Ok(LogoutTarget { uri: uri.to_owned(), session_required }),
            Some(_) => Err(metadata("an address for logouts must be https (http on the own machine)")),
        }
    }

    fn algorithm(&self, name: &str) -> Result<Option<SigningAlgorithm>, Unregistrable> {
        let unknown = metadata("a signing algorithm is not supported");
        self.text(name)?.map(|text| SigningAlgorithm::parse(text).ok_or(unknown)).transpose()
    }

    fn check_the_only_values(&self) -> Result<(), Unregistrable> {
        if !self.texts("response_types")?.iter().all(|kind| *kind == "code") {
            return Err(metadata("only the response type code is supported"));
        }
        match self.text("subject_type")? {
            None | Some("public") => Ok(()),
            Some(_) => Err(metadata("only the subject type public is supported")),
        }
    }
}

/// What is registered, in the words of the metadata.
pub fn describe(application: &Application) -> Map<String, Value> {
    let settings = &application.settings;
    let method = match application.client {
        Client::Public => "none",
        Client::Confidential(_) => "client_secret_basic",
        Client::PrivateKey => "private_key_jwt",
    };
    let devices = settings.allows_devices.then_some(DEVICE_GRANT);
    let code = (!application.redirect_uris.is_empty()).then_some("authorization_code");
    let grants: Vec<&str> = code.into_iter().chain(["refresh_token"]).chain(devices).collect();
    let described = json!({
        "client_id": application.id,
        "client_name": application.name,
        "redirect_uris": application.redirect_uris,
        "post_logout_redirect_uris": application.post_logout_redirect_uris,
        "token_endpoint_auth_method": method,
        "grant_types": grants,
        "response_types": ["code"],
        "subject_type": "public",
        "id_token_signed_response_alg": settings.signing_algorithm.name(),
        "require_pushed_authorization_requests": settings.requires_pushed_requests,
        "dpop_bound_access_tokens": settings.requires_dpop,
    });
    let mut members = described.as_object().cloned().unwrap_or_default();
    for (name, target) in
        [("frontchannel_logout", &settings.frontchannel_logout), ("backchannel_logout", &settings.backchannel_logout)]
    {
        if !target.uri.is_empty() {
            members.insert(format!("{name}_uri"), target.uri.clone().into());
            members.insert(format!("{name}_session_required"), target.session_required.into());
        }
    }
    if settings.signs_userinfo {
        members.insert("userinfo_signed_response_alg".to_owned(), settings.signing_algorithm.name().into());
    }
    if let Ok(jwks) = serde_json::from_str(&settings.jwks) {
        members.insert("jwks".to_owned(), jwks);
    }
    if !settings.jwks_uri.is_empty() {
        members.insert("jwks_uri".to_owned(), settings.jwks_uri.clone().into());
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(members: Value) -> Result<Application, Unregistrable> {
        let members = members.as_object().unwrap().clone();
        let metadata = Metadata::of(&members);
        metadata.applied_to(Application::new("app", "default", metadata.client()?))
    }

    #[test]
    fn least_that_can_be_said_is_a_confidential_application_that_asks() {
        let made = registered(json!({ "redirect_uris": ["https://a.example/cb"], "unknown": [1] })).unwrap();
        assert!(matches!(made.client, Client::Confidential(_)) && made.settings.requires_consent);
        assert_eq!((made.name.as_str(), made.service_scopes.len()), ("app", 0));
        let described = describe(&made);
        assert_eq!(described["token_endpoint_auth_method"], "client_secret_basic");
        assert_eq!(described["grant_types"], json!(["authorization_code", "refresh_token"]));
    }

    #[test]
    fn what_is_described_registers_the_same_again() {
        let members = json!({
            "client_name": "A", "redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": "private_key_jwt",
            "jwks": { "keys": [{ "kty": "EC", "crv": "P-256", "x": "x", "y": "y" }] },
            "grant_types": ["authorization_code", "refresh_token", DEVICE_GRANT],
            "post_logout_redirect_uris": ["https://a.example/"], "backchannel_logout_uri": "https://a.example/bcl",
            "backchannel_logout_session_required": true, "userinfo_signed_response_alg": "ES256",
            "id_token_signed_response_alg": "ES256",
            "require_pushed_authorization_requests": true, "dpop_bound_access_tokens": true
        });
        let made = registered(members).unwrap();
        assert_eq!(registered(Value::Object(describe(&made))).unwrap(), made);
    }

    #[test]
    fn keys_may_be_published_instead() {
        let members = json!({
            "redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": "https://a.example/jwks"
        });
        let made = registered(members).unwrap();
        assert_eq!((made.settings.jwks.as_str(), &describe(&made)["jwks_uri"]), ("", &"https://a.example/jwks".into()));
        assert_eq!(registered(Value::Object(describe(&made))).unwrap(), made);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let good = json!({ "redirect_uris": ["https://a.example/cb"] });
        for (changes, error) in [
            (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
            (json!({ "redirect_uris": ["http://a.example/"] }), "invalid_redirect_uri"),
            (json!({ "redirect_uris": ["https://a.example/#x"] }), "invalid_redirect_uri"),
            (json!({ "redirect_uris": "https://a.example/" }), "invalid_client_metadata"),
            (json!({ "redirect_uris": vec!["https://a.example/"; 33] }), "invalid_redirect_uri"),
            (json!({ "client_name": 7 }), "invalid_client_metadata"),
            (json!({ "client_name": "x".repeat(129) }), "invalid_client_metadata"),
            (json!({ "grant_types": ["client_credentials"] }), "invalid_client_metadata"),
            (json!({ "grant_types": ["password"] }), "invalid_client_metadata"),
            (json!({ "response_types": ["token"] }), "invalid_client_metadata"),
            (json!({ "subject_type": "pairwise" }), "invalid_client_metadata"),
            (json!({ "jwks_uri": "http://a.example/jwks" }), "invalid_client_metadata"),
            (json!({ "jwks_uri": "https://a.example/", "jwks": { "keys": [] } }), "invalid_client_metadata"),
            (json!({ "jwks": { "keys": [{ "kty": "oct", "k": "x" }] } }), "invalid_client_metadata"),
            (json!({ "token_endpoint_auth_method": "private_key_jwt" }), "invalid_client_metadata"),
            (json!({ "token_endpoint_auth_method": "client_secret_jwt" }), "invalid_client_metadata"),
            (json!({ "id_token_signed_response_alg": "none" }), "invalid_client_metadata"),
            (json!({ "userinfo_signed_response_alg": "ES256" }), "invalid_client_metadata"),
            (json!({ "backchannel_logout_uri": "ftp://a.example/" }), "invalid_client_metadata"),
            (json!({ "frontchannel_logout_uri": "https://b.example/out" }), "invalid_client_metadata"),
            (json!({ "redirect_uris": ["com.example.app:/cb"] }), "invalid_redirect_uri"),
            (json!({ "dpop_bound_access_tokens": "yes" }), "invalid_client_metadata"),
        ] {
            let mut members = good.clone();
            members.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            assert_eq!(registered(members).unwrap_err().0, error, "{changes}");
        }
    }
}
