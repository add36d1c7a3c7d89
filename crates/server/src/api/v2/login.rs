//! How people log in, which they ask before anybody knows them.

use axum::Json;
use killick_fetch::oidc::Use;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::permission::{Guarded, WayIn};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(ways))
}

/// How programs that people log in with come by a token. A user name and a password are taken besides.
#[utoipa::path(get, path = "/v2/login", tag = "Service", security(()), responses((status = 200, body = LoginWays)))]
async fn ways(WayIn(provider): WayIn) -> Json<LoginWays> {
    Json(LoginWays {
        oidc: provider.map(|(issuer, client)| OidcLogin {
            issuer,
            client_id: client.id,
            scopes: client.scopes,
            token: match client.shown {
                Use::IdToken => TokenUse::IdToken,
                Use::AccessToken => TokenUse::AccessToken,
            },
        }),
    })
}

#[derive(Debug, Serialize, ToSchema)]
struct LoginWays {
    /// At a provider of `OpenID` Connect; none if the server has none, or no client there.
    oidc: Option<OidcLogin>,
}

#[derive(Debug, Serialize, ToSchema)]
struct OidcLogin {
    /// Where the provider is, and who it says it is.
    issuer: String,
    /// The public client that a program is there.
    client_id: String,
    /// What it asks for.
    scopes: Vec<String>,
    token: TokenUse,
}

/// Which token of the provider is sent as `Bearer`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TokenUse {
    IdToken,
    AccessToken,
}
