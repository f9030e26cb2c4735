//! The settings of the simulated expereoOne. Most of its API is undocumented, and so is an option.

use std::{collections::BTreeMap, net::SocketAddr};

use http::StatusCode;

use super::{new_client_id, new_secret};
use crate::{Clock, Login, simulator::ANY_PORT};

#[derive(Debug)]
pub struct Options {
    pub clock: Clock,
    pub listen: SocketAddr,
    pub login: Login,
    /// The scopes that the login may request at the token endpoint.
    pub login_scope: String,
    /// The token of a person with the permission "Developer Portal (API)", who may manage clients
    /// in any case.
    pub bearer_token: Option<String>,
    /// Undocumented: whether the login's own tokens may manage clients, too. Those of issued
    /// clients never may.
    pub manage_by_client_credentials: bool,
    /// One article leaves the version out.
    pub clients_path: String,
    /// From the spelling at creation to the token endpoint's.
    pub scopes: BTreeMap<String, String>,
    /// Undocumented; with a status, such as 404 or 405, there is no list.
    pub no_list: Option<StatusCode>,
    /// Undocumented; with a status there is no delete.
    pub no_delete: Option<StatusCode>,
    /// Undocumented; the article prints no status for success.
    pub created_status: StatusCode,
    /// Undocumented: how a wrong pair is refused. RFC 6749 lets a server choose.
    pub invalid_client_status: StatusCode,
    pub answers: Answers,
    pub paging: Paging,
}

/// The form of responses, all of it undocumented.
#[derive(Clone, Debug)]
pub struct Answers {
    pub client_id: String,
    /// The member with the number of a client, by which alone it is deleted; none: that is its
    /// client ID.
    pub id: Option<String>,
    pub client_secret: String,
    pub name: String,
    /// Nothing but the pair, without the name and the scopes that were asked for.
    pub pair_only: bool,
    /// The member that one client is wrapped in, and each one in a list.
    pub wrapper: Option<String>,
    /// The member that holds a list's clients; none: the list is a bare array.
    pub items: Option<String>,
}

/// The pages of a list. The documentation says that there are pages, and nothing else about them.
#[derive(Clone, Debug)]
pub struct Paging {
    pub page: String,
    pub page_size: String,
    /// The number of the first page. It is also the default.
    pub first: usize,
    /// The size of a page that nobody asked a size for, and the largest that can be asked for.
    pub largest: usize,
    /// `true` if a page has the total number of clients.
    pub total: bool,
    /// `true` if every page has clients that no other has, so that the list never ends.
    pub endless: bool,
}

impl Options {
    /// On any port, with a login of its own, and with all that is likely.
    pub fn new(clock: Clock) -> Self {
        let login = Login { client_id: new_client_id(), client_secret: new_secret() };
        let scopes = [
            ("BasicRead", "customerapi/basic.read"),
            ("SupportRead", "customerapi/support.read"),
            ("SupportReadWrite", "customerapi/support.read-write"),
            ("BillingRead", "customerapi/billing.read"),
        ];
        Self {
            clock,
            listen: ANY_PORT,
            login,
            login_scope: "customerapi/basic.read".to_owned(),
            bearer_token: None,
            manage_by_client_credentials: true,
            clients_path: "/v2/api-clients".to_owned(),
            scopes: scopes.map(|(created, asked)| (created.to_owned(), asked.to_owned())).into(),
            no_list: None,
            no_delete: None,
            created_status: StatusCode::CREATED,
            invalid_client_status: StatusCode::BAD_REQUEST,
            answers: Answers::default(),
            paging: Paging::default(),
        }
    }
}

impl Default for Answers {
    fn default() -> Self {
        let [client_id, client_secret, name] =
            ["clientId", "clientSecret", "apiClientName"].map(str::to_owned);
        let items = Some("items".into());
        Self { client_id, id: None, client_secret, name, pair_only: false, wrapper: None, items }
    }
}

impl Default for Paging {
    fn default() -> Self {
        Self {
            page: "page".into(),
            page_size: "pageSize".into(),
            first: 1,
            largest: 50,
            total: true,
            endless: false,
        }
    }
}
