//! `countersign backup`: all customers into a file, whether or not a service runs.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use countersign_actors::backup::restore::check;
use countersign_actors::backup::{BackupError, Counts, Header, take_stopped};
use countersign_actors::clock::{Clock, SystemClock};
use countersign_actors::data_dir::DataDirError;
use serde_json::json;

use super::output::Output;
use super::service::Service;
use crate::config::Config;
use crate::{print, telemetry};

/// Write a backup of all customers to a file; while a service runs it goes on
///
/// On a free data directory the work is done there. While a service holds the directory, the service at the configured address
/// is asked instead, with the configured admin token.
///
/// The file can be read by its owner only, and appears under its name when it is whole and was checked. It holds neither private keys
/// nor the master key.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub(super) struct Arguments {
    /// Where to write it; nothing may stand there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Takes a backup, checks it, and lets it appear.
pub(super) fn run(config: &Config, output: Output, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    telemetry::start(&config.log)?;
    let file = &arguments.file;
    if file.try_exists()? {
        return Err(format!("`{}` is there already", file.display()).into());
    }
    let unfinished = Unfinished::create(file)?;
    let mut out = BufWriter::new(&unfinished.file);
    match take_stopped(&config.storage.data_dir, SystemClock.now(), &mut out) {
        Ok(_) => {}
        Err(BackupError::DataDir(DataDirError::Locked(_))) => Service::configured(config)?.backup(&mut out)?,
        Err(error) => return Err(error.into()),
    }
    out.flush()?;
    drop(out);
    unfinished.file.sync_all()?;
    // What came over a connection was only told to be whole.
    let (header, counts) = check(&mut BufReader::new(File::open(&unfinished.path)?))?;
    unfinished.appear(file)?;
    show(output, arguments, &header, counts)?;
    Ok(())
}

fn show(output: Output, arguments: &Arguments, header: &Header, counts: Counts) -> io::Result<()> {
    let taken_at = header.taken_at.to_rfc3339();
    let Counts {
        customers,
        rows,
        events,
    } = counts;
    let file = arguments.file.display();
    if output.json {
        let shown = json!({
            "file": arguments.file,
            "taken_at": taken_at,
            "customers": customers,
            "rows": rows,
            "events": events,
        });
        return print::line(shown);
    }
    print::line(format_args!(
        "`{file}` holds {customers} customers with {events} events and {rows} rows, as of {taken_at}"
    ))
}

/// A file that is not whole yet. It is removed if it does not appear.
struct Unfinished {
    file: File,
    path: PathBuf,
}

impl Unfinished {
    fn create(target: &Path) -> io::Result<Self> {
        let mut path = target.as_os_str().to_owned();
        path.push(".unfinished");
        let path = PathBuf::from(path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))?;
        Ok(Self { file, path })
    }

    fn appear(&self, target: &Path) -> io::Result<()> {
        // A link, because a rename would replace what has appeared there meanwhile; the name it has now goes with the drop.
        fs::hard_link(&self.path, target)?;
        let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished file could not be removed");
        }
    }
}
