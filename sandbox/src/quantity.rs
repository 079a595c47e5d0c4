//! Amounts as Kubernetes writes them: `100m`, `1Gi`, `1e3`.

use serde_json::Value;

/// An amount, in thousandths of its unit so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity {
    millis: i128,
}

impl Quantity {
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
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
        let (digits, suffix) = text.split_at(end);
        let (digits, scale) = match suffix {
            "" => (digits, Scale::Decimal(0)),
            "n" => (digits, Scale::Decimal(-9)),
            "u" => (digits, Scale::Decimal(-6)),
            "m" => (digits, Scale::Decimal(-3)),
            "k" => (digits, Scale::Decimal(3)),
            "M" => (digits, Scale::Decimal(6)),
            "G" => (digits, Scale::Decimal(9)),
            "T" => (digits, Scale::Decimal(12)),
            "P" => (digits, Scale::Decimal(15)),
            "E" => (digits, Scale::Decimal(18)),
            "Ki" => (digits, Scale::Binary(10)),
            "Mi" => (digits, Scale::Binary(20)),
            "Gi" => (digits, Scale::Binary(30)),
            "Ti" => (digits, Scale::Binary(40)),
            "Pi" => (digits, Scale::Binary(50)),
            "Ei" => (digits, Scale::Binary(60)),
            exponent => {
                let power = exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|power| power.abs() <= 18)?;
                (digits, Scale::Decimal(power))
            }
        };
        let (negative, digits) = match digits.strip_prefix(['-', '+']) {
            Some(rest) => (digits.starts_with('-'), rest),
            None => (false, digits),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty()
            || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit())
        {
            return None;
        }
        let fraction = &fraction[..fraction.len().min(9)];
        let number: i128 = format!("0{whole}{fraction}").parse().ok()?;
        let places = i32::try_from(fraction.len()).ok()?;
        let millis = match scale {
            Scale::Decimal(power) => {
                let power = power - places + 3;
                if power >= 0 {
                    number.checked_mul(10_i128.checked_pow(power.unsigned_abs())?)?
                } else {
                    // Finer than a thousandth is rounded up, as Kubernetes does.
                    let divisor = 10_i128.checked_pow(power.unsigned_abs())?;
                    number.div_euclid(divisor) + i128::from(number.rem_euclid(divisor) > 0)
                }
            }
            Scale::Binary(bits) => {
                let scaled = number.checked_mul(1_i128 << bits)?.checked_mul(1000)?;
                let divisor = 10_i128.checked_pow(places.unsigned_abs())?;
                scaled.div_euclid(divisor) + i128::from(scaled.rem_euclid(divisor) > 0)
            }
        };
        Some(Self { millis: if negative { -millis } else { millis } })
    }

    /// The amount in its unit.
    #[expect(clippy::cast_precision_loss, reason = "for comparing room and for shares, not for accounts")]
    pub(crate) fn as_f64(self) -> f64 {
        self.millis as f64 / 1000.0
    }

    /// True below zero.
    pub(crate) fn is_negative(self) -> bool {
        self.millis < 0
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
}
