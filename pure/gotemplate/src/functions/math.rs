//! Arithmetic: integers cut to 64 bits, floats in decimal, ranges of integers.
//!
//! Source: Sprig 3.3.0 numeric.go over spf13/cast and shopspring/decimal 1.4.0.

use super::arguments::{Outcome, count, int, string, text};
use super::convert::{to_float, to_int};
use super::decimal::{Decimal, Operation};
use crate::context::Context;
use crate::error::Error;
use crate::format;
use crate::function::{Function, Functions};
use crate::strconv::{atoi, parse_int};
use crate::types::{ANY, FLOAT64, INT, LIST_INT, STRING};
use crate::value::Value;

/// Adds them to a table.
pub(crate) fn register(functions: &mut Functions) {
    let mut add = |function| functions.add(function);
    add(Function::fixed("int", &[&ANY], |_, v| Ok(Value::int(to_int(&v[0])))));
    add(Function::fixed("int64", &[&ANY], |_, v| Ok(Value::int64(to_int(&v[0])))));
    add(Function::fixed("float64", &[&ANY], |_, v| Ok(Value::float(to_float(&v[0])))));
    add(Function::fixed("atoi", &[&STRING], |_, v| {
        let whole = string(v, 0);
        // Go's Atoi gives the nearest number when one does not fit, and the error is dropped.
        let number = atoi(&whole).unwrap_or_else(|error| match error {
            crate::strconv::NumberError::Range if whole.first() == Some(&b'-') => i64::MIN,
            crate::strconv::NumberError::Range => i64::MAX,
            crate::strconv::NumberError::Syntax => 0,
        });
        Ok(Value::int(number))
    }));
    add(Function::fixed("toDecimal", &[&ANY], |_, v| {
        Ok(Value::int64(parse_int(&format::sprint_value(&v[0]), 8).unwrap_or(0)))
    }));
    add(Function::fixed("add1", &[&ANY], |_, v| Ok(Value::int64(to_int(&v[0]).wrapping_add(1)))));
    add(Function::fixed("add", &[&ANY], |_, v| {
        Ok(Value::int64(v.iter().fold(0, |sum: i64, value| sum.wrapping_add(to_int(value)))))
    })
    .variadic());
    add(Function::fixed("sub", &[&ANY, &ANY], |_, v| Ok(Value::int64(to_int(&v[0]).wrapping_sub(to_int(&v[1]))))));
    add(Function::fixed("mul", &[&ANY, &ANY], |_, v| {
        Ok(Value::int64(v[1..].iter().fold(to_int(&v[0]), |product, value| product.wrapping_mul(to_int(value)))))
    })
    .variadic());
    add(Function::fixed("div", &[&ANY, &ANY], |_, v| divided(v, i64::wrapping_div)));
    add(Function::fixed("mod", &[&ANY, &ANY], |_, v| divided(v, i64::wrapping_rem)));
    add(Function::fixed("max", &[&ANY, &ANY], |_, v| Ok(Value::int64(v.iter().map(to_int).max().unwrap_or(0))))
        .variadic());
    add(Function::fixed("min", &[&ANY, &ANY], |_, v| Ok(Value::int64(v.iter().map(to_int).min().unwrap_or(0))))
        .variadic());
    add(Function::fixed("maxf", &[&ANY, &ANY], |_, v| Ok(Value::float(chosen(v, f64::max)))).variadic());
    add(Function::fixed("minf", &[&ANY, &ANY], |_, v| Ok(Value::float(chosen(v, f64::min)))).variadic());
    add(Function::fixed("floor", &[&ANY], |_, v| Ok(Value::float(to_float(&v[0]).floor()))));
    add(Function::fixed("ceil", &[&ANY], |_, v| Ok(Value::float(to_float(&v[0]).ceil()))));
    add(Function::fixed("round", &[&ANY, &INT, &FLOAT64], round).variadic());
    add(Function::fixed("add1f", &[&ANY], |context, v| {
        decimal(context, &[v[0].clone(), Value::int(1)], Operation::Add)
    }));
    add(Function::fixed("addf", &[&ANY], |context, v| {
        let all: Vec<Value> = std::iter::once(Value::float(0.0)).chain(v.iter().cloned()).collect();
        decimal(context, &all, Operation::Add)
    })
    .variadic());
    add(Function::fixed("subf", &[&ANY, &ANY], |context, v| decimal(context, v, Operation::Subtract)).variadic());
    add(Function::fixed("mulf", &[&ANY, &ANY], |context, v| decimal(context, v, Operation::Multiply)).variadic());
    add(Function::fixed("divf", &[&ANY, &ANY], |context, v| decimal(context, v, Operation::Divide)).variadic());
    add(Function::fixed("until", &[&INT], |context, v| {
        let end = int(v, 0);
        range(context, 0, end, if end < 0 { -1 } else { 1 }).map(numbers)
    }));
    add(Function::fixed("untilStep", &[&INT, &INT, &INT], |context, v| {
        range(context, int(v, 0), int(v, 1), int(v, 2)).map(numbers)
    }));
    add(Function::fixed("seq", &[&INT], seq).variadic());
    functions.alias("biggest", "max");
}

