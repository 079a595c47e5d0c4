//! The cluster's service addresses and node ports: who has which.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// The service network, 10.96.0.0/12, as kubeadm sets it up; .1 is the API server's own.
const SERVICE_NETWORK: u32 = u32::from_be_bytes([10, 96, 0, 0]);
const SERVICE_ADDRESSES: u32 = 1 << 20;
/// Addresses are given out from here, so that the first ones stay free for explicit requests.
const SERVICE_DYNAMIC_FROM: u32 = 256;
/// Node ports: Kubernetes' default range.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;

/// What is in use.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    used: Mutex<Used>,
    pods: AtomicU32,
}

#[derive(Debug, Default)]
struct Used {
    addresses: BTreeSet<u32>,
    ports: BTreeSet<u16>,
}

impl Addresses {
    fn used(&self) -> std::sync::MutexGuard<'_, Used> {
        self.used.lock().expect("no holder of this lock panics")
    }

    /// Takes a free address, starting to look at a random place; `None` when the network is full.
    pub(crate) fn take_any_address(&self, random: u64) -> Option<String> {
        let mut used = self.used();
        let span = u64::from(SERVICE_ADDRESSES - SERVICE_DYNAMIC_FROM - 1);
        let start = u32::try_from(random % span).unwrap_or(0);
        (0..SERVICE_ADDRESSES - SERVICE_DYNAMIC_FROM - 1)
            .map(|step| {
                let offset = (u64::from(start) + u64::from(step)) % span;
                SERVICE_NETWORK + SERVICE_DYNAMIC_FROM + u32::try_from(offset).unwrap_or(0)
            })
            .find(|address| used.addresses.insert(*address))
            .map(|address| Ipv4Addr::from(address).to_string())
    }

    /// Takes a certain address; false when it is taken.
    pub(crate) fn take_address(&self, address: Ipv4Addr) -> bool {
        self.used().addresses.insert(u32::from(address))
    }

    /// True when the address belongs to the service network.
    pub(crate) fn is_service_address(address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(SERVICE_NETWORK);
        offset > 0 && offset < SERVICE_ADDRESSES - 1
    }

    /// The next pod address of 10.244.0.0/14; they come round again after a quarter of a million.
    pub(crate) fn take_pod_address(&self) -> String {
        let next = self.pods.fetch_add(1, Ordering::Relaxed) % ((1 << 18) - 512) + 256;
        Ipv4Addr::from(u32::from_be_bytes([10, 244, 0, 0]) + next).to_string()
    }

    /// Gives an address back.
    pub(crate) fn give_address(&self, address: &str) {
        if let Ok(address) = address.parse::<Ipv4Addr>() {
            self.used().addresses.remove(&u32::from(address));
        }
    }

    /// Takes a free node port.
    pub(crate) fn take_any_port(&self, random: u64) -> Option<u16> {
        let mut used = self.used();
        let span = NODE_PORTS.end() - NODE_PORTS.start() + 1;
        let start = u16::try_from(random % u64::from(span)).unwrap_or(0);
        (0..span).map(|step| NODE_PORTS.start() + (start + step) % span).find(|port| used.ports.insert(*port))
    }

    /// Takes a certain node port; false when it is taken.
    pub(crate) fn take_port(&self, port: u16) -> bool {
        self.used().ports.insert(port)
    }

    /// True when the port lies in the range of node ports.
    pub(crate) fn is_node_port(port: i64) -> bool {
        u16::try_from(port).is_ok_and(|port| NODE_PORTS.contains(&port))
    }

    /// Gives a node port back.
    pub(crate) fn give_port(&self, port: i64) {
        if let Ok(port) = u16::try_from(port) {
            self.used().ports.remove(&port);
        }
    }
}
