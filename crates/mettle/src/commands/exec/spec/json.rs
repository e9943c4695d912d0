//! A launch described in JSON, for scripts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::{BufferSpec, ConstantSpec, Init, OutSpec, Spec, init, is_npy};

type Others = BTreeMap<String, Value>;

#[derive(Deserialize)]
struct Json {
    grid: Option<Sizes>,
    threadgroup: Option<Sizes>,
    #[serde(default)]
    buffers: Vec<JsonBuffer>,
    #[serde(default)]
    threadgroup_memory: Vec<JsonMemory>,
    #[serde(default)]
    constants: Vec<JsonConstant>,
    #[serde(default)]
    out: Vec<JsonOut>,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Sizes {
    One(usize),
    Many(Vec<usize>),
}

#[derive(Deserialize)]
struct JsonBuffer {
    index: u32,
    #[serde(rename = "type")]
    dtype: Option<String>,
    len: Option<usize>,
    file: Option<PathBuf>,
    init: Option<String>,
    seed: Option<u64>,
    values: Option<Vec<Value>>,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
struct JsonMemory {
    index: u32,
    bytes: usize,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
struct JsonConstant {
    index: u32,
    #[serde(rename = "type")]
    dtype: Option<String>,
    value: Value,
    #[serde(flatten)]
    others: Others,
}

#[derive(Deserialize)]
struct JsonOut {
    index: u32,
    #[serde(rename = "type")]
    dtype: String,
    len: usize,
    file: Option<PathBuf>,
    #[serde(flatten)]
    others: Others,
}

impl Spec {
    /// Reads a launch from a JSON file; paths in it are relative to its folder. Keys that mean nothing here are reported to `warn` and ignored.
    pub fn from_json(path: &Path, mut warn: impl FnMut(String)) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let json: Json = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a launch in JSON", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut unknown = |place: String, others: &Others| {
            for key in others.keys() {
                warn(format!(
                    "{}: key {key:?} {place}is not known and ignored",
                    path.display()
                ));
            }
        };
        unknown(String::new(), &json.others);
        let mut spec = Self::default();
        if let Some(grid) = &json.grid {
            spec.grid = sizes(grid).context("grid")?;
        }
        if let Some(threadgroup) = &json.threadgroup {
            spec.threadgroup = Some(sizes(threadgroup).context("threadgroup")?);
        }
        for buffer in json.buffers {
            let place = format!("of buffer {} ", buffer.index);
            unknown(place.clone(), &buffer.others);
            spec.buffers.push(
                buffer
                    .spec(folder)
                    .with_context(|| place.trim_end().to_owned())?,
            );
        }
        for memory in &json.threadgroup_memory {
            unknown(
                format!("of threadgroup memory {} ", memory.index),
                &memory.others,
            );
            spec.threadgroup_memory.push((memory.index, memory.bytes));
        }
        for constant in &json.constants {
            unknown(format!("of constant {} ", constant.index), &constant.others);
            spec.constants.push(ConstantSpec {
                constant: constant.index.to_string(),
                dtype: constant.dtype.as_deref().map(str::parse).transpose()?,
                value: scalar(&constant.value)?,
            });
        }
        for out in json.out {
            unknown(format!("of out {} ", out.index), &out.others);
            spec.outs.push(OutSpec {
                index: out.index,
                dtype: out.dtype.parse()?,
                len: out.len,
                file: out.file.map(|file| folder.join(file)),
            });
        }
        Ok(spec)
    }
}

impl JsonBuffer {
    fn spec(self, folder: &Path) -> Result<BufferSpec> {
        let init = match (self.file, self.values, self.init.as_deref()) {
            (Some(file), None, None) => Init::File(folder.join(file)),
            (None, Some(values), None | Some("values")) => {
                Init::Values(values.iter().map(scalar).collect::<Result<_>>()?)
            }
            (None, None, None) => Init::Zeros,
            (None, None, Some("uniform")) => Init::Uniform(self.seed.unwrap_or(0)),
            (None, None, Some("values")) => bail!("init is values, but there are no values"),
            (None, None, Some(name)) => init(name)?,
            _ => bail!("give one of file, values and init"),
        };
        let dtype = self.dtype.as_deref().map(str::parse).transpose()?;
        let is_array = matches!(&init, Init::File(path) if is_npy(path));
        ensure!(dtype.is_some() || is_array, "type is missing");
        if let Some(len) = self.len {
            ensure!(len > 0, "len must be at least 1");
        }
        let counts_itself = matches!(init, Init::File(_) | Init::Values(_));
        ensure!(self.len.is_some() || counts_itself, "len is missing");
        Ok(BufferSpec {
            index: self.index,
            dtype,
            len: self.len,
            init,
        })
    }
}

fn sizes(sizes: &Sizes) -> Result<[usize; 3]> {
    let given = match sizes {
        Sizes::One(x) => std::slice::from_ref(x),
        Sizes::Many(all) => all,
    };
    ensure!(
        (1..=3).contains(&given.len()) && !given.contains(&0),
        "{given:?} is not one to three sizes of at least 1"
    );
    let mut size = [1; 3];
    size[..given.len()].copy_from_slice(given);
    Ok(size)
}

/// A number, a truth value, or a string such as "inf" or "0x10", as text.
fn scalar(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::String(text) => text.clone(),
        other => bail!("{other} is not a value"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_and_unknown_keys_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("launch.json");
        let text = r#"{"grid": [64, 2, 1], "threadgroup": [32, 1, 1], "color": 1, "buffers": [
            {"index": 0, "type": "f32", "len": 128, "init": "uniform"},
            {"index": 1, "type": "f32", "values": [1, 2.5, "inf"], "note": ""},
            {"index": 2, "type": "u8", "file": "x.bin"}],
            "threadgroup_memory": [{"index": 0, "bytes": 128}],
            "constants": [{"index": 3, "type": "bool", "value": true}]}"#;
        std::fs::write(&path, text).unwrap();
        let mut warnings = Vec::new();
        let spec = Spec::from_json(&path, |warning| warnings.push(warning)).unwrap();
        assert_eq!(spec.grid, [64, 2, 1]);
        assert_eq!(
            spec.buffers[1].init,
            Init::Values(vec!["1".into(), "2.5".into(), "inf".into()])
        );
        assert_eq!(
            spec.buffers[2].init,
            Init::File(folder.path().join("x.bin"))
        );
        assert_eq!(spec.constants[0].value, "true");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        for wrong in [
            r#"{"grid": []}"#,
            r#"{"grid": 4, "buffers": [{"index": 0, "type": "f32"}]}"#,
            r#"{"grid": 4, "buffers": [{"index": 0, "len": 4}]}"#,
            r#"{"grid": 4, "buffers": [{"type": "f32", "len": 4}]}"#,
            "{",
        ] {
            std::fs::write(&path, wrong).unwrap();
            assert!(Spec::from_json(&path, |_| {}).is_err(), "{wrong}");
        }
    }
}
