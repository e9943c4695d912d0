//! Sources that are registered at run time, and files that are read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use mettle_msl::{Options, metal};

use super::Library;
use super::slot::Slot;
use super::unit::Unit;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::pipeline::CodeOrigin;

/// How often files are looked at for changes.
const LOOK: Duration = Duration::from_millis(200);

/// A unit that may be replaced by a newer one of its name, with all its specialisations.
pub(super) struct Registered {
    current: RwLock<Arc<Unit>>,
    file: Mutex<Option<Watched>>,
}

/// A file that a unit comes from.
#[derive(Clone)]
struct Watched {
    path: PathBuf,
    options: Options,
    /// The files it was read from as they were then.
    seen: Vec<(PathBuf, Option<(SystemTime, u64)>)>,
}

/// A file that was read again: see [`Device::reload`].
#[derive(Debug, Clone, PartialEq)]
pub struct Reloaded {
    /// The unit.
    pub unit: String,
    /// Why the new text is not used; the old one stays.
    pub error: Option<Error>,
}

/// When a file was changed last, and its size; `None` if it is not there.
fn state(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

impl Watched {
    /// Notes how the files are before they are read, so that a change meanwhile is seen.
    fn new(path: &Path, options: &Options, known: &[PathBuf]) -> Self {
        let also = [path.to_owned()];
        let seen = also.iter().chain(known).map(|p| (p.clone(), state(p)));
        Watched {
            path: path.to_owned(),
            options: options.clone(),
            seen: seen.collect(),
        }
    }

    fn has_changed(&self) -> bool {
        self.seen.iter().any(|(path, seen)| state(path) != *seen)
    }

    /// Reads the file; also which files it was read from, whether or not it can be used.
    fn read(&self, device: &Device) -> (Self, Result<Unit>) {
        let before: Vec<PathBuf> = self.seen.iter().map(|(path, _)| path.clone()).collect();
        let mut now = Watched::new(&self.path, &self.options, &before);
        let unit = mettle_msl::Unit::from_file(&self.path, &self.options);
        let name = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let unit = unit.map_err(|error| Error::compile(&name, &error));
        let unit = unit.and_then(|unit| {
            now = Watched::new(&self.path, &self.options, unit.dependencies());
            let flat = || mettle_msl::flatten(&self.path, &self.options);
            given(device, unit, flat)
        });
        (now, unit)
    }
}

/// A unit of a source.
fn given(
    device: &Device,
    unit: mettle_msl::Unit,
    flat: impl FnOnce() -> mettle_msl::Result<String>,
) -> Result<Unit> {
    let mut slots = Vec::new();
    if device.targets().contains(&metal::SOURCE) {
        let text = flat().map_err(|error| Error::compile(&unit.name, &error))?;
        let source = metal::source_artefact(&unit, text);
        slots.push(Slot::made(source, None, CodeOrigin::Source));
    }
    Ok(Unit::new(unit.name.clone(), slots, Some(Arc::new(unit))))
}

impl Registered {
    /// One that is never replaced.
    pub fn fixed(unit: Unit) -> Self {
        Registered {
            current: RwLock::new(Arc::new(unit)),
            file: Mutex::new(None),
        }
    }

    /// The unit of a file of this name among the device's own sources, else an embedded one.
    pub fn overriding(device: &Device, name: &str, embedded: impl FnOnce() -> Unit) -> Self {
        let folder = device.inner().registry.overriding.as_ref();
        let found = folder.map(|folder| (folder, folder.join(name).with_extension("metal")));
        let Some((folder, path)) = found.filter(|(_, path)| path.exists()) else {
            return Self::fixed(embedded());
        };
        let options = Options {
            include_dirs: vec![folder.join("include")],
            ..Options::default()
        };
        let (file, unit) = Watched::new(&path, &options, &[]).read(device);
        let unit = unit.unwrap_or_else(|error| {
            tracing::error!(%error, "{} is not used; the embedded unit stays", path.display());
            embedded()
        });
        Registered {
            file: Mutex::new(Some(file)),
            ..Self::fixed(unit)
        }
    }

    pub fn current(&self) -> Arc<Unit> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn is_watched(&self) -> bool {
        self.file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    fn replace(&self, unit: Unit, file: Option<Watched>) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(unit);
    }

    /// Reads its file again if it has changed.
    fn reload(&self, device: &Device) -> Option<Reloaded> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = file.as_ref().filter(|watched| watched.has_changed())?;
        let (now, unit) = watched.read(device);
        *file = Some(now);
        let error = match unit {
            Ok(unit) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(unit);
                None
            }
            Err(error) => Some(error),
        };
        Some(Reloaded {
            unit: self.current().name().to_owned(),
            error,
        })
    }
}

impl Device {
    /// Registers a source of the caller's under a name; its kernels are compiled when they are asked for. A source that had the name before is
    /// replaced with all its specialisations, in libraries that are there already, too; pipelines that were handed out stay as they are.
    ///
    /// # Errors
    /// [`Error::Compile`] if the source is not understood, or there is no compiler to preprocess it.
    pub fn register(&self, name: &str, text: &str, options: &Options) -> Result<Library> {
        let unit = mettle_msl::Unit::from_source(name, text, options)
            .map_err(|error| Error::compile(name, &error))?;
        let flat = || mettle_msl::flatten_source(Path::new(name), text, options);
        let unit = given(self, unit, flat)?;
        Ok(self.registered(name, unit, None))
    }

    /// As [`Device::register`], of a file, whose stem is the name. [`Device::reload`] reads it again when it has changed.
    ///
    /// # Errors
    /// As [`Device::register`].
    pub fn register_file(&self, path: &Path, options: &Options) -> Result<Library> {
        let (file, unit) = Watched::new(path, options, &[]).read(self);
        let unit = unit?;
        let name = unit.name().to_owned();
        Ok(self.registered(&name, unit, Some(file)))
    }

    fn registered(&self, name: &str, unit: Unit, file: Option<Watched>) -> Library {
        let registry = &self.inner().registry;
        let mut sources = registry
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let registered = match sources.get(name) {
            Some(registered) => {
                registered.replace(unit, file);
                registered.clone()
            }
            None => {
                let registered = Arc::new(Registered {
                    file: Mutex::new(file),
                    ..Registered::fixed(unit)
                });
                sources.insert(name.to_owned(), registered.clone());
                registered
            }
        };
        Library {
            device: self.clone(),
            registered,
        }
    }

    /// Reads the files again that have changed: those of [`Device::register_file`] and of
    /// [`DeviceOptions::sources`](crate::DeviceOptions::sources), and what they include. Their pipelines are made anew when they are asked for
    /// again. A file that does not compile leaves the unit as it is.
    pub fn reload(&self) -> Vec<Reloaded> {
        let registry = &self.inner().registry;
        let mut changed = Vec::new();
        for unit in registry.watched() {
            changed.extend(unit.reload(self));
        }
        if !changed.is_empty() {
            registry.forget();
        }
        changed
    }

    /// Reloads now and then, if the device was opened so.
    pub(crate) fn reload_if_due(&self) {
        let Some(looked) = &self.inner().registry.looked else {
            return;
        };
        {
            let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.elapsed() < LOOK {
                return;
            }
            *looked = Instant::now();
        }
        for Reloaded { unit, error } in self.reload() {
            match error {
                None => tracing::info!(unit, "reloaded"),
                Some(error) => tracing::error!(unit, %error, "not reloaded"),
            }
        }
    }
}
