//! Decimal numbers of any length, as shopspring/decimal 1.4.0 computes Sprig's float functions.

use num_bigint::BigInt;

/// `digits * 10^exponent`.
#[derive(Clone, Debug)]
pub(crate) struct Decimal {
    digits: BigInt,
    exponent: i64,
}

/// What to compute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// Places behind the point that a division keeps.
const DIVISION_PLACES: i64 = 16;

/// Bounds the digits: products of many floats would grow without end, and beyond this a float64 is zero or infinite anyway.
const DIGITS_MAX: u64 = 50_000;

impl Decimal {
    /// Takes the shortest decimal that reads back as the float.
    pub(crate) fn from_float(number: f64) -> Result<Decimal, String> {
        if !number.is_finite() {
            let shown = crate::strconv::float_text(number, crate::strconv::FloatBits::Double);
            return Err(format!("Cannot create a Decimal from {shown}"));
        }
        let shown = format!("{number:e}");
        let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
        let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i64);
        let digits = mantissa.replace('.', "").parse().unwrap_or_default();
        Ok(Decimal { digits, exponent: exponent.parse::<i64>().unwrap_or(0) - places })
    }

    /// The size of the number in bits, for accounting.
    pub(crate) fn size(&self) -> u64 {
        self.digits.bits()
    }

    fn scaled(&self, exponent: i64) -> BigInt {
        &self.digits * power(self.exponent - exponent)
    }

    pub(crate) fn apply(&self, operation: Operation, other: &Decimal) -> Result<Decimal, String> {
        let exponent = self.exponent.min(other.exponent);
        let result = match operation {
            Operation::Add => Decimal { digits: self.scaled(exponent) + other.scaled(exponent), exponent },
            Operation::Subtract => Decimal { digits: self.scaled(exponent) - other.scaled(exponent), exponent },
            Operation::Multiply => {
                Decimal { digits: &self.digits * &other.digits, exponent: self.exponent + other.exponent }
            }
            Operation::Divide => self.divide(other)?,
        };
        if result.size() > DIGITS_MAX * 4 {
            return Err("a decimal number has too many digits".into());
        }
        Ok(result)
    }

    /// Divides and rounds half away from zero.
    fn divide(&self, other: &Decimal) -> Result<Decimal, String> {
        let zero = BigInt::from(0);
        if other.digits == zero {
            return Err("decimal division by 0".into());
        }
        let shift = self.exponent - other.exponent + DIVISION_PLACES;
        let (numerator, denominator) = if shift >= 0 {
            (&self.digits * power(shift), other.digits.clone())
        } else {
            (self.digits.clone(), &other.digits * power(-shift))
        };
        let quotient = &numerator / &denominator;
        let rest = &numerator % &denominator;
        let is_half = BigInt::from(rest.magnitude().clone()) * 2u8 >= BigInt::from(denominator.magnitude().clone());
        let is_negative = (numerator < zero) != (denominator < zero);
        let digits = match (is_half, is_negative) {
            (false, _) => quotient,
            (true, false) => quotient + 1u8,
            (true, true) => quotient - 1u8,
        };
        Ok(Decimal { digits, exponent: -DIVISION_PLACES })
    }

    /// The nearest float64.
    pub(crate) fn to_float(&self) -> f64 {
        format!("{}e{}", self.digits, self.exponent).parse().unwrap_or(0.0)
    }
}

fn power(exponent: i64) -> BigInt {
    BigInt::from(10u8).pow(u32::try_from(exponent).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_add_up_exactly() {
        let tenth = Decimal::from_float(0.1).unwrap();
        let fifth = Decimal::from_float(0.2).unwrap();
        assert_eq!(tenth.apply(Operation::Add, &fifth).unwrap().to_float(), 0.3);
    }

    #[test]
    fn division_keeps_sixteen_places() {
        let ten = Decimal::from_float(10.0).unwrap();
        let three = Decimal::from_float(3.0).unwrap();
        assert_eq!(ten.apply(Operation::Divide, &three).unwrap().to_float(), 3.3333333333333335);
    }
}
