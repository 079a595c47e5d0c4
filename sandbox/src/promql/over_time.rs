//! Functions of the samples in a window.

use super::Sample;
use super::aggregate::{quantile, variance};

/// What a function of one range vector makes of a series' window; `None` when it has no answer.
#[expect(clippy::cast_precision_loss, reason = "times and counts of samples are small")]
pub(super) fn over_time(name: &str, samples: &[Sample], from: i64, to: i64) -> Option<f64> {
    let values = || samples.iter().map(|(_, value)| *value);
    let last = samples.last()?.1;
    let count = samples.len() as f64;
    Some(match name {
        "rate" => extrapolated(samples, from, to, true, true)?,
        "increase" => extrapolated(samples, from, to, true, false)?,
        "delta" => extrapolated(samples, from, to, false, false)?,
        "irate" | "idelta" => {
            let [.., (before_at, before), (at, value)] = samples else { return None };
            if name == "idelta" {
                value - before
            } else {
                let step = if value < before { *value } else { value - before };
                step / ((at - before_at) as f64 / 1000.0)
            }
        }
        "deriv" => regression(samples, samples.first()?.0)?.0,
        "changes" => samples
            .windows(2)
            .filter(|pair| pair[0].1 != pair[1].1 && !(pair[0].1.is_nan() && pair[1].1.is_nan()))
            .count() as f64,
        "resets" => samples.windows(2).filter(|pair| pair[1].1 < pair[0].1).count() as f64,
        "avg_over_time" => values().sum::<f64>() / count,
        "sum_over_time" => values().sum(),
        "min_over_time" => values().fold(f64::INFINITY, f64::min),
        "max_over_time" => values().fold(f64::NEG_INFINITY, f64::max),
        "count_over_time" => count,
        "last_over_time" => last,
        "first_over_time" => samples.first()?.1,
        "present_over_time" => 1.0,
        "stddev_over_time" => variance(&values().collect::<Vec<_>>()).sqrt(),
        "stdvar_over_time" => variance(&values().collect::<Vec<_>>()),
        "mad_over_time" => {
            let median = quantile(0.5, values().collect());
            quantile(0.5, values().map(|value| (value - median).abs()).collect())
        }
        _ => return None,
    })
}

/// True when [`over_time`] knows the function.
pub(super) fn is_known(name: &str) -> bool {
    matches!(
        name,
        "rate"
            | "increase"
            | "delta"
            | "irate"
            | "idelta"
            | "deriv"
            | "changes"
            | "resets"
            | "avg_over_time"
            | "sum_over_time"
            | "min_over_time"
            | "max_over_time"
            | "count_over_time"
            | "last_over_time"
            | "first_over_time"
            | "present_over_time"
            | "stddev_over_time"
            | "stdvar_over_time"
            | "mad_over_time"
    )
}

/// The growth over the whole window, guessed from the samples in it. Source: Prometheus' `extrapolatedRate`.
#[expect(clippy::cast_precision_loss, reason = "times and counts of samples are small")]
fn extrapolated(samples: &[Sample], from: i64, to: i64, is_counter: bool, per_second: bool) -> Option<f64> {
    let ([(first_at, first), .., (last_at, last)], count) = (samples, samples.len()) else { return None };
    let mut growth = last - first;
    if is_counter {
        growth += samples.windows(2).filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[0].1).sum::<f64>();
    }
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let sampled = seconds(last_at - first_at);
    let between = sampled / (count - 1) as f64;
    let (mut to_start, mut to_end) = (seconds(first_at - from), seconds(to - last_at));
    let threshold = between * 1.1;
    if to_start >= threshold {
        to_start = between / 2.0;
    }
    if is_counter && growth > 0.0 && *first >= 0.0 {
        // A counter cannot have been below zero.
        to_start = to_start.min(sampled * (first / growth));
    }
    if to_end >= threshold {
        to_end = between / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if per_second {
        factor /= seconds(to - from);
    }
    Some(growth * factor)
}

/// Slope per second and value at `origin`, by least squares.
#[expect(clippy::cast_precision_loss, reason = "times and counts of samples are small")]
pub(super) fn regression(samples: &[Sample], origin: i64) -> Option<(f64, f64)> {
    if samples.len() < 2 {
        return None;
    }
    let count = samples.len() as f64;
    let (mut sum_x, mut sum_y, mut sum_xy, mut sum_xx) = (0.0, 0.0, 0.0, 0.0);
    for (at, y) in samples {
        let x = (at - origin) as f64 / 1000.0;
        sum_x += x;
        sum_y += y;
        sum_xy += x * y;
        sum_xx += x * x;
    }
    let covariance = sum_xy - sum_x * sum_y / count;
    let variance = sum_xx - sum_x * sum_x / count;
    let slope = covariance / variance;
    Some((slope, sum_y / count - slope * sum_x / count))
}
