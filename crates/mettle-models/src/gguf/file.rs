//! Files on disk: mapping, and models split over several files.

use std::{
    collections::HashMap,
    fs, io,
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
};

use memmap2::Mmap;

use super::{Header, Metadata, Problem, TensorInfo};
use crate::{Error, Result};

/// An opened model file: memory-mapped, header read and checked.
///
/// A split model (`NAME-00001-of-0000N.gguf`) is opened by its first part and then looks like one file.
pub struct File {
    /// One a part.
    paths: Vec<PathBuf>,
    version: u32,
    metadata: Metadata,
    maps: Vec<Arc<Mmap>>,
    tensors: Vec<(TensorInfo, usize)>,
    index: HashMap<String, usize>,
}

/// A tensor of a [`File`]: its [`TensorInfo`] and the map that holds its bytes.
#[derive(Clone, Copy)]
pub struct Tensor<'a> {
    info: &'a TensorInfo,
    map: &'a Arc<Mmap>,
    path: &'a Path,
}

impl<'a> Tensor<'a> {
    /// Its bytes as stored.
    pub fn bytes(&self) -> &'a [u8] {
        &self.map[self.info.range.clone()]
    }

    /// The mapped file that [`TensorInfo::range`] refers to.
    pub fn map(&self) -> &'a Arc<Mmap> {
        self.map
    }

    /// The path of that file.
    pub fn path(&self) -> &'a Path {
        self.path
    }
}

impl Deref for Tensor<'_> {
    type Target = TensorInfo;

    fn deref(&self) -> &TensorInfo {
        self.info
    }
}

impl File {
    /// Opens a model; of a split model, the first part is named and all parts are opened.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read, [`Error::Gguf`] when one is not a well-formed GGUF file or a part of a
    /// split model is missing or foreign.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (map, header) = open_part(path)?;
        let split = Split::of(&header.metadata).map_err(|p| in_file(path, p))?;
        let mut file = Self {
            paths: Vec::new(),
            version: header.version,
            metadata: header.metadata,
            maps: Vec::new(),
            tensors: Vec::new(),
            index: HashMap::new(),
        };
        file.add_part(path, map, header.tensors)?;
        if let Some(split) = split {
            file.add_other_parts(&split)?;
        }
        Ok(file)
    }

    fn add_other_parts(&mut self, split: &Split) -> Result<()> {
        let first = self.path().to_owned();
        let prefix = split.prefix(&first).map_err(|p| in_file(&first, p))?;
        for number in 1..split.count {
            let path = split.part(&first, &prefix, number);
            let (map, header) = match open_part(&path) {
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    let missing = format!(
                        "part {} of {} is missing: there is no {}",
                        number + 1,
                        split.count,
                        path.display()
                    );
                    return Err(in_file(&first, Problem::Split(missing)));
                }
                other => other?,
            };
            let found = Split::of(&header.metadata).map_err(|p| in_file(&path, p))?;
            if found.map(|s| (s.number, s.count)) != Some((number, split.count)) {
                let foreign = format!("the file is not part {} of {}", number + 1, split.count);
                return Err(in_file(&path, Problem::Split(foreign)));
            }
            self.add_part(&path, map, header.tensors)?;
        }
        match split.tensors {
            Some(wanted) if wanted != self.tensors.len() => {
                let count = format!(
                    "the parts hold {} tensors, split.tensors.count says {wanted}",
                    self.tensors.len()
                );
                Err(in_file(&first, Problem::Split(count)))
            }
            _ => Ok(()),
        }
    }

    fn add_part(&mut self, path: &Path, map: Arc<Mmap>, tensors: Vec<TensorInfo>) -> Result<()> {
        let part = self.maps.len();
        self.maps.push(map);
        self.paths.push(path.to_owned());
        for info in tensors {
            if self
                .index
                .insert(info.name.clone(), self.tensors.len())
                .is_some()
            {
                return Err(in_file(path, Problem::DuplicateTensor(info.name)));
            }
            self.tensors.push((info, part));
        }
        Ok(())
    }

    /// The path given to [`File::open`].
    pub fn path(&self) -> &Path {
        &self.paths[0]
    }

    /// The files, of which there are several when the model is split.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter().map(PathBuf::as_path)
    }

    /// Version of the format, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The metadata; of a split model, that of the first part.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<Tensor<'_>> {
        self.index.get(name).map(|&i| self.tensor_at(i))
    }

    /// All tensors, in the order of the files.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = Tensor<'_>> {
        (0..self.tensors.len()).map(|i| self.tensor_at(i))
    }

    fn tensor_at(&self, i: usize) -> Tensor<'_> {
        let (info, part) = &self.tensors[i];
        Tensor {
            info,
            map: &self.maps[*part],
            path: &self.paths[*part],
        }
    }
}

fn in_file(path: &Path, problem: Problem) -> Error {
    Error::Gguf {
        path: path.to_owned(),
        problem,
    }
}

fn open_part(path: &Path) -> Result<(Arc<Mmap>, Header)> {
    let map = map_file(path)?;
    let header = Header::parse(&map).map_err(|p| in_file(path, p))?;
    Ok((map, header))
}

/// A file of weights, mapped to be read.
pub(crate) fn map_file(path: &Path) -> Result<Arc<Mmap>> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(io(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    // SAFETY: the map is read-only. Its bytes change only if another process writes to the file meanwhile; model files
    // are not written in place, and every tool that maps them relies on that.
    Ok(Arc::new(unsafe { Mmap::map(&file) }.map_err(io)?))
}

/// The `split.*` keys of a part.
struct Split {
    /// Number of this part, from 0.
    number: usize,
    /// Number of parts, at least 2.
    count: usize,
    /// Number of tensors in all parts.
    tensors: Option<usize>,
}

impl Split {
    /// `None` for a model in one file.
    fn of(metadata: &Metadata) -> Result<Option<Self>, Problem> {
        let find = |key| {
            metadata
                .find::<u32>(key)
                .map_err(|e| Problem::Split(e.to_string()))
        };
        let count = find("split.count")?.unwrap_or(0);
        if count <= 1 {
            return Ok(None);
        }
        // The number is written with five digits.
        if count > 99_999 {
            return Err(Problem::Split(format!("split.count is {count}")));
        }
        let number =
            find("split.no")?.ok_or_else(|| Problem::Split("split.no is missing".to_owned()))?;
        Ok(Some(Self {
            number: number as usize,
            count: count as usize,
            tensors: find("split.tensors.count")?.map(|n| n as usize),
        }))
    }

    /// What comes before `-00001-of-0000N.gguf` in the name of the first part.
    fn prefix(&self, first: &Path) -> Result<String, Problem> {
        if self.number != 0 {
            return Err(Problem::Split(format!(
                "the file is part {} of {}; open the first part",
                self.number + 1,
                self.count
            )));
        }
        let suffix = self.suffix(0);
        let name = first.file_name().unwrap_or_default().to_string_lossy();
        match name.strip_suffix(&suffix) {
            Some(prefix) => Ok(prefix.to_owned()),
            None => Err(Problem::Split(format!(
                "the file is the first of {} parts, but its name does not end in {suffix}, so the others cannot be found",
                self.count
            ))),
        }
    }

    fn suffix(&self, number: usize) -> String {
        format!("-{:05}-of-{:05}.gguf", number + 1, self.count)
    }

    fn part(&self, first: &Path, prefix: &str, number: usize) -> PathBuf {
        first.with_file_name(format!("{prefix}{}", self.suffix(number)))
    }
}
