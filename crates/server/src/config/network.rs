//! Networks as settings name them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address or a network in CIDR notation (RFC 4632): `10.0.0.0/8`, `fd00::/8`, `192.0.2.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

/// A text that names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: expected an address, or one with the length of its prefix as in `10.0.0.0/8`")]
pub struct NoNetwork(String);

impl Network {
    /// Whether the address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u32::from(own) ^ u32::from(other)).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (u128::from(own) ^ u128::from(other)).leading_zeros(),
            _ => return false,
        };
        differing >= self.prefix
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let none = || NoNetwork(text.to_owned());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| none())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), str::parse).map_err(|_| none())?;
        if prefix > longest { Err(none()) } else { Ok(Self { address, prefix }) }
    }
}

impl TryFrom<String> for Network {
    type Error = NoNetwork;

    fn try_from(text: String) -> Result<Self, NoNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1 ::ffff:10.1.2.3", "11.0.0.1 ::1"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.0"),
            ("0.0.0.0/0", "192.0.2.1 255.255.255.255", "::1"),
            ("fd00::/8", "fd12::1", "fe80::1 10.0.0.1"),
            ("::/0", "::1 ffff::", "10.0.0.1"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.127"),
        ] {
            let read: Network = network.parse().unwrap();
            for (want, addresses) in [(true, inside), (false, outside)] {
                for address in addresses.split_whitespace() {
                    assert_eq!(read.contains(address.parse().unwrap()), want, "{network} {address}");
                }
            }
            assert_eq!(read.to_string().parse(), Ok(read));
        }
        for text in ["", "10.0.0.0/33", "10.0.0.0/x", "fd00::/129", "host/8", "10.0.0.0/-1", "10.0.0.0/8/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
