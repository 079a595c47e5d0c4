//! Promises of the query language, over counters that grow evenly.

use super::*;

struct Fixed(Vec<Series>);

impl Source for Fixed {
    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        let within = |series: &Series| Series {
            labels: series.labels.clone(),
            samples: series.samples.iter().copied().filter(|(at, _)| *at > from && *at <= to).collect(),
        };
        self.0
            .iter()
            .filter(|series| matchers.iter().all(|matcher| matcher.selects(&series.labels)))
            .map(within)
            .collect()
    }
}

/// A counter that grows by `per_second`, scraped every 5 s for ten minutes.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn counter(name: &str, labels: &[(&str, &str)], per_second: f64) -> Series {
    let mut all: Labels = labels.iter().map(|(label, value)| ((*label).to_string(), (*value).to_string())).collect();
    all.insert(NAME.to_string(), name.to_string());
    Series { labels: all, samples: (0..=120).map(|step| (step * 5000, step as f64 * 5.0 * per_second)).collect() }
}

fn world() -> Fixed {
    Fixed(vec![
        counter("requests_total", &[("app", "a"), ("code", "200")], 9.0),
        counter("requests_total", &[("app", "a"), ("code", "500")], 1.0),
        counter("requests_total", &[("app", "b"), ("code", "200")], 4.0),
        counter("took_bucket", &[("app", "a"), ("le", "0.1")], 5.0),
        counter("took_bucket", &[("app", "a"), ("le", "0.5")], 9.0),
        counter("took_bucket", &[("app", "a"), ("le", "+Inf")], 10.0),
    ])
}

