//! Files that are replaced whole or not at all, also when the power fails in between: write a new file, flush it,
//! rename it over the old one, flush the directory. Without the last step the *old* file may be back after a power
//! cut (Pillai et al., *All File Systems Are Not Created Equal*, OSDI 2014).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Replaces `name` in `dir`. When it returns `Ok` the new content survives anything.
pub fn replace(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let new = dir.join(format!("{name}.new"));
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, dir.join(name))?;
    sync_dir(dir)
}

/// Makes renames and new files in a directory durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The content of a file, or `None` when there is none.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
