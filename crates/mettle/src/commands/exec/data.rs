//! The bytes that buffers hold at first, and where outputs are saved.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use npyz::WriterBuilder;

use super::dtype::Dtype;
use super::spec::{BufferSpec, Init, is_npy};
use mettle_msl::Scalar;

/// Elements and their type.
#[derive(Clone)]
pub struct Data {
    pub dtype: Dtype,
    pub bytes: Vec<u8>,
}

impl Data {
    /// What a buffer holds at first.
    pub fn of(spec: &BufferSpec) -> Result<Self> {
        let data = match &spec.init {
            Init::File(path) => read(path, spec.dtype)?,
            generated => {
                let dtype = spec.dtype.context("the type is missing")?;
                let bytes = generate(dtype, spec.len, generated)?;
                Self { dtype, bytes }
            }
        };
        let len = data.len();
        if let (Some(wanted), Init::File(path)) = (spec.len, &spec.init) {
            ensure!(
                len >= wanted,
                "{} has {len} elements of {}, {wanted} are asked for",
                path.display(),
                data.dtype
            );
            let mut data = data;
            data.bytes.truncate(wanted * data.dtype.size());
            return Ok(data);
        }
        ensure!(len > 0, "it would be empty");
        Ok(data)
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.dtype.size()
    }
}

fn generate(dtype: Dtype, len: Option<usize>, init: &Init) -> Result<Vec<u8>> {
    let count = match (len, init) {
        (Some(len), _) => len,
        (None, Init::Values(values)) => values.len(),
        (None, _) => bail!("the length is missing"),
    };
    let total = count
        .checked_mul(dtype.size())
        .filter(|n| *n <= isize::MAX as usize);
    let total = total.with_context(|| format!("{count} elements are more than memory can hold"))?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(total)
        .with_context(|| format!("{total} bytes are more than memory can hold"))?;
    match init {
        Init::Zeros => bytes.resize(total, 0),
        Init::Uninit => bytes.resize(total, 0xff),
        Init::Iota => (0..count as u64).for_each(|i| {
            if dtype.is_float() {
                dtype.encode_float(i as f64, &mut bytes);
            } else {
                dtype.encode_bits(i, &mut bytes);
            }
        }),
        Init::Uniform(seed) => (0..count as u64).for_each(|i| {
            let bits = random(*seed, i);
            if dtype.is_float() {
                // 24 bits, so that f32 holds every value; half and bfloat round.
                let value = (bits >> 40) as f64 * 2f64.powi(-23) - 1.0;
                dtype.encode_float(value, &mut bytes);
            } else {
                dtype.encode_bits(bits, &mut bytes);
            }
        }),
        Init::Values(values) if values.len() == 1 => {
            dtype.encode(&values[0], &mut bytes)?;
            bytes = bytes.repeat(count);
        }
        Init::Values(values) => {
            ensure!(
                values.len() == count,
                "there are {} values for {count} elements",
                values.len()
            );
            values
                .iter()
                .try_for_each(|v| dtype.encode(v, &mut bytes))?;
        }
        Init::File(_) => {}
    }
    Ok(bytes)
}

/// Number `index` of the sequence of a seed: SplitMix64 (Steele, Lea, Flood 2014), which can start anywhere.
fn random(seed: u64, index: u64) -> u64 {
    let step = |x: u64| {
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    // The seed is mixed first: neighbouring seeds must not give shifted sequences.
    step(step(seed.wrapping_add(GOLDEN)).wrapping_add(index.wrapping_mul(GOLDEN)))
}

fn read(path: &Path, dtype: Option<Dtype>) -> Result<Data> {
    let reading = || format!("cannot read {}", path.display());
    if is_npy(path) {
        let file = BufReader::new(File::open(path).with_context(reading)?);
        let data = read_npy(file).with_context(reading)?;
        if let Some(dtype) = dtype.filter(|dtype| *dtype != data.dtype) {
            // Types that NumPy does not have travel as their bits.
            let bits = dtype.0 == Scalar::BF16 && data.dtype.0 == Scalar::U16;
            ensure!(
                bits || data.dtype.0 == Scalar::U8,
                "{} holds {}, not {dtype}",
                path.display(),
                data.dtype
            );
            return whole(dtype, data.bytes).with_context(reading);
        }
        return Ok(data);
    }
    let dtype = dtype.context("a file of raw bytes needs a type: INDEX=TYPE:FILE")?;
    whole(dtype, fs::read(path).with_context(reading)?).with_context(reading)
}

fn whole(dtype: Dtype, bytes: Vec<u8>) -> Result<Data> {
    ensure!(
        bytes.len().is_multiple_of(dtype.size()),
        "its {} bytes are no whole number of {dtype}",
        bytes.len()
    );
    Ok(Data { dtype, bytes })
}

fn read_npy(mut file: impl Read) -> Result<Data> {
    let header = npyz::NpyHeader::from_reader(&mut file)?;
    ensure!(
        header.shape().len() <= 1 || header.order() == npyz::Order::C,
        "it is in Fortran order; save it in C order"
    );
    let descr = header.dtype().descr();
    let name = descr.trim_matches('\'');
    let scalar = match name {
        "|b1" => Scalar::Bool,
        "|i1" => Scalar::I8,
        "|u1" => Scalar::U8,
        "<i2" => Scalar::I16,
        "<u2" => Scalar::U16,
        "<i4" => Scalar::I32,
        "<u4" => Scalar::U32,
        "<i8" => Scalar::I64,
        "<u8" => Scalar::U64,
        "<f2" => Scalar::F16,
        "<f4" => Scalar::F32,
        "<f8" => bail!("it holds float64, which Metal does not have; save it as float32"),
        _ => bail!("its element type {name} has no counterpart in Metal"),
    };
    let count = header
        .shape()
        .iter()
        .try_fold(1u64, |n, d| n.checked_mul(*d));
    let count = count.context("its shape is too large")?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let dtype = Dtype(scalar);
    let expected = count.checked_mul(dtype.size() as u64);
    ensure!(
        expected == Some(bytes.len() as u64),
        "its header promises {count} elements of {dtype}, but {} bytes follow",
        bytes.len()
    );
    Ok(Data { dtype, bytes })
}

/// Saves elements: as NumPy's `.npy`, by that name, else as raw bytes. bfloat, which NumPy lacks, is saved as uint16.
pub fn save(path: &Path, dtype: Dtype, bytes: &[u8]) -> Result<()> {
    let saving = || format!("cannot save {}", path.display());
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    // Renamed when it is whole: a full disk leaves what was there before.
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder.unwrap_or(Path::new(".")));
    let mut file = file.with_context(saving)?;
    let mut out = BufWriter::new(&mut file);
    if is_npy(path) {
        write_npy(&mut out, dtype, bytes).with_context(saving)?;
    } else {
        out.write_all(bytes).with_context(saving)?;
    }
    out.flush().with_context(saving)?;
    drop(out);
    file.persist(path).with_context(saving)?;
    Ok(())
}

