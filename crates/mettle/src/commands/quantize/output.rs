//! A file that appears whole or not at all.

use std::fs::File;
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tempfile::NamedTempFile;

/// The new file under a temporary name beside its own, removed unless it is finished.
pub struct Output {
    file: NamedTempFile,
    path: PathBuf,
    force: bool,
}

impl Output {
    /// Starts a file that will be `path`, made from `inputs`.
    pub fn create(path: &Path, inputs: &[&Path], force: bool) -> Result<Self> {
        check(path, inputs, force)?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".mettle-").suffix(".part");
        // Readable as any file that the user makes; the default is for secrets.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder
            .tempfile_in(folder)
            .with_context(|| format!("cannot create a file in {}", folder.display()))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            force,
        })
    }

    /// What is written to, in large pieces.
    pub fn writer(&mut self) -> BufWriter<&mut File> {
        BufWriter::with_capacity(1 << 20, self.file.as_file_mut())
    }

    /// Gives the file its name, when its bytes are on the disk.
    pub fn finish(self) -> Result<()> {
        let cannot = || format!("cannot write {}", self.path.display());
        self.file.as_file().sync_all().with_context(cannot)?;
        match self.force {
            true => self.file.persist(&self.path),
            false => self.file.persist_noclobber(&self.path),
        }
        .with_context(cannot)?;
        Ok(())
    }
}

/// Refuses to replace anything that the user may not want replaced.
fn check(path: &Path, inputs: &[&Path], force: bool) -> Result<()> {
    let shown = path.display();
    let found = match path.metadata() {
        Ok(found) => found,
        // A link to nowhere is replaced no more than a file.
        Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot write {shown}")),
    };
    ensure!(found.is_file(), "{shown} is not a regular file");
    for input in inputs {
        if same(path, input)? {
            bail!("{shown} is the input: the new file needs a name of its own");
        }
    }
    ensure!(force, "{shown} exists; --force replaces it");
    Ok(())
}

/// Whether two paths lead to the same file.
fn same(a: &Path, b: &Path) -> Result<bool> {
    let canonical = |path: &Path| {
        path.canonicalize()
            .with_context(|| format!("cannot read {}", path.display()))
    };
    Ok(canonical(a)? == canonical(b)?)
}
