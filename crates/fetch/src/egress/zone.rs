//! How near an address is, by the IANA registries of special-purpose addresses (RFC 6890 and what followed it).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How near an address is to this machine: each zone is nearer than the one before, and more is to be had there by
/// who may only ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// Anywhere.
    Public,
    /// A private network, or what is reserved and so is nobody's elsewhere.
    Private,
    /// This machine.
    Loopback,
    /// The local link, where cloud providers answer what only the machine itself should ask; also their services of
    /// that kind at other addresses.
    Link,
}

impl Zone {
    /// The zone of an address. One that carries an IPv4 address is where that one is.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

/// What it is an address of.
impl fmt::Display for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Public => "the internet",
            Self::Private => "a private network",
            Self::Loopback => "this machine",
            Self::Link => "the local link or a cloud's metadata service",
        })
    }
}

/// Metadata services that are not at link-local addresses: Alibaba, Azure, Oracle.
const METADATA: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];

/// The metadata service of Amazon.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn of_v4(address: Ipv4Addr) -> Zone {
    if METADATA.contains(&address) {
        return Zone::Link;
    }
    match address.octets() {
        // Connecting to "this network" is connecting to this machine.
        [0 | 127, ..] => Zone::Loopback,
        [169, 254, ..] | [224..=255, ..] => Zone::Link,
        [10, ..]
        | [100, 64..=127, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [198, 18..=19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Zone::Private,
        _ => Zone::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Zone {
    if address == METADATA_V6 {
        return Zone::Link;
    }
    let segments = address.segments();
    let v4 = |high: u16, low: u16| of_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Zone::Loopback,
        // Mapped, compatible, translated (RFC 2765) and NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => v4(high, low),
        // Teredo has it inverted.
        [0x2001, 0, .., high, low] => v4(!high, !low),
        [0xfe80..=0xfebf | 0xff00..=0xffff, ..] => Zone::Link,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff | 0x5f00, ..]
        | [0x64, 0xff9b, 1, ..]
        | [0x100, 0, 0, 0, ..]
        | [0x2001, 0xdb8, ..]
        | [0x3fff, 0..=0xfff, ..] => Zone::Private,
        _ => Zone::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_those_of_the_registries() {
        for (zone, addresses) in [
            (
                Zone::Public,
                "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.0.1 \
                 172.15.0.1 172.32.0.1 192.0.1.1 192.167.1.1 198.17.0.1 198.20.0.1 223.255.255.255 \
                 2606:4700::1111 ::ffff:1.1.1.1 64:ff9b::1.1.1.1 2002:0101:0101::1 2001:4860::1",
            ),
            (
                Zone::Private,
                "10.0.0.1 100.64.0.1 100.127.255.255 172.16.0.1 172.31.255.255 192.168.1.1 192.0.2.1 192.0.0.1 \
                 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.7 fc00::1 fd12:3456::1 fec0::1 2001:db8::1 \
                 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::8.8.8.8 2002:0a00:0001::1 \
                 2001:0:1:2:3:4:f5ff:fffe 100::1 3fff::1",
            ),
            (
                Zone::Loopback,
                "127.0.0.1 127.255.0.1 0.0.0.0 0.1.2.3 ::1 :: ::ffff:127.0.0.1 ::ffff:0:127.0.0.1 ::127.0.0.1",
            ),
            (
                Zone::Link,
                "169.254.169.254 169.254.0.1 224.0.0.1 255.255.255.255 240.0.0.1 100.100.100.200 168.63.129.16 \
                 192.0.0.192 fe80::1 febf::1 ff02::1 fd00:ec2::254 ::ffff:169.254.169.254 64:ff9b::169.254.169.254",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(Zone::of(address.parse().expect("an address")), zone, "{address}");
            }
        }
    }
}
