//! Lists the headers in `include/` for `src/tool/headers.rs`, which carries their text in the crate, and makes a digest of everything that
//! decides what a compiled unit looks like, for keys of caches.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=include");
    println!("cargo:rerun-if-changed=src");
    let headers = files(Path::new("include"))?;
    let mut hasher = blake3::Hasher::new();
    for path in files(Path::new("src"))?.iter().chain(&headers) {
        let text = fs::read(path)?;
        hasher.update(path.to_string_lossy().as_bytes());
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(&text);
    }
    println!("cargo:rustc-env=METTLE_MSL_DIGEST={}", hasher.finalize());

    let mut code = String::from("&[\n");
    for path in headers {
        let name = path
            .strip_prefix("include")
            .unwrap_or(&path)
            .to_string_lossy()
            .replace('\\', "/");
        let _ = writeln!(
            code,
            "    ({name:?}, include_str!({:?})),",
            path.canonicalize()?
        );
    }
    code.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(Path::new(&out).join("headers.rs"), code)
}

/// All files below a folder, sorted.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    Ok(found)
}
