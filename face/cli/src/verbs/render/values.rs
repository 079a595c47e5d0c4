//! The values flags that `template` and `lint` share, in helm's words.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use landfall_helm::Profile;
use landfall_helm::values::{Layers, ValuesFile};
use serde_json::{Map, Value};

use crate::Outside;
use crate::charts::{self, ServerFlags};

/// Values flags.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ValueFlags {
    /// Values files or addresses of some, lowest first.
    #[arg(short = 'f', long, value_name = "FILE", value_delimiter = ',')]
    values: Vec<String>,
    /// Values: a.b=1,c={x,y}.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Values that are strings.
    #[arg(long, value_name = "KEY=VALUE")]
    set_string: Vec<String>,
    /// Values that are JSON.
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// Values that files hold.
    #[arg(long, value_name = "KEY=FILE")]
    set_file: Vec<String>,
    /// Values that are taken as they stand.
    #[arg(long, value_name = "KEY=VALUE")]
    set_literal: Vec<String>,
}

impl ValueFlags {
    /// Reads the files and lays everything over each other. Errors: a file that cannot be had or read; a malformed flag.
    pub(crate) async fn merged(
        &self,
        profile: Profile,
        server: &ServerFlags,
        outside: &dyn Outside,
    ) -> anyhow::Result<Map<String, Value>> {
        let mut files = Vec::new();
        for place in &self.values {
            let content = match place.starts_with("http://") || place.starts_with("https://") {
                true => {
                    let repository = charts::repository(place, server, outside)?;
                    let fetched = outside.charts()?.repositories.file(&repository, place).await;
                    fetched.with_context(|| format!("the values file {place} cannot be fetched"))?.to_vec()
                }
                false => outside.read(&PathBuf::from(place))?,
            };
            files.push(ValuesFile { name: place.clone(), content });
        }
        let layers = Layers {
            files,
            set_json: self.set_json.clone(),
            set: self.set.clone(),
            set_string: self.set_string.clone(),
            set_file: self.set_file.clone(),
            set_literal: self.set_literal.clone(),
        };
        let read_file = |file: &str| -> Result<String, String> {
            let content = outside.read(Path::new(file)).map_err(|error| format!("{error:#}"))?;
            String::from_utf8(content).map_err(|_| format!("{file} is no UTF-8 text"))
        };
        Ok(layers.merge(profile, &read_file)?)
    }
}

/// Reads the name of a profile.
pub(crate) fn profile(name: &str) -> Result<Profile, String> {
    Profile::parse(name).ok_or_else(|| format!("{name:?} is none; there are helm3 and helm4"))
}
