//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;

use crate::config::Network;

/// The address of the client, if the request came over a network.
///
/// Behind reverse proxies it is the last address of `X-Forwarded-For` that is not one of theirs. Others may write into
/// that header what they like, and are not asked.
pub(super) fn address(parts: &Parts, proxies: &[Network]) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(*address));
    let mut client = peer.ip();
    let headers = parts.headers.get_all("x-forwarded-for").iter().rev();
    let mut steps = headers.filter_map(|value| value.to_str().ok()).flat_map(|value| value.rsplit(','));
    while is_proxy(&client) {
        let Some(before) = steps.next().and_then(read) else { break };
        client = before;
    }
    Some(client)
}

/// An address as proxies write it, some with a port.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn only_proxies_are_believed() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        for (peer, forwarded, want) in [
            ("192.0.2.1:1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1:1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1:1", &["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1:1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1:1", &["6.6.6.6", "203.0.113.9 ,10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1:1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("[fd00::1]:1", &["[2001:db8::9]:4711"], "2001:db8::9"),
            ("[fd00::1]:1", &["[2001:db8::9]"], "2001:db8::9"),
            ("[::ffff:10.0.0.1]:1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1:1", &["203.0.113.9, unknown"], "10.0.0.1"),
            ("10.0.0.1:1", &[""], "10.0.0.1"),
            ("10.0.0.1:1", &[], "10.0.0.1"),
            ("10.0.0.1:1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ] {
            let mut request = Request::builder();
            for value in forwarded {
                request = request.header("x-forwarded-for", *value);
            }
            let mut parts = request.body(()).unwrap().into_parts().0;
            parts.extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
            assert_eq!(address(&parts, &proxies).unwrap().to_string(), want, "{peer} {forwarded:?}");
        }
        assert_eq!(address(&Request::new(()).into_parts().0, &proxies), None);
    }
}
