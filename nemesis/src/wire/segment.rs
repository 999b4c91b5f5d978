//! What a packet carries: where the application's bytes are, its checksums, and the resets that answer a TCP segment.
//!
//! Layouts: IPv4 (RFC 791), TCP (RFC 9293), UDP (RFC 768); the checksum and its repair after a change (RFC 1624, equation
//! 3). A reset is believed when its sequence number is just the next one expected (RFC 9293, 3.10.7): towards the
//! receiver that is the number of the segment itself, towards the sender the number that the segment acknowledges.

use std::ops::Range;

const TCP: u8 = 6;
const UDP: u8 = 17;
const IP_LENGTH: usize = 20;
const TCP_LENGTH: usize = 20;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// The transport part of an IPv4 packet that is no fragment.
#[derive(Clone, Copy)]
struct Transport<'a> {
    protocol: u8,
    start: usize,
    bytes: &'a [u8],
}

impl<'a> Transport<'a> {
    fn of(packet: &'a [u8]) -> Option<Self> {
        if packet.len() < IP_LENGTH || packet[0] >> 4 != 4 {
            return None;
        }
        // More fragments, or not the first.
        if read_u16(packet, 6) & 0x3fff != 0 {
            return None;
        }
        let start = super::frame::payload(packet);
        let end = usize::from(read_u16(packet, 2)).min(packet.len());
        let bytes = packet.get(start..end)?;
        Some(Transport { protocol: packet[9], start, bytes })
    }

    /// Length of its header and place of its checksum in it.
    fn header(&self) -> Option<(usize, usize)> {
        match self.protocol {
            TCP if self.bytes.len() >= TCP_LENGTH => {
                let length = usize::from(self.bytes[12] >> 4) * 4;
                (TCP_LENGTH..=self.bytes.len()).contains(&length).then_some((length, 16))
            }
            UDP if self.bytes.len() >= 8 => Some((8, 6)),
            _ => None,
        }
    }
}

/// Where in an IPv4 packet the bytes of the application are; none when it carries none, or they cannot be told.
pub(super) fn application(packet: &[u8]) -> Option<Range<usize>> {
    let transport = Transport::of(packet)?;
    let (header, _) = transport.header()?;
    let range = transport.start + header..transport.start + transport.bytes.len();
    (!range.is_empty()).then_some(range)
}

/// Flips a bit of the application's bytes (see [`application`]) and makes the checksum right again.
pub(super) fn flip_unnoticed(packet: &mut [u8], byte: usize, mask: u8) {
    let Some(transport) = Transport::of(packet) else { return };
    let (start, Some((_, checksum_at))) = (transport.start, transport.header()) else { return };
    let (protocol, end) = (transport.protocol, transport.start + transport.bytes.len());
    let checksum_at = start + checksum_at;
    let old = read_u16(packet, checksum_at);
    let word = |packet: &[u8]| {
        let even = byte - (byte - start) % 2;
        u16::from_be_bytes([packet[even], if even + 1 < end { packet[even + 1] } else { 0 }])
    };
    let before = word(packet);
    packet[byte] ^= mask;
    let after = word(packet);
    // A datagram may have none.
    if protocol == UDP && old == 0 {
        return;
    }
    let sum = fold(u32::from(!old) + u32::from(!before) + u32::from(after));
    let repaired = match (protocol, !sum) {
        // Zero would say that there is none.
        (UDP, 0) => 0xffff,
        (_, repaired) => repaired,
    };
    packet[checksum_at..checksum_at + 2].copy_from_slice(&repaired.to_be_bytes());
}

/// Whether this is a TCP reset.
pub(super) fn is_reset(packet: &[u8]) -> bool {
    let tcp = Transport::of(packet).filter(|transport| transport.protocol == TCP && transport.header().is_some());
    tcp.is_some_and(|transport| transport.bytes[13] & RST != 0)
}

/// What a rejected TCP segment is answered with.
pub(super) struct Resets {
    pub(super) to_sender: Vec<u8>,
    /// None for the first segment of a connection, of which the receiver has not heard.
    pub(super) to_receiver: Option<Vec<u8>>,
}

/// The resets for both ends of the connection that this packet belongs to; none when it is not TCP. Resets are not to
/// be answered.
pub(super) fn resets(packet: &[u8]) -> Option<Resets> {
    let transport = Transport::of(packet).filter(|transport| transport.protocol == TCP)?;
    let (header, _) = transport.header()?;
    let segment = transport.bytes;
    let flags = segment[13];
    let (sequence, acknowledged) = (read_u32(segment, 4), read_u32(segment, 8));
    let length = (segment.len() - header) as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
    let from: [u8; 4] = packet[12..16].try_into().ok()?;
    let to: [u8; 4] = packet[16..20].try_into().ok()?;
    let (from_port, to_port) = (read_u16(segment, 0), read_u16(segment, 2));
    let back = match flags & ACK {
        0 => Reset { sequence: 0, acknowledged: Some(sequence.wrapping_add(length)) },
        _ => Reset { sequence: acknowledged, acknowledged: None },
    };
    let to_sender = back.packet((to, to_port), (from, from_port));
    let there = Reset { sequence, acknowledged: (flags & ACK != 0).then_some(acknowledged) };
    let to_receiver = (flags & (SYN | ACK) != SYN).then(|| there.packet((from, from_port), (to, to_port)));
    Some(Resets { to_sender, to_receiver })
}

struct Reset {
    sequence: u32,
    acknowledged: Option<u32>,
}

