//! Chart archives: any bytes load or are refused, and what loads renders to objects or an error.
//!
//! The input is the tar inside: compressed here, so that a mutation is not lost on a checksum. As it is, it is tried too.

use super::{Target, kind_of_error};
use landfall_gotemplate::context::NoHost;
use landfall_helm::Profile;
use landfall_helm::chart::Chart;
use landfall_helm::render::{Request, render};
use std::io::Write as _;

pub(super) const TARGET: Target = Target {
    name: "chart_archive",
    words: &[
        "Chart.yaml",
        "values.yaml",
        "templates/",
        "charts/",
        "../",
        "/",
        "\0",
        "apiVersion: v2\n",
        "name: ",
        "version: 1.0.0\n",
        "dependencies:\n- name: ",
        "{{ .Values.x }}",
        "{{ include \"x\" . }}",
        "---\n",
        "kind: ",
        "null",
        "~",
        "type: library\n",
        "0000644\0",
        "00000000100\0",
        "ustar\0",
    ],
    run,
};

fn run(input: &[u8]) -> String {
    let raw = Chart::from_archive(input).is_ok();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let packed = encoder.write_all(input).and_then(|()| encoder.finish()).expect("memory takes every byte");
    let chart = match Chart::from_archive(&packed) {
        Ok(chart) => chart,
        Err(error) => return format!("{raw} load: {}", kind_of_error(&error.to_string())),
    };
    let mut outcome = format!("{raw}");
    for profile in [Profile::Helm3, Profile::Helm4] {
        let mut request = Request::new("fuzz", "default", profile);
        request.limits.steps_max = 100_000;
        request.limits.output_bytes_max = 1 << 20;
        request.limits.allocated_bytes_max = 64 << 20;
        match render(&chart, &request, &mut NoHost) {
            Ok(rendered) => outcome.push_str(&format!(" {} objects", rendered.manifests.len())),
            Err(error) => outcome.push_str(&kind_of_error(&error.to_string())),
        }
    }
    outcome
}
