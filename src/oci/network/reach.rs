//! From where an address is reachable, whatever its spelling.
//!
//! Source: the IANA special-purpose address registries (RFC 6890); RFC 6052 and RFC 8215 (NAT64),
//! RFC 3056 (6to4), RFC 4380 (Teredo); the metadata addresses that cloud providers document.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From where an address is reachable; the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// No registry can be there: link-local, metadata, unspecified, multicast, reserved.
    Special,
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// Everywhere.
    Public,
}

/// Names of clouds' services that hand out a machine's credentials.
const METADATA_NAMES: [&str; 5] = [
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "instance-data",
    "instance-data.ec2.internal",
];
/// The same by address, if it isn't link-local: Alibaba, Azure, Oracle; AWS, Google.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Whether a host's name is a metadata service's.
pub(super) fn is_metadata_name(host: &str) -> bool {
    METADATA_NAMES.contains(&host)
}

/// From where `address` is reachable; for an embedded address, the closer of both.
pub(super) fn reach_of(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => {
            let outer = reach_v6(v6);
            embedded(v6)
                .into_iter()
                .map(reach_v4)
                .fold(outer, Reach::min)
        }
    }
}

/// The other forms of an address: those embedded in it.
pub(super) fn spellings(address: IpAddr) -> Vec<IpAddr> {
    let mut all = vec![address];
    if let IpAddr::V6(v6) = address {
        all.extend(embedded(v6).into_iter().map(IpAddr::V4));
    }
    all
}

fn reach_v4(v4: Ipv4Addr) -> Reach {
    let [first, second, ..] = v4.octets();
    if METADATA_V4.contains(&v4) || matches!(first, 0 | 224..) || v4.is_link_local() {
        Reach::Special
    } else if v4.is_loopback() {
        Reach::Loopback
    } else if v4.is_private() || (first == 100 && second & 0xc0 == 64) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach_v6(v6: Ipv6Addr) -> Reach {
    let is_site_local = v6.segments()[0] & 0xffc0 == 0xfec0;
    if v6.is_loopback() {
        Reach::Loopback
    } else if METADATA_V6.contains(&v6)
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unicast_link_local()
    {
        Reach::Special
    } else if v6.is_unique_local() || is_site_local {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// The IPv4 addresses that a translator or tunnel may derive from an IPv6 address.
fn embedded(v6: Ipv6Addr) -> Vec<Ipv4Addr> {
    let parts = v6.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let last = pair(parts[6], parts[7]);
    match parts {
        // Mapped, translated (RFC 2765).
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..]
        // NAT64 with its well-known prefix.
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![last],
        // Compatible; `::` and `::1` mean themselves.
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) > (0, 1) => vec![last],
        // NAT64 for local use, with its possible lengths.
        [0x64, 0xff9b, 1, ..] => vec![last, pair(parts[3], (parts[4] << 8) | (parts[5] >> 8))],
        // 6to4.
        [0x2002, high, low, ..] => vec![pair(high, low)],
        // Teredo: the server, and the client with its bits inverted.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            vec![pair(high, low), pair(!client_high, !client_low)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_has_the_reach_of_what_it_means() {
        for (reach, addresses) in [
            (
                Reach::Special,
                "169.254.169.254 169.254.0.1 0.0.0.0 0.1.2.3 224.0.0.1 239.1.1.1 255.255.255.255 240.0.0.1 \
                 100.100.100.200 168.63.129.16 192.0.0.192 :: fe80::1 febf::1 ff02::1 fd00:ec2::254 fd20:ce::254 \
                 ::ffff:169.254.169.254 ::169.254.169.254 64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe 2002:a9fe:a9fe::1 \
                 2001:0:a9fe:a9fe:: 2001:0:102:304:0:0:5601:5601 ::ffff:0:169.254.169.254 ::ffff:0.0.0.0",
            ),
            (
                Reach::Loopback,
                "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::",
            ),
            (
                Reach::Private,
                "10.1.2.3 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 fd00::1 fc00::1 fec0::1 \
                 ::ffff:10.0.0.1 64:ff9b::c0a8:1",
            ),
            (
                Reach::Public,
                "1.1.1.1 172.32.0.1 100.128.0.1 203.0.113.7 2606:4700::1111 64:ff9b::101:101 ::ffff:8.8.8.8",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(reach_of(address.parse().unwrap()), reach, "{address}");
            }
        }
    }
}
