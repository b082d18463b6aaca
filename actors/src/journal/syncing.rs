//! What makes durable what sled has written. It relies on each write being on disk when it returns, and on Linux does nothing for it.

use std::path::Path;

use super::sled_store::OpenError;

/// What makes a batch durable that sled has written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Syncing {
    /// The write itself.
    Writing,
    /// A sync behind it, where the file system does not know the attribute: then what sled overwrote meanwhile may be missing after a
    /// power cut, and the store not open.
    Behind,
    /// Nothing: what a test of durability has to find out.
    #[cfg(any(test, feature = "testing"))]
    Never,
}

/// Has every write of the store's data reach the disk before it returns, as of a file opened with `O_DSYNC`: sled opens it itself, but
/// the attribute `S` of `chattr` does the same.
#[cfg(target_os = "linux")]
pub(super) fn write_through(path: &Path) -> Result<Syncing, OpenError> {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    let file = std::fs::File::open(path).map_err(super::files::io_error(path))?;
    let set = || -> rustix::io::Result<bool> {
        ioctl_setflags(&file, ioctl_getflags(&file)? | IFlags::SYNC)?;
        // Some file systems take it and forget it.
        Ok(ioctl_getflags(&file)?.contains(IFlags::SYNC))
    };
    let refused = match set() {
        Ok(true) => return Ok(Syncing::Writing),
        Ok(false) => "it was not kept".to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::warn!(
        path = %path.display(),
        refused,
        "the file system does not know synchronous files (chattr +S): after a power cut the store may not open"
    );
    Ok(Syncing::Behind)
}

/// Elsewhere sled syncs each write itself.
#[cfg(not(target_os = "linux"))]
pub(super) fn write_through(_: &Path) -> Result<Syncing, OpenError> {
    Ok(Syncing::Behind)
}
