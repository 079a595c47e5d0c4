//! How long answers take: a log-normal distribution, given by its median and its 99th percentile.

use std::time::Duration;

/// The standard normal distribution's 99th percentile.
const Z99: f64 = 2.326_347_874;

/// A distribution of answer times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Latency {
    /// Half of the answers take at most this many seconds.
    pub(crate) median_s: f64,
    /// All but one in a hundred take at most this many seconds.
    pub(crate) p99_s: f64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { median_s: 0.02, p99_s: 0.08 }
    }
}

impl Latency {
    /// The distribution with these two points.
    pub(crate) fn of(median: Duration, p99: Duration) -> Self {
        let median_s = median.as_secs_f64().max(1e-6);
        Self { median_s, p99_s: p99.as_secs_f64().max(median_s) }
    }

    fn sigma(self) -> f64 {
        (self.p99_s / self.median_s).ln() / Z99
    }

    /// The share of answers that take at most so many seconds.
    pub(crate) fn within(self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return 0.0;
        }
        let sigma = self.sigma();
        if sigma < 1e-9 || seconds.is_infinite() {
            return f64::from(u8::from(seconds >= self.median_s));
        }
        let z = (seconds / self.median_s).ln() / sigma;
        0.5 * (1.0 + error_function(z / std::f64::consts::SQRT_2))
    }

    /// The mean, in seconds.
    pub(crate) fn mean_s(self) -> f64 {
        self.median_s * (self.sigma().powi(2) / 2.0).exp()
    }
}

/// An approximation of the error function, good to seven digits. Source: Abramowitz and Stegun 7.1.26.
fn error_function(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let polynomial =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let y = 1.0 - polynomial * (-x * x).exp();
    if x < 0.0 { -y } else { y }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_given_points_lie_on_the_distribution() {
        let latency = Latency::of(Duration::from_millis(100), Duration::from_secs(2));
        assert!((latency.within(0.1) - 0.5).abs() < 1e-6);
        assert!((latency.within(2.0) - 0.99).abs() < 1e-6);
        assert!(latency.within(0.001) < 0.01 && latency.within(60.0) > 0.999);
        assert!(latency.mean_s() > 0.1 && latency.mean_s() < 1.0);
        let fixed = Latency::of(Duration::from_millis(80), Duration::from_millis(80));
        assert_eq!((fixed.within(0.079), fixed.within(0.08), fixed.mean_s()), (0.0, 1.0, 0.08));
    }
}
