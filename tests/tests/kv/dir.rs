//! A directory for the service's data.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use super::process::Program;

/// A directory that goes when this does.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("kv-data-{name}-{}", std::process::id());
        Dir(std::env::temp_dir().join(name))
    }

    /// The service, with two shards, which are saved every 50 ms.
    pub(crate) fn start(&self) -> Program {
        Program::start(&format!(
            "--port 0 --shards 2 --data {self} --save-every 50"
        ))
    }

    /// The numbers of the images of a shard, sorted.
    pub(crate) fn saved(&self, shard: u32) -> Vec<(u64, PathBuf)> {
        let files = fs::read_dir(&self.0).into_iter().flatten();
        let files = files.map(|file| file.unwrap().path());
        let number = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(".image")?;
            let (of, number) = name.split_once('@')?;
            let is_it = of == format!("shard-{shard}-of-2");
            Some((
                u64::from_str_radix(number, 16).ok().filter(|_| is_it)?,
                path.clone(),
            ))
        };
        let mut all: Vec<_> = files.filter_map(number).collect();
        all.sort();
        all
    }

    /// The number of the last image of a shard.
    pub(crate) fn last(&self, shard: u32) -> Option<u64> {
        self.saved(shard).last().map(|(number, _)| *number)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl fmt::Display for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}
