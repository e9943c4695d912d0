//! What a launch is made of, read from options.

mod json;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::dtype::Dtype;

/// A launch: sizes and arguments by index.
#[derive(Debug, Default)]
pub struct Spec {
    /// Threads of the grid; zero where it is not given.
    pub grid: [usize; 3],
    /// Threads of a threadgroup; none: chosen from the grid.
    pub threadgroup: Option<[usize; 3]>,
    pub buffers: Vec<BufferSpec>,
    pub bytes: Vec<BytesSpec>,
    /// Index and bytes.
    pub threadgroup_memory: Vec<(u32, usize)>,
    pub constants: Vec<ConstantSpec>,
    pub outs: Vec<OutSpec>,
}

/// A buffer and what it holds at first.
#[derive(Clone, Debug, PartialEq)]
pub struct BufferSpec {
    pub index: u32,
    /// None: as the `.npy` file says.
    pub dtype: Option<Dtype>,
    /// Elements; none: as many as the file or the list has.
    pub len: Option<usize>,
    pub init: Init,
}

/// What a buffer holds at first.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    Zeros,
    /// Floats in [-1, 1), integers over their whole range, from a seed.
    Uniform(u64),
    /// 0, 1, 2, ...
    Iota,
    /// Bytes 0xff: not-a-number for floats, so that what was never written shows.
    Uninit,
    /// Values as text; a single one fills the buffer.
    Values(Vec<String>),
    /// Raw bytes, or `.npy`.
    File(PathBuf),
}

/// Bytes of a value, given in parts.
#[derive(Clone, Debug, PartialEq)]
pub struct BytesSpec {
    pub index: u32,
    /// A type or the name of a struct's field, and a value. An empty name repeats the type before it.
    pub parts: Vec<(String, String)>,
}

/// A function constant.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantSpec {
    /// Index or name.
    pub constant: String,
    /// None: as declared.
    pub dtype: Option<Dtype>,
    pub value: String,
}

/// A buffer to be shown, or saved, after the launch.
#[derive(Clone, Debug, PartialEq)]
pub struct OutSpec {
    pub index: u32,
    pub dtype: Dtype,
    pub len: usize,
    pub file: Option<PathBuf>,
}

/// Up to three sizes: `4096`, `64,8` or `64x8x2`.
pub fn size(text: &str) -> Result<[usize; 3]> {
    let parts: Vec<&str> = text.split([',', 'x']).map(str::trim).collect();
    ensure!(parts.len() <= 3, "{text:?} has more than three dimensions");
    let mut size = [1; 3];
    for (slot, part) in size.iter_mut().zip(parts) {
        *slot = count(part)?;
    }
    Ok(size)
}

fn count(text: &str) -> Result<usize> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        Ok(_) => bail!("{text} must be at least 1"),
        Err(_) => bail!("{text:?} is not a count"),
    }
}

/// `INDEX=REST`.
fn indexed(text: &str) -> Result<(u32, &str)> {
    let (index, rest) = text
        .split_once('=')
        .with_context(|| format!("{text:?} has no `INDEX=` in front"))?;
    let number = index.trim().parse().ok().filter(|index| *index < 31);
    let index = number.with_context(|| format!("{index:?} is not an index from 0 to 30"))?;
    Ok((index, rest))
}

/// `INDEX=TYPE:LENGTH[:INIT]`, `INDEX=TYPE:FILE`, `INDEX=TYPE:values:LIST` or `INDEX=FILE.npy`.
pub fn buffer(text: &str) -> Result<BufferSpec> {
    let (index, rest) = indexed(text)?;
    let of = |dtype, len, init| BufferSpec {
        index,
        dtype,
        len,
        init,
    };
    let Some((dtype, rest)) = rest.split_once(':') else {
        ensure!(
            is_npy(Path::new(rest)),
            "{text:?} is none of INDEX=TYPE:LENGTH[:INIT], INDEX=TYPE:FILE and INDEX=FILE.npy"
        );
        return Ok(of(None, None, Init::File(rest.into())));
    };
    let dtype = Some(dtype.parse()?);
    let (first, init) = match rest.split_once(':') {
        Some((first, init)) => (first, Some(init)),
        None => (rest, None),
    };
    if first.chars().all(|c| c.is_ascii_digit()) {
        let len = Some(count(first)?);
        return Ok(of(dtype, len, init.map_or(Ok(Init::Zeros), self::init)?));
    }
    if first == "values" {
        return Ok(of(dtype, None, self::init(rest)?));
    }
    Ok(of(dtype, None, Init::File(rest.into())))
}

/// `zeros`, `uniform[:SEED]`, `iota`, `uninit`, `values:LIST`, `file:PATH`, or a path.
fn init(text: &str) -> Result<Init> {
    let (name, rest) = match text.split_once(':') {
        Some((name, rest)) => (name, Some(rest)),
        None => (text, None),
    };
    Ok(match (name, rest) {
        ("zeros", None) => Init::Zeros,
        ("iota", None) => Init::Iota,
        ("uninit", None) => Init::Uninit,
        ("uniform", None) => Init::Uniform(0),
        ("uniform", Some(seed)) => Init::Uniform(
            seed.parse()
                .with_context(|| format!("{seed:?} is not a seed"))?,
        ),
        ("values", Some(list)) => {
            Init::Values(list.split(',').map(|v| v.trim().to_owned()).collect())
        }
        ("file", Some(path)) => Init::File(path.into()),
        _ if text.contains(['/', '.']) => Init::File(text.into()),
        _ => bail!(
            "{text:?} is not one of zeros, uniform[:SEED], iota, uninit, values:LIST, file:PATH"
        ),
    })
}

