//! The authorization code grant of a program at a terminal: with a proof key (RFC 7636), and an answer that comes to this
//! machine (RFC 8252).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{Client, OidcError, Provider, Tokens, refused, unusable};

/// The one method there is that hides the key.
const METHOD: &str = "S256";

/// A question that a browser carries to the provider.
#[derive(Debug)]
pub struct Authorization {
    /// Where it is sent.
    pub url: Url,
    redirect_uri: String,
    verifier: SecretString,
    state: SecretString,
    nonce: SecretString,
}

impl Authorization {
    /// Whether what comes back is an answer to this question.
    pub fn is_answered_by(&self, answer: &[(String, String)]) -> bool {
        let mut states = answer.iter().filter(|(name, _)| name == "state");
        states.next().is_some_and(|(_, state)| state == self.state.expose_secret()) && states.next().is_none()
    }
}

impl Provider {
    /// Asks for a code, whose answer comes to an address of this machine.
    pub fn authorization(&self, client: &Client, redirect_uri: &str) -> Result<Authorization, OidcError> {
        let endpoint = self.configuration.authorization_endpoint.as_deref();
        let mut url = self.page(endpoint.ok_or(OidcError::Missing { what: "authorization endpoint" })?)?;
        let methods = self.configuration.code_challenge_methods_supported.as_ref();
        if methods.is_some_and(|methods| !methods.iter().any(|method| method == METHOD)) {
            return Err(OidcError::Missing { what: "proof keys (PKCE with S256)" });
        }
        let (verifier, state, nonce) = (random()?, random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret()));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &client.scopes.join(" "))
            .append_pair("state", state.expose_secret())
            .append_pair("nonce", nonce.expose_secret())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", METHOD);
        Ok(Authorization { url, redirect_uri: redirect_uri.to_owned(), verifier, state, nonce })
    }

    /// The tokens for the code that came back.
    pub async fn redeemed(
        &self,
        client: &Client,
        authorization: &Authorization,
        answer: &[(String, String)],
    ) -> Result<Tokens, OidcError> {
        if !authorization.is_answered_by(answer) {
            return Err(unusable("it answers another question"));
        }
        let value = |name: &str| answer.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        // RFC 9207, section 2.4: who answers is who was asked.
        let is_announced = self.configuration.authorization_response_iss_parameter_supported;
        if value("iss").map_or(is_announced, |issuer| issuer != self.issuer) {
            return Err(unusable("it is not said to come from the provider"));
        }
        if let Some(code) = value("error") {
            return Err(refused(code, value("error_description")));
        }
        let form = [
            ("grant_type", "authorization_code"),
            ("code", value("code").ok_or(unusable("there is no code in it"))?),
            ("redirect_uri", &authorization.redirect_uri),
            ("client_id", &client.id),
            ("code_verifier", authorization.verifier.expose_secret()),
        ];
        self.tokens(&form, client, Some(authorization.nonce.expose_secret())).await
    }
}

/// What nobody can guess: 256 bits.
fn random() -> Result<SecretString, OidcError> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| OidcError::Random)?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}