fn ask(query: &str) -> String {
    let told = |value: Value| match value {
        Value::Scalar(number) => format!("{:.3}", number),
        Value::Text(text) => text,
        Value::Vector(vector) => vector
            .into_iter()
            .map(|(labels, value)| {
                let labels: Vec<String> = labels.into_iter().map(|(label, value)| format!("{label}={value}")).collect();
                format!("{{{}}} {value:.3}", labels.join(","))
            })
            .collect::<Vec<_>>()
            .join("; "),
        Value::Matrix(series) => {
            format!("{} series of {} samples", series.len(), series.first().map_or(0, |s| s.samples.len()))
        }
    };
    match parse(query).and_then(|expr| instant(&expr, &world(), 600_000)) {
        Ok(value) => told(value),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn queries_give_what_prometheus_gives() {
    for (query, wanted) in [
        ("1 + 2 * 3 ^ 2", "19.000"),
        ("-2 ^ 2", "-4.000"),
        ("2 ^ 3 ^ 0", "2.000"),
        ("1 == bool 1", "1.000"),
        ("0x10 + 1e3", "1016.000"),
        ("requests_total{code=\"500\"}", "{__name__=requests_total,app=a,code=500} 600.000"),
        ("rate(requests_total{app=\"a\",code=~\"2..\"}[1m])", "{app=a,code=200} 9.000"),
        ("sum(rate(requests_total[1m]))", "{} 14.000"),
        ("sum by (app) (rate(requests_total[1m]))", "{app=a} 10.000; {app=b} 4.000"),
        ("sum(rate(requests_total[1m])) without (code)", "{app=a} 10.000; {app=b} 4.000"),
        (
            "100 * sum(rate(requests_total{app=\"a\",code!~\"5.*\"}[1m])) / sum(rate(requests_total{app=\"a\"}[1m]))",
            "{} 90.000",
        ),
        (
            "sum by (app) (rate(requests_total{code!~\"5..\"}[1m])) / on (app) sum by (app) (rate(requests_total[1m]))",
            "{app=a} 0.900; {app=b} 1.000",
        ),
        (
            "rate(requests_total[1m]) / ignoring (code) group_left sum by (app) (rate(requests_total[1m]))",
            "{app=a,code=200} 0.900; {app=a,code=500} 0.100; {app=b,code=200} 1.000",
        ),
        ("increase(requests_total{code=\"500\"}[5m])", "{app=a,code=500} 300.000"),
        ("irate(requests_total{code=\"500\"}[5m])", "{app=a,code=500} 1.000"),
        ("histogram_quantile(0.5, sum by (le) (rate(took_bucket[1m])))", "{} 0.100"),
        ("histogram_quantile(0.7, rate(took_bucket[1m]))", "{app=a} 0.300"),
        ("histogram_quantile(0.99, rate(took_bucket[1m]))", "{app=a} 0.500"),
        ("absent(nothing{app=\"a\"})", "{app=a} 1.000"),
        ("absent(requests_total)", ""),
        ("nothing or vector(0)", "{} 0.000"),
        ("clamp_max(requests_total{code=\"500\"}, 5)", "{app=a,code=500} 5.000"),
        ("clamp(vector(7), 0, 3)", "{} 3.000"),
        ("scalar(requests_total{code=\"500\"}) + 1", "601.000"),
        ("scalar(requests_total)", "NaN"),
        ("requests_total{code=\"500\"} offset 5m", "{__name__=requests_total,app=a,code=500} 300.000"),
        ("requests_total{code=\"500\"} @ 60", "{__name__=requests_total,app=a,code=500} 60.000"),
        ("count(requests_total > 1000)", "{} 2.000"),
        ("requests_total > bool 1000 and on (app) requests_total{app=\"b\"}", "{app=b,code=200} 1.000"),
        ("topk(1, requests_total)", "{__name__=requests_total,app=a,code=200} 5400.000"),
        ("max_over_time(requests_total{code=\"500\"}[1m])", "{app=a,code=500} 600.000"),
        ("avg_over_time(rate(requests_total{code=\"500\"}[1m])[5m:1m])", "{app=a,code=500} 1.000"),
        ("requests_total{code=\"500\"}[1m]", "1 series of 12 samples"),
        ("time()", "600.000"),
        ("label_replace(vector(1), \"x\", \"$1\", \"missing\", \"(.*)y?\")", "{} 1.000"),
        (
            "label_replace(requests_total{code=\"500\"}, \"x\", \"is-$1\", \"app\", \"(.*)\")",
            "{__name__=requests_total,app=a,code=500,x=is-a} 600.000",
        ),
        ("quantile(0.5, requests_total)", "{} 2400.000"),
        ("hour(vector(7200))", "{} 2.000"),
        ("{__name__=~\"req.*\", code=\"500\"}", "{__name__=requests_total,app=a,code=500} 600.000"),
        ("sum(requests_total) by (app) == 2400", "{app=b} 2400.000"),
        ("avg(requests_total{app=\"a\"}) # a remark", "{} 3000.000"),
        ("vector(1)", "{} 1.000"),
    ] {
        assert_eq!(ask(query), wanted, "{query}");
    }
}

#[test]
fn queries_that_are_wrong_are_told_what_and_where() {
    for (query, told) in [
        ("", "no expression found"),
        ("sum(", "1:5: parse error: unexpected end of input"),
        ("rate(requests_total)", "expected type range vector"),
        ("nosuch(1)", "unknown function with name \"nosuch\""),
        ("requests_total[", "expected duration"),
        ("{}", "at least one non-empty matcher"),
        ("requests_total{code=~\"(\"}", "error parsing regexp"),
        ("1 > 2", "comparisons between scalars must use BOOL modifier"),
        ("requests_total / on (app) requests_total", "many-to-many matching not allowed"),
        ("sum(1, 2)", "wrong number of arguments"),
        ("\"a", "unterminated quoted string"),
        ("a ? b", "unexpected character: '?'"),
        ("clamp(vector(1))", "expected 3 argument(s)"),
    ] {
        let answer = ask(query);
        assert!(answer.starts_with("error") && answer.contains(told), "{query}: {answer}");
    }
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(ask(&deep).contains("nested too deeply"));
}

#[test]
fn a_range_query_gives_a_value_at_every_step() {
    let expr = parse("sum(rate(requests_total[1m]))").expect("a query");
    let series = range(&expr, &world(), 120_000, 180_000, 15_000).expect("an answer");
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].samples.len(), 5);
    assert!(series[0].samples.iter().all(|(_, value)| (value - 14.0).abs() < 1e-9), "{series:?}");
    assert!(range(&expr, &world(), 0, 1_000_000_000, 1).is_err());
}
