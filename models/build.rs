//! A fingerprint of this crate's code: what is derived from a stored model and shared in a file belongs to one build.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=Cargo.toml");
    let mut print = Fingerprint(0xcbf2_9ce4_8422_2325);
    print.add(env::var("CARGO_PKG_VERSION").unwrap_or_default().as_bytes());
    print.add_folder(Path::new("src"))?;
    println!("cargo:rustc-env=RECO_MODELS_BUILD={:016x}", print.0);
    Ok(())
}

/// FNV-1a.
struct Fingerprint(u64);

impl Fingerprint {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn add_folder(&mut self, folder: &Path) -> io::Result<()> {
        let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            self.add(path.to_string_lossy().as_bytes());
            match path.is_dir() {
                true => self.add_folder(&path)?,
                false => self.add(&fs::read(&path)?),
            }
        }
        Ok(())
    }
}
