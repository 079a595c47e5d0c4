//! Amounts as Kubernetes writes them: `100m`, `1Gi`, `1e3`.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// How an amount was written, which decides how it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Format {
    /// With `k`, `M`, `m` and so on.
    #[default]
    Decimal,
    /// With `Ki`, `Mi` and so on.
    Binary,
    /// With an exponent.
    Exponent,
}

/// An amount, in billionths of its unit so that sums are exact.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quantity {
    nanos: i128,
    format: Format,
}

const NANOS: i128 = 1_000_000_000;

impl Quantity {
    /// A whole number.
    pub(crate) fn whole(number: i64) -> Self {
        Self { nanos: i128::from(number) * NANOS, format: Format::Decimal }
    }

    /// Reads an amount from a JSON string or number.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }

    /// Reads an amount.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
        let (digits, suffix) = text.split_at(end);
        let (scale, format) = match suffix {
            "" => (Scale::Decimal(0), Format::Decimal),
            "n" => (Scale::Decimal(-9), Format::Decimal),
            "u" => (Scale::Decimal(-6), Format::Decimal),
            "m" => (Scale::Decimal(-3), Format::Decimal),
            "k" => (Scale::Decimal(3), Format::Decimal),
            "M" => (Scale::Decimal(6), Format::Decimal),
            "G" => (Scale::Decimal(9), Format::Decimal),
            "T" => (Scale::Decimal(12), Format::Decimal),
            "P" => (Scale::Decimal(15), Format::Decimal),
            "E" => (Scale::Decimal(18), Format::Decimal),
            "Ki" => (Scale::Binary(10), Format::Binary),
            "Mi" => (Scale::Binary(20), Format::Binary),
            "Gi" => (Scale::Binary(30), Format::Binary),
            "Ti" => (Scale::Binary(40), Format::Binary),
            "Pi" => (Scale::Binary(50), Format::Binary),
            "Ei" => (Scale::Binary(60), Format::Binary),
            exponent => {
                let power = exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|power| power.abs() <= 18)?;
                (Scale::Decimal(power), Format::Exponent)
            }
        };
        let (negative, digits) = match digits.strip_prefix(['-', '+']) {
            Some(rest) => (digits.starts_with('-'), rest),
            None => (false, digits),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits {
            return None;
        }
        let fraction = &fraction[..fraction.len().min(9)];
        let number: i128 = format!("0{whole}{fraction}").parse().ok()?;
        let places = i32::try_from(fraction.len()).ok()?;
        let nanos = match scale {
            Scale::Decimal(power) => {
                let power = power - places + 9;
                if power >= 0 {
                    number.checked_mul(10_i128.checked_pow(power.unsigned_abs())?)?
                } else {
                    // Finer than a billionth is rounded up, as Kubernetes does.
                    let divisor = 10_i128.checked_pow(power.unsigned_abs())?;
                    number.div_euclid(divisor) + i128::from(number.rem_euclid(divisor) > 0)
                }
            }
            Scale::Binary(bits) => {
                let scaled = number.checked_mul(1_i128 << bits)?.checked_mul(NANOS)?;
                let divisor = 10_i128.checked_pow(places.unsigned_abs())?;
                scaled.div_euclid(divisor) + i128::from(scaled.rem_euclid(divisor) > 0)
            }
        };
        Some(Self { nanos: if negative { -nanos } else { nanos }, format })
    }

    /// The amount in its unit.
    #[expect(clippy::cast_precision_loss, reason = "for comparing room and for shares, not for accounts")]
    pub(crate) fn as_f64(self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// True below zero.
    pub(crate) fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// True for whole units.
    pub(crate) fn is_whole(self) -> bool {
        self.nanos % NANOS == 0
    }

    /// The sum, shown as the first one is, unless that is nothing.
    pub(crate) fn plus(self, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_add(other.nanos), format }
    }

    /// The difference, shown as the first one is, unless that is nothing.
    pub(crate) fn minus(self, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self { nanos: self.nanos.saturating_sub(other.nanos), format }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Display for Quantity {
    /// The canonical form: no fraction, the largest suffix that allows that.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return formatter.write_str("0");
        }
        let binary = self.format == Format::Binary && self.nanos.abs() >= 1024 * NANOS && self.nanos % NANOS == 0;
        if binary {
            let mut mantissa = self.nanos / NANOS;
            let mut steps = 0;
            while mantissa % 1024 == 0 && steps < 6 {
                mantissa /= 1024;
                steps += 1;
            }
            return write!(formatter, "{mantissa}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][steps]);
        }
        let mut mantissa = self.nanos;
        let mut steps = 0;
        while mantissa % 1000 == 0 && steps < 9 {
            mantissa /= 1000;
            steps += 1;
        }
        if self.format == Format::Exponent {
            let power = (i32::try_from(steps).unwrap_or(0) - 3) * 3;
            return if power == 0 { write!(formatter, "{mantissa}") } else { write!(formatter, "{mantissa}e{power}") };
        }
        write!(formatter, "{mantissa}{}", ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][steps])
    }
}

enum Scale {
    Decimal(i32),
    Binary(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_all_forms_are_read() {
        for (text, unit) in
            [("100m", 0.1), ("1", 1.0), ("1.5Gi", 1_610_612_736.0), ("1e3", 1000.0), ("2k", 2000.0), ("-1", -1.0)]
        {
            let read = Quantity::parse(text).unwrap_or_else(|| panic!("{text} is an amount")).as_f64();
            assert!((read - unit).abs() < 1e-6, "{text} is {unit}, not {read}");
        }
        for text in ["", "x", "1x", "1.2.3", "Gi", "1ee"] {
            assert_eq!(Quantity::parse(text), None, "{text} is no amount");
        }
    }

    #[test]
    fn amounts_are_shown_in_their_canonical_form() {
        for (text, shown) in [
            ("1.0", "1"),
            ("0.1", "100m"),
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("1500m", "1500m"),
            ("1000", "1k"),
            ("1Gi", "1Gi"),
            ("0.5Gi", "512Mi"),
            ("1e3", "1e3"),
            ("0", "0"),
            ("100Ki", "100Ki"),
            ("1.5Gi", "1536Mi"),
            ("-1", "-1"),
            ("1200Mi", "1200Mi"),
        ] {
            let read = Quantity::parse(text).unwrap_or_else(|| panic!("{text} is an amount"));
            assert_eq!(read.to_string(), shown);
        }
    }
}