impl Reset {
    fn packet(&self, (from, from_port): ([u8; 4], u16), (to, to_port): ([u8; 4], u16)) -> Vec<u8> {
        let mut packet = vec![0; IP_LENGTH + TCP_LENGTH];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&((IP_LENGTH + TCP_LENGTH) as u16).to_be_bytes());
        // Don't fragment; 64 hops.
        packet[6] = 0x40;
        packet[8..10].copy_from_slice(&[64, TCP]);
        packet[12..16].copy_from_slice(&from);
        packet[16..20].copy_from_slice(&to);
        let checksum = !fold(sum(&packet[..IP_LENGTH]));
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        let segment = &mut packet[IP_LENGTH..];
        segment[0..2].copy_from_slice(&from_port.to_be_bytes());
        segment[2..4].copy_from_slice(&to_port.to_be_bytes());
        segment[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        segment[8..12].copy_from_slice(&self.acknowledged.unwrap_or(0).to_be_bytes());
        segment[12] = (TCP_LENGTH as u8 / 4) << 4;
        segment[13] = if self.acknowledged.is_some() { RST | ACK } else { RST };
        let checksum = !fold(sum(segment) + sum(&from) + sum(&to) + u32::from(TCP) + TCP_LENGTH as u32);
        segment[16..18].copy_from_slice(&checksum.to_be_bytes());
        packet
    }
}

/// The sum of 16-bit words, the last one filled with a zero.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]))).sum()
}

/// Adds the carries in, as one's complement arithmetic wants it.
fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn read_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet with a right checksum.
    fn packet(protocol: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let header = if protocol == TCP { TCP_LENGTH } else { 8 };
        let mut transport = vec![0; header];
        transport[..4].copy_from_slice(&[0x1f, 0x90, 0xc0, 0x01]);
        if protocol == TCP {
            transport[4..12].copy_from_slice(&[0, 0, 3, 0xe8, 0, 0, 7, 0xd0]);
            transport[12] = 5 << 4;
            transport[13] = flags;
        } else {
            transport[4..6].copy_from_slice(&((header + payload.len()) as u16).to_be_bytes());
        }
        transport.extend_from_slice(payload);
        let mut packet = vec![0; IP_LENGTH];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&((IP_LENGTH + transport.len()) as u16).to_be_bytes());
        packet[9] = protocol;
        packet[12..20].copy_from_slice(&[10, 77, 0, 1, 10, 77, 0, 2]);
        packet.extend_from_slice(&transport);
        let checksum = !transport_sum(&packet);
        let at = IP_LENGTH + if protocol == TCP { 16 } else { 6 };
        packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
        packet
    }

    /// 0xffff when the checksum is right.
    fn transport_sum(packet: &[u8]) -> u16 {
        let transport = &packet[IP_LENGTH..];
        fold(sum(transport) + sum(&packet[12..20]) + u32::from(packet[9]) + transport.len() as u32)
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_not_noticed(tcp in any::<bool>(), payload in prop::collection::vec(any::<u8>(), 1..64), bit in any::<prop::sample::Index>()) {
            let before = packet(if tcp { TCP } else { UDP }, ACK, &payload);
            prop_assume!(transport_sum(&before) == 0xffff);
            let range = application(&before).expect("it has a payload");
            let bit = bit.index(range.len() * 8);
            let mut after = before.clone();
            flip_unnoticed(&mut after, range.start + bit / 8, 1 << (bit % 8));
            prop_assert_eq!(transport_sum(&after), 0xffff);
            let flipped: u32 = range.map(|at| (before[at] ^ after[at]).count_ones()).sum();
            prop_assert_eq!(flipped, 1);
        }

        #[test]
        fn no_packet_is_too_odd(mut bytes in prop::collection::vec(any::<u8>(), 0..80), first in 0x40..0x50u8) {
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            let _ = resets(&bytes);
            if let Some(range) = application(&bytes) {
                prop_assert!(range.end <= bytes.len());
                let last = range.end - 1;
                flip_unnoticed(&mut bytes, last, 1);
            }
        }
    }

    #[test]
    fn what_carries_nothing_for_an_application_has_no_bytes_of_it() {
        assert_eq!(application(&packet(TCP, ACK, b"")), None);
        assert_eq!(application(&packet(1, 0, b"ping")), None);
        let mut fragment = packet(UDP, 0, b"half");
        fragment[6] = 0x20;
        assert_eq!(application(&fragment), None);
    }

    #[test]
    fn both_ends_get_a_reset_that_they_believe() {
        let Some(Resets { to_sender, to_receiver: Some(to_receiver) }) = resets(&packet(TCP, ACK, b"hello")) else {
            panic!("no resets");
        };
        for reset in [&to_sender, &to_receiver] {
            assert_eq!(transport_sum(reset), 0xffff);
            assert_eq!(fold(sum(&reset[..IP_LENGTH])), 0xffff);
        }
        assert_eq!((&to_sender[12..16], &to_sender[16..20]), (&[10, 77, 0, 2][..], &[10, 77, 0, 1][..]));
        assert_eq!((read_u32(&to_sender, 24), to_sender[33]), (2000, RST));
        assert_eq!((read_u32(&to_receiver, 24), to_receiver[33]), (1000, RST | ACK));
    }

    #[test]
    fn a_first_segment_is_refused_and_only_tcp_is_answered() {
        let refused = resets(&packet(TCP, SYN, b"")).expect("a reset");
        assert!(refused.to_receiver.is_none());
        assert_eq!((read_u32(&refused.to_sender, 28), refused.to_sender[33]), (1001, RST | ACK));
        assert!(is_reset(&packet(TCP, RST, b"")) && !is_reset(&packet(TCP, SYN, b"")));
        assert!(resets(&packet(UDP, 0, b"x")).is_none());
    }
}
