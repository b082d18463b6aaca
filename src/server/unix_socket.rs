//! A Unix socket that only its owner can open, from the first moment on.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The file of a bound socket; removed when dropped.
#[derive(Debug)]
pub(super) struct UnixSocket {
    path: PathBuf,
    inode: u64,
}

impl UnixSocket {
    /// Binds a socket of mode 0600. One that is left over from a dead process is replaced; one that somebody listens
    /// on, or a file that is no socket, is not.
    pub(super) fn bind(path: &Path) -> io::Result<(UnixListener, Self)> {
        refuse_what_is_in_use(path)?;
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // Between bind and chmod anybody could connect, so both happen inside a directory that is ours alone; the
        // rename then replaces a left-over socket in one step.
        let private = parent.join(format!(".countersign-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&private)?;
        let bound = bind_inside(&private.join("s"), path);
        // A failure leaves the socket behind, a success an empty directory.
        let _ = fs::remove_file(private.join("s"));
        let _ = fs::remove_dir(&private);
        let listener = bound?;
        let inode = fs::symlink_metadata(path)?.ino();
        Ok((
            listener,
            Self {
                path: path.to_owned(),
                inode,
            },
        ))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Another process may have taken the path over since.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn refuse_what_is_in_use(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "there is a file that is not a socket",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "somebody listens there")),
    }
}

fn bind_inside(inside: &Path, path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(inside)?;
    fs::set_permissions(inside, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    fs::rename(inside, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_private_and_gone_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("countersign.sock");
        let (listener, socket) = UnixSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "the private directory is gone"
        );
        UnixStream::connect(&path).unwrap();
        drop((listener, socket));
        assert!(!path.exists());
    }

    #[test]
    fn only_a_stale_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("countersign.sock");
        let (listener, socket) = UnixSocket::bind(&path).unwrap();
        assert_eq!(UnixSocket::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(listener);
        let (_listener, successor) = UnixSocket::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists(), "the predecessor does not remove its successor's socket");
        drop(successor);
        fs::write(&path, "a file").unwrap();
        assert_eq!(UnixSocket::bind(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    }
}
