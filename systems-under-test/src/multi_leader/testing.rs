//! Settings for tests.

use super::options::Settings;
use super::system::MultiLeader;
use crate::specimen::{Bundled, Specimen};
use crate::system::Options;

/// These settings, the rest as it is by default.
pub(super) fn settings(set: &[(&str, &str)]) -> Settings {
    let set: Vec<_> = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = Options::new(&Bundled::<MultiLeader>::default(), &set).expect("options");
    MultiLeader::settings(&options).expect("settings")
}