fn divided(v: &[Value], divide: fn(i64, i64) -> i64) -> Outcome {
    let divisor = to_int(&v[1]);
    if divisor == 0 {
        return Err(Error::function("runtime error: integer divide by zero"));
    }
    Ok(Value::int64(divide(to_int(&v[0]), divisor)))
}

/// Folds floats as Go's `math.Max` and `math.Min` do: NaN wins.
fn chosen(v: &[Value], choose: fn(f64, f64) -> f64) -> f64 {
    let mut numbers = v.iter().map(to_float);
    let first = numbers.next().unwrap_or(0.0);
    numbers.fold(first, |best, number| if best.is_nan() || number.is_nan() { f64::NAN } else { choose(best, number) })
}

fn round(_: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let threshold = v.get(2).map_or(0.5, to_float);
    let places = int(v, 1);
    let power = 10f64.powi(i32::try_from(places).unwrap_or(if places < 0 { i32::MIN } else { i32::MAX }));
    let scaled = power * to_float(&v[0]);
    let fraction = scaled - scaled.trunc();
    let rounded = if fraction >= threshold { scaled.ceil() } else { scaled.floor() };
    Ok(Value::float(rounded / power))
}

fn decimal(context: &mut Context<'_>, v: &[Value], operation: Operation) -> Outcome {
    let mut result = Decimal::from_float(to_float(&v[0])).map_err(Error::function)?;
    for value in &v[1..] {
        context.charge_steps(result.size() / 4 + 1)?;
        let other = Decimal::from_float(to_float(value)).map_err(Error::function)?;
        result = result.apply(operation, &other).map_err(Error::function)?;
    }
    Ok(Value::float(result.to_float()))
}

/// The integers from `start` towards `stop`, not reaching it.
fn range(context: &mut Context<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Error> {
    let goes_down = stop < start;
    if goes_down && step >= 0 || !goes_down && step <= 0 {
        return Ok(Vec::new());
    }
    let distance = (i128::from(stop) - i128::from(start)).unsigned_abs();
    let length = distance.div_ceil(i128::from(step).unsigned_abs());
    count(context, usize::try_from(length).unwrap_or(usize::MAX).saturating_mul(16))?;
    Ok((0..length as i64).map(|index| start.wrapping_add(index.wrapping_mul(step))).collect())
}

fn numbers(found: Vec<i64>) -> Value {
    Value::typed_list(&LIST_INT, found.into_iter().map(Value::int).collect())
}

fn seq(context: &mut Context<'_>, v: &mut [Value]) -> Outcome {
    let given: Vec<i64> = (0..v.len()).map(|index| int(v, index)).collect();
    let (start, stop, step) = match given[..] {
        [end] => (1, end, if end < 1 { -1 } else { 1 }),
        [start, end] => (start, end, if end < start { -1 } else { 1 }),
        [start, step, end] => {
            if end < start && step > 0 {
                return Ok(Value::str(""));
            }
            (start, end, step)
        }
        _ => return Ok(Value::str("")),
    };
    let beyond = if stop < start { stop.wrapping_sub(1) } else { stop.wrapping_add(1) };
    let found = range(context, start, beyond, step)?;
    let shown: Vec<String> = found.iter().map(i64::to_string).collect();
    text(context, shown.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::convert::truncated;

    #[test]
    fn floats_beyond_64_bits_become_the_smallest_integer() {
        assert_eq!(truncated(1e30), i64::MIN);
        assert_eq!(truncated(-2.9), -2);
    }
}
