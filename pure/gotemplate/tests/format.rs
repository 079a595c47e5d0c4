//! `printf` does what the documentation of Go's fmt says, verb by verb, its complaints included.

mod support;

use landfall_gotemplate::value::Value;

fn check(cases: &[(&str, &str)]) {
    for (template, wanted) in cases {
        let got = support::render(template, &Value::Nil).map_err(|error| error.to_string());
        assert_eq!(got, Ok((*wanted).to_owned()), "{template}");
    }
}

#[test]
fn integers_print_in_every_base() {
    check(&[
        (
            "{{ printf `%d %b %o %O %x %X %#x %#o %#b` 42 42 42 42 42 42 42 42 42 }}",
            "42 101010 52 0o52 2a 2A 0x2a 052 0b101010",
        ),
        ("{{ printf `[%6d|%-6d|%06d|%+d|% d]` 42 42 42 42 42 }}", "[    42|42    |000042|+42| 42]"),
        ("{{ printf `%x %d` -255 -7 }}", "-ff -7"),
        ("{{ printf `%.4d %8.4d %.0d|` 7 7 0 }}", "0007     0007 |"),
        ("{{ printf `%c %q %U %#U` 9731 9731 9731 9731 }}", "☃ '☃' U+2603 U+2603 '☃'"),
    ]);
}

#[test]
fn floats_print_with_and_without_exponents() {
    check(&[
        ("{{ printf `%v %g %e %f` 1234567.0 1e21 1234.5 3.14159265 }}", "1.234567e+06 1e+21 1.234500e+03 3.141593"),
        (
            "{{ printf `%.2f|%8.3f|%-8.1f|%+.1f|%08.3f` 3.14159 3.14159 3.14159 3.14159 -3.14159 }}",
            "3.14|   3.142|3.1     |+3.1|-003.142",
        ),
        ("{{ printf `%.3g %.10g %g %G` 1234.5678 1234.5678 1e-7 1e-7 }}", "1.23e+03 1234.5678 1e-07 1E-07"),
        ("{{ printf `%#g %#.3g %#v` 1.0 1.0 1.0 }}", "1.00000 1.00 1"),
        ("{{ printf `%x %X %b` 1.0 -0.5 1.0 }}", "0x1p+00 -0X1P-01 4503599627370496p-52"),
        ("{{ printf `%6.2f%%` 99.5 }}", " 99.50%"),
        ("{{ printf `%.0f %.0f %.0f` 0.5 1.5 2.5 }}", "0 2 2"),
    ]);
}

#[test]
fn strings_print_padded_cut_and_quoted() {
    check(&[
        ("{{ printf `[%s|%6s|%-6s|%.2s|%06s]` `héy` `héy` `héy` `héy` `héy` }}", "[héy|   héy|héy   |hé|000héy]"),
        ("{{ printf `%q %#q %+q` `a\"b` `a\"b` `é` }}", "\"a\\\"b\" `a\"b` \"\\u00e9\""),
        ("{{ printf `%x %X % x %#x % #x` `hi` `hi` `hi` `hi` `hi` }}", "6869 6869 68 69 0x6869 0x68 0x69"),
        ("{{ printf `%t %v %5t|%-6t|` true false true false }}", "true false  true|false |"),
    ]);
}

#[test]
fn composite_values_print_as_go_writes_them() {
    check(&[
        ("{{ printf `%v` (list 1 `a` nil (list 2.5)) }}", "[1 a <nil> [2.5]]"),
        ("{{ printf `%v` (dict `b` 1 `a` (list)) }}", "map[a:[] b:1]"),
        ("{{ printf `%#v` (list 1 `a` nil) }}", "[]interface {}{1, \"a\", interface {}(nil)}"),
        ("{{ printf `%#v` (dict `a` 1.5) }}", "map[string]interface {}{\"a\":1.5}"),
        (
            "{{ printf `%T %T %T %T %T` 1 1.5 `a` (list) (dict) }}",
            "int float64 string []interface {} map[string]interface {}",
        ),
        ("{{ printf `%d %s` (list 1 2) (list `a` `b`) }}", "[1 2] [a b]"),
        ("{{ printf `%q %x` (list `a` `b`) (splitList `,` `a,b`) }}", "[\"a\" \"b\"] [61 62]"),
        ("{{ printf `%5d|` (list 1 2) }}", "[    1     2]|"),
        ("{{ printf `%v %+v %.1f` 1+2i 1+2i 1+2i }}", "(1+2i) (1+2i) (1.0+2.0i)"),
    ]);
}

#[test]
fn wrong_verbs_and_counts_are_reported_inside_the_text() {
    check(&[
        ("{{ printf `%d` `a` }}", "%!d(string=a)"),
        ("{{ printf `%s` 5 }}", "%!s(int=5)"),
        ("{{ printf `%s` nil }}", "%!s(<nil>)"),
        ("{{ printf `%d %s` 1 }}", "1 %!s(MISSING)"),
        ("{{ printf `%d` 1 2 `x` }}", "1%!(EXTRA int=2, string=x)"),
        ("{{ printf `%!` 1 }}", "%!!(int=1)"),
        ("{{ printf `%` }}", "%!(NOVERB)"),
        ("{{ printf `%z` 3 }}", "%!z(int=3)"),
        ("{{ printf `%d` (dict `a` `x`) }}", "map[%!d(string=a):%!d(string=x)]"),
        ("{{ printf `%*d|` `x` 3 }}", "%!(BADWIDTH)3|"),
        ("{{ printf `%.*d|` -1 3 }}", "%!(BADPREC)3|"),
        ("{{ printf `%.2f` 5 }}", "%!f(int=05)"),
        ("{{ printf `%t` 1 }}", "%!t(int=1)"),
    ]);
}

#[test]
fn arguments_are_taken_by_index_and_widths_by_argument() {
    check(&[
        ("{{ printf `%[2]d %[1]d` 11 22 }}", "22 11"),
        ("{{ printf `%[3]*.[2]*[1]f` 12.0 2 6 }}", " 12.00"),
        ("{{ printf `%*d|%-*d|` 5 42 5 42 }}", "   42|42   |"),
        ("{{ printf `%*d|` -5 42 }}", "42   |"),
        ("{{ printf `%[5]d` 1 }}", "%!d(BADINDEX)"),
        ("{{ printf `%[x]d` 1 }}", "%!d(BADINDEX)"),
        ("{{ printf `%d %d %#[1]x %#x` 16 17 }}", "16 17 0x10 0x11"),
    ]);
}

#[test]
fn print_puts_spaces_between_what_is_no_string() {
    check(&[
        ("{{ print 1 2 `a` `b` 3 }}", "1 2ab3"),
        ("{{ println 1 `a` }}", "1 a\n"),
        ("{{ print nil nil }}", "<nil> <nil>"),
        ("{{ print 100000000.0 0.000001 123456789.0 }}", "1e+08 1e-06 1.23456789e+08"),
    ]);
}

#[test]
fn a_width_cannot_exhaust_memory() {
    let error = support::render("{{ printf `%1000000d%1000000d%1000000d` 1 2 3 | len }}", &Value::Nil);
    assert!(error.is_ok());
    let many = format!("{{{{ printf `{}` 1 }}}}", "%1000000[1]d".repeat(100));
    assert!(support::render(&many, &Value::Nil).unwrap_err().to_string().contains("is larger than"));
}
