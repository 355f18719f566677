//! A network as two numbers, for predictions and for the shaper.
//!
//! The presets are those under which two-party and three-party inference is usually compared, measured between
//! cloud instances by Huang, Lu, Hong and Ding, *Cheetah*, USENIX Security 2022: in one data centre 0.3 ms and 384 MB/s, between two of them
//! 40 ms and 44 MB/s.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Latency and bandwidth of every link between two parties.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkModel {
    /// Time for a byte to go to the other end and back.
    pub rtt: Duration,
    /// Bits per second in each direction of each link; none is no limit.
    pub bandwidth: Option<u64>,
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkModelError {
    /// A part is not `rtt=…` or `bw=…`.
    #[error("`{0}` is not a network: write lan, wan, or for example rtt=40ms,bw=352Mbit")]
    Part(String),
    /// The latency is missing or given twice, or the bandwidth is given twice.
    #[error("a network needs rtt= exactly once and bw= at most once")]
    Count,
    /// Not a time.
    #[error("`{0}` is not a time up to an hour: write a number with us, ms or s")]
    Time(String),
    /// Not a bandwidth.
    #[error(
        "`{0}` is not a bandwidth of 1 kbit to 1000 Gbit per second: write a number with kbit, Mbit or Gbit"
    )]
    Bandwidth(String),
}

impl NetworkModel {
    /// One data centre: 0.3 ms, 384 MB/s.
    pub const LAN: Self = Self { rtt: Duration::from_micros(300), bandwidth: Some(3_072_000_000) };
    /// Two data centres: 40 ms, 44 MB/s.
    pub const WAN: Self = Self { rtt: Duration::from_millis(40), bandwidth: Some(352_000_000) };

    /// The time that `rounds` one after the other take on this network if its busiest directed link carries `bytes` in all.
    ///
    /// A round costs half of the round-trip time, since all messages of a round travel at once. Computation is not included.
    pub fn predict(&self, rounds: u64, bytes: u64) -> Duration {
        self.rtt.mul_f64(rounds as f64 / 2.0) + self.serialize(bytes)
    }

    /// The time in which `bytes` pass a point of one directed link.
    pub fn serialize(&self, bytes: u64) -> Duration {
        self.bandwidth
            .map_or(Duration::ZERO, |bits| Duration::from_secs_f64(bytes as f64 * 8.0 / bits as f64))
    }
}

impl FromStr for NetworkModel {
    type Err = NetworkModelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "lan" => return Ok(Self::LAN),
            "wan" => return Ok(Self::WAN),
            _ => {}
        }
        let (mut rtt, mut bandwidth) = (None, None);
        for part in text.split(',') {
            let again = match part.trim().split_once('=') {
                Some(("rtt", time)) => rtt.replace(parse_time(time)?).is_some(),
                Some(("bw", bits)) => bandwidth.replace(parse_bandwidth(bits)?).is_some(),
                _ => return Err(NetworkModelError::Part(part.to_owned())),
            };
            if again {
                return Err(NetworkModelError::Count);
            }
        }
        Ok(Self { rtt: rtt.ok_or(NetworkModelError::Count)?, bandwidth })
    }
}

impl fmt::Display for NetworkModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rtt={}us", self.rtt.as_nanos() as f64 / 1e3)?;
        match self.bandwidth {
            Some(bits) => write!(f, ",bw={}kbit", bits as f64 / 1e3),
            None => Ok(()),
        }
    }
}

fn parse_time(text: &str) -> Result<Duration, NetworkModelError> {
    quantity(text, &[("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)])
        .filter(|seconds| (0.0..=3600.0).contains(seconds))
        .map(|seconds| Duration::from_nanos((seconds * 1e9).round() as u64))
        .ok_or_else(|| NetworkModelError::Time(text.to_owned()))
}

fn parse_bandwidth(text: &str) -> Result<u64, NetworkModelError> {
    let bits = text.trim().trim_end_matches("/s");
    quantity(bits, &[("kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9)])
        .filter(|bits| (1e3..=1e12).contains(bits))
        .map(|bits| bits.round() as u64)
        .ok_or_else(|| NetworkModelError::Bandwidth(text.to_owned()))
}

/// A number followed by one of the units (the first that fits).
fn quantity(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let (number, scale) = units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    number.trim().parse::<f64>().ok().map(|number| number * scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn presets_and_units() {
        assert_eq!("lan".parse(), Ok(NetworkModel::LAN));
        assert_eq!("wan".parse(), Ok(NetworkModel::WAN));
        assert_eq!("rtt=40ms,bw=352Mbit".parse(), Ok(NetworkModel::WAN));
        assert_eq!("bw=3.072Gbit/s, rtt=300us".parse(), Ok(NetworkModel::LAN));
        assert_eq!("rtt=0s".parse(), Ok(NetworkModel { rtt: Duration::ZERO, bandwidth: None }));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let fails = |text: &str| text.parse::<NetworkModel>().expect_err(text).to_string();
        assert!(fails("metro").starts_with("`metro` is not a network"));
        assert!(fails("").contains("is not a network"));
        assert!(fails("rtt=40").contains("`40` is not a time"));
        assert!(fails("rtt=-1ms").contains("is not a time"));
        assert!(fails("rtt=nans").contains("is not a time"));
        assert!(fails("rtt=1e300s").contains("is not a time"));
        assert!(fails("rtt=1ms,bw=0Mbit").contains("is not a bandwidth"));
        assert!(fails("rtt=1ms,bw=infGbit").contains("is not a bandwidth"));
        assert!(fails("bw=1Mbit").contains("exactly once"));
        assert!(fails("rtt=1ms,rtt=1ms").contains("exactly once"));
    }

    #[test]
    fn a_prediction_is_latency_plus_volume() {
        let network: NetworkModel = "rtt=10ms,bw=8Mbit".parse().expect("a network");
        assert_eq!(network.predict(100, 1_000_000), Duration::from_millis(1500));
        assert_eq!(network.predict(0, 0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(nanos in 0..3_600_000_000_000u64, bits in prop::option::of(1_000..1_000_000_000_000u64)) {
            let model = NetworkModel { rtt: Duration::from_nanos(nanos), bandwidth: bits };
            prop_assert_eq!(model.to_string().parse::<NetworkModel>(), Ok(model));
        }

        #[test]
        fn any_text_is_a_network_or_an_error(text in "(rtt=|bw=|,|[0-9.e-]|ms|Mbit|\\PC){0,12}") {
            let _ = text.parse::<NetworkModel>();
        }
    }
}
