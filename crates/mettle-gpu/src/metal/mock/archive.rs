//! Binary archives: the names of pipelines instead of their machine code.

use super::library::{FunctionObject, error};
use super::{Mock, World, autoreleased, lock};
use crate::metal::api::{ApiError, BinaryArchive};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// First line of a file.
const FORMAT: &str = "binary archive of the stand-in, format 1";

/// `MTLBinaryArchive`
pub(crate) struct ArchiveObject {
    world: Arc<World>,
    /// The file it was opened from.
    file: Option<PathBuf>,
    functions: Mutex<BTreeSet<String>>,
}

impl ArchiveObject {
    pub(super) fn new(world: &Arc<World>, file: Option<&Path>) -> Result<Self, ApiError> {
        let mut functions = BTreeSet::new();
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).map_err(error)?;
            let mut lines = text.lines();
            if lines.next() != Some(FORMAT) {
                return Err(error("Invalid archive file"));
            }
            if lines.next() != Some(world.platform.as_str()) {
                return Err(error("the archive is for another GPU or system"));
            }
            functions.extend(lines.map(str::to_owned));
        }
        Ok(ArchiveObject {
            world: world.clone(),
            file: file.map(Path::to_owned),
            functions: Mutex::new(functions),
        })
    }

    /// Whether it has the code of a pipeline.
    pub(super) fn has(&self, world: &Arc<World>, function: &FunctionObject) -> bool {
        assert!(
            Arc::ptr_eq(&self.world, world),
            "a binary archive of another device"
        );
        self.check_file();
        lock(&self.functions).contains(&function.identity())
    }

    #[track_caller]
    fn check_file(&self) {
        assert!(
            self.file.as_ref().is_none_or(|file| file.exists()),
            "the file of a binary archive is removed before the archive"
        );
    }
}

impl BinaryArchive<Mock> for ArchiveObject {
    fn add_compute_pipeline_functions(
        &self,
        function: &FunctionObject,
        label: &str,
    ) -> Result<(), ApiError> {
        autoreleased();
        assert!(!label.is_empty(), "a pipeline has a label");
        function.compiled()?;
        lock(&self.functions).insert(function.identity());
        Ok(())
    }

    fn serialize(&self, file: &Path) -> Result<(), ApiError> {
        autoreleased();
        assert!(
            self.file.as_deref() != Some(file),
            "a binary archive is written over the file that it was opened from"
        );
        let functions = lock(&self.functions);
        if functions.is_empty() {
            return Err(error("there is nothing to serialize"));
        }
        let mut text = format!("{FORMAT}\n{}\n", self.world.platform);
        for function in functions.iter() {
            text.push_str(function);
            text.push('\n');
        }
        std::fs::write(file, text).map_err(error)
    }
}

impl Drop for ArchiveObject {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_file();
        }
    }
}