fn write_npy(out: &mut impl Write, dtype: Dtype, bytes: &[u8]) -> Result<()> {
    fn array<T: npyz::AutoSerialize + bytemuck::AnyBitPattern>(
        out: &mut impl Write,
        bytes: &[u8],
    ) -> Result<()> {
        let len = bytes.len() / size_of::<T>();
        let options = npyz::WriteOptions::<T>::new().default_dtype();
        let mut writer = options.shape(&[len as u64]).writer(out).begin_nd()?;
        for element in bytes.chunks_exact(size_of::<T>()) {
            writer.push(&bytemuck::pod_read_unaligned(element))?;
        }
        Ok(writer.finish()?)
    }
    match dtype.0 {
        Scalar::Bool => {
            let truths: Vec<bool> = bytes.iter().map(|b| *b != 0).collect();
            let options = npyz::WriteOptions::<bool>::new().default_dtype();
            let mut writer = options
                .shape(&[truths.len() as u64])
                .writer(out)
                .begin_nd()?;
            writer.extend(truths)?;
            Ok(writer.finish()?)
        }
        Scalar::I8 => array::<i8>(out, bytes),
        Scalar::U8 => array::<u8>(out, bytes),
        Scalar::I16 => array::<i16>(out, bytes),
        Scalar::U16 | Scalar::BF16 => array::<u16>(out, bytes),
        Scalar::I32 => array::<i32>(out, bytes),
        Scalar::U32 => array::<u32>(out, bytes),
        Scalar::I64 => array::<i64>(out, bytes),
        Scalar::U64 => array::<u64>(out, bytes),
        Scalar::F16 => array::<half::f16>(out, bytes),
        Scalar::F32 => array::<f32>(out, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &str) -> Result<Data> {
        Data::of(&super::super::spec::buffer(text)?)
    }

    fn shown(data: &Data) -> Vec<String> {
        let elements = data.bytes.chunks_exact(data.dtype.size());
        elements.map(|e| data.dtype.show(e)).collect()
    }

    #[test]
    fn generated() {
        assert_eq!(shown(&data("0=i16:3:iota").unwrap()), ["0", "1", "2"]);
        assert_eq!(shown(&data("0=f16:2:uninit").unwrap()), ["NaN", "NaN"]);
        assert_eq!(
            shown(&data("0=bool:2:values:true").unwrap()),
            ["true", "true"]
        );
        assert!(data("0=f32:3:values:1,2").is_err());
        assert!(data("0=u64:18446744073709551615").is_err());
        let uniform = data("0=f32:1000:uniform:3").unwrap();
        let values: Vec<f64> = uniform
            .bytes
            .chunks_exact(4)
            .map(|e| uniform.dtype.decode(e))
            .collect();
        assert!(values.iter().all(|v| (-1.0..1.0).contains(v)));
        let mean = values.iter().sum::<f64>() / 1000.0;
        assert!(mean.abs() < 0.1, "{mean}");
        assert_ne!(uniform.bytes, data("0=f32:1000:uniform:4").unwrap().bytes);
    }

    #[test]
    fn files_read_back() {
        let folder = tempfile::tempdir().unwrap();
        for dtype in ["bool", "i8", "u16", "f16", "bf16", "f32", "i64"] {
            for extension in ["npy", "bin"] {
                let written = data(&format!("0={dtype}:5:uniform:1")).unwrap();
                let path = folder.path().join(format!("x.{extension}"));
                save(&path, written.dtype, &written.bytes).unwrap();
                let spec = format!("0={dtype}:{}", path.display());
                let read = data(&spec).unwrap();
                assert_eq!(
                    (read.dtype, &read.bytes),
                    (written.dtype, &written.bytes),
                    "{spec}"
                );
            }
        }
        let path = folder.path().join("x.npy");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert!(data(&format!("0={}", path.display())).is_err());
        fs::write(&path, b"no array").unwrap();
        assert!(data(&format!("0={}", path.display())).is_err());
        assert!(data("0=f32:no/such/file").is_err());
    }
}