/// `INDEX=TYPE:VALUE[,...]` or `INDEX=FIELD:VALUE[,...]`.
pub fn bytes(text: &str) -> Result<BytesSpec> {
    let (index, rest) = indexed(text)?;
    let parts = rest.split(',').map(|part| match part.split_once(':') {
        Some((name, value)) => (name.trim().to_owned(), value.trim().to_owned()),
        None => (String::new(), part.trim().to_owned()),
    });
    let parts: Vec<_> = parts.collect();
    ensure!(
        !parts[0].0.is_empty() || parts[0].1.starts_with('@'),
        "{text:?} is not INDEX=TYPE:VALUE, INDEX=FIELD:VALUE or INDEX=@BUFFER"
    );
    Ok(BytesSpec { index, parts })
}

/// `INDEX=BYTES`.
pub fn threadgroup_memory(text: &str) -> Result<(u32, usize)> {
    let (index, bytes) = indexed(text)?;
    Ok((index, count(bytes)?))
}

/// `INDEX=TYPE:VALUE` or `NAME=VALUE`.
pub fn constant(text: &str) -> Result<ConstantSpec> {
    let (constant, rest) = text
        .split_once('=')
        .with_context(|| format!("{text:?} is not INDEX=TYPE:VALUE or NAME=VALUE"))?;
    let (dtype, value) = match rest.split_once(':') {
        Some((dtype, value)) => (Some(dtype.parse()?), value),
        None => (None, rest),
    };
    Ok(ConstantSpec {
        constant: constant.trim().to_owned(),
        dtype,
        value: value.to_owned(),
    })
}

/// `INDEX=TYPE:LENGTH[:FILE]`.
pub fn out(text: &str) -> Result<OutSpec> {
    let (index, rest) = indexed(text)?;
    let mut parts = rest.splitn(3, ':');
    let (Some(dtype), Some(len)) = (parts.next(), parts.next()) else {
        bail!("{text:?} is not INDEX=TYPE:LENGTH[:FILE]");
    };
    Ok(OutSpec {
        index,
        dtype: dtype.parse()?,
        len: count(len)?,
        file: parts.next().map(PathBuf::from),
    })
}

/// Whether a file is in NumPy's format, by its name.
pub fn is_npy(path: &Path) -> bool {
    path.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
}

impl Spec {
    /// Adds what `other` has; its sizes win.
    pub fn extend(&mut self, other: Self) {
        if other.grid != [0; 3] {
            self.grid = other.grid;
        }
        self.threadgroup = other.threadgroup.or(self.threadgroup);
        self.buffers.extend(other.buffers);
        self.bytes.extend(other.bytes);
        self.threadgroup_memory.extend(other.threadgroup_memory);
        self.constants.extend(other.constants);
        self.outs.extend(other.outs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_read() {
        let of = |text| buffer(text).unwrap();
        let f32 = Some("f32".parse().unwrap());
        let spec = of("0=f32:4096:uniform:7");
        assert_eq!((spec.index, spec.dtype, spec.len), (0, f32, Some(4096)));
        assert_eq!(spec.init, Init::Uniform(7));
        assert_eq!(of("3=f32:8").init, Init::Zeros);
        assert_eq!(of("3=f32:8:iota").init, Init::Iota);
        let values = Init::Values(vec!["1".into(), "-2.5".into()]);
        assert_eq!(of("3=f32:values:1,-2.5").init, values);
        assert_eq!(of("3=f32:2:values:1,-2.5").init, values);
        assert_eq!(of("1=f32:data.bin").init, Init::File("data.bin".into()));
        assert_eq!(of("1=f32:4:a/b").init, Init::File("a/b".into()));
        assert_eq!(of("1=x.npy").dtype, None);
        for wrong in [
            "f32:4",
            "0=f32",
            "99=f32:4",
            "0=f99:4",
            "0=f32:4:what",
            "0=f32:0",
            "x=f32:4",
        ] {
            assert!(buffer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("4096").unwrap(), [4096, 1, 1]);
        assert_eq!(size("64x8,2").unwrap(), [64, 8, 2]);
        for wrong in ["", "0", "1,2,3,4", "a"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_and_constants_are_read() {
        let spec = bytes("2=u32:17,3,f32:0.5").unwrap();
        let part = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            spec.parts,
            [part("u32", "17"), part("", "3"), part("f32", "0.5")]
        );
        assert!(bytes("2=17").is_err());
        let spec = constant("3=bool:true").unwrap();
        assert_eq!((spec.constant.as_str(), spec.value.as_str()), ("3", "true"));
        assert_eq!(constant("WIDTH=8").unwrap().dtype, None);
        assert_eq!(threadgroup_memory("0=1024").unwrap(), (0, 1024));
        let spec = out("1=f16:8:y.npy").unwrap();
        assert_eq!((spec.len, spec.file), (8, Some("y.npy".into())));
    }
}
