//! The files of the listener's TLS certificate and its private key.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use secrecy::zeroize::Zeroizing;

use super::small_file;

/// The files of a certificate and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The content of the files, in PEM.
pub struct TlsPem {
    pub certificate: Zeroizing<String>,
    pub key: Zeroizing<String>,
}

impl TlsFiles {
    /// Reads both files. Fails with a sentence.
    pub fn read(&self) -> Result<TlsPem, String> {
        let read = |path: &PathBuf, what: &str| {
            // The files are read again and again, and reading a pipe may never end.
            if path.metadata().is_ok_and(|file| !file.is_file()) {
                return Err(format!("{what} is not a regular file"));
            }
            small_file::text(path, small_file::LARGEST).map_err(|reason| {
                // The path may be the key itself, written here by mistake.
                let named = if path.exists() { path.display().to_string() } else { what.to_owned() };
                format!("{named} cannot be read: {reason}")
            })
        };
        Ok(TlsPem {
            certificate: read(&self.certificate, "the file with the certificate")?,
            key: read(&self.key, "the file with the private key")?,
        })
    }

    /// A sentence if every user of this machine may read the private key.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let mode = self.key.metadata().ok()?.permissions().mode();
        let warning = || {
            format!(
                "every user of this machine may read the private key {}; `chmod 600` it",
                self.key.display()
            )
        };
        (mode & 0o004 != 0).then(warning)
    }
}
